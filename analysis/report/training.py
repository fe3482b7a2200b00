"""Trainings for the report: curves of all recorded runs, PSNR and the loss from separability against the budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis import paper
from analysis.names import DISPLAY
from analysis.paper import BENCHMARKS
from analysis.quality.columns import AVERAGE
from analysis.quality.ladder import OTHER_PAIR, Member, Rung, images, last_validation, of_one_network, rungs
from analysis.quality.ladder_page import conditions_lines, tendency
from analysis.quality.runs_page import own_hours
from analysis.report.chart import Axis, Chart, Curve, Mark, around
from analysis.report.numbers import Cell, Number, Table
from analysis.report.quality import LADDER, loss_text
from analysis.report.sources import path_of
from analysis.text import percent
from replication import records
from replication.models import MODELS
from replication.records import TrainingRun

COMMAND = "python -m analysis ladder"
SETS = (*BENCHMARKS, AVERAGE)


@dataclass(frozen=True)
class Training:
    """All that is known of trainings: charts (none where nothing is recorded), rungs, and tables of losses.

    ``others``: the same of another network, where it was trained. ``conditions``, ``tendency``: what is said of them.
    """

    curves: list[Chart]
    budget: list[Chart]
    rungs: list[Rung]
    losses: Table
    others: Table | None
    conditions: list[str]
    tendency: str
    runs: Table


def training(results: Path) -> Training:
    """From the records."""
    runs = records.load(results, TrainingRun)
    members = {model: of_one_network(results, model) for model in MODELS}
    found = rungs(results)
    others = rungs(results, OTHER_PAIR)
    return Training(
        _curves(runs),
        _budget(members, found),
        found,
        losses(found, with_paper=True),
        losses(others, with_paper=False) if others else None,
        conditions_lines(found),
        tendency(found),
        runs_table(runs),
    )


X = {"steps": ("steps", 1.0), "hours": ("hours by the clock", 3600.0)}
"""What a curve runs over: the title of the axis, and the unit in the log's own."""
Y = {
    "psnr": ("validation PSNR (dB, luma)", "validation_psnr"),
    "loss": ("training loss (mean absolute error, 0..1)", "loss"),
}


MARKS = {"msrn": "msrn", "smsrn": "smsrn", OTHER_PAIR[0]: "msrn", OTHER_PAIR[1]: "smsrn"}
"""How a run's curve and marks look: standard, or separable."""


def run_name(run: TrainingRun) -> str:
    """What a run is called."""
    state = "" if run.step == run.steps else f", stopped at {run.step:,}"
    return f"{DISPLAY[run.model]}, {run.steps:,} steps, seed {run.seed}{state}"


def _curves(runs: Sequence[TrainingRun]) -> list[Chart]:
    made = []
    for y_key, (y_title, field) in Y.items():
        for x_key, (x_title, unit) in X.items():
            curves = []
            marks = []
            for run in runs:
                column = "step" if x_key == "steps" else "seconds"
                rows = [(row[column], row.get(field)) for row in run.log]
                points = tuple((x / unit, y) for x, y in rows if x is not None and y is not None)
                if not points:
                    continue
                curves.append(Curve(points, MARKS[run.model], run_name(run)))
                x, y = points[-1]
                text = f"{run_name(run)}: {y:.4g} after {run.step:,} steps and {run.hours:.2f} hours; {run.data}"
                marks.append(Mark(x, y, MARKS[run.model], run_name(run), text, records=(path_of(run),)))
            if curves:
                every = [point for curve in curves for point in curve.points]
                high = max(x for x, _ in every)
                x_axis = Axis(x_title, 0, high * 1.04)
                y_axis = around([y for _, y in every], y_title)
                key = f"{y_key}-{x_key}"
                made.append(Chart(key, f"{y_title} over {x_title}", x_axis, y_axis, tuple(marks), tuple(curves)))
    return made


