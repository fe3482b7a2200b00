"""Bicubic resizing that equals MATLAB's ``imresize(image, scale, 'bicubic')``.

The low-resolution images of the field are made with MATLAB, and its antialiased cubic differs from what PIL, OpenCV
and PyTorch compute by several grey levels near edges, enough to shift every number in a table.
"""

from math import ceil, isfinite

import numpy as np
from numpy.typing import NDArray

from replication.errors import ArgumentError

Array = NDArray[np.generic]


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -0.5 (Keys 1981, eq. 4), zero outside |x| < 2."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1  # |x| <= 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2  # 1 < |x| <= 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _contributions(size: int, scale: float, out_size: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Which input samples make each output sample, and how much: two arrays (output size, samples per output)."""
    stretch = min(scale, 1.0)  # below 1 the kernel is widened: that is the antialiasing
    support = 4.0 / stretch
    # Centre of each output sample in 0-based input coordinates: pixel centres lie at half-integers of the area.
    centre = (np.arange(out_size) + 0.5) / scale - 0.5
    first = np.floor(centre - support / 2).astype(np.intp)
    samples = first[:, None] + np.arange(ceil(support) + 2)
    weights = cubic((centre[:, None] - samples) * stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    # Symmetric padding: the image is mirrored at its edges, the edge pixel included, as often as needed.
    mirrored = np.concatenate([np.arange(size), np.arange(size)[::-1]])
    samples = mirrored[samples % (2 * size)]
    used = np.any(weights != 0, axis=0)
    return samples[:, used], weights[:, used]


def _resize_rows(image: Array, scale: float, out_size: int | None = None) -> Array:
    """Resize along axis 0. uint8 is rounded (half up) and clipped back to uint8, as MATLAB does after each pass."""
    samples, weights = _contributions(
        image.shape[0], scale, ceil(image.shape[0] * scale) if out_size is None else out_size
    )
    shape = (-1,) + (1,) * (image.ndim - 1)
    values = image.astype(np.float64)
    total = np.zeros((len(samples), *image.shape[1:]))
    for column in range(samples.shape[1]):
        total += weights[:, column].reshape(shape) * values[samples[:, column]]
    if image.dtype == np.uint8:
        return np.clip(np.floor(total + 0.5), 0, 255).astype(np.uint8)
    return total.astype(image.dtype)


def imresize(image: Array, scale: float) -> Array:
    """Resize as MATLAB's ``imresize(image, scale, 'bicubic')`` does: antialiased when shrinking, symmetric padding.

    ``image``: (H, W) or (H, W, C), uint8 or floating point (any range). Returns the same dtype with
    ceil(scale·H) x ceil(scale·W) pixels. Rows are resized first, then columns; uint8 is rounded after each pass.
    Floating point is not clipped; each pass is computed in float64. Raises ArgumentError for another dtype, shape or
    scale.

    >>> imresize(np.array([[0, 80], [160, 240]], np.uint8), 0.5)
    array([[120]], dtype=uint8)
    """
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ArgumentError(f"imresize: expected a non-empty (H, W) or (H, W, C) array, got shape {image.shape}")
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise ArgumentError(f"imresize: expected uint8 or floating point, got {image.dtype}")
    if not (scale > 0 and isfinite(scale)):
        raise ArgumentError(f"imresize: expected a finite scale above 0, got {scale}")
    rows = _resize_rows(image, scale)
    return _resize_rows(rows.swapaxes(0, 1), scale).swapaxes(0, 1)


def imresize_to(image: Array, height: int, width: int) -> Array:
    """Resize as MATLAB's ``imresize(image, [height width], 'bicubic')`` does: each axis by its own scale.

    ``image``: as for `imresize`. Raises ArgumentError for a size below 1 and as `imresize` does.
    """
    if height < 1 or width < 1:
        raise ArgumentError(f"imresize_to: expected a size of at least 1x1, got {height}x{width}")
    imresize(image[:1, :1], 1)  # refuses what it cannot resize
    rows = _resize_rows(image, height / image.shape[0], height)
    return _resize_rows(rows.swapaxes(0, 1), width / image.shape[1], width).swapaxes(0, 1)


def crop_to_multiple(image: Array, multiple: int) -> Array:
    """The top-left part of (H, W, ...) whose height and width are multiples of ``multiple``.

    Raises ArgumentError when nothing would be left.
    """
    height, width = (size - size % multiple for size in image.shape[:2])
    if not (height and width):
        raise ArgumentError(
            f"image of {image.shape[0]}x{image.shape[1]} pixels is too small: expected at least {multiple}x{multiple}"
        )
    return image[:height, :width]
