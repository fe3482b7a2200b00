"""Equations 1-5 of the paper.

They count multiply-adds per output position, where D and N are the input and output channels and k is the kernel size
(the paper's D, N and W_k).
"""

from fractions import Fraction

from replication.errors import UserError


def standard(kernel: int, in_channels: int, out_channels: int) -> int:
    """Equation 1, standard convolution: k² · D · N multiply-adds per output position."""
    return kernel**2 * in_channels * out_channels


def depthwise(kernel: int, in_channels: int) -> int:
    """Equation 2, depth-wise convolution: k² · D multiply-adds per output position."""
    return kernel**2 * in_channels


def pointwise(in_channels: int, out_channels: int) -> int:
    """Equation 3, point-wise convolution: D · N multiply-adds per output position."""
    return in_channels * out_channels


def separable(kernel: int, in_channels: int, out_channels: int) -> int:
    """Equation 4, depth-wise then point-wise convolution: D · (k² + N) multiply-adds per output position."""
    return in_channels * (kernel**2 + out_channels)


def ratio(kernel: int, out_channels: int) -> Fraction:
    """Equation 5, separable over standard: 1/N + 1/k², exact."""
    return Fraction(1, out_channels) + Fraction(1, kernel**2)


KERNELS = (3, 5)

CHANNELS = ((64, 64), (128, 128))
"""Kernel sizes, and input and output channels, of the k x k layers in MSRN's blocks."""

PRINTED = ((3, "0.1189", "88 %"), (5, "0.0478", "95 %"))

PRINTED_MEAN = "92 %"

PRINTED_CHANNELS = 128
"""What the paper prints in section 3.2 (kernel size, ratio, saving; their mean; N): quoted to be compared with."""


def equation_row(kernel: int, in_channels: int, out_channels: int) -> dict[str, int | float]:
    """Equations 1-5 for one layer. Raises UserError for an even kernel and for sizes below 1."""
    if kernel < 1 or kernel % 2 == 0:
        raise UserError(f"kernel: expected an odd number of at least 1, got {kernel}")
    if min(in_channels, out_channels) < 1:
        raise UserError(f"channels: expected at least 1, got {min(in_channels, out_channels)}")
    return {
        "kernel": kernel,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "standard": standard(kernel, in_channels, out_channels),
        "depthwise": depthwise(kernel, in_channels),
        "pointwise": pointwise(in_channels, out_channels),
        "separable": separable(kernel, in_channels, out_channels),
        "ratio": float(ratio(kernel, out_channels)),
    }


def mean_saving() -> Fraction:
    """The paper's average: of the savings of two layers, 3x3 and 5x5 on 128 channels, with equal weight."""
    return 1 - Fraction(sum(ratio(kernel, PRINTED_CHANNELS) for kernel, _, _ in PRINTED), len(PRINTED))
