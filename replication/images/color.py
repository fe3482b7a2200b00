"""BT.601 luma, the channel on which super-resolution is measured, with the weights that people use."""

import numpy as np
from numpy.typing import NDArray

from replication.errors import ArgumentError

Weights = tuple[float, float, float]
"""What R, G and B of 255 each contribute to luma."""

BT601: Weights = (65.481, 128.553, 24.966)
"""Studio-swing weights for a luma of 16 to 235 (ITU-R BT.601; MATLAB's ``rgb2ycbcr``)."""

PUBLIC_CODE: Weights = (65.738 * 255 / 256, 129.057 * 255 / 256, 25.064 * 255 / 256)
"""The same to within 0.001, as ``calc_psnr`` of the public EDSR and MSRN code has them: in 256ths, for R, G, B of 1."""


def rgb_to_luma(image: NDArray[np.generic], weights: Weights = BT601) -> NDArray[np.float64]:
    """BT.601 luma of an RGB image: (H, W, 3) in 0..255 -> (H, W) float64 in 16..235, not rounded.

    Raises ArgumentError when the last axis does not hold three channels.
    """
    if image.ndim != 3 or image.shape[2] != 3:
        raise ArgumentError(f"rgb_to_luma: expected an (H, W, 3) array, got shape {image.shape}")
    luma: NDArray[np.float64] = image.astype(np.float64) @ np.array(weights) / 255 + 16
    return luma
