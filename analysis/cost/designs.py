"""Which network has the paper's number of parameters: every member of a design space counted in closed form.

The paper gives two totals and a drawing, not code. This module varies what the text leaves open and what it states (so
that what it states is found and not put in), counts each variant with the layers of `analysis.cost.closed_form`, and
lists those with a printed total.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import paper
from analysis.cost.closed_form import FACTORS, Layer, Sizes, network, separable_conv, standard_conv
from analysis.names import DISPLAY

WIDTHS = tuple(range(16, 129, 8))
BLOCKS = tuple(range(1, 17))
SCALES = tuple(FACTORS)
KERNELS = tuple(combinations_with_replacement((3, 5, 7), 2))
"""Kernels of the two branches of a block."""
CHANNELS = (1, 3)
"""Luma, RGB."""
PLAN = (2, 1, 1)
"""The paper's plan of a block: second layers with twice the width in outputs, 1x1 at its end, 1x1 to join blocks."""
PLANS = tuple(product((1, 2), (1, 3), (1, 3)))
"""Outputs of the second layers in widths, kernel at the end of a block, kernel that joins the blocks."""
SEPARABLE_GROUPS = ("head", "block first pair", "block second pair", "tail 3x3", "upsampler", "last")
"""Groups of k x k layers, each of which may be separable as a whole. A 1x1 layer has nothing to separate."""

BIASES = ("standard", "1x1", "depth-wise", "point-wise")
"""Kinds of layers that may have a bias; "standard" are the k x k ones."""

MEAN_SHIFT = 24
"""Parameters of the public code's two mean shifts, if counted: two 1x1 layers from 3 to 3 channels, with bias."""

Array = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max
"""The distance from a total of what is no design."""


@dataclass(frozen=True)
class Design:
    """One member of the space: sizes, the groups that are separable, the kinds that have a bias, the mean shift."""

    sizes: Sizes
    separable: frozenset[str]
    biases: frozenset[str]
    mean_shift: bool

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of layers that it has: a bias of any other kind would be no choice."""
        fusions = {self.sizes.block_fusion, self.sizes.fusion}
        kinds = {"1x1"} if 1 in fusions else set()
        if self.separable:
            kinds |= {"depth-wise", "point-wise"}
        if len(self.separable) < len(SEPARABLE_GROUPS) or fusions != {1}:
            kinds |= {"standard"}
        return frozenset(kinds)

    @property
    def params(self) -> int:
        """Number of parameters."""
        fixed, free = group_sums(self.sizes)
        sums = fixed + sum(free[index, int(group in self.separable)] for index, group in enumerate(SEPARABLE_GROUPS))
        biases = [int(kind in self.biases) for kind in BIASES]
        return int(sums @ [1, *biases]) + MEAN_SHIFT * self.mean_shift

    def words(self) -> str:
        """The design in words."""
        sizes = self.sizes
        groups = [group for group in SEPARABLE_GROUPS if group in self.separable]
        missing = [kind for kind in BIASES if kind in self.kinds - self.biases]
        parts = [
            f"x{sizes.scale} on {'RGB' if sizes.channels == 3 else 'luma'}, width {sizes.width}, {sizes.blocks} blocks "
            f"of {sizes.kernels[0]}x{sizes.kernels[0]} and {sizes.kernels[1]}x{sizes.kernels[1]}",
            *(["second layers as wide as the first"] if sizes.second == 1 else []),
            *(["3x3 at the end of a block"] if sizes.block_fusion == 3 else []),
            *(["3x3 to join the blocks"] if sizes.fusion == 3 else []),
            f"separable: {', '.join(groups) or 'nothing'}",
            f"no bias in: {', '.join(missing)}" if missing else "every layer has a bias",
            f"mean shift {'counted' if self.mean_shift else 'not counted'}",
        ]
        return "; ".join(parts)


@cache
def group_sums(sizes: Sizes) -> tuple[Array, Array]:
    """Weights, and output channels by kind of layer (`BIASES`): of all 1x1 layers, and of each separable group.

    (5,) and (groups, 2, 5), the second axis: standard, separable.
    """
    fixed = np.zeros(5, np.int64)
    free = np.zeros((len(SEPARABLE_GROUPS), 2, 5), np.int64)
    for layer in network(standard_conv, sizes):
        if layer.group in SEPARABLE_GROUPS:
            index = SEPARABLE_GROUPS.index(layer.group)
            free[index, 0] += _vector(layer)
            parts = separable_conv(layer.name, layer.group, layer.kernel, layer.in_channels, layer.out_channels)
            free[index, 1] += sum(_vector(part) for part in parts)
        else:
            fixed += _vector(layer)
    return fixed, free


def _vector(layer: Layer) -> Array:
    """Weights, and the layer's output channels at the place of its kind."""
    return np.array([layer.weights, *(layer.out_channels * (kind == _kind(layer)) for kind in BIASES)], np.int64)


