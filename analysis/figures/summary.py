"""The paper in one picture: what SMSRN saves, and what is left of MSRN's PSNR, each with the paper's own numbers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import paper, style
from analysis.cost import closed_form, equations
from analysis.names import DISPLAY, SCALE
from analysis.paper import BENCHMARKS
from analysis.quality.columns import AVERAGE, Column, collect, measured, retained
from analysis.quality.training import training_of, training_share
from analysis.text import percent
from replication.evaluate import METHODS
from replication.models import MODELS
from replication.records import BY_PROTOCOL

MARKERS = {"bicubic": "o", "smsrn": "D", "msrn": "s"}
STAR: dict[str, Any] = {"marker": "*", "color": style.PAPER, "edgecolor": "white", "linewidth": 0.4, "zorder": 4}
SHIFT = 0.17
"""Between the markers of one benchmark, where benchmarks are 1 apart."""


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
            f"{printed_macs:.0f} % ({equations.PRINTED_MEAN} saved)",
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


def draw_quality(axes: Axes, columns: Mapping[str, Column]) -> None:
    """Markers: PSNR of each method on each benchmark, the paper's two values as stars."""
    order = list(columns)
    in_paper = paper.table1()
    printed = {"msrn": in_paper.msrn, "smsrn": in_paper.smsrn}
    for index, (model, column) in enumerate(columns.items()):
        shift = (index - (len(order) - 1) / 2) * SHIFT
        if model in printed:
            axes.scatter(
                [place + shift for place in range(len(BENCHMARKS))],
                [printed[model].scores[name].psnr for name in BENCHMARKS],
                s=80, **STAR,
            )  # fmt: skip
        known = {place: score.psnr for place, name in enumerate(BENCHMARKS) if (score := column.scores[name])}
        axes.scatter(
            [place + shift for place in known], list(known.values()),
            marker=MARKERS[model], s=36, color=style.COLORS[model], edgecolor=style.EDGE, linewidth=0.6, zorder=3,
            label=DISPLAY[model] if known else f"{DISPLAY[model]}: {column.missing}",
        )  # fmt: skip
    axes.set_xticks(range(len(BENCHMARKS)), BENCHMARKS)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(BENCHMARKS) - 0.5)
    axes.grid(axis="y", linewidth=0.3, color=style.FAINT)
    axes.set_axisbelow(True)
    axes.set_ylabel("PSNR on luma, x4 (dB)")
    axes.scatter([], [], s=80, label="the paper", **STAR)
    axes.legend(loc="upper right", handletextpad=0.2, borderpad=0.1, labelspacing=0.4)


def verdict(columns: Mapping[str, Column], trainings: Mapping[str, str]) -> str:
    """How much of MSRN's mean PSNR SMSRN keeps, measured and printed; then how far the networks were trained here."""
    theirs = paper.table1().retained["psnr"]
    ours = retained(columns["msrn"], columns["smsrn"], AVERAGE)
    missing = columns["smsrn"].missing or columns["msrn"].missing
    kept = f"PSNR kept by SMSRN: {f'{ours.psnr:.1f} %' if ours else missing}; the paper: {theirs} %"
    if not trainings:
        return kept
    shares = ", ".join(f"{DISPLAY[model]} {share}" for model, share in trainings.items())
    if len(set(trainings.values())) > 1:
        kept = (
            f"trained for different lengths here: the points do not say what SMSRN loses (the paper: {theirs} % kept)"
        )
    return f"{kept}\nshare of the paper's training: {shares}"


LARGER = {"font.size": 10, "axes.labelsize": 10, "xtick.labelsize": 10, "ytick.labelsize": 10, "legend.fontsize": 9.5}
"""Text sizes: this figure is two columns wide, and shall be readable when it is shown in one."""


@contextmanager
def settings() -> Iterator[None]:
    """`style.settings` with larger text, for drawing and saving."""
    with style.settings(), rc_context(LARGER):  # type: ignore[arg-type]  # the stubs list every key as a literal
        yield


def draw(columns: Mapping[str, Column], trainings: Mapping[str, str]) -> Figure:
    """The figure from what `from_records` returns. Call it, and save the figure, inside `settings`."""
    figure = style.new_figure(2 * style.COLUMN, 3.2 if trainings else 3)
    cost, quality = figure.subplots(1, 2, width_ratios=(1, 1.35))
    draw_cost(cost, left_of_msrn())
    draw_quality(quality, columns)
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]
    figure.supxlabel(verdict(columns, trainings), size=10)
    return figure


def from_records(results: Path) -> tuple[dict[str, Column], dict[str, str]]:
    """From the records, by method: the measured column of Table 1, and the share of the paper's training if any."""
    rows = collect(results)
    columns = {model: measured(rows, model, *BY_PROTOCOL["public_code"]) for model in METHODS}
    facts = {model: training_of(rows, model) for model in MODELS}
    return columns, {model: training_share(training) for model, training in facts.items() if training}


def write(results: Path) -> list[Path]:
    """Write summary.png, summary.svg and summary.pdf below ``<results>/figures``; return their paths."""
    with settings():
        return style.save(draw(*from_records(results)), style.target(results, "summary"))
