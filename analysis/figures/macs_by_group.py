"""Where the MACs are: each group of layers of MSRN and SMSRN at x4, by the closed-form cost model."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from analysis import style
from analysis.cost import closed_form
from analysis.cost.closed_form import Layer
from analysis.names import DISPLAY, SCALE
from analysis.text import percent

BAR = 0.38
"""Thickness of a bar, where groups are 1 apart."""


def macs(layers: Sequence[Layer]) -> dict[str, int]:
    """MACs per LR pixel by group, in the order of the network."""
    return {group: closed_form.total_macs(members) for group, members in closed_form.by_group(layers).items()}


def count(value: int) -> str:
    """A number of MACs in words as short as the bar labels need: 4.2 M, 37 k."""
    return f"{value / 1e6:.2f} M" if value >= 1e5 else f"{value / 1e3:.1f} k"


def share(part: float) -> str:
    """A share in percent; shares below 0.1 % print as "< 0.1 %"."""
    return percent(part) if part >= 0.001 else "< 0.1 %"


def draw(networks: dict[str, list[Layer]]) -> Figure:
    """The figure for MSRN and SMSRN, given as layers. Call it, and save the figure, inside `style.settings`."""
    figure = style.new_figure(height=3.3)
    axes = figure.add_subplot()
    groups: list[str] = []
    for index, (model, layers) in enumerate(networks.items()):
        values = macs(layers)
        groups = list(values)
        total = sum(values.values())
        rows = [row + (index - 0.5) * BAR for row in range(len(values))]
        bars = axes.barh(
            rows,
            [value / 1e6 for value in values.values()],
            BAR,
            color=style.COLORS[model],
            edgecolor=style.EDGE,
            linewidth=0.4,
            label=f"{DISPLAY[model]}: {count(total)}",
        )
        labels = [f"{count(value)}, {share(value / total)}" for value in values.values()]
        axes.bar_label(bars, labels, padding=2, size=5.5)
    axes.set_yticks(range(len(groups)), groups)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel(f"millions of MACs per LR pixel at x{SCALE}; share of the network")
    axes.margins(x=0.16)
    axes.set_xlim(left=0)
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=2, handlelength=1.2)
    return figure


def write(results: Path) -> list[Path]:
    """Write macs_by_group.png, .svg and .pdf below ``<results>/figures``; return their paths."""
    networks = {"msrn": closed_form.msrn(SCALE), "smsrn": closed_form.smsrn(SCALE)}
    with style.settings():
        return style.save(draw(networks), style.target(results, "macs_by_group"))
