"""PSNR of both networks against the length of their training, the same recipe for both."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from analysis import style
from analysis.names import DISPLAY
from analysis.paper import BENCHMARKS
from analysis.quality.columns import AVERAGE
from analysis.quality.ladder import Member, images, of_one_network

LINES = {"smsrn": ("-", "o"), "msrn": ("--", "s")}
"""Line and marker of each network, so that they differ without colour."""


def draw(members: dict[str, list[Member]]) -> Figure:
    """One panel a set; a line joins runs of seed 0 on the same images. Call and save it inside `style.settings`."""
    figure = style.new_figure(width=2 * style.COLUMN, height=2.6)
    panels = figure.subplots(1, len(BENCHMARKS) + 1, sharex=True)
    folders = sorted({images(one.run) for found in members.values() for one in found})
    for axes, name in zip(panels, (*BENCHMARKS, AVERAGE), strict=True):
        for model, found in members.items():
            line, marker = LINES[model]
            for folder in folders:
                shown = [one for one in found if name in one.psnr and images(one.run) == folder]
                for seed in sorted({one.run.seed for one in shown}):
                    points = [(one.run.steps, one.psnr[name]) for one in shown if one.run.seed == seed]
                    axes.plot(
                        *zip(*points, strict=True), line if seed == 0 else "", marker=marker, markersize=4,
                        color=style.EDGE if model == "msrn" else style.MEASURED, linewidth=1,
                        markerfacecolor=None if folder == folders[0] else "white",
                        label=f"{DISPLAY[model]}, {folder}" if seed == 0 else None,
                    )  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.set_xticks(sorted({one.run.steps for found in members.values() for one in found}))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set(title=name, xlabel="steps")
    panels[0].set_ylabel("PSNR on luma, dB")
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def write(results: Path) -> list[Path]:
    """Draw ``figures/ladder`` from the records; return the files, none where nothing is measured."""
    members = {model: of_one_network(results, model) for model in LINES}
    if not any(members.values()):
        return []
    with style.settings():
        return style.save(draw(members), style.target(results, "ladder"))
