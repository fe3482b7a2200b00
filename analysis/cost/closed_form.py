"""Closed-form cost of a whole network, layer by layer.

A network is a list of `Layer`; nothing here knows torch, fvcore or the models of `replication`, because
`analysis.cost.verify` compares this description with them: the two must stay independent.

Convention: one MAC is one multiply-add. Bias is left out of the MACs and counted in the parameters. Only convolutions
count: activations, additions, concatenations and pixel shuffles are 0 MACs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from replication.errors import UserError

FACTORS = {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}
"""Pixel-shuffle factors of the upsampler for each scale. Written a second time on purpose: see the module text."""

OUTPUT_WIDTH, OUTPUT_HEIGHT = 1280, 720
"""The output size for which super-resolution papers report a network's cost."""


@dataclass(frozen=True)
class Layer:
    """One convolution: square kernel, any groups, at a resolution relative to the low-resolution (LR) input.

    ``name`` is the name of the torch module that it describes; ``group`` is the part of the network that it belongs
    to. ``resolution`` is the linear size, relative to the LR input, of the map at whose every pixel the kernel is
    applied: the output map of a convolution, the input map of a transposed one.
    Raises ValueError for a size below 1 and for groups that do not divide the channels.
    """

    name: str
    group: str
    kernel: int
    in_channels: int
    out_channels: int
    groups: int = 1
    bias: bool = True
    resolution: int = 1

    def __post_init__(self) -> None:
        if min(self.kernel, self.in_channels, self.out_channels, self.groups, self.resolution) < 1:
            raise ValueError(f"every size of a layer must be at least 1: {self}")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(f"groups must divide the channels: {self}")

    @property
    def weights(self) -> int:
        """Number of kernel weights, without bias."""
        return self.kernel**2 * self.in_channels // self.groups * self.out_channels

    @property
    def params(self) -> int:
        """Number of parameters, with bias."""
        return self.weights + (self.out_channels if self.bias else 0)

    @property
    def macs_per_lr_pixel(self) -> int:
        """Multiply-adds for each pixel of the LR input."""
        return self.weights * self.resolution**2


Convolution = Callable[[str, str, int, int, int], list[Layer]]
"""``(name, group, kernel, in_channels, out_channels) -> layers`` at LR resolution, with bias."""


def standard_conv(name: str, group: str, kernel: int, in_channels: int, out_channels: int) -> list[Layer]:
    """Standard convolution (paper Fig. 2a)."""
    return [Layer(name, group, kernel, in_channels, out_channels)]


def separable_conv(name: str, group: str, kernel: int, in_channels: int, out_channels: int) -> list[Layer]:
    """Depth-wise and point-wise convolution in sequence, both with bias (paper Fig. 2b and 2c)."""
    return [
        Layer(f"{name}.depthwise", group, kernel, in_channels, in_channels, groups=in_channels),
        Layer(f"{name}.pointwise", group, 1, in_channels, out_channels),
    ]


def msrn(scale: int = 4, width: int = 64, blocks: int = 8) -> list[Layer]:
    """The convolutions of MSRN in the order in which they run (paper Fig. 3).

    Raises UserError for a scale other than 2, 3, 4 and 8 and for a width or a number of blocks below 1.
    """
    return _network(standard_conv, scale, width, blocks)


def smsrn(scale: int = 4, width: int = 64, blocks: int = 8) -> list[Layer]:
    """The convolutions of SMSRN: MSRN with separable ones in the head and in the k x k layers of the blocks.

    Raises UserError as `msrn` does.
    """
    return _network(separable_conv, scale, width, blocks)


def _network(conv: Convolution, scale: int, width: int, blocks: int) -> list[Layer]:
    check_sizes(scale, width, blocks)
    layers = conv("head.0", "head", 3, 3, width)
    for index in range(blocks):
        layers += branch_layers(conv, f"body.{index}", width)
        layers += standard_conv(f"body.{index}.confusion", "block 1x1", 1, 4 * width, width)
    return layers + tail_layers(scale, width, blocks)


def check_sizes(scale: int, width: int, blocks: int) -> None:
    """Raise UserError for a scale other than 2, 3, 4 and 8 and for a width or a number of blocks below 1."""
    if scale not in FACTORS:
        raise UserError(f"scale: expected 2, 3, 4 or 8, got {scale}")
    for name, value in (("width", width), ("blocks", blocks)):
        if value < 1:
            raise UserError(f"{name}: expected at least 1, got {value}")


def branch_layers(conv: Convolution, block: str, width: int) -> list[Layer]:
    """The four k x k convolutions of a block."""
    return [
        *conv(f"{block}.conv_3_1", "block first pair", 3, width, width),
        *conv(f"{block}.conv_5_1", "block first pair", 5, width, width),
        *conv(f"{block}.conv_3_2", "block second pair", 3, 2 * width, 2 * width),
        *conv(f"{block}.conv_5_2", "block second pair", 5, 2 * width, 2 * width),
    ]


def tail_layers(scale: int, width: int, blocks: int) -> list[Layer]:
    """Everything behind the blocks. It has no activation."""
    layers = standard_conv("tail.0", "tail 1x1", 1, (blocks + 1) * width, width)
    layers += standard_conv("tail.1", "tail 3x3", 3, width, width)
    resolution = 1
    for index, factor in enumerate(FACTORS[scale]):
        # Convolutions have even positions in `tail.2`; the pixel shuffle after each raises the resolution of the next.
        layers.append(Layer(f"tail.2.{2 * index}", "upsampler", 3, width, width * factor**2, resolution=resolution))
        resolution *= factor
    return [*layers, Layer("tail.3", "last", 3, width, 3, resolution=resolution)]


def total_params(layers: Iterable[Layer]) -> int:
    """Number of parameters of all ``layers``."""
    return sum(layer.params for layer in layers)


def total_macs(layers: Iterable[Layer]) -> int:
    """Multiply-adds of all ``layers`` for each LR pixel."""
    return sum(layer.macs_per_lr_pixel for layer in layers)


def gmacs_720p(layers: Iterable[Layer], scale: int) -> float:
    """Cost of one 1280x720 output image in G MACs (1e9 multiply-adds), by area.

    1280 is no multiple of 3, so at x3 there is no LR image with exactly this output; the value is then the cost per
    area, not that of a real image.
    """
    return total_macs(layers) * OUTPUT_WIDTH * OUTPUT_HEIGHT / scale**2 / 1e9


def by_group(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    """``layers`` by their group, groups in order of first appearance."""
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(layer.group, []).append(layer)
    return groups
