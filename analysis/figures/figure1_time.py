"""Figure 1 with measured time in place of parameters: one 1280x720 output, each network in its fastest backend."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis import style
from analysis.figures.figure1 import COUNTED, EDGES, MEASURED, PAPER, Look, named, prepare
from analysis.labels import place_labels
from analysis.names import DISPLAY
from analysis.quality.training import readings_words
from analysis.speed import others
from analysis.speed.others import SETS, Timed
from replication import records
from replication.errors import UserError
from replication.records import NetworkSpeed


def look(one: Timed) -> Look:
    """How a network is drawn."""
    if not one.ours:
        return COUNTED
    return PAPER if one.source == others.PRINTED else MEASURED


def legend(networks: Sequence[Timed]) -> dict[str, str]:
    """What the legend says of each look, by its name."""
    shares = {DISPLAY[one.model]: one.training for one in networks if one.training}
    listed = ", ".join(f"{name} {share}" for name, share in sorted(shares.items()))
    after = f" after\n{listed}\nof the paper's training" if shares else ""
    return {COUNTED.name: "published", PAPER.name: "the paper's PSNR", MEASURED.name: f"measured here{after}"}


def measured_on(record: NetworkSpeed) -> str:
    """Where and how it was measured, for the axis."""
    threads = "1 thread" if record.threads == 1 else f"{record.threads} threads"
    return f"{record.environment['machine']}\n{threads}, {record.rounds} rounds"


def draw(networks: list[Timed], note: str) -> tuple[Figure, list[Text]]:
    """The figure and its labels, a panel for each benchmark. Call it inside `style.settings`."""
    figure = style.new_figure(height=7)
    said = legend(networks)
    placed: list[tuple[Axes, list[Text], list[float]]] = []
    panels = figure.subplots(len(SETS), 1, sharex=True)
    for axes, name in zip(panels, SETS, strict=True):
        prepare(axes)
        axes.set_ylabel(f"PSNR on {name}, x4 (dB, luma)")
        texts: list[Text] = []
        radii: list[float] = []
        seen: set[str] = set()
        for one in networks:
            if name not in one.psnr:
                continue
            how = look(one)
            axes.scatter(
                [1000 * one.median],
                [one.psnr[name]],
                marker=how.marker,
                s=how.area,
                color=how.color,
                **EDGES[False],
                label=None if how.name in seen else said[how.name],
                zorder=3,
            )
            seen.add(how.name)
            texts.append(named(axes, 1000 * one.median, one.psnr[name], one.label, how))
            radii.append(how.radius)
        axes.margins(x=0.1, y=0.1)
        placed.append((axes, texts, radii))
    panels[0].legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=3, columnspacing=1, handletextpad=0.2)
    readings = f"\nshare of the paper's training:\n{readings_words()}" if any(one.training for one in networks) else ""
    panels[-1].set_xlabel(f"ms for a 1280x720 output\n{note}{readings}", size=6.5)
    for axes, texts, radii in placed:  # last, because it settles the layout
        place_labels(axes, texts, radii)
    return figure, [text for _, texts, _ in placed for text in texts]


def write(results: Path) -> list[Path]:
    """Write figure1_time.png, .svg and .pdf; return their paths. Raises UserError when nothing is recorded."""
    record = others.read(results)
    if record is None:
        raise UserError(
            f"{records.folder(results, NetworkSpeed)}: no record; `python -m replication.benchmark_networks` makes it"
        )
    with style.settings():
        figure, _ = draw(others.timed(record, results), measured_on(record))
        return style.save(figure, results / "figure1_time")
