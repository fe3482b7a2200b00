"""The paper in one picture: what SMSRN saves, and what is left of MSRN's PSNR, each with the paper's own numbers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import paper, style
from analysis.cost import closed_form, equations
from analysis.names import DISPLAY, SCALE
from analysis.paper import BENCHMARKS
from analysis.quality.columns import AVERAGE, Column, collect, measured
from analysis.quality.ladder import Rung, rungs
from analysis.quality.training import readings_words, short_share, training_of
from analysis.text import percent, percentage, with_interval
from replication.evaluate import METHODS
from replication.models import MODELS
from replication.records import BY_PROTOCOL

MARKERS = {"bicubic": "o", "smsrn": "D", "msrn": "s"}
STAR: dict[str, Any] = {"marker": "*", "color": style.PAPER, "edgecolor": "white", "linewidth": 0.4, "zorder": 4}
SHIFT = 0.17
"""Between the markers of one benchmark, where benchmarks are 1 apart: no two share a column, so none covers another."""
SHIFTS = {"bicubic": -2 * SHIFT, "smsrn": 0.0, "msrn": 2 * SHIFT}
"""Columns of what was measured; the paper's star stands one to the left."""


@dataclass(frozen=True)
class Share:
    """What remains of MSRN in SMSRN, in percent: computed here, by the paper, and in the paper's words."""

    computed: float
    printed: float
    quoted: str


def left_of_msrn() -> dict[str, Share]:
    """What remains of the parameters and of the MACs."""
    msrn, smsrn = closed_form.msrn(SCALE), closed_form.smsrn(SCALE)
    in_paper = paper.table1()
    printed_macs = 100 - float(equations.PRINTED_MEAN.removesuffix("%"))
    return {
        "parameters": Share(
            100 * closed_form.total_params(smsrn) / closed_form.total_params(msrn),
            100 * in_paper.smsrn.parameters / in_paper.msrn.parameters,
            f"{in_paper.retained['parameters']} %",
        ),
        "MACs": Share(
            100 * closed_form.total_macs(smsrn) / closed_form.total_macs(msrn),
            printed_macs,
            f"{percentage(printed_macs, 0)} ({equations.PRINTED_MEAN} saved)",
        ),
    }


def draw_cost(axes: Axes, shares: Mapping[str, Share]) -> None:
    """Bars: MSRN as 100 %, SMSRN below it, the paper's value as a star."""
    places = range(len(shares))
    look: dict[str, Any] = {"height": 0.36, "edgecolor": style.EDGE, "linewidth": 0.6}
    axes.barh([y - 0.18 for y in places], 100, color=style.COLORS["msrn"], **look)
    axes.barh(
        [y + 0.18 for y in places], [share.computed for share in shares.values()], color=style.COLORS["smsrn"], **look
    )
    axes.scatter([share.printed for share in shares.values()], [y + 0.18 for y in places], s=110, **STAR)
    for y, share in enumerate(shares.values()):
        axes.text(50, y - 0.18, f"{DISPLAY['msrn']}: 100 %", ha="center", va="center_baseline")
        words = f"{DISPLAY['smsrn']}: {percent(share.computed / 100)}"
        axes.text(share.computed + 4, y + 0.1, words, va="center_baseline", weight="bold")
        axes.text(share.computed + 4, y + 0.27, f"the paper: {share.quoted}", va="center_baseline", size=9)
    axes.set_yticks(places, list(shares))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set(xlim=(0, 110), xlabel="percent of MSRN")


