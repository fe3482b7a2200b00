"""The two convolutions that the paper compares (Fig. 2), and the pixel-shuffle upsampler."""

from collections.abc import Callable

from torch import Tensor, nn

Convolution = Callable[[int, int, int], nn.Module]
"""``(in_channels, out_channels, kernel_size) -> module`` that keeps height and width."""


def standard_conv(in_channels: int, out_channels: int, kernel_size: int) -> nn.Conv2d:
    """Standard convolution (paper Fig. 2a, eq. 1): k x k over all input channels, stride 1, zero padding, bias.

    (B, in_channels, H, W) -> (B, out_channels, H, W); ``kernel_size`` is odd.
    """
    return nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)


class SeparableConv2d(nn.Module):
    """Depth-wise separable convolution (paper Fig. 2b and 2c, eq. 2-4).

    A k x k filter per input channel, then a 1x1 convolution that mixes the channels; both have a bias and nothing
    stands between them. (B, in_channels, H, W) -> (B, out_channels, H, W); ``kernel_size`` is odd.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, kernel_size, padding=kernel_size // 2, groups=in_channels)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, input: Tensor) -> Tensor:
        """The argument has the name that ``nn.Conv2d`` gives it, for networks that pass it by keyword."""
        output: Tensor = self.pointwise(self.depthwise(input))
        return output


def upsampler(channels: int, scale: int, conv: Convolution = standard_conv) -> nn.Sequential:
    """Sub-pixel upsampler of the public MSRN code: per factor a 3x3 convolution and a pixel shuffle.

    Factors are 2, 3, 2·2 and 2·2·2 for scales 2, 3, 4 and 8; no activation.
    (B, channels, H, W) -> (B, channels, scale·H, scale·W).
    """
    factors = {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}[scale]
    layers: list[nn.Module] = []
    for factor in factors:
        layers += [conv(channels, channels * factor**2, 3), nn.PixelShuffle(factor)]
    return nn.Sequential(*layers)
