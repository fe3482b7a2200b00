"""The paper in one picture: what SMSRN saves, and what PSNR that costs, each beside the paper's own numbers."""

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
from analysis.quality.columns import AVERAGE, printed_losses
from analysis.quality.ladder import Rung, headline, rungs
from analysis.quality.training import readings_words
from analysis.text import percent, percentage, small_percent

STAR: dict[str, Any] = {"marker": "*", "color": style.PAPER, "edgecolor": "white", "linewidth": 0.4, "zorder": 4}
SHIFT = 0.15
"""Of the markers of one set from its middle, where sets are 1 apart."""


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


def draw_loss(axes: Axes, lost: Rung | None) -> None:
    """What SMSRN loses against MSRN on each set: the paper's star, and beside it what equal trainings here lose."""
    printed = printed_losses()
    places = range(len(printed))
    axes.scatter([place - SHIFT for place in places], list(printed.values()), s=110, label="the paper", **STAR)
    if lost is not None:
        losses = [lost.loss[name] for name in printed]
        below, above = [one.mean - one.low for one in losses], [one.high - one.mean for one in losses]
        axes.errorbar(
            [place + SHIFT for place in places], [one.mean for one in losses], [below, above],
            fmt="D", markersize=6, color=style.COLORS["smsrn"], ecolor=style.EDGE, elinewidth=1, capsize=3,
            markeredgecolor=style.EDGE, markeredgewidth=0.6, label=f"here, {lost.steps:,} steps",
        )  # fmt: skip
    axes.axhline(0, color=style.EDGE, linewidth=0.6, zorder=0)
    axes.set_xticks(places, list(printed))
    axes.tick_params(axis="x", length=0, labelsize=8.5)
    axes.set_xlim(-0.5, len(printed) - 0.5)
    axes.grid(axis="y", linewidth=0.3, color=style.FAINT)
    axes.set_axisbelow(True)
    axes.set_ylabel("PSNR that SMSRN loses (dB)")
    axes.legend(loc="upper left", handletextpad=0.4, borderpad=0.1, labelspacing=0.4)


def verdict(lost: Rung | None) -> str:
    """What SMSRN loses against MSRN on average, by equal trainings here and as printed."""
    theirs = f"{printed_losses()[AVERAGE]:.2f} dB in the paper"
    if lost is None:
        return f"SMSRN loses on average: not measured after equal trainings here;\n{theirs}."
    return (
        f"SMSRN loses on average: {lost.loss[AVERAGE]} by the choice of test images,\n"
        f"after {small_percent(lost.share)} of the paper's training here\n({readings_words()}); {theirs}."
    )


LARGER = {"font.size": 10, "axes.labelsize": 10, "xtick.labelsize": 10, "ytick.labelsize": 10, "legend.fontsize": 9.5}
"""Text sizes: this figure is two columns wide, and shall be readable when it is shown in one."""


@contextmanager
def settings() -> Iterator[None]:
    """`style.settings` with larger text, for drawing and saving."""
    with style.settings(), rc_context(LARGER):  # type: ignore[arg-type]  # the stubs list every key as a literal
        yield


def draw(lost: Rung | None) -> Figure:
    """The figure, of the losses after equal trainings. Call it, and save the figure, inside `settings`."""
    figure = style.new_figure(2 * style.COLUMN, 3.4)
    cost, loss = figure.subplots(1, 2, width_ratios=(1, 1.35))
    draw_cost(cost, left_of_msrn())
    draw_loss(loss, lost)
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]
    figure.supxlabel(verdict(lost), size=10)
    return figure


def write(results: Path) -> list[Path]:
    """Write summary.png, summary.svg and summary.pdf below ``<results>/figures``; return their paths."""
    with settings():
        return style.save(draw(headline(rungs(results))), style.target(results, "summary"))
