"""The page that lists every recorded training and its cost: total compute is part of the result."""

from collections.abc import Sequence
from pathlib import Path

from analysis.names import DISPLAY
from analysis.quality.ladder import last_validation, setting, training_macs
from analysis.quality.training import readings_note
from analysis.text import percent, small_percent, table, wrap
from replication import records
from replication.files import write_text
from replication.recipe import optimizers_in_words
from replication.records import TrainingRun


def own_hours(run: TrainingRun) -> float:
    """Hours that the run took itself, without those of earlier trainings and of the trunk that it shares."""
    return float(run.hours - run.before["hours"])


def row(run: TrainingRun) -> list[str]:
    """One run."""
    validation = last_validation(run)
    start = f"step {run.before['step']:,.0f} of another run" if run.before["step"] else "the start"
    if run.initial:
        start = "other weights"
    if run.earlier:
        before = run.earlier[-1]
        words = f"seed {before['seed']}, {optimizers_in_words(before['recipe'])}"
        start = f"weights after {before['step']:,} steps ({words})"
    state = "finished" if run.step == run.steps else f"stopped at {run.step:,}"
    return [
        DISPLAY[run.model], f"{run.steps:,}", str(run.seed), run.data, samples(run), optimizers_in_words(run.recipe),
        f"{run.precision}, {run.threads}", start, state, f"{own_hours(run):.2f}", small_percent(run.paper_fraction),
        f"{validation:.3f}" if validation is not None else "",
        "" if run.dead_filters is None else percent(run.dead_filters), run.note,
    ]  # fmt: skip


def samples(run: TrainingRun) -> str:
    """What a step sees: patches of how many HR pixels a side, and the sizes of the images that they are cut from."""
    used = run.recipe
    sizes = used["scaling"]
    of = f", images scaled to {min(sizes)} to {max(sizes)}" if len(sizes) > 1 else ""
    return f"{used['batch_size']} patches of {used['hr_patch']}{of}"


def unrecorded(runs: Sequence[TrainingRun]) -> list[TrainingRun]:
    """Those that branched off last from runs which are not recorded: their trunk is in no recorded run's own log."""
    own = {
        (run.model, step - run.start["step"], round(seconds - 3600 * run.start["hours"]))
        for run in runs
        for step, seconds in ((row["step"] or 0, row.get("seconds") or 0) for row in run.log)
        if step > run.before["step"]
    }
    last: dict[tuple[str, int, str], TrainingRun] = {}
    for run in sorted((run for run in runs if run.trunk), key=lambda run: run.trunk["step"] if run.trunk else 0):
        assert run.trunk
        if (run.model, run.trunk["step"], round(3600 * run.trunk["hours"])) not in own:
            last[run.model, run.seed, setting(run)] = run
    return list(last.values())


def totals(runs: Sequence[TrainingRun]) -> list[list[str]]:
    """What all runs cost, failed and unfinished ones included: by network, and in all."""
    models = sorted({run.model for run in runs})
    groups = [(DISPLAY[model], [run for run in runs if run.model == model]) for model in models]
    rows = []
    for name, some in [*groups, ("all", list(runs))]:
        finished = sum(run.step == run.steps for run in some)
        own = [(run, run.step - run.before["step"], own_hours(run)) for run in some]
        own += [(run, run.trunk["step"], run.trunk["hours"]) for run in unrecorded(some) if run.trunk]
        macs = sum(training_macs(run, round(steps)) for run, steps, _ in own)
        hours = sum(hours for _, _, hours in own)
        rows.append([name, str(len(some)), str(finished), f"{hours:.1f}", f"{macs / 1e12:,.0f} T"])
    return rows


def markdown(runs: Sequence[TrainingRun]) -> str:
    """The page, by network, steps and seed."""
    ordered = sorted(runs, key=lambda run: (run.model, run.steps, run.seed, run.environment.get("date", "")))
    headers = [
        "network", "steps", "seed", "images", "a step", "optimiser", "precision, threads", "from", "state", "hours",
        "share of the paper's training", "validation PSNR", "dead filters", "note",
    ]  # fmt: skip
    lost = [f"{run.trunk['step']:,.0f} of {DISPLAY[run.model]}" for run in unrecorded(runs) if run.trunk]
    shared = (
        f". The totals hold steps of runs that have no row of their own, from which others branched "
        f"({', '.join(lost)}), too"
        if lost
        else ""
    )
    return (
        "\n\n".join(
            [
                "# All recorded trainings",
                table(totals(runs), ["network", "runs", "finished", "hours", "multiply-adds"], "github"),
                wrap(
                    "Hours are by the clock on shared machines; multiply-adds are those of the forward passes, each a "
                    "third of its step, with the upsamplers of MSRN and SMSRN folded. Steps that runs share are "
                    f"counted once{shared}. Short trials by which the recipe's rates were chosen are not recorded; "
                    "what they cost is not known. Made by `python -m analysis runs` from "
                    "`records/runs`; `python -m replication.runs RUN` records one. Validation: mean luma PSNR in dB "
                    "on crops of held-out images (replication/validation.py), comparable between runs on the same "
                    "images. Dead filters: those behind whose ReLU nothing comes on any of the embedded photographs."
                ),
                table([row(run) for run in ordered], headers, "github", "lrrllllllrrrrl"),
                wrap(readings_note()),
            ]
        )
        + "\n"
    )


def write(results: Path) -> list[Path]:
    """Write ``runs.md``; return its path."""
    return [write_text(results / "runs.md", markdown(records.load(results, TrainingRun)))]