def _kind(layer: Layer) -> str:
    if layer.groups > 1 or layer.name.endswith(".depthwise"):
        return "depth-wise"
    if layer.kernel > 1:
        return "standard"
    return "point-wise" if layer.name.endswith(".pointwise") else "1x1"


def subsets(names: Sequence[str]) -> list[frozenset[str]]:
    """Every subset of ``names``."""
    flags = product((False, True), repeat=len(names))
    return [frozenset(name for name, flag in zip(names, row, strict=True) if flag) for row in flags]


SUBSETS = subsets(SEPARABLE_GROUPS)
BIAS_SETS = subsets(BIASES)
_SEPARABLE = np.array([[group in one for group in SEPARABLE_GROUPS] for one in SUBSETS], np.int64)
_BIASED = np.array([[kind in one for kind in BIASES] for one in BIAS_SETS], np.int64)


@dataclass(frozen=True)
class Space:
    """What is varied."""

    widths: Sequence[int] = WIDTHS
    blocks: Sequence[int] = BLOCKS
    scales: Sequence[int] = SCALES
    kernels: Sequence[tuple[int, int]] = KERNELS
    channels: Sequence[int] = CHANNELS
    plans: Sequence[tuple[int, int, int]] = PLANS

    def families(self) -> Iterator[Sizes]:
        """Every combination of sizes but for scale and blocks, which are those of the first of each."""
        for width, kernels, channels, plan in product(self.widths, self.kernels, self.channels, self.plans):
            yield Sizes(self.scales[0], width, self.blocks[0], kernels, channels, *plan)

    def totals(self, family: Sizes) -> Array:
        """Weights and biases of a family's designs: (scales, blocks, `SUBSETS`, `BIAS_SETS`).

        A block adds the same at every scale and number of blocks, so two blocks need to be laid out at one scale only.
        """
        one, two = (_stacked(replace(family, blocks=number)) for number in (1, 2))
        begin = np.stack([_stacked(replace(family, scale=scale, blocks=1)) for scale in self.scales])
        more = np.array(self.blocks, np.int64)[:, None, None] - 1
        sums: Array = begin[:, None] + more * (two - one)
        totals: Array = sums[..., :1] + sums[..., 1:] @ _BIASED.T
        return totals


def _stacked(sizes: Sizes) -> Array:
    """The sums of the whole network for each of `SUBSETS`: (subsets, 5)."""
    fixed, free = group_sums(sizes)
    stacked: Array = fixed + free[:, 0].sum(0) + np.tensordot(_SEPARABLE, free[:, 1] - free[:, 0], 1)
    return stacked


@cache
def _allowed(block_fusion: int, fusion: int) -> NDArray[np.bool_]:
    """Which biases are a choice with which separable groups: (`SUBSETS`, `BIAS_SETS`)."""
    sizes = Sizes(block_fusion=block_fusion, fusion=fusion)
    kinds = [Design(sizes, separable, frozenset(), False).kinds for separable in SUBSETS]
    return np.array([[biases <= kind for biases in BIAS_SETS] for kind in kinds])


@dataclass(frozen=True)
class Search:
    """What a search found, by total.

    ``size`` and ``found``: designs with the paper's `PLAN` of a block; ``nearest``: those of them that just miss a
    total. ``wide`` and ``elsewhere``: all designs, and those with a total and another plan.
    """

    size: int
    wide: int
    found: dict[int, list[Design]]
    nearest: dict[int, list[Design]]
    elsewhere: dict[int, list[Design]]

    @property
    def common(self) -> list[Sizes]:
        """The sizes for which every total is met, by whichever layers are separable, with any plan of a block."""
        met = [{(one.sizes, one.mean_shift) for one in [*self.found[t], *self.elsewhere[t]]} for t in self.found]
        return [sizes for sizes, _ in set.intersection(*met)]


Miss = tuple[int, Design]
"""A design, and by how much it misses a total."""


