"""Folding linear layers into one convolution, exactly, the border included.

The tail of MSRN has no activation, so upsampler and last convolution are one linear map: inside the image, one
convolution on the low-resolution (LR) map and one pixel shuffle. `response` finds it from the output's side: it follows
some output pixels backwards through the layers and keeps how much each input value counts for each of them. `fold`
makes a whole inference network of a trained one.

**Border.** Every layer pads with zeros, the inner ones too: what they would compute outside the image is cut off. One
convolution in place of all has no inner maps and cuts nothing, so its outermost pixels differ. Write each cut of the
rows as 1 - T - B, where T keeps only what is above the image and B what is below, columns likewise, and multiply out.
The term without T, B and so on is the folded convolution. Terms with T change only the first few rows, those with B the
last ones. A term with both would need a path from above the image to below it, and only chains that have none, even in
an image of one pixel, are folded (`sides_meet`). So the exact output is the folded convolution plus a correction for
each side and each corner (T and a side of the columns), and each is linear in the few outermost rows or columns of the
LR map: `Border`.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, pad, pixel_shuffle, pixel_unshuffle, relu_

from replication.models.layers import SeparableConv2d
from replication.models.msrn import MSRN, MultiScaleBlock

# ---------------------------------------------------------------- linear layers in sequence


@dataclass(frozen=True)
class Linear:
    """Convolution (odd kernel, stride 1, zero padding that keeps the size), then pixel shuffle by ``factor`` (1: none).

    ``weight``: (O·factor², I, k, k); ``bias``: (O·factor²).
    """

    weight: Tensor
    bias: Tensor
    factor: int = 1

    @property
    def radius(self) -> int:
        """Pixels to each side that the kernel reaches."""
        return self.weight.shape[-1] // 2


Chain = Sequence[Linear]
"""Linear layers, the first to run first."""


def shuffle(chain: Chain) -> int:
    """Factor by which the whole chain enlarges."""
    return prod(layer.factor for layer in chain)


def reach(chain: Chain) -> int:
    """Input pixels to each side of one that the outputs at its place depend on: the folded kernel's radius."""
    pixels = 0
    for layer in reversed(chain):
        pixels = -(-pixels // layer.factor) + layer.radius
    return pixels


def border_depths(chain: Chain) -> tuple[int, int]:
    """How many outermost output rows the padding of the inner layers changes, and on how many input rows that depends.

    (3, 2) for upsampler and last layer at x4. The change starts just outside an inner map: it reaches furthest into the
    output from the first of them, and furthest back into the input from the last.
    """
    changed = 0
    for layer in chain[1:]:
        changed = (changed + layer.radius) * layer.factor
    return changed, reach(chain[:-1])


def sides_meet(chain: Chain) -> bool:
    """Whether the inner layers lead from outside one side of an image of one pixel to outside the opposite side."""
    inner = chain[:-1]
    return border_depths(inner)[0] > shuffle(inner)


End = Literal["first", "last"]
"""End of an axis: at the image's first pixel, or at its last one."""

Side = End | None
"""Which end of an axis is near, or None."""


@dataclass(frozen=True)
class Span:
    """Consecutive pixels along one axis of a map, in relative coordinates: 0 may be either image edge or any origin."""

    start: int
    size: int

    @property
    def stop(self) -> int:
        """The pixel after the last."""
        return self.start + self.size

    def grown(self, radius: int) -> "Span":
        """With ``radius`` pixels more to each side."""
        return Span(self.start - radius, self.size + 2 * radius)

    def coarse(self, factor: int) -> "Span":
        """The pixels of a map ``factor`` times coarser that hold these."""
        start = self.start // factor
        return Span(start, -(-self.stop // factor) - start)

    def fine(self, factor: int) -> "Span":
        """The pixels of a map ``factor`` times finer that these hold."""
        return Span(self.start * factor, self.size * factor)

    def inside(self, side: Side) -> "Span":
        """Without what is outside an image that begins ("first") or ends ("last") at 0."""
        start = max(self.start, 0) if side == "first" else self.start
        stop = min(self.stop, 0) if side == "last" else self.stop
        return Span(start, stop - start)


Area = tuple[Span, Span]
"""Rows and columns."""


def response(
    chain: Chain, outputs: Area, inputs: Area, sides: tuple[Side, Side] = (None, None)
) -> tuple[Tensor, Tensor]:
    """Weight and bias that give the pixels ``outputs`` of ``chain`` from the pixels ``inputs`` of its input.

    Beyond the ``sides`` of rows and columns every map is zero; for None the maps have no end there. ``outputs`` counts
    output pixels, ``inputs`` input pixels; their zeros are at the same place. Returns weight (C·h·w, I, rows, columns)
    and bias (C·h·w), outputs in the order of a pixel shuffle; differentiable in the layers' weights and biases. Inputs
    outside ``inputs`` are taken to be zero.
    """
    last = chain[-1]
    channels = last.weight.shape[0] // last.factor**2
    count = channels * outputs[0].size * outputs[1].size
    weight = torch.eye(count, dtype=last.weight.dtype, device=last.weight.device)
    weight = weight.view(count, channels, outputs[0].size, outputs[1].size)
    bias = weight.new_zeros(count)
    area = outputs
    for layer in reversed(chain):
        # From the layer's output back to its convolution's output, whose channels the shuffle has spread ...
        rows, columns = area[0].coarse(layer.factor), area[1].coarse(layer.factor)
        weight = _resized(weight, area, (rows.fine(layer.factor), columns.fine(layer.factor)))
        weight = pixel_unshuffle(weight, layer.factor)
        bias = bias + weight.sum((2, 3)) @ layer.bias
        # ... and on to its input, which is zero outside the image.
        grown = rows.grown(layer.radius), columns.grown(layer.radius)
        area = grown[0].inside(sides[0]), grown[1].inside(sides[1])
        weight = _resized(conv_transpose2d(weight, layer.weight), grown, area)
    return _resized(weight, area, inputs), bias


def _resized(maps: Tensor, area: Area, wanted: Area) -> Tensor:
    """``maps``, which cover ``area``, cropped and padded with zeros so that they cover ``wanted``."""
    (top, left), (rows, columns) = area, wanted
    return pad(
        maps, (left.start - columns.start, columns.stop - left.stop, top.start - rows.start, rows.stop - top.stop)
    )


def folded_kernel(chain: Chain) -> tuple[Tensor, Tensor]:
    """Weight (O·r², I, K, K) and bias of the convolution that replaces ``chain``, to be followed by a shuffle by r.

    Exact wherever no inner layer reaches over the border. Differentiable.
    """
    cell, radius = Span(0, shuffle(chain)), reach(chain)
    window = Span(-radius, 2 * radius + 1)
    return response(chain, (cell, cell), (window, window))


def layers_of(*modules: nn.Module) -> list[Linear]:
    """Convolutions and pixel shuffles, also in `nn.Sequential`, as a chain."""
    chain: list[Linear] = []
    for module in modules:
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                assert layer.bias is not None
                chain.append(Linear(layer.weight, layer.bias))
            elif isinstance(layer, nn.PixelShuffle):
                chain[-1] = Linear(chain[-1].weight, chain[-1].bias, layer.upscale_factor)
    return chain


# ---------------------------------------------------------------- while training


def forward_folded(model: MSRN, x: Tensor) -> Tensor:
    """`MSRN.forward` with the folded upsampler: the same away from the border, cheaper.

    (B, 3, H, W) -> (B, 3, scale·H, scale·W). Zero padding of the intermediate layers is not reproduced, so the
    outermost pixels differ (three of them at x4). Gradients flow to the layers' own parameters.
    """
    weight, bias = folded_kernel(layers_of(model.tail[2], model.tail[3]))  # at x4 (48, 64, 5, 5)
    x = model.tail[1](model.tail[0](model.features(x)))
    x = pixel_shuffle(conv2d(x, weight, bias, padding=weight.shape[-1] // 2), model.scale)
    return x + model.mean


# ---------------------------------------------------------------- after training


def cheapest_start(chain: Chain) -> int:
    """Index of the layer from which to fold ``chain`` to its end, so that the whole takes the fewest multiply-adds.

    By the closed form: a convolution takes k² · in · out at each pixel of its map. Only what `Border` can make exact
    counts, and never the last layer alone.
    """
    costs = {}
    for start in range(len(chain) - 1):
        plain, folded = chain[:start], chain[start:]
        if sides_meet(folded):
            continue
        kernel = (2 * reach(folded) + 1) ** 2 * folded[0].weight.shape[1]
        outputs = folded[-1].weight.shape[0] // folded[-1].factor ** 2 * shuffle(folded) ** 2
        costs[start] = kernel * outputs * shuffle(plain) ** 2
        for index, layer in enumerate(plain):
            costs[start] += layer.weight.numel() * shuffle(plain[:index]) ** 2
    return min(costs, key=lambda start: costs[start])


ENDS: tuple[End, End] = ("first", "last")

SIDES: tuple[tuple[Side, Side], ...] = (
    *((None, end) for end in ENDS),
    *((end, None) for end in ENDS),
    *((one, other) for one in ENDS for other in ENDS),
)
"""The four sides and four corners of an image, by rows' and columns' end."""


class Border(nn.Module):
    """What the folded convolution of a chain lacks along the border of the image: see the text of the module.

    Its kernels are buffers and no parameters: nothing in them is learned that is not in the chain's own weights.
    Raises ValueError for a chain whose sides meet (`sides_meet`).
    """

    def __init__(self, chain: Chain) -> None:
        super().__init__()
        if sides_meet(chain):
            raise ValueError("the inner layers reach from one side of an image of one pixel to the other")
        self.scale, self.radius = shuffle(chain), reach(chain)
        self.outputs, self.inputs = border_depths(chain)
        for sides in SIDES:
            weight, bias = self._correction(chain, sides)
            self.register_buffer(f"{name_of(sides)}_weight", weight)
            self.register_buffer(f"{name_of(sides)}_bias", bias)

    def _correction(self, chain: Chain, sides: tuple[Side, Side]) -> tuple[Tensor, Tensor]:
        rows, columns = (near(side, self.outputs, Span(0, self.scale)) for side in sides)
        window = Span(-self.radius, 2 * self.radius + 1)
        above, beside = (near(side, self.inputs, window) for side in sides)
        return correction(chain, sides, (rows, columns), (above, beside))

    def forward(self, padded: Tensor, image: Tensor) -> Tensor:
        """``image`` with the corrections added. ``padded`` is the chain's input, padded by the folded radius."""
        return corrected(image, {sides: self._values(padded, sides) for sides in SIDES})

    def _values(self, padded: Tensor, sides: tuple[Side, Side]) -> Tensor:
        """The correction of ``sides``: as high and wide as the output, or as its outermost rows or columns."""
        first, last = self.radius, self.radius + self.inputs
        strip = {None: slice(None), "first": slice(first, last), "last": slice(-last, -first)}
        weight, bias = (self.get_buffer(f"{name_of(sides)}_{kind}") for kind in ("weight", "bias"))
        values = conv2d(padded[:, :, strip[sides[0]], strip[sides[1]]], weight, bias)
        return _spread(values, *(self.outputs if side else self.scale for side in sides))


def correction(chain: Chain, sides: tuple[Side, Side], outputs: Area, inputs: Area) -> tuple[Tensor, Tensor]:
    """The terms that have a cut on each of ``sides``: responses with and without it, by inclusion and exclusion."""
    terms = []
    for kept in product(*((None, side) if side else (None,) for side in sides)):
        left_out = sum(one != other for one, other in zip(kept, sides, strict=True))
        weight, bias = response(chain, outputs, inputs, (kept[0], kept[1]))
        terms.append(((-1) ** left_out * weight, (-1) ** left_out * bias))
    weights, biases = zip(*terms, strict=True)
    return torch.stack(weights).sum(0), torch.stack(biases).sum(0)


def corrected(image: Tensor, values: Mapping[tuple[Side, Side], Tensor]) -> Tensor:
    """``image`` with the corrections ``values`` added to its sides and corners."""
    for end in ENDS:
        image = _added(image, values[None, end], 3, end)
    for end in ENDS:
        strip = values[end, None]
        for corner in ENDS:
            strip = _added(strip, values[end, corner], 3, corner)
        image = _added(image, strip, 2, end)
    return image


def _added(image: Tensor, values: Tensor, axis: int, end: End) -> Tensor:
    """``image`` with ``values`` added to its first or last rows (axis 2) or columns (axis 3).

    Where the image has fewer of them (x2 of a single pixel), the outermost values count; slices do this without asking
    for a size, so that the network exports with any. Concatenated rather than added in place, because ONNX has no views
    to write to.
    """
    count, size = values.shape[axis], image.shape[axis]

    def part(maps: Tensor, start: int | None, stop: int | None) -> Tensor:
        return maps[:, :, start:stop] if axis == 2 else maps[:, :, :, start:stop]

    if end == "first":
        return torch.cat([part(image, 0, count) + part(values, 0, size), part(image, count, None)], axis)
    return torch.cat([part(image, 0, -count), part(image, -count, None) + part(values, -size, None)], axis)


def name_of(sides: tuple[Side, Side]) -> str:
    """``top``, ``top_left`` and so on."""
    names = {"first": ("top", "left"), "last": ("bottom", "right")}
    return "_".join(names[side][axis] for axis, side in enumerate(sides) if side)


def near(side: Side, depth: int, elsewhere: Span) -> Span:
    """The ``depth`` outermost pixels of an image that begins or ends at 0; ``elsewhere`` where ``side`` is None."""
    return elsewhere if side is None else Span(0 if side == "first" else -depth, depth)


def _spread(values: Tensor, height: int, width: int) -> Tensor:
    """Pixel shuffle with a factor for each axis: (B, C·height·width, H, W) -> (B, C, height·H, width·W)."""
    batch, _, rows, columns = values.shape
    values = values.view(batch, -1, height, width, rows, columns).permute(0, 1, 4, 2, 5, 3)
    return values.reshape(batch, -1, height * rows, width * columns)


class FoldedConv(nn.Module):
    """A chain of linear layers as one convolution and one pixel shuffle by r.

    (B, I, H, W) -> (B, O, r·H, r·W). Equal to the chain everywhere; without ``exact_border`` everywhere but in the
    outermost pixels (`border_depths`).
    """

    def __init__(self, chain: Chain, *, exact_border: bool) -> None:
        super().__init__()
        self.radius = reach(chain)
        self.conv = _convolution(*folded_kernel(chain))
        self.shuffle = nn.PixelShuffle(shuffle(chain))
        self.border = Border(chain) if exact_border else None

    def forward(self, x: Tensor) -> Tensor:
        padded = pad(x, [self.radius] * 4)
        image: Tensor = self.shuffle(self.conv(padded))
        if self.border is not None:
            image = self.border(padded, image)
        return image


class Branches(nn.Module):
    """A multi-scale block without its 1x1: (B, width, H, W) -> twice (B, 2·width, H, W)."""

    def __init__(self, block: MultiScaleBlock) -> None:
        super().__init__()
        self.conv_3_1, self.conv_5_1 = block.conv_3_1, block.conv_5_1
        self.conv_3_2, self.conv_5_2 = block.conv_3_2, block.conv_5_2

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = torch.cat([relu_(self.conv_3_1(x)), relu_(self.conv_5_1(x))], 1)
        return relu_(self.conv_3_2(first)), relu_(self.conv_5_2(first))


class FoldedBlock(nn.Module):
    """A multi-scale block whose 1x1 reads the two branches where they are, as two layers: no second concatenation."""

    def __init__(self, block: MultiScaleBlock) -> None:
        super().__init__()
        self.branches = Branches(block)
        three, five = block.confusion.weight.chunk(2, 1)
        self.confusion = nn.ModuleList([_convolution(three, block.confusion.bias), _convolution(five)])

    def forward(self, x: Tensor) -> Tensor:
        three, five = self.branches(x)
        output: Tensor = self.confusion[0](three)
        output += self.confusion[1](five)
        output += x
        return output


class FoldedMSRN(nn.Module):
    """The inference network that `fold` makes: same input, same output, fewer multiply-adds.

    ``end`` makes one module of the linear layers at the end.

    (B, 3, H, W), float RGB in 0..1 -> (B, 3, scale·H, scale·W), not clipped.
    """

    mean: Tensor

    def __init__(self, model: MSRN, end: Callable[[Chain], nn.Module]) -> None:
        super().__init__()
        for layer in model.modules():
            if isinstance(layer, SeparableConv2d):
                _fold_depthwise_bias(layer)
        self.scale = model.scale
        self.head = model.head
        *blocks, last = cast(list[MultiScaleBlock], list(model.body))
        self.body = nn.ModuleList([*(FoldedBlock(block) for block in blocks), Branches(last)])
        self.fuse = _fused(model)
        # The mean is subtracted before the head pads with zeros and stays a layer; behind the tail it is a bias.
        self.register_buffer("mean", model.mean, persistent=False)
        layers = [layer for layer in model.tail[1:].modules() if isinstance(layer, nn.Conv2d | nn.PixelShuffle)]
        chain = layers_of(*layers)
        chain[-1] = Linear(chain[-1].weight, chain[-1].bias + model.mean.flatten(), chain[-1].factor)
        start = cheapest_start(chain)
        convolutions = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
        self.tail = nn.Sequential(*layers[: convolutions[start]], end(chain[start:]))

    def forward(self, x: Tensor) -> Tensor:
        *blocks, last = self.body
        first, *between, three, five = self.fuse
        x = self.head(x - self.mean)
        total = first(x)
        for block, fuse in zip(blocks, between, strict=True):
            x = block(x)
            total += fuse(x)
        for branch, fuse in zip(last(x), (three, five), strict=True):
            total += fuse(branch)
        output: Tensor = self.tail(total)
        return output


def _convolution(weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """Convolution without padding that has the given parameters."""
    outputs, inputs, size, _ = weight.shape
    layer = nn.Conv2d(inputs, outputs, size, bias=bias is not None, device="meta")  # draws no random numbers
    layer.weight = nn.Parameter(weight.contiguous())
    layer.bias = None if bias is None else nn.Parameter(bias)
    return layer


def _fold_depthwise_bias(layer: SeparableConv2d) -> None:
    """Move the depth-wise bias through the 1x1 into its bias; exact everywhere, because nothing pads in between."""
    assert layer.depthwise.bias is not None
    assert layer.pointwise.bias is not None
    layer.pointwise.bias += layer.pointwise.weight[:, :, 0, 0] @ layer.depthwise.bias
    layer.depthwise.bias = None


def _fused(model: MSRN) -> nn.ModuleList:
    """The tail's 1x1 as a sum: on the head, on every block but the last, and on the last block's two branches.

    Only the tail uses the last block's output, x + C s + c with its input x and its branches s. With the tail's weight
    W for it, W C is the weight of s, W is added to that of x, and W c to the bias.
    """
    tail, last = cast(nn.Conv2d, model.tail[0]), cast(MultiScaleBlock, model.body[-1]).confusion
    assert tail.bias is not None
    assert last.bias is not None
    *blocks, head = tail.weight.chunk(tail.in_channels // tail.out_channels, 1)
    weights = [head, *blocks]  # in the order of computation; the concatenation has the head last
    final = weights.pop()
    weights[-1] = weights[-1] + final
    weights += torch.einsum("oiyx,injk->onyx", final, last.weight).chunk(2, 1)
    bias = tail.bias + final[:, :, 0, 0] @ last.bias
    return nn.ModuleList(_convolution(weight, None if index else bias) for index, weight in enumerate(weights))


def fold(model: MSRN, *, exact_border: bool = True) -> FoldedMSRN:
    """An inference network with the same output as ``model``, which stays as it is; of its data type and on its device.

    Upsampler and last convolution become one convolution and one pixel shuffle, together with the 3x3 before them where
    that takes fewer multiply-adds (x2); depth-wise biases move into the point-wise ones; the last block's 1x1 and the
    tail's become one; the output's mean shift becomes a bias. Equal everywhere, to rounding. ``exact_border=False``
    leaves out the corrections of the outermost output pixels (three at x2 and x4, one at x3, seven at x8), which is
    simpler and costs exactness there and nowhere else. Weights are composed in float64.

    >>> from replication.models import build, count_parameters
    >>> count_parameters(fold(build("smsrn")))
    661387
    """
    return fold_with(model, partial(FoldedConv, exact_border=exact_border))


@torch.no_grad()
def fold_with(model: MSRN, end: Callable[[Chain], nn.Module]) -> FoldedMSRN:
    """As `fold`, with another module for the linear layers at the end: ``end`` makes it of them, in float64."""
    return FoldedMSRN(deepcopy(model).double(), end).to(model.mean.dtype).eval().requires_grad_(False)
