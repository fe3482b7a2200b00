"""Figure 1: parameters (logarithmic) against PSNR on Set5 at x4, for the paper's networks, ours and published ones.

PSNR is on luma everywhere. Published models are those up to 2020, the year before the paper, from sota_x4.csv; where
`analysis.networks.catalogue` can build the network, its parameters are counted. Bicubic interpolation has no parameters
and no place on a logarithmic axis. `analysis.figures.figure1_macs` draws the same models over their multiply-adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis import paper, style
from analysis.labels import place_labels
from analysis.names import DISPLAY, PUBLISHED_LABELS, SCALE
from analysis.networks import catalogue
from analysis.paper import LAST_YEAR
from analysis.quality.training import readings_words, short_share
from replication import records
from replication.evaluate import recorded_row
from replication.models import MODELS, build, count_parameters


@dataclass(frozen=True)
class Point:
    """One model: its cost (here the number of parameters), PSNR in dB on the luma of Set5, and whether a published
    model's cost is counted on the network instead of copied. ``training``: the share of the paper's training that a
    measured one had.
    """

    label: str
    cost: float
    psnr: float
    counted: bool = False
    training: str = ""

    @property
    def words(self) -> str:
        """What stands next to it."""
        return f"{self.label} ({self.training})" if self.training else self.label


def published_points() -> list[Point]:
    """Published models up to 2020 that have parameters: counted where we have the network, else as published."""
    points = []
    for row in paper.published():
        counted = row.model in catalogue.COUNTED
        parameters = catalogue.counted(row.model).params if counted else row.parameters
        if row.year and row.year <= LAST_YEAR and parameters:
            points.append(Point(PUBLISHED_LABELS.get(row.model, row.model), parameters, row.psnr["Set5"], counted))
    return points


def paper_points() -> list[Point]:
    """The two networks of the paper, as its Table 1 prints them."""
    columns = paper.table1().columns
    return [Point(DISPLAY[model], one.parameters, one.scores["Set5"].psnr) for model, one in columns.items()]


def measured_points(results: Path) -> list[Point]:
    """Our networks with their shipped weights, where Set5 is recorded."""
    known = records.load_all(results)
    points = []
    for model in MODELS:
        record = recorded_row(known, "Set5", model, SCALE).record
        if record:
            parameters = count_parameters(build(model, scale=SCALE))
            share = short_share(record.training)
            points.append(Point(DISPLAY[model], parameters, record.mean("psnr_public_code"), training=share))
    return points


@dataclass(frozen=True)
class Look:
    """How one group of points is drawn: marker with its area, colour, label size and weight, room to keep free (pt)."""

    name: str
    marker: str
    area: float
    color: str
    label_size: float
    weight: str
    radius: float


# The important ones first: their labels get the places nearest to their points.
PAPER = Look("the paper", "*", 60, style.PAPER, 6.5, "bold", 3.5)
MEASURED = Look("measured here (share of\nthe paper's training)", "D", 20, style.MEASURED, 6.5, "bold", 3)
COUNTED = Look(f"published up to {LAST_YEAR}, cost counted", "o", 7, style.PUBLISHED, 5, "normal", 1.6)
PUBLISHED = Look("same, cost as published", "x", 7, style.PUBLISHED, 5, "normal", 1.6)


EDGES: dict[bool, dict[str, Any]] = {True: {"linewidths": 0.7}, False: {"edgecolors": "white", "linewidths": 0.3}}
"""Lines of a cross, and the edge of a filled marker, which keeps neighbours apart."""


def prepare(axes: Axes) -> None:
    """A logarithmic axis of costs and a faint grid behind the points."""
    axes.set_xscale("log")
    axes.grid(linewidth=0.3, color="#dddddd")
    axes.set_axisbelow(True)


def named(axes: Axes, x: float, y: float, words: str, look: Look) -> Text:
    """The label of a point, which `place_labels` moves beside it."""
    return axes.text(x, y, words, size=look.label_size, weight=look.weight, color=look.color)


def draw(
    published: Sequence[Point], in_paper: Sequence[Point], measured: Sequence[Point], cost: str = "parameters"
) -> tuple[Figure, list[Text]]:
    """The figure and its labels. Call it, and save the figure, inside `style.settings`; ``cost`` names the axis."""
    counted = [one for one in published if one.counted]
    copied = [one for one in published if not one.counted]
    figure = style.new_figure(height=5.2)
    axes = figure.add_subplot()
    prepare(axes)
    note = f"\n\nin brackets: share of the paper's training,\n{readings_words()}" if measured else ""
    axes.set_xlabel(f"{cost}{note}", size=6.5)
    axes.set_ylabel("PSNR on Set5, x4 (dB, luma)")
    labels: list[Text] = []
    radii: list[float] = []
    for points, look in ((in_paper, PAPER), (measured, MEASURED), (counted, COUNTED), (copied, PUBLISHED)):
        axes.scatter(
            [one.cost for one in points],
            [one.psnr for one in points],
            marker=look.marker,
            s=look.area,
            color=look.color,
            **EDGES[look.marker == "x"],
            label=look.name if points else f"{look.name}: none",
            zorder=3,
        )
        labels += [named(axes, one.cost, one.psnr, one.words, look) for one in points]
        radii += [look.radius] * len(points)
    axes.margins(x=0.08, y=0.06)
    axes.legend(loc="lower center", bbox_to_anchor=(0.43, 1), ncols=2, columnspacing=1, handletextpad=0.2)
    place_labels(axes, labels, radii)
    return figure, labels


def write(results: Path) -> list[Path]:
    """Write figure1.png, figure1.svg and figure1.pdf to the results folder; return their paths."""
    with style.settings():
        figure, _ = draw(published_points(), paper_points(), measured_points(results))
        return style.save(figure, results / "figure1")
