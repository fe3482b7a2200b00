"""Figure 1 once more, with multiply-adds for a 1280x720 output in place of parameters.

Counted where `analysis.networks` can build the network, else as published; a model with neither is left out. The paper
gives no multiply-adds: its two points stand at the counts of the networks that have its numbers of parameters.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis import command, figure1, networks, paper, style
from analysis.figure1 import LAST_YEAR, NAMES, SHORT, Point
from replication.errors import run

OURS = {NAMES["msrn"]: networks.MSRN, NAMES["smsrn"]: "SMSRN"}
"""Labels of the paper's networks, and their names in `networks.COUNTED`."""


def published_points() -> list[Point]:
    """Published models up to 2020 whose multiply-adds (G) are known."""
    points = []
    for row in paper.published():
        counted = row.model in networks.COUNTED
        macs = networks.counted(row.model).macs / 1e9 if counted else row.gmacs
        if row.year and row.year <= LAST_YEAR and macs:
            points.append(Point(SHORT.get(row.model, row.model), float(macs), row.psnr["Set5"], counted))
    return points


def at_macs(points: Sequence[Point]) -> list[Point]:
    """The paper's or the measured points of Figure 1, moved to their multiply-adds (G)."""
    return [replace(one, cost=networks.counted(OURS[one.label]).macs / 1e9) for one in points]


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


def main(argv: Sequence[str] | None = None) -> int | None:
    """Draw the figure and name the files."""
    command.write_and_name(
        "figure1_macs",
        "Multiply-adds for a 1280x720 output against PSNR on Set5 at x4, for the models of Figure 1 whose\n"
        "multiply-adds can be counted or are published.",
        write,
        argv,
    )
    return None


if __name__ == "__main__":
    run(main)
