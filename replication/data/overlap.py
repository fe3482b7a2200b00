"""Whether training images show the same pictures as benchmark images, by their content.

Cropped, stored in another format or in other colours, a picture keeps its details. Each image is shrunk by `FACTOR` and
described by the surroundings of its strongest details; two images share pixels if several details look the same and all
of them moved by one distance. A picture that was resized or turned as a whole is not recognised.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max

from replication.images.io import Image

FACTOR = 4
"""Each image is shrunk to means of FACTOR x FACTOR pixels."""
SIDE = 16
"""Side of the surroundings of a detail, in shrunk pixels."""
DETAILS = 120
"""Details of an image, at most."""
FLAT = 3.0
"""Surroundings whose standard deviation is lower (grey levels) say nothing."""
ALIKE = 0.9
"""Correlation from which two surroundings look the same."""
AGREEING = 8
"""Details that look the same and moved by one distance, from which two images share pixels."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Details:
    """Row and column of each detail in shrunk pixels (n, 2), and its surroundings (n, SIDE²) of mean 0 and norm 1."""

    where: NDArray[np.intp]
    surroundings: Array


def details(image: Image) -> Details:
    """The strongest details of an 8-bit image (H, W) or (H, W, 3)."""
    grey = image.mean(axis=2) if image.ndim == 3 else image.astype(float)
    height, width = (side // FACTOR for side in grey.shape)
    blocks = grey[: height * FACTOR, : width * FACTOR].reshape(height, FACTOR, width, FACTOR)
    fine = gaussian_filter(blocks.mean(axis=(1, 3)), 1)  # so that half a pixel of displacement changes little
    response = np.abs(fine - gaussian_filter(fine, 2))
    if min(height, width) <= SIDE:
        return Details(np.empty((0, 2), np.intp), np.empty((0, SIDE**2), np.float32))
    peaks = peak_local_max(response, min_distance=2, num_peaks=DETAILS, exclude_border=SIDE // 2)  # type: ignore[no-untyped-call]
    half = SIDE // 2
    cut = [fine[row - half : row + half, column - half : column + half].ravel() for row, column in peaks]
    found = np.array(cut).reshape(-1, SIDE**2)
    found -= found.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(found, axis=1)
    keep = norm > FLAT * SIDE
    return Details(peaks[keep], (found[keep] / norm[keep, None]).astype(np.float32))


def agreeing(one: Details, other: Details, alike: Array) -> int:
    """The largest number of details of ``one`` that look like ones of ``other`` and moved by one distance.

    ``alike``: the correlation of each with each.
    """
    first, second = np.nonzero(alike > ALIKE)
    moved = one.where[first] - other.where[second]
    if not len(moved):
        return 0
    together = np.abs(moved[:, None] - moved[None]).max(axis=2) <= 1
    return max(len(set(first[row])) for row in together)


def overlaps(benchmark: Mapping[str, Details], training: Mapping[str, Details]) -> dict[tuple[str, str], int]:
    """Pairs of a benchmark and a training image that share pixels, with the number of details that agree."""
    names = [name for name, one in training.items() if len(one.where)]
    if not names:
        return {}
    everything = np.concatenate([training[name].surroundings for name in names])
    ends = np.cumsum([len(training[name].where) for name in names])
    found = {}
    for title, one in benchmark.items():
        alike = np.split(one.surroundings @ everything.T, ends[:-1], axis=1)
        for name, part in zip(names, alike, strict=True):
            number = agreeing(one, training[name], part) if (part > ALIKE).sum() >= AGREEING else 0
            if number >= AGREEING:
                found[title, name] = number
    return found
