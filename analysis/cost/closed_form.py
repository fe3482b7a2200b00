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
    return network(standard_conv, Sizes(scale, width, blocks))


def smsrn(scale: int = 4, width: int = 64, blocks: int = 8) -> list[Layer]:
    """The convolutions of SMSRN: MSRN with separable ones in the head and in the k x k layers of the blocks.

    Raises UserError as `msrn` does.
    """
    return network(separable_conv, Sizes(scale, width, blocks))


@dataclass(frozen=True)
class Sizes:
    """What is free in a network of MSRN's kind; the defaults are the paper's.

    ``kernels``: of the two branches of a block. ``channels``: of the image. ``second``: outputs of each second layer of
    a block, in widths. ``block_fusion`` and ``fusion``: kernel of the layer that ends a block, and of the one that
    joins the blocks.
    """

    scale: int = 4
    width: int = 64
    blocks: int = 8
    kernels: tuple[int, int] = (3, 5)
    channels: int = 3
    second: int = 2
    block_fusion: int = 1
    fusion: int = 1


def network(conv: Convolution, sizes: Sizes) -> list[Layer]:
    """The convolutions of a network of MSRN's kind, ``conv`` in its head and branches. Raises UserError as `msrn`."""
    scale, width, blocks = sizes.scale, sizes.width, sizes.blocks
    check_sizes(scale, width, blocks)
    layers = conv("head.0", "head", 3, sizes.channels, width)
    for index in range(blocks):
        layers += branch_layers(conv, f"body.{index}", width, sizes.kernels, sizes.second)
        both = 2 * sizes.second * width
        layers += standard_conv(f"body.{index}.confusion", "block 1x1", sizes.block_fusion, both, width)
    return layers + tail_layers(scale, width, blocks, sizes.channels, sizes.fusion)


def check_sizes(scale: int, width: int, blocks: int) -> None:
    """Raise UserError for a scale other than 2, 3, 4 and 8 and for a width or a number of blocks below 1."""
    if scale not in FACTORS:
        raise UserError(f"scale: expected 2, 3, 4 or 8, got {scale}")
    for name, value in (("width", width), ("blocks", blocks)):
        if value < 1:
            raise UserError(f"{name}: expected at least 1, got {value}")


def branch_layers(
    conv: Convolution, block: str, width: int, kernels: tuple[int, int] = (3, 5), second: int = 2
) -> list[Layer]:
    """The four k x k convolutions of a block; see `Sizes`."""
    layers = []
    for kernel in kernels:
        layers += conv(f"{block}.conv_{kernel}_1", "block first pair", kernel, width, width)
    for kernel in kernels:
        layers += conv(f"{block}.conv_{kernel}_2", "block second pair", kernel, 2 * width, second * width)
    return layers


def tail_layers(scale: int, width: int, blocks: int, channels: int = 3, fusion: int = 1) -> list[Layer]:
    """Everything behind the blocks; see `Sizes`. It has no activation."""
    layers = standard_conv("tail.0", "tail 1x1", fusion, (blocks + 1) * width, width)
    layers += standard_conv("tail.1", "tail 3x3", 3, width, width)
    resolution = 1
    for index, factor in enumerate(FACTORS[scale]):
        # Convolutions have even positions in `tail.2`; the pixel shuffle after each raises the resolution of the next.
        layers.append(Layer(f"tail.2.{2 * index}", "upsampler", 3, width, width * factor**2, resolution=resolution))
        resolution *= factor
    return [*layers, Layer("tail.3", "last", 3, width, channels, resolution=resolution)]


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
