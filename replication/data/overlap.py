"""Whether training images show the same pictures as benchmark images, by their content.

Cropped, stored in another format or in other colours, a picture keeps its details. Each image is shrunk by `FACTOR` and
described by the surroundings of its strongest details. Two images share pixels if several details look the same, all of
them moved by one distance, and what is fine in the images is the same wherever they lie on each other at that distance.
A picture that was resized or turned as a whole is not recognised.
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
AGREEING = 6
"""Details that look the same and moved by one distance, from which two images are laid on each other."""
SPREAD = 4.0
"""Standard deviation (shrunk pixels) of their places across the line that fits them best, from which details count.

Details on one line may be a single edge, which looks the same wherever along it two images are laid on each other.
"""
SAME = 0.8
"""Correlation of what is fine in two images laid on each other, from which they share pixels."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Details:
    """Row and column of each detail in shrunk pixels (n, 2), and its surroundings (n, SIDE²) of mean 0 and norm 1.

    ``fine``: the shrunk image (h, w) without what is smooth in it.
    """

    where: NDArray[np.intp]
    surroundings: Array
    fine: Array


def details(image: Image) -> Details:
    """The strongest details of an 8-bit image (H, W) or (H, W, 3)."""
    grey = image.mean(axis=2) if image.ndim == 3 else image.astype(float)
    height, width = (side // FACTOR for side in grey.shape)
    blocks = grey[: height * FACTOR, : width * FACTOR].reshape(height, FACTOR, width, FACTOR)
    blurred = gaussian_filter(blocks.mean(axis=(1, 3)), 1)  # so that half a pixel of displacement changes little
    fine = blurred - gaussian_filter(blurred, 2)
    peaks = np.empty((0, 2), np.intp)
    if min(height, width) > SIDE:
        peaks = peak_local_max(np.abs(fine), min_distance=2, num_peaks=DETAILS, exclude_border=SIDE // 2)  # type: ignore[no-untyped-call]
    half = SIDE // 2
    cut = [blurred[row - half : row + half, column - half : column + half].ravel() for row, column in peaks]
    found = np.array(cut).reshape(-1, SIDE**2)
    found -= found.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(found, axis=1)
    keep = norm > FLAT * SIDE
    return Details(peaks[keep], (found[keep] / norm[keep, None]).astype(np.float32), fine.astype(np.float32))


def laid_on(one: Details, other: Details, similarity: Array) -> tuple[int, float]:
    """How many details agree on one distance, and the correlation of the two images laid on each other by it.

    ``similarity``: the correlation of each detail with each.
    """
    first, second = np.nonzero(similarity > ALIKE)
    moved = one.where[first] - other.where[second]
    if not len(moved):
        return 0, 0.0
    together = np.abs(moved[:, None] - moved[None]).max(axis=2) <= 1
    numbers = [len(set(first[row])) for row in together]
    best = int(np.argmax(numbers))
    if numbers[best] < AGREEING or spread(one.where[np.unique(first[together[best]])]) < SPREAD:
        return numbers[best], 0.0
    near = [moved[best] + (down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return numbers[best], max(correlation(one.fine, other.fine, int(down), int(right)) for down, right in near)


def spread(places: NDArray[np.intp]) -> float:
    """How far places (n, 2) lie from the line that fits them best: standard deviation in pixels."""
    singular = np.linalg.svd(places - places.mean(axis=0), compute_uv=False)
    return float(singular[-1] / np.sqrt(len(places)))


def correlation(one: Array, other: Array, down: int, right: int) -> float:
    """Correlation of two images where they overlap, the second moved down and to the right; 0 where one is flat."""
    rows, columns = (
        slice(max(0, by), min(size, by + other_size))
        for by, size, other_size in zip((down, right), one.shape, other.shape, strict=True)
    )
    first = one[rows, columns]
    second = other[rows.start - down : rows.stop - down, columns.start - right : columns.stop - right]
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum() / norm) if norm else 0.0


def overlaps(benchmark: Mapping[str, Details], training: Mapping[str, Details]) -> dict[tuple[str, str], float]:
    """Pairs of a benchmark and a training image that share pixels, with their correlation where they overlap."""
    names = [name for name, one in training.items() if len(one.where)]
    if not names:
        return {}
    everything = np.concatenate([training[name].surroundings for name in names])
    ends = np.cumsum([len(training[name].where) for name in names])
    found = {}
    for title, one in benchmark.items():
        similarities = np.split(one.surroundings @ everything.T, ends[:-1], axis=1)
        for name, part in zip(names, similarities, strict=True):
            agreeing, same = laid_on(one, training[name], part) if (part > ALIKE).sum() >= AGREEING else (0, 0.0)
            if agreeing >= AGREEING and same >= SAME:
                found[title, name] = same
    return found
