"""Upscaling with transparency and with grey: what a network trained on opaque colour photographs needs around it.

What is transparent has colours too, arbitrary and often black, and a network that looks around itself would show them
as a fringe. So a colour counts by how much of it shows: before the network runs, what is fainter than a fraction of
its surroundings takes, by degrees, the colour of the nearest pixel that is not. Alpha goes through the network as a
grey picture.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter

Samples = NDArray[np.float32]
Upscaler = Callable[[Samples], Samples]
"""float32 RGB (H, W, 3) in 0..1 -> (scale·H, scale·W, 3), not clipped."""

FAINT = 1 / 16
"""Alpha, as a fraction of the largest around, below which a colour gives way to that of its surroundings."""
AROUND = 8
"""Pixels to each side that are the surroundings of `FAINT`."""
REACH = 2
"""Pixels around a pixel that count as its surroundings: those that bicubic interpolation sees."""
ALPHA_REACH = 1
"""Likewise for the range of alpha: a network rings further, and what is two pixels from an edge has nothing of it."""


def upscale_colors(colors: Samples, upscaler: Upscaler, scale: int) -> Samples:
    """Upscale (H, W, 3) in 0..1; where the surroundings are grey (R = G = B), so is the result: the mean of the three.

    Returns (scale·H, scale·W, 3), not clipped.
    """
    result, grey = upscaler(colors), _grey(colors)
    if not grey.any():
        return result
    return np.where(_repeated(grey, scale)[..., None], result.mean(axis=2, keepdims=True), result)


def upscale_alpha(alpha: Samples, upscaler: Upscaler, scale: int, span: tuple[float, float]) -> Samples:
    """Upscale (H, W) in 0..1 to (scale·H, scale·W) in 0..1.

    ``span``: the least and the greatest value of the whole picture that ``alpha`` is a part of. The network sees them
    as black and white: it keeps the edges of what is half transparent only where they have the contrast of a picture.
    Every value stays within those of the pixels next to it: what is opaque or transparent stays so, without a halo.
    """
    lowest, highest = (
        _repeated(extreme(alpha, size=2 * ALPHA_REACH + 1, mode="nearest"), scale)
        for extreme in (minimum_filter, maximum_filter)
    )
    if alpha.min() == alpha.max():
        return np.asarray(lowest)
    least, greatest = (np.float32(value) for value in span)
    stretched = (alpha - least) / (greatest - least)
    result = upscaler(np.repeat(stretched[..., None], 3, axis=2)).mean(axis=2)
    return np.asarray(np.clip(least + (greatest - least) * result, lowest, highest))


def visible_colors(image: NDArray[Any]) -> NDArray[Any]:
    """Straight (H, W, C) pixels, alpha last, in which colours that hardly show are those of their surroundings.

    A pixel with less than `FAINT` of the largest alpha within `AROUND` tends to the colour of the nearest pixel that
    has more, and has it where its alpha is 0. Alpha and dtype stay. If nothing shows, nothing is changed.
    """
    alpha = image[..., -1]
    threshold = np.maximum(FAINT * maximum_filter(alpha, size=2 * AROUND + 1, mode="nearest").astype(np.float32), 1e-6)
    faint = alpha < threshold
    if not faint.any() or faint.all():
        return image
    nearest = distance_transform_edt(faint, return_distances=False, return_indices=True)
    around = image[*nearest[:, faint], :-1]
    own = (alpha[faint] / threshold[faint])[:, None]
    filled = image.copy()
    filled[faint, :-1] = np.rint(own * image[faint, :-1] + (1 - own) * around)
    return filled


def _repeated(plane: NDArray[Any], scale: int) -> NDArray[Any]:
    return plane.repeat(scale, axis=0).repeat(scale, axis=1)


def _grey(colors: Samples) -> NDArray[np.bool_]:
    """Where a pixel and all around it have three equal channels."""
    equal = (colors[..., 0] == colors[..., 1]) & (colors[..., 1] == colors[..., 2])
    return np.asarray(minimum_filter(equal, size=2 * REACH + 1, mode="nearest"))
