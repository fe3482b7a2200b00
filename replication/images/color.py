"""ITU-R BT.601 luma, the channel on which super-resolution is measured."""

import numpy as np
from numpy.typing import NDArray

from replication.errors import ArgumentError

LUMA_WEIGHTS = (65.481, 128.553, 24.966)
"""Studio-swing weights of R, G and B for a luma of 16 to 235 (ITU-R BT.601; MATLAB's ``rgb2ycbcr``)."""


def rgb_to_luma(image: NDArray[np.generic]) -> NDArray[np.float64]:
    """BT.601 luma of an RGB image: (H, W, 3) in 0..255 -> (H, W) float64 in 16..235, not rounded.

    Raises ArgumentError when the last axis does not hold three channels.
    """
    if image.ndim != 3 or image.shape[2] != 3:
        raise ArgumentError(f"rgb_to_luma: expected an (H, W, 3) array, got shape {image.shape}")
    luma: NDArray[np.float64] = image.astype(np.float64) @ np.array(LUMA_WEIGHTS) / 255 + 16
    return luma