def _budget(members: dict[str, list[Member]], found: Sequence[Rung]) -> list[Chart]:
    """PSNR, and the loss from separability, over the share of the paper's training in percent."""
    made = []
    table = paper.table1()
    printed = {"msrn": table.msrn.average.psnr, "smsrn": table.smsrn.average.psnr}
    share = "share of the paper's training (%)"
    marks = []
    curves = []
    for model, trained in members.items():
        known = [one for one in trained if AVERAGE in one.psnr]
        for one in known:
            done, psnr = 100 * one.run.paper_fraction, one.psnr[AVERAGE]
            part = percent(one.run.paper_fraction, 2)
            text = f"{run_name(one.run)}, {images(one.run)}: {psnr:.3f} dB on average, {part} of the paper's training"
            marks.append(Mark(done, psnr, model, DISPLAY[model], text, records=(path_of(one.run),)))
        for data in {images(one.run): None for one in known}:
            same = [one for one in known if images(one.run) == data and one.run.seed == 0]
            points = tuple((100 * one.run.paper_fraction, one.psnr[AVERAGE]) for one in same)
            curves += [Curve(points, model, DISPLAY[model])] if len(points) > 1 else []
        text = f"{DISPLAY[model]} in the paper: {printed[model]:.2f} dB on average"
        marks.append(Mark(100, printed[model], "paper", f"{DISPLAY[model]}, paper", text))
    x = around([mark.x for mark in marks], share, log=True, room=0.08)
    y = around([mark.y for mark in marks], "PSNR, mean of four sets (dB)", room=0.1)
    made.append(Chart("psnr", f"{y.title} over the {share}", x, y, tuple(marks), tuple(curves)))
    lost = [
        Mark(
            100 * rung.share, loss.mean, "measured", f"{rung.steps:,} steps",
            f"{rung.steps:,} equal steps (seed {rung.seed}, {images(rung.full.run)}): SMSRN loses {loss_text(loss)}",
            low=loss.low, high=loss.high, records=(path_of(rung.full.run), path_of(rung.light.run)),
        )
        for rung in found
        if (loss := rung.loss.get(AVERAGE))
    ]  # fmt: skip
    difference = printed["msrn"] - printed["smsrn"]
    lost.append(Mark(100, difference, "paper", "the paper", f"the paper's Table 1: SMSRN loses {difference:.2f} dB"))
    ends = [value for mark in lost for value in (mark.low, mark.high, mark.y) if value is not None]
    y = around([0, *ends], "PSNR that SMSRN loses, mean of four sets (dB)", room=0.1)
    made.append(Chart("lost", f"{y.title} over the {share}", x, y, tuple(lost)))
    return made


def losses(found: Sequence[Rung], *, with_paper: bool) -> Table:
    """What the separable network loses after equal trainings, by set; the paper's in the last row."""
    body: list[tuple[Cell, ...]] = []
    for rung in found:
        cells: list[Cell] = []
        for name in SETS:
            loss = rung.loss.get(name)
            words = (
                f"PSNR of {DISPLAY[rung.full.run.model]} less that of {DISPLAY[rung.light.run.model]} on {name} after "
                f"{rung.steps:,} steps of the same recipe on {images(rung.full.run)}, seed {rung.seed}, with the 95 % "
                "interval of a bootstrap over the images; public code's luma"
            )
            origin = (path_of(rung.full.run), path_of(rung.light.run))
            claims = ("table1-smsrn-psnr",)
            cells.append(
                Number(loss_text(loss), words, LADDER, COMMAND, origin, "", claims) if loss else "not measured"
            )
        body.append(
            (f"{rung.steps:,} steps, seed {rung.seed} ({percent(rung.share, 2)})", images(rung.full.run), *cells)
        )
    table = paper.table1()
    scores = [table.msrn.scores[name].psnr - table.smsrn.scores[name].psnr for name in BENCHMARKS]
    if with_paper:
        body.append(("the paper (100 %)", "DIV2K", *(f"{value:.2f}" for value in (*scores, sum(scores) / len(scores)))))
    names = "SMSRN loses against MSRN" if with_paper else "EDSR-baseline loses with separable convolutions"
    caption = f"PSNR that {names} after equal trainings, with the 95 % interval over the images"
    return Table(caption, ("training (share of the paper's)", "on", *SETS), tuple(body))


def runs_table(runs: Sequence[TrainingRun]) -> Table:
    """Every recorded run and what it cost."""
    body: list[tuple[Cell, ...]] = []
    for run in sorted(runs, key=lambda run: (run.model, run.steps, run.seed)):
        origin = (path_of(run),)
        validation = last_validation(run)

        def number(text: str, what: str, run: TrainingRun = run, origin: tuple[str, ...] = origin) -> Number:
            return Number(text, f"{run_name(run)}: {what}", "replication/runs.py", "python -m analysis runs", origin)

        body.append((
            run_name(run), number(f"{own_hours(run):.2f}", "hours by the clock, less those it shares"),
            number(percent(run.paper_fraction, 2), "share of the paper's training, by patch pixels"),
            "" if validation is None else number(f"{validation:.3f}", "validation PSNR at the end (dB)"), run.note,
        ))  # fmt: skip
    headings = ("run", "hours", "share of the paper's training", "validation PSNR", "note")
    return Table(f"{len(runs)} recorded runs", headings, tuple(body))
