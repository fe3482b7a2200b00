"""Which network has the paper's number of parameters: every member of a design space counted in closed form.

The paper gives two totals and a drawing, not code. This module varies what the text leaves open (and some of what it
does not), counts each variant with the layers of `analysis.cost.closed_form`, and lists those with a printed total.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from analysis import paper
from analysis.cost import closed_form
from analysis.cost.closed_form import Layer, by_group, separable_conv
from analysis.names import SCALE

WIDTHS = tuple(range(16, 129, 8))
BLOCKS = tuple(range(1, 17))
SEPARABLE_GROUPS = ("head", "block first pair", "block second pair", "tail 3x3", "upsampler", "last")
"""Groups of k x k layers, each of which may be separable as a whole. A 1x1 layer has nothing to separate."""

BIASES = ("standard", "1x1", "depth-wise", "point-wise")
"""Kinds of layers that may have a bias; "standard" are the k x k ones."""

MEAN_SHIFT = 24
"""Parameters of the public code's two mean shifts, if counted: two 1x1 layers from 3 to 3 channels, with bias."""


@dataclass(frozen=True)
class Design:
    """One member of the space: sizes, the groups that are separable, the kinds that have a bias, the mean shift."""

    width: int
    blocks: int
    separable: frozenset[str]
    biases: frozenset[str]
    mean_shift: bool

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of layers that it has: a bias of any other kind would be no choice."""
        kinds = {"1x1"}
        if self.separable:
            kinds |= {"depth-wise", "point-wise"}
        if len(self.separable) < len(SEPARABLE_GROUPS):
            kinds |= {"standard"}
        return frozenset(kinds)

    @property
    def params(self) -> int:
        """Number of parameters."""
        weights, channels = _sums(self.width, self.blocks, self.separable)
        return weights + sum(channels[kind] for kind in self.biases) + MEAN_SHIFT * self.mean_shift

    def words(self) -> str:
        """The design in words."""
        groups = [group for group in SEPARABLE_GROUPS if group in self.separable]
        missing = [kind for kind in BIASES if kind in self.kinds - self.biases]
        return (
            f"width {self.width}, {self.blocks} blocks; separable: {', '.join(groups) or 'nothing'}; "
            f"{'no bias in: ' + ', '.join(missing) if missing else 'every layer has a bias'}; "
            f"mean shift {'counted' if self.mean_shift else 'not counted'}"
        )


@cache
def _group_sums(width: int, blocks: int) -> dict[tuple[str, bool], tuple[int, dict[str, int]]]:
    """Weights, and output channels by kind of layer, of each group as (group, separable?)."""
    sums = {}
    for group, layers in by_group(closed_form.msrn(SCALE, width, blocks)).items():
        for separable in (False, True) if group in SEPARABLE_GROUPS else (False,):
            chosen = [part for layer in layers for part in (_separated(layer) if separable else [layer])]
            channels = dict.fromkeys(BIASES, 0)
            for layer in chosen:
                channels[_kind(layer)] += layer.out_channels
            sums[group, separable] = (sum(layer.weights for layer in chosen), channels)
    return sums


def _separated(layer: Layer) -> list[Layer]:
    return separable_conv(layer.name, layer.group, layer.kernel, layer.in_channels, layer.out_channels)


def _kind(layer: Layer) -> str:
    if layer.groups > 1:
        return "depth-wise"
    if layer.kernel > 1:
        return "standard"
    return "point-wise" if layer.name.endswith(".pointwise") else "1x1"


@cache
def _sums(width: int, blocks: int, separable: frozenset[str]) -> tuple[int, dict[str, int]]:
    """Weights of the whole network, and output channels by kind of layer."""
    sums = _group_sums(width, blocks)
    chosen = [value for (group, is_separable), value in sums.items() if is_separable == (group in separable)]
    return sum(weights for weights, _ in chosen), {kind: sum(by[kind] for _, by in chosen) for kind in BIASES}


def subsets(names: Sequence[str]) -> Iterator[frozenset[str]]:
    """Every subset of ``names``."""
    for flags in product((False, True), repeat=len(names)):
        yield frozenset(name for name, flag in zip(names, flags, strict=True) if flag)


def designs(widths: Sequence[int] = WIDTHS, blocks: Sequence[int] = BLOCKS) -> Iterator[Design]:
    """Every member of the space, once: biases are chosen only for kinds of layers that the member has."""
    for width, number, separable in product(widths, blocks, subsets(SEPARABLE_GROUPS)):
        kinds = Design(width, number, separable, frozenset(), False).kinds
        for biases, mean_shift in product(subsets([kind for kind in BIASES if kind in kinds]), (False, True)):
            yield Design(width, number, separable, biases, mean_shift)


@dataclass(frozen=True)
class Search:
    """The space's size, and per printed total its members and the designs nearest to it."""

    size: int
    found: dict[int, list[Design]]
    nearest: dict[int, list[Design]]


def search(totals: Sequence[int], nearest: int = 3) -> Search:
    """Count every design; keep those with exactly one of ``totals``, and the ``nearest`` that miss each of them."""
    size = 0
    found: dict[int, list[Design]] = {total: [] for total in totals}
    close: dict[int, list[tuple[int, int, Design]]] = {total: [] for total in totals}
    for design in designs():
        size += 1
        params = design.params
        for total in totals:
            if params == total:
                found[total].append(design)
            elif len(close[total]) < nearest or abs(params - total) < close[total][-1][0]:
                close[total] = sorted([*close[total], (abs(params - total), size, design)])[:nearest]
    return Search(size, found, {total: [design for _, _, design in close[total]] for total in totals})


def flips(design: Design) -> list[tuple[str, Design]]:
    """``design`` with each single choice made differently, in words and as a design."""
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
    for blocks in (design.blocks - 1, design.blocks + 1):
        other.append((f"{blocks} blocks", replace(design, blocks=blocks)))
    for width in (design.width - 8, design.width + 8):
        other.append((f"width {width}", replace(design, width=width)))
    # A group that turns separable brings kinds of layers that the design did not have: they get a bias.
    return [(words, _with_new_biases(design, one)) for words, one in other]


def _with_new_biases(before: Design, after: Design) -> Design:
    biases = (after.biases & after.kinds) | (after.kinds - before.kinds)
    return replace(after, biases=biases)


PAPER_NAMES = {"MSRN": "msrn", "SMSRN": "smsrn"}


def printed_totals() -> dict[str, int]:
    """The two totals of Table 1."""
    in_paper = paper.table1()
    return {name: getattr(in_paper, field).parameters for name, field in PAPER_NAMES.items()}


@cache
def paper_search() -> Search:
    """The search for the paper's two totals."""
    return search(list(printed_totals().values()))
