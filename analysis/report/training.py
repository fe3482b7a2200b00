"""Trainings for the report: curves of all recorded runs, PSNR and the loss from separability against the budget."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analysis import paper
from analysis.names import DISPLAY
from analysis.paper import BENCHMARKS
from analysis.quality.columns import AVERAGE, printed_losses
from analysis.quality.conditions import DEAD
from analysis.quality.ladder import (
    OTHER_PAIR,
    PAIR,
    Member,
    Rung,
    SeedLoss,
    by_todays_recipe,
    last_validation,
    of_one_network,
    over_seeds,
    rungs,
    setting,
)
from analysis.quality.ladder_page import dead_both, most_lengths, recipe_lines, tendency
from analysis.quality.runs_page import own_hours
from analysis.report.chart import HALF, Axis, Chart, Curve, Mark, around
from analysis.report.numbers import Cell, Number, Table
from analysis.report.quality import LADDER
from analysis.report.sources import path_of
from analysis.text import small_percent
from replication import records
from replication.models import MODELS
from replication.records import TrainingRun

COMMAND = "python -m analysis ladder"


@dataclass(frozen=True)
class Training:
    """All that is known of trainings: charts (none where nothing is recorded), rungs, and tables of losses.

    ``joined``: means over the seeds of the losses, where there are enough seeds. ``others``: the losses of another
    network, where it was trained. ``conditions``, ``tendency``: what is said of them.
    ``networks``: how the curves and marks of each trained network look, with its name. ``usual``: the setting whose
    marks are filled, that of today's recipe and most runs; empty without runs.
    """

    curves: list[Chart]
    budget: list[Chart]
    rungs: list[Rung]
    losses: Table
    joined: Table | None
    others: Table | None
    conditions: list[str]
    tendency: Number
    runs: Table
    networks: tuple[tuple[str, str], ...]
    usual: str


def training(results: Path) -> Training:
    """From the records."""
    runs = records.load(results, TrainingRun)
    counts, todays = Counter(map(setting, runs)), {setting(run) for run in runs if by_todays_recipe(run)}
    usual = min(counts, key=lambda name: (name not in todays, -counts[name]), default="")
    members = {model: of_one_network(results, model) for model in MODELS}
    found = rungs(results)
    others = rungs(results, OTHER_PAIR)
    return Training(
        _curves(runs, usual),
        [_reached(members, usual), _lost(found, usual)],
        found,
        losses(found, with_paper=True),
        joined_losses(found),
        losses(others, with_paper=False) if others else None,
        [*recipe_lines(found), DEAD] if found else [],
        _tendency(found),
        runs_table(runs),
        tuple((LOOKS[model], DISPLAY[model]) for model in LOOKS if any(run.model == model for run in runs)),
        usual,
    )


X = {"steps": ("steps", "step", 1.0), "hours": ("hours by the clock", "seconds", 3600.0)}
"""What a curve runs over: the title of the axis, the column of the log, and the unit in the log's own."""
Y = {
    "psnr": ("validation PSNR (dB, luma)", "validation_psnr", 3),
    "loss": ("training loss (mean absolute error, 0..1)", "loss", 5),
}
"""What a curve shows: the title of the axis, the column of the log, and how many decimals are said."""


LOOKS = {"msrn": "msrn", "smsrn": "smsrn", OTHER_PAIR[0]: "other", OTHER_PAIR[1]: "other-separable"}
"""How a network's curves and marks look: classes of the style sheet."""


def run_name(run: TrainingRun) -> str:
    """What a run is called."""
    state = "" if run.step == run.steps else f", stopped at {run.step:,}"
    return f"{DISPLAY[run.model]}, {run.steps:,} steps{state}, seed {run.seed}, {setting(run)}"


def _run_mark(run: TrainingRun, x: float, y: float, text: str, usual: str) -> Mark:
    hollow, origin = setting(run) != usual, (path_of(run),)
    return Mark(x, y, LOOKS[run.model], run_name(run), text, label=False, hollow=hollow, records=origin)


