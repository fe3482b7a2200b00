"""Closed-form cost of a whole network, layer by layer.

A network is a list of `Layer`; nothing here knows torch, fvcore or the models of `replication`, because
`analysis.verify` compares this description with them and must not find its own source there.

Convention: one MAC is one multiply-add. Bias is left out of the MACs and counted in the parameters. Only convolutions
count: activations, additions, concatenations and pixel shuffles are 0 MACs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

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
    _check(scale, width, blocks)
    layers = conv("head.0", "head", 3, 3, width)
    for index in range(blocks):
        layers += _branches(conv, f"body.{index}", width)
        layers += standard_conv(f"body.{index}.confusion", "block 1x1", 1, 4 * width, width)
    return layers + _tail(scale, width, blocks)


def _check(scale: int, width: int, blocks: int) -> None:
    if scale not in FACTORS:
        raise UserError(f"scale: expected 2, 3, 4 or 8, got {scale}")
    for name, value in (("width", width), ("blocks", blocks)):
        if value < 1:
            raise UserError(f"{name}: expected at least 1, got {value}")


def _branches(conv: Convolution, block: str, width: int) -> list[Layer]:
    """The four k x k convolutions of a block."""
    return [
        *conv(f"{block}.conv_3_1", "block first pair", 3, width, width),
        *conv(f"{block}.conv_5_1", "block first pair", 5, width, width),
        *conv(f"{block}.conv_3_2", "block second pair", 3, 2 * width, 2 * width),
        *conv(f"{block}.conv_5_2", "block second pair", 5, 2 * width, 2 * width),
    ]


def _tail(scale: int, width: int, blocks: int) -> list[Layer]:
    """Everything behind the blocks. It has no activation."""
    layers = standard_conv("tail.0", "tail 1x1", 1, (blocks + 1) * width, width)
    layers += standard_conv("tail.1", "tail 3x3", 3, width, width)
    resolution = 1
    for index, factor in enumerate(FACTORS[scale]):
        # Convolutions have even positions in `tail.2`; the pixel shuffle after each raises the resolution of the next.
        layers.append(Layer(f"tail.2.{2 * index}", "upsampler", 3, width, width * factor**2, resolution=resolution))
        resolution *= factor
    return [*layers, Layer("tail.3", "last", 3, width, 3, resolution=resolution)]


@dataclass(frozen=True)
class Border:
    """What a folded convolution needs beside it to be exact along the border of the image (`replication.fold`).

    A correction for each side and each corner: of the ``outputs`` outermost output pixels (rows, columns, or both),
    from the ``inputs`` outermost pixels of the convolution's input.
    """

    scale: int
    radius: int
    in_channels: int
    out_channels: int
    outputs: int
    inputs: int

    @property
    def side_macs(self) -> int:
        """Multiply-adds for each pixel of one side of the LR input."""
        window = self.inputs * (2 * self.radius + 1)
        return window * self.in_channels * self.out_channels * self.outputs * self.scale

    @property
    def corner_macs(self) -> int:
        """Multiply-adds for one corner."""
        return self.inputs**2 * self.in_channels * self.out_channels * self.outputs**2

    @property
    def values(self) -> int:
        """Numbers to be stored: kernels and biases. None is learned; all follow from the unfolded layers."""
        biases = self.out_channels * self.outputs * (self.scale + self.outputs)
        return 4 * (self.side_macs + self.corner_macs + biases)

    def macs(self, height: int, width: int) -> int:
        """Multiply-adds for an LR input of ``height`` x ``width`` pixels."""
        return 2 * (height + width) * self.side_macs + 4 * self.corner_macs


@dataclass(frozen=True)
class FoldedTail:
    """One way to compute the tail: ``layers`` with everything from the layer ``start`` on as the last of them.

    ``exact``: whether ``border`` makes it exact for every image, down to one pixel.
    """

    start: str
    layers: tuple[Layer, ...]
    border: Border
    exact: bool


def folded_tails(scale: int = 4, width: int = 64, blocks: int = 8) -> list[FoldedTail]:
    """The tail folded from each of its layers to its end. Raises UserError as `msrn` does.

    With kernel radii r and resolutions ρ of the folded layers, the folded kernel's radius is the sum of r/ρ, rounded
    up. Padding of the inner layers changes the sum of scale·r/ρ, without the first layer, outermost output pixels, and
    that depends on the sum of r/ρ, without the last layer, outermost input pixels. Without first and last layer that
    sum must not pass one pixel, or the opposite borders of an image of one pixel act on each other.
    """
    _check(scale, width, blocks)
    tail = _tail(scale, width, blocks)
    return [_folded_from(tail, start, scale) for start in range(len(tail) - 1)]


def _folded_from(tail: Sequence[Layer], start: int, scale: int) -> FoldedTail:
    first, last = tail[start], tail[-1]
    factor = scale // first.resolution
    radii = [Fraction(layer.kernel // 2 * first.resolution, layer.resolution) for layer in tail[start:]]
    radius = ceil(sum(radii))
    outputs = int(sum(radii[1:]) * factor)
    border = Border(factor, radius, first.in_channels, last.out_channels, outputs, ceil(sum(radii[:-1])))
    folded = Layer(
        first.name, "folded tail", 2 * radius + 1, first.in_channels, last.out_channels * factor**2,
        resolution=first.resolution,
    )  # fmt: skip
    return FoldedTail(first.name, (*tail[:start], folded), border, exact=sum(radii[1:-1]) <= 1)


def best_tail(scale: int = 4, width: int = 64, blocks: int = 8) -> FoldedTail:
    """Of the folded tails that can be exact, the one with the fewest multiply-adds. Raises UserError as `msrn` does."""
    exact = [tail for tail in folded_tails(scale, width, blocks) if tail.exact]
    return min(exact, key=lambda tail: total_macs(tail.layers))


def folded_msrn(scale: int = 4, width: int = 64, blocks: int = 8) -> list[Layer]:
    """The convolutions of MSRN after `replication.fold.fold`, without those along the border (`Border`).

    Raises UserError as `msrn` does.
    """
    return _folded_network(standard_conv, scale, width, blocks)


def folded_smsrn(scale: int = 4, width: int = 64, blocks: int = 8) -> list[Layer]:
    """The convolutions of SMSRN after `replication.fold.fold`, without those along the border (`Border`).

    Raises UserError as `msrn` does.
    """
    return _folded_network(separable_conv, scale, width, blocks)


def _folded_network(conv: Convolution, scale: int, width: int, blocks: int) -> list[Layer]:
    tail = best_tail(scale, width, blocks)
    layers = conv("head.0", "head", 3, 3, width)
    for index in range(blocks - 1):
        block = f"body.{index}"
        layers += _branches(conv, f"{block}.branches", width)
        layers += _sum_of_1x1(f"{block}.confusion", "block 1x1", [2 * width] * 2, width)
    # The last block's 1x1 is in the tail's, which reads the head, the other blocks and the last block's two branches.
    layers += _branches(conv, f"body.{blocks - 1}", width)
    layers += _sum_of_1x1("fuse", "tail 1x1", [*[width] * blocks, *[2 * width] * 2], width)
    layers = [replace(layer, bias=layer.bias and not layer.name.endswith(".depthwise")) for layer in layers]
    rest = tail.layers[1:]
    for index, layer in enumerate(rest):
        name = f"tail.{index}" + (".conv" if layer is rest[-1] else "")
        layers.append(replace(layer, name=name))
    return layers


def _sum_of_1x1(name: str, group: str, in_channels: Sequence[int], out_channels: int) -> list[Layer]:
    """A 1x1 convolution of a concatenation as one layer for each part, of which the first has the bias."""
    return [
        Layer(f"{name}.{index}", group, 1, channels, out_channels, bias=index == 0)
        for index, channels in enumerate(in_channels)
    ]


def total_params(layers: Iterable[Layer]) -> int:
    """Number of parameters of all ``layers``."""
    return sum(layer.params for layer in layers)


def total_macs(layers: Iterable[Layer]) -> int:
    """Multiply-adds of all ``layers`` for each LR pixel."""
    return sum(layer.macs_per_lr_pixel for layer in layers)


def gmacs_720p(layers: Iterable[Layer], scale: int) -> float:
    """Cost of one 1280x720 output image in G MACs (1e9 multiply-adds), by area.

    1280 is no multiple of 3, so at x3 there is no LR image with exactly this output; the value is then the cost per
    area and nothing that can be run.
    """
    return total_macs(layers) * OUTPUT_WIDTH * OUTPUT_HEIGHT / scale**2 / 1e9


def by_group(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    """``layers`` by their group, groups in order of first appearance."""
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(layer.group, []).append(layer)
    return groups
