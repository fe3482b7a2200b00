"""Figure 1 once more, with multiply-adds for a 1280x720 output in place of parameters.

Counted where `analysis.networks.catalogue` can build the network, else as published; a model with neither is left out.
The paper gives no multiply-adds: its points stand at the counts of the networks with its numbers of parameters.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis import paper, style
from analysis.figures import figure1
from analysis.figures.figure1 import Point
from analysis.names import DISPLAY, MSRN_ROW, PUBLISHED_LABELS
from analysis.networks import catalogue
from analysis.paper import LAST_YEAR

OURS = {DISPLAY["msrn"]: MSRN_ROW, DISPLAY["smsrn"]: "SMSRN"}
"""Labels of the paper's networks, and their names in `networks.COUNTED`."""


def published_points() -> list[Point]:
    """Published models up to 2020 whose multiply-adds (G) are known."""
    points = []
    for row in paper.published():
        counted = row.model in catalogue.COUNTED
        macs = catalogue.counted(row.model).macs / 1e9 if counted else row.gmacs
        if row.year and row.year <= LAST_YEAR and macs:
            points.append(Point(PUBLISHED_LABELS.get(row.model, row.model), float(macs), row.psnr["Set5"], counted))
    return points


def at_macs(points: Sequence[Point]) -> list[Point]:
    """The paper's or the measured points of Figure 1, moved to their multiply-adds (G)."""
    return [replace(one, cost=catalogue.counted(OURS[one.label]).macs / 1e9) for one in points]


def write(results: Path) -> list[Path]:
    """Write figure1_macs.png, figure1_macs.svg and figure1_macs.pdf to the results folder; return their paths."""
    with style.settings():
        figure, _ = figure1.draw(
            published_points(),
            at_macs(figure1.paper_points()),
            at_macs(figure1.measured_points(results)),
            "multiply-adds for a 1280x720 output (G)",
        )
        return style.save(figure, results / "figure1_macs")
