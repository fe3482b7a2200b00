"""The page that lists every recorded training and its cost: total compute is part of the result."""

from collections.abc import Sequence
from pathlib import Path

from analysis.names import DISPLAY
from analysis.quality.training import readings_note
from analysis.text import percent, table, wrap
from replication import records
from replication.files import write_text
from replication.records import TrainingRun


def own_hours(run: TrainingRun) -> float:
    """Hours that the run took itself, without those of the trunk that it shares with another run."""
    return run.hours - (run.trunk["hours"] if run.trunk else 0.0)


def row(run: TrainingRun) -> list[str]:
    """One run."""
    validation = [score for score in (one.get("validation_psnr") for one in run.log) if score is not None]
    start = f"step {run.trunk['step']:,.0f} of another run" if run.trunk else "weights" if run.initial else "the start"
    state = "finished" if run.step == run.steps else f"stopped at {run.step:,}"
    return [
        DISPLAY[run.model], f"{run.steps:,}", str(run.seed), run.data, str(run.recipe.get("optimizer", "adam")),
        f"{run.precision}, {run.threads}", start, state, f"{own_hours(run):.2f}", percent(run.paper_fraction, 2),
        f"{validation[-1]:.3f}" if validation else "", run.note,
    ]  # fmt: skip


def markdown(runs: Sequence[TrainingRun]) -> str:
    """The page, by network, steps and seed."""
    ordered = sorted(runs, key=lambda run: (run.model, run.steps, run.seed, run.environment.get("date", "")))
    headers = [
        "network", "steps", "seed", "images", "optimiser", "precision, threads", "from", "state", "hours",
        "share of the paper's training", "validation PSNR", "note",
    ]  # fmt: skip
    hours = sum(own_hours(run) for run in runs)
    return (
        "\n\n".join(
            [
                "# All recorded trainings",
                wrap(
                    f"{len(runs)} runs, {hours:.1f} hours by the clock on shared machines; steps that runs share are "
                    "counted once. Made by `python -m analysis runs` from `records/runs`; `python -m replication.runs "
                    "RUN` records one. Validation: mean luma PSNR in dB on crops of held-out images "
                    "(replication/validation.py), comparable between runs on the same images."
                ),
                table([row(run) for run in ordered], headers, "github", "lrrlllllrrrl"),
                wrap(readings_note()),
            ]
        )
        + "\n"
    )


def write(results: Path) -> list[Path]:
    """Write ``runs.md``; return its path."""
    path = results / "runs.md"
    write_text(path, markdown(records.load(results, TrainingRun)))
    return [path]