def draw_quality(axes: Axes, columns: Mapping[str, Column], trainings: Mapping[str, str]) -> None:
    """Markers: PSNR of each method on each benchmark, the paper's star at the left of what was measured."""
    in_paper = paper.table1()
    printed = {"msrn": in_paper.msrn, "smsrn": in_paper.smsrn}
    places = range(len(BENCHMARKS))
    for model, column in columns.items():
        if model in printed:
            stars = [printed[model].scores[name].psnr for name in BENCHMARKS]
            axes.scatter([place + SHIFTS[model] - SHIFT for place in places], stars, s=70, **STAR)
        known = {place: score.psnr for place, name in enumerate(BENCHMARKS) if (score := column.scores[name])}
        share = f" ({trainings[model]})" if model in trainings else ""
        axes.scatter(
            [place + SHIFTS[model] for place in known], list(known.values()),
            marker=MARKERS[model], s=32, color=style.COLORS[model], edgecolor=style.EDGE, linewidth=0.6, zorder=3,
            label=f"{DISPLAY[model]}{share}" if known else f"{DISPLAY[model]}: {column.missing}",
        )  # fmt: skip
    for place in places[1:]:
        axes.axvline(place - 0.5, color=style.FAINT, linewidth=0.5, zorder=0)
    axes.set_xticks(places, BENCHMARKS)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(BENCHMARKS) - 0.5)
    axes.grid(axis="y", linewidth=0.3, color=style.FAINT)
    axes.set_axisbelow(True)
    axes.set_ylabel("PSNR on luma, x4 (dB)")
    axes.scatter([], [], s=70, label="left of it: the paper", **STAR)
    axes.legend(loc="upper right", handletextpad=0.2, borderpad=0.1, labelspacing=0.4)


def verdict(lost: Rung | None, trainings: Mapping[str, str]) -> str:
    """What SMSRN loses against MSRN on average, by equal trainings and as printed; then what percentages mean.

    ``lost``: the longest equal trainings that are measured on all sets; ``trainings``: shares of the paper's training.
    """
    scores = [column.scores for column in (paper.table1().msrn, paper.table1().smsrn)]
    theirs = fmean(scores[0][name].psnr - scores[1][name].psnr for name in BENCHMARKS)
    if lost is None:
        ours = "not measured after equal trainings here"
    else:
        loss = lost.loss[AVERAGE]
        ours = f"{with_interval(loss.mean, loss.low, loss.high)} after {lost.steps:,} steps of each here"
    words = f"SMSRN loses on average: {ours};\n{theirs:.2f} dB in the paper."
    share = f"Percentages of markers: share of the paper's training;\n{readings_words()}."
    return f"{words} {share}" if trainings else words


LARGER = {"font.size": 10, "axes.labelsize": 10, "xtick.labelsize": 10, "ytick.labelsize": 10, "legend.fontsize": 9.5}
"""Text sizes: this figure is two columns wide, and shall be readable when it is shown in one."""


@contextmanager
def settings() -> Iterator[None]:
    """`style.settings` with larger text, for drawing and saving."""
    with style.settings(), rc_context(LARGER):  # type: ignore[arg-type]  # the stubs list every key as a literal
        yield


@dataclass(frozen=True)
class Facts:
    """What the figure shows: measured columns, shares of the paper's training, the longest equal trainings."""

    columns: Mapping[str, Column]
    trainings: Mapping[str, str]
    lost: Rung | None = None


def draw(facts: Facts) -> Figure:
    """The figure. Call it, and save the figure, inside `settings`."""
    figure = style.new_figure(2 * style.COLUMN, 3.4 if facts.trainings else 3)
    cost, quality = figure.subplots(1, 2, width_ratios=(1, 1.35))
    draw_cost(cost, left_of_msrn())
    draw_quality(quality, facts.columns, facts.trainings)
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]
    figure.supxlabel(verdict(facts.lost, facts.trainings), size=10)
    return figure


def from_records(results: Path) -> Facts:
    """The facts, from the records."""
    rows = collect(results)
    columns = {model: measured(rows, model, *BY_PROTOCOL["public_code"]) for model in METHODS}
    shares = {model: short_share(training_of(rows, model)) for model in MODELS}
    trainings = {model: share for model, share in shares.items() if share}
    lost = [rung for rung in rungs(results) if AVERAGE in rung.loss]
    return Facts(columns, trainings, max(lost, key=lambda rung: rung.steps, default=None))


def write(results: Path) -> list[Path]:
    """Write summary.png, summary.svg and summary.pdf below ``<results>/figures``; return their paths."""
    with settings():
        return style.save(draw(from_records(results)), style.target(results, "summary"))
