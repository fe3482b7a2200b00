"""Closed-form cost of the folded networks (`replication.fold`), layer by layer and along the border."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from analysis.cost.closed_form import (
    Convolution,
    Layer,
    branch_layers,
    check_sizes,
    separable_conv,
    standard_conv,
    tail_layers,
    total_macs,
)


@dataclass(frozen=True)
class Border:
    """The corrections that make a folded convolution exact along the border of the image (`replication.fold`).

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
    check_sizes(scale, width, blocks)
    tail = tail_layers(scale, width, blocks)
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
        layers += branch_layers(conv, f"{block}.branches", width)
        layers += _sum_of_1x1(f"{block}.confusion", "block 1x1", [2 * width] * 2, width)
    # The last block's 1x1 is in the tail's, which reads the head, the other blocks and the last block's two branches.
    layers += branch_layers(conv, f"body.{blocks - 1}", width)
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