def search(totals: Sequence[int], nearest: int = 3, space: Space | None = None) -> Search:
    """Count every design; keep those with exactly one of ``totals``, and the ``nearest`` that miss each of them."""
    space = space or Space()
    size = wide = 0
    found: dict[int, list[Design]] = {total: [] for total in totals}
    elsewhere: dict[int, list[Design]] = {total: [] for total in totals}
    near: dict[int, list[Miss]] = {total: [] for total in totals}
    for family in space.families():
        planned = (family.second, family.block_fusion, family.fusion) == PLAN
        params, allowed = space.totals(family), _allowed(family.block_fusion, family.fusion)
        for mean_shift in (False, True) if family.channels == 3 else (False,):
            counted = len(space.scales) * len(space.blocks) * int(allowed.sum())
            wide, size = wide + counted, size + counted * planned
            for total in totals:
                wanted = total - MEAN_SHIFT * mean_shift
                at = partial(_designs, space, family, mean_shift)
                (found if planned else elsewhere)[total] += at(np.argwhere((params == wanted) & allowed))
                if planned:
                    gaps = np.where(allowed, np.abs(params - wanted), NEVER)
                    near[total] = _nearest(near[total], nearest, gaps, at)
    return Search(size, wide, found, {total: [one for _, one in near[total]] for total in totals}, elsewhere)


def _designs(space: Space, family: Sizes, mean_shift: bool, places: NDArray[Any]) -> list[Design]:
    """The designs at these places of `Space.totals`."""
    return [
        Design(
            replace(family, scale=space.scales[scale], blocks=space.blocks[blocks]),
            SUBSETS[separable], BIAS_SETS[biases], mean_shift,
        )
        for scale, blocks, separable, biases in places
    ]  # fmt: skip


def _nearest(known: list[Miss], keep: int, gaps: Array, designs: Callable[[NDArray[Any]], list[Design]]) -> list[Miss]:
    """The ``keep`` designs that miss a total by least, of the known ones and of those at ``gaps`` > 0."""
    limit = known[-1][0] if len(known) == keep else np.partition(gaps[gaps > 0], keep - 1)[keep - 1] + 1
    places = np.argwhere((gaps > 0) & (gaps < min(limit, NEVER)))
    new = zip((int(gaps[tuple(place)]) for place in places), designs(places), strict=True)
    return sorted([*known, *new], key=lambda miss: miss[0])[:keep]


def flips(design: Design) -> list[tuple[str, Design]]:
    """``design`` with each single choice made differently, in words and as a design."""
    sizes = design.sizes
    other: list[tuple[str, Design]] = []
    for group in SEPARABLE_GROUPS:
        words = f"{group} {'standard' if group in design.separable else 'separable'}"
        other.append((words, replace(design, separable=design.separable ^ {group})))
    for kind in BIASES:
        if kind in design.kinds:
            words = f"{kind} layers {'without' if kind in design.biases else 'with'} bias"
            other.append((words, replace(design, biases=design.biases ^ {kind})))
    shift = "mean shift not counted" if design.mean_shift else "mean shift counted"
    other.append((shift, replace(design, mean_shift=not design.mean_shift)))
    resized = {
        f"{sizes.blocks - 1} blocks": replace(sizes, blocks=sizes.blocks - 1),
        f"{sizes.blocks + 1} blocks": replace(sizes, blocks=sizes.blocks + 1),
        f"width {sizes.width - 8}": replace(sizes, width=sizes.width - 8),
        f"width {sizes.width + 8}": replace(sizes, width=sizes.width + 8),
        **{f"x{scale}": replace(sizes, scale=scale) for scale in SCALES if scale != sizes.scale},
        **{
            f"branches of {one}x{one} and {two}x{two}": replace(sizes, kernels=(one, two))
            for one, two in KERNELS
            if (one, two) != sizes.kernels
        },
        "on RGB" if sizes.channels == 1 else "on luma": replace(sizes, channels=4 - sizes.channels),
        "other outputs of the second layers": replace(sizes, second=3 - sizes.second),
        "other kernel at the end of a block": replace(sizes, block_fusion=4 - sizes.block_fusion),
        "other kernel to join the blocks": replace(sizes, fusion=4 - sizes.fusion),
    }
    other += [(words, replace(design, sizes=one)) for words, one in resized.items()]
    # A choice that brings kinds of layers that the design did not have gives them a bias.
    return [(words, _with_new_biases(design, one)) for words, one in other]


def _with_new_biases(before: Design, after: Design) -> Design:
    biases = (after.biases & after.kinds) | (after.kinds - before.kinds)
    return replace(after, biases=biases)


def printed_totals() -> dict[str, int]:
    """The two totals of Table 1."""
    return {DISPLAY[model]: column.parameters for model, column in paper.table1().columns.items()}


@cache
def paper_search() -> Search:
    """The search for the paper's two totals."""
    return search(list(printed_totals().values()))