def _curves(runs: Sequence[TrainingRun], usual: str) -> list[Chart]:
    made = []
    for y_key, (y_title, field, digits) in Y.items():
        for x_key, (x_title, column, unit) in X.items():
            curves = []
            marks = []
            for run in runs:
                rows = [(row[column], row.get(field)) for row in run.log]
                points = tuple((x / unit, y) for x, y in rows if x is not None and y is not None)
                if not points:
                    continue
                curves.append(Curve(points, LOOKS[run.model], run_name(run)))
                x, y = points[-1]
                text = f"{run_name(run)}: {y:.{digits}f} after {run.step:,} steps and {run.hours:.2f} hours"
                marks.append(_run_mark(run, x, y, text, usual))
            if curves:
                every = [point for curve in curves for point in curve.points]
                high = max(x for x, _ in every)
                x_axis = Axis(x_title, 0, high * 1.04)
                y_axis = around([y for _, y in every], y_title)
                title = f"{y_title} over {x_title}"
                made.append(Chart(f"{y_key}-{x_key}", title, x_axis, y_axis, tuple(marks), tuple(curves)))
    return made


SHARE = "share of the paper's training (%)"
"""What the charts of PSNR and of the loss from separability run over."""


def _reached(members: dict[str, list[Member]], usual: str) -> Chart:
    """The mean PSNR of every measured run, a line through those of one network, setting and seed, or restarted."""
    marks: list[Mark] = []
    curves: list[Curve] = []
    for model, column in paper.table1().columns.items():
        lines: dict[tuple[str, int | None], list[tuple[float, float]]] = {}
        for one in members[model]:
            if AVERAGE not in one.psnr:
                continue
            run, psnr = one.run, one.psnr[AVERAGE]
            x, part = 100 * run.paper_fraction, small_percent(run.paper_fraction)
            text = f"{run_name(run)}: {psnr:.3f} dB on average, {part} of the paper's training"
            marks.append(_run_mark(run, x, psnr, text, usual))
            lines.setdefault((setting(run), None if run.earlier else run.seed), []).append((x, psnr))
        curves += [Curve(tuple(line), model, DISPLAY[model]) for line in lines.values() if len(line) > 1]
        text = f"{DISPLAY[model]} in the paper: {column.average.psnr:.2f} dB on average"
        marks.append(Mark(100, column.average.psnr, "paper", f"{DISPLAY[model]}, paper", text))
    x_axis = around([mark.x for mark in marks], SHARE, log=True, room=0.08)
    y_axis = around([mark.y for mark in marks], "PSNR, mean of four sets (dB)", room=0.1)
    return Chart("psnr", f"{y_axis.title} over the {SHARE}", x_axis, y_axis, tuple(marks), tuple(curves), HALF)


def _lost(found: Sequence[Rung], usual: str) -> Chart:
    """What SMSRN loses by rung, with intervals."""
    lost = [
        Mark(
            100 * rung.share, loss.mean, "measured", rung.name,
            f"{rung.name}, both networks equally: SMSRN loses {loss}",
            label=False, hollow=rung.setting != usual,
            low=loss.low, high=loss.high, records=loss_records(rung, AVERAGE),
        )
        for rung in found
        if (loss := rung.loss.get(AVERAGE))
    ]  # fmt: skip
    difference = printed_losses()[AVERAGE]
    text = f"the paper's Table 1: SMSRN loses {difference:.2f} dB"
    marks = (*side_by_side(lost), Mark(100, difference, "paper", "the paper", text))
    ends = [value for mark in marks for value in (mark.low, mark.high, mark.y) if value is not None]
    x = around([mark.x for mark in marks], SHARE, log=True, room=0.08)
    y = around([0, *ends], "PSNR that SMSRN loses, mean of four sets (dB)", room=0.1)
    return Chart("lost", f"{y.title} over the {SHARE}", x, y, marks, size=HALF)


BESIDE = 1.16
"""By which factor of x a mark moves to the right, out of the way of another one of the same x."""


def side_by_side(marks: Iterable[Mark]) -> list[Mark]:
    """Marks of one x moved apart on a logarithmic axis, so that their intervals do not cover one another."""
    seen: Counter[float] = Counter()
    moved = []
    for mark in marks:
        moved.append(replace(mark, x=mark.x * BESIDE ** seen[mark.x]))
        seen[mark.x] += 1
    return moved


def loss_records(rung: Rung, name: str) -> tuple[str, ...]:
    """Paths of the records behind the loss of a rung on a set or on average: of the runs and of their measurements."""
    both = (rung.full, rung.light)
    sets = BENCHMARKS if name == AVERAGE else (name,)
    return (*(path_of(one.run) for one in both), *(path_of(one.measured[name]) for one in both for name in sets))


