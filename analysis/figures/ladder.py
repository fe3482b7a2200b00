"""PSNR of both networks against the length of their training, the same recipe for both."""

from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from analysis import style
from analysis.names import DISPLAY
from analysis.paper import BENCHMARKS
from analysis.quality.columns import AVERAGE
from analysis.quality.ladder import Member, of_one_network, setting
from analysis.quality.training import readings_words
from analysis.text import small_percent, wrap

LINES: dict[str, dict[str, Any]] = {
    "smsrn": {"linestyle": "-", "marker": "o", "color": style.MEASURED},
    "msrn": {"linestyle": "--", "marker": "s", "color": style.EDGE},
}
"""Line and marker of each network, so that they differ without colour."""
FILLS = ("full", "none", "left", "right", "bottom", "top")
"""Of the markers of one setting each."""
NEAREST = 0.65
"""Numbers of steps whose ratio is above this are too near each other for two labels."""


LEGEND = 52
"""Characters in a line of the legend, which has two columns."""


def apart(steps: Iterable[int]) -> list[int]:
    """Those of ``steps`` that leave room for a label, from the longest down; ascending."""
    kept: list[int] = []
    for one in sorted(steps, reverse=True):
        if not kept or one <= NEAREST * kept[-1]:
            kept.append(one)
    return kept[::-1]


def look(model: str, fill: str, **changes: Any) -> dict[str, Any]:
    """How a network looks in the setting with that filling."""
    return {
        **LINES[model],
        "linewidth": 1,
        "markersize": 4,
        "fillstyle": fill,
        "markerfacecoloralt": "white",
        **changes,
    }


def draw_network(axes: Axes, model: str, points: list[tuple[int, float]], fill: str) -> None:
    """Every run of a network in one setting as a marker, a line through the means of equal lengths."""
    lengths = sorted({steps for steps, _ in points})
    means = [fmean(psnr for length, psnr in points if length == steps) for steps in lengths]
    axes.plot(lengths, means, **look(model, fill, marker=""))
    axes.plot([steps for steps, _ in points], [psnr for _, psnr in points], **look(model, fill, linestyle=""))


def draw(members: dict[str, list[Member]]) -> Figure:
    """One panel a set. Call it, and save the figure, inside `style.settings`."""
    figure = style.new_figure(width=2 * style.COLUMN, height=3.0)
    panels = figure.subplots(1, len(BENCHMARKS) + 1, sharex=True)
    shares = {one.run.steps: one.run.paper_fraction for found in members.values() for one in found}
    settings = sorted({setting(one.run) for found in members.values() for one in found})
    for axes, name in zip(panels, (*BENCHMARKS, AVERAGE), strict=True):
        for model, found in members.items():
            for label, fill in zip(settings, cycle(FILLS), strict=False):
                shown = [one for one in found if name in one.psnr and setting(one.run) == label]
                if points := [(one.run.steps, one.psnr[name]) for one in shown]:
                    draw_network(axes, model, points, fill)
        axes.set_xscale("log", base=2)
        ticks = apart(shares)
        axes.set_xticks(ticks, [f"{steps / 1000:g}" for steps in ticks])
        axes.set_xticks(sorted(shares), minor=True)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(axis="x", labelsize="small")
        axes.margins(x=0.12, y=0.08)
        axes.set(title=name, xlabel="thousand steps")
    parts = [
        f"{steps:,} steps {small_percent(share)}".replace(" ", "\N{NBSP}") for steps, share in sorted(shares.items())
    ]
    listed = wrap(f"share of the paper's training: {', '.join(parts)}")
    figure.supxlabel(f"{listed}\n{readings_words()}", size=7)
    panels[0].set_ylabel("PSNR on luma, dB")
    figure.legend(handles=legend_handles(settings), loc="outside upper center", ncols=2)
    return figure


def legend_handles(settings: Iterable[str]) -> list[Line2D]:
    """The networks by line and marker, then the settings by the filling of a marker: each name once."""
    networks = [Line2D([], [], label=DISPLAY[model], **look(model, FILLS[0])) for model in LINES]
    fillings = [
        Line2D([], [], label=wrap(label, LEGEND), **look("msrn", fill, linestyle="", marker="D"))
        for label, fill in zip(settings, cycle(FILLS), strict=False)
    ]
    return [*networks, *fillings]


def write(results: Path) -> list[Path]:
    """Draw ``figures/ladder`` from the records; return the files, none where nothing is measured."""
    members = {model: of_one_network(results, model) for model in LINES}
    if not any(members.values()):
        return []
    with style.settings():
        return style.save(draw(members), style.target(results, "ladder"))
