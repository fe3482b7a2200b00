"""The folded network for pictures of one size, made of the few operators that accelerators of phones have.

ONNX Runtime on Android (NNAPI) and Apple's systems (CoreML), and OpenCV, take sizes that are known beforehand, maps of
four axes, no padding outside a convolution, and a depth-to-space whose channels are ordered by row, column and colour.
So the corrections along the border (see `replication.fold`) are added before that step, to the outermost pixels of the
low-resolution map, where each is a convolution, and nothing is rearranged. The output is that of `replication.fold`.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from replication.fold import (
    SIDES,
    Chain,
    FoldedMSRN,
    Side,
    Span,
    border_depths,
    corrected,
    correction,
    fold_with,
    folded_kernel,
    name_of,
    near,
    reach,
    shuffle,
)
from replication.models.msrn import MSRN


class FixedConv(nn.Module):
    """As `replication.fold.FoldedConv` with the exact border: (B, I, H, W) -> (B, O, r·H, r·W).

    H and W: at least as many pixels as the corrections of one side read (2 at x4).
    """

    def __init__(self, chain: Chain) -> None:
        super().__init__()
        self.factor, self.radius = shuffle(chain), reach(chain)
        changed, self.inputs = border_depths(chain)
        self.cells = -(-changed // self.factor)
        """How many outermost rows of the low-resolution map hold the output rows that are corrected."""
        self.conv = self._convolution(*folded_kernel(chain), (self.radius, self.radius))
        self.border = nn.ModuleDict({name_of(sides): self._corrections(chain, sides) for sides in SIDES})

    def _convolution(self, weight: Tensor, bias: Tensor, padding: tuple[int, int]) -> nn.Conv2d:
        """A convolution whose output channels go from the order of a pixel shuffle to row, column, colour."""
        outputs, inputs, *size = weight.shape
        layer = nn.Conv2d(inputs, outputs, (size[0], size[1]), padding=padding, device="meta")  # draws no numbers
        layer.weight, layer.bias = (
            nn.Parameter(values.view(-1, self.factor**2, *values.shape[1:]).transpose(0, 1).flatten(0, 1))
            for values in (weight, bias)
        )
        return layer

    def _corrections(self, chain: Chain, sides: tuple[Side, Side]) -> nn.ModuleList:
        """One convolution for each low-resolution row (and column) that has something to correct on ``sides``."""
        window = Span(-self.radius, 2 * self.radius + 1)
        read = [near(side, self.inputs, window) for side in sides]
        padding = (self.radius if sides[0] is None else 0, self.radius if sides[1] is None else 0)
        return nn.ModuleList(
            self._convolution(*correction(chain, sides, (rows, columns), (read[0], read[1])), padding)
            for rows in self._written(sides[0])
            for columns in self._written(sides[1])
        )

    def _written(self, side: Side) -> list[Span]:
        """The output pixels of each outermost low-resolution pixel along an axis; of any one where ``side`` is None."""
        outermost = near(side, self.cells, Span(0, 1))
        return [Span(cell * self.factor, self.factor) for cell in range(outermost.start, outermost.stop)]

    def forward(self, x: Tensor) -> Tensor:
        maps = corrected(self.conv(x), {sides: self._values(x, sides) for sides in SIDES})
        return depth_to_space(maps, self.factor)

    def _values(self, x: Tensor, sides: tuple[Side, Side]) -> Tensor:
        """The corrections of ``sides``, before the pixel shuffle."""
        for axis, side in enumerate(sides, start=2):
            if side is not None:
                start = 0 if side == "first" else x.shape[axis] - self.inputs
                x = x.narrow(axis, start, self.inputs)
        parts = [layer(x) for layer in cast(nn.ModuleList, self.border[name_of(sides)])]
        if sides[1] is not None:
            count = self.cells
            parts = [torch.cat(parts[first : first + count], 3) for first in range(0, len(parts), count)]
        return torch.cat(parts, 2) if len(parts) > 1 else parts[0]


def depth_to_space(maps: Tensor, factor: int) -> Tensor:
    """Pixel shuffle of channels in the order row, column, colour: (B, factor²·C, H, W) -> (B, C, factor·H, factor·W).

    In an export it is ONNX's DepthToSpace in that mode (DCR), which PyTorch's own pixel shuffle does not become.
    """
    batch, channels, height, width = maps.shape
    if torch.onnx.is_in_onnx_export():
        shape = (batch, channels // factor**2, factor * height, factor * width)
        mode: dict[str, Any] = {"blocksize": factor, "mode": "DCR"}
        return torch.onnx.ops.symbolic("DepthToSpace", (maps,), mode, dtype=maps.dtype, shape=shape)
    maps = maps.view(batch, factor**2, -1, height, width).transpose(1, 2)
    return pixel_shuffle(maps.reshape(batch, channels, height, width), factor)


def fold_for_phones(model: MSRN) -> FoldedMSRN:
    """As `replication.fold.fold`, of other operators, and for pictures of more than a few pixels a side."""
    return fold_with(model, FixedConv)
