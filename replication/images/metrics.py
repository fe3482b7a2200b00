"""PSNR and SSIM under an explicit protocol.

Published numbers differ by more than a decibel with the channel, and in the second decimal with border and rounding,
so no function here has a default for them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from replication.errors import ArgumentError
from replication.images.color import BT601, PUBLIC_CODE, Weights, rgb_to_luma

SSIM_WINDOW = 11
"""Side of the Gaussian window (Wang et al. 2004)."""


@dataclass(frozen=True)
class Protocol:
    """What is compared: every choice that moves a published number.

    channel: "luma" or "rgb" (PSNR over all samples; SSIM as the mean over R, G and B).
    shave: pixels left out along each border.
    luma_weights: what R, G and B of 255 contribute to luma (`replication.images.color`); None for "rgb".
    rounded_luma: luma rounded to integers, as MATLAB does for uint8 images.
    grey: a greyscale image is compared "as it is", or as "three channels" that are equal and go through the luma
    weights, whose sum of 219 in 255 makes its error smaller by 1.32 dB. On RGB both are the same.
    Raises ArgumentError for another channel, a negative shave, and weights that do not belong to the channel.
    """

    channel: Literal["luma", "rgb"]
    shave: int
    luma_weights: Weights | None
    rounded_luma: bool
    grey: Literal["as it is", "three channels"]

    def __post_init__(self) -> None:
        if self.channel not in ("luma", "rgb"):
            raise ArgumentError(f"protocol: expected channel 'luma' or 'rgb', got {self.channel!r}")
        if self.shave < 0:
            raise ArgumentError(f"protocol: expected a border of at least 0 pixels to shave, got {self.shave}")
        if (self.luma_weights is None) != (self.channel == "rgb"):
            raise ArgumentError(f"protocol: expected luma weights for luma and none for RGB, got {self.luma_weights}")
        if self.rounded_luma and self.channel == "rgb":
            raise ArgumentError("protocol: expected no rounding of luma for RGB")
        if self.grey not in ("as it is", "three channels"):
            raise ArgumentError(f"protocol: expected grey 'as it is' or 'three channels', got {self.grey!r}")


def table_protocols(scale: int) -> dict[str, Protocol]:
    """What every record measures, each with a border of ``scale`` shaved.

    luma: BT.601, rounded, grey as it is. rgb: all channels. unrounded: BT.601, not rounded, grey as it is.
    public_code: luma as ``calc_psnr`` of the public EDSR and MSRN code takes it: not rounded, grey as three channels.
    """
    return {
        "luma": Protocol("luma", scale, BT601, rounded_luma=True, grey="as it is"),
        "rgb": Protocol("rgb", scale, None, rounded_luma=False, grey="as it is"),
        "unrounded": Protocol("luma", scale, BT601, rounded_luma=False, grey="as it is"),
        "public_code": Protocol("luma", scale, PUBLIC_CODE, rounded_luma=False, grey="three channels"),
    }


NAMED = {
    "public_code": (
        "PSNR on luma as the public EDSR and MSRN code computes it: weights (65.738, 129.057, 25.064)/256, not "
        "rounded, a greyscale image as three equal channels; SSIM on RGB, the mean over the channels"
    ),
    "matlab": (
        "PSNR and SSIM on BT.601 luma, rounded to integers as MATLAB does for uint8 images, a greyscale image as it is"
    ),
    "unrounded": (
        "PSNR and SSIM on BT.601 luma, not rounded, a greyscale image as it is (the MATLAB scripts of RCAN and MSRN)"
    ),
}
"""The protocols under which numbers are published, in words; `replication.records.BY_PROTOCOL` has what is measured.

A border of the scale is left out under each, and results are rounded to 8 bits first.
"""


def _compared(image: NDArray[np.uint8], protocol: Protocol) -> NDArray[np.float64]:
    """The samples that ``protocol`` compares, as float64."""
    if protocol.luma_weights is None or (image.ndim == 2 and protocol.grey == "as it is"):
        samples = image.astype(np.float64)
    else:
        rgb = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
        samples = rgb_to_luma(rgb, protocol.luma_weights)
        if protocol.rounded_luma:
            samples = np.floor(samples + 0.5)
    height, width = image.shape[:2]
    return samples[protocol.shave : height - protocol.shave, protocol.shave : width - protocol.shave]


def _pair(
    sr: NDArray[np.uint8], hr: NDArray[np.uint8], protocol: Protocol, smallest: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    for name, image in (("sr", sr), ("hr", hr)):
        if image.dtype != np.uint8:
            raise ArgumentError(f"metrics: expected {name} as uint8 in 0..255, got {image.dtype}")
    if hr.ndim != 2 and hr.shape[2:] != (3,):
        raise ArgumentError(f"metrics: expected (H, W) or (H, W, 3) arrays, got shape {hr.shape}")
    if sr.shape != hr.shape:
        raise ArgumentError(f"metrics: expected two images of one shape, got sr {sr.shape} and hr {hr.shape}")
    if min(hr.shape[:2]) < smallest + 2 * protocol.shave:
        raise ArgumentError(
            f"metrics: image of {hr.shape[0]}x{hr.shape[1]} pixels is too small: expected at least {smallest} "
            f"on each side inside a border of {protocol.shave}"
        )
    return _compared(sr, protocol), _compared(hr, protocol)


def psnr(sr: NDArray[np.uint8], hr: NDArray[np.uint8], protocol: Protocol) -> float:
    """Peak signal-to-noise ratio in dB, peak 255; infinite for equal images.

    ``sr`` and ``hr``: uint8, both (H, W) or both (H, W, 3) RGB. Raises ArgumentError for other types, unequal shapes,
    or an image that the shaved border uses up.

    >>> black, grey = np.zeros((20, 20), np.uint8), np.full((20, 20), 16, np.uint8)
    >>> round(psnr(black, grey, table_protocols(4)["luma"]), 2)
    24.05
    """
    restored, original = _pair(sr, hr, protocol, smallest=1)
    error = np.mean((restored - original) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(sr: NDArray[np.uint8], hr: NDArray[np.uint8], protocol: Protocol) -> float:
    """Structural similarity as in Wang et al. 2004: Gaussian 11x11 window, sigma 1.5, population covariance.

    Data range 255, mean over the positions where the window fits. Arguments and errors as for `psnr`; inside the border
    at least 11 pixels are needed on each side.
    """
    restored, original = _pair(sr, hr, protocol, smallest=SSIM_WINDOW)
    return float(
        structural_similarity(  # type: ignore[no-untyped-call]  # scikit-image has no types
            restored,
            original,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=2 if restored.ndim == 3 else None,
        )
    )