def loss_number(rung: Rung, name: str) -> Number:
    """What the separable network of a rung loses on a set or on average."""
    words = f"{_what(rung, name)}, seed {rung.seed}, with the 95 % interval of a bootstrap over the images"
    claims = ("table1-smsrn-psnr",) if rung.full.run.model == PAIR[0] else ()
    text, origin = str(rung.loss[name]), loss_records(rung, name)
    return Number(text, f"{words}; public code's luma", LADDER, COMMAND, origin, "", claims)


def _what(rung: Rung, name: str) -> str:
    of = "mean of the four sets" if name == AVERAGE else name
    return (
        f"PSNR of {DISPLAY[rung.full.run.model]} less that of {DISPLAY[rung.light.run.model]}, {of}, both after "
        f"{rung.steps:,} steps of the same recipe on {rung.setting}"
    )


def mean_alone(rung: Rung, name: str) -> Number:
    """`loss_number` with the mean as its whole text."""
    return replace(loss_number(rung, name), text=f"{rung.loss[name].mean:.3f}")


def _tendency(found: Sequence[Rung]) -> Number:
    """What the pairs of one seed say of longer trainings, with the records of those pairs."""
    sources = tuple(path for rung in most_lengths(found) for path in loss_records(rung, AVERAGE))
    words = "differences between the average losses of pairs that were trained for other numbers of steps, seed 0"
    return Number(tendency(found), words, LADDER, COMMAND, sources)


def losses(found: Sequence[Rung], *, with_paper: bool) -> Table:
    """What the separable network loses after equal trainings, the average first; the paper's in the last row."""
    sets = (AVERAGE, *BENCHMARKS)
    body: list[tuple[Cell, ...]] = []
    for rung in found:
        cells = (loss_number(rung, name) if name in rung.loss else "not measured" for name in sets)
        body.append((f"{rung.name} ({small_percent(rung.share)})", *cells, *_beside(rung)))
    if with_paper:
        body.append(("the paper, DIV2K (100 %)", *(f"{printed_losses()[name]:.2f} dB" for name in sets), "", ""))
    names = "SMSRN loses against MSRN" if with_paper else "EDSR-baseline loses with separable convolutions"
    caption = f"PSNR that {names} after equal trainings, with the 95 % interval over the images"
    headers = ("training (share of the paper's)", *sets, "dead filters: full / separable", "validation")
    return Table(caption, headers, tuple(body))


def _beside(rung: Rung) -> tuple[Number, Number]:
    """Dead filters at the end of both trainings, and what the validation images say, which are in no benchmark."""
    origin = path_of(rung.full.run), path_of(rung.light.run)
    of = f"at the end of both trainings of {rung.name}"
    lost = "unknown" if rung.validation is None else f"{rung.validation:.3f} dB"
    return (
        Number(dead_both(rung), f"share of dead filters {of}", LADDER, COMMAND, origin),
        Number(lost, f"PSNR lost on the validation images {of}", LADDER, COMMAND, origin),
    )


def joined_losses(found: Sequence[Rung]) -> Table | None:
    """The mean over the seeds of what SMSRN loses; None where there are too few seeds."""
    sets = (AVERAGE, *BENCHMARKS)
    body: list[tuple[Cell, ...]] = [
        (
            f"{one.first.length} ({small_percent(one.first.share)})",
            one.seeds,
            *(_mean_loss(one, name) for name in sets),
        )
        for one in over_seeds(found)
    ]
    caption = "Mean over the seeds of the PSNR that SMSRN loses, with the 95 % interval of that mean by Student's t"
    return Table(caption, ("training (share of the paper's)", "seeds", *sets), tuple(body)) if body else None


def _mean_loss(joined: SeedLoss, name: str) -> Number:
    words = f"{_what(joined.first, name)}, mean of the seeds {joined.seeds}, with its 95 % interval by Student's t"
    sources = tuple(path for rung in joined.rungs for path in loss_records(rung, name))
    text = str(joined.loss[name])
    return replace(loss_number(joined.first, name), text=text, what=f"{words}; public code's luma", records=sources)


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
            number(small_percent(run.paper_fraction), "share of the paper's training, by patch pixels"),
            "" if validation is None else number(f"{validation:.3f}", "validation PSNR at the end (dB)"), run.note,
        ))  # fmt: skip
    caption = (
        f"{len(runs)} recorded runs. Hours are by the clock. Steps that a run shares with another count in that one "
        "alone, so that hours here are less than in the charts and in the ladder where runs branch off."
    )
    headings = ("run", "hours", "share of the paper's training", "validation PSNR (dB)", "note")
    return Table(caption, headings, tuple(body), words=("note",))
