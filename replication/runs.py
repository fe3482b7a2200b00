"""Record training runs, finished or not: what they reached and what they cost.

Total compute is part of a result, so a run that failed or was dropped is recorded, too, with a note that says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from replication import checkpoint, dead_filters, history, records, weights
from replication.checkpoint import Checkpoint
from replication.errors import Parser, run
from replication.models import build_any
from replication.records import TrainingRun


def read(folder: Path, note: str) -> TrainingRun:
    """The run in ``folder``, read from its newest checkpoint. Raises UserError when there is none."""
    found = checkpoint.newest(folder)
    facts, progress = found.run, found.progress
    totals = history.in_all(facts, progress.step, progress.seconds)
    files = {path.stem: path for path in sorted(folder.glob("final*.safetensors"))}
    if path := weights.shipped(facts["model"], facts["scale"]):
        files["shipped"] = path
    files = {name: path for name, path in files.items() if is_of(path, facts, totals["step"])}
    return TrainingRun(
        model=facts["model"],
        scale=facts["scale"],
        seed=facts["seed"],
        recipe=facts["recipe"],
        recipe_digest=facts["recipe_digest"],
        data=facts["data"],
        step=totals["step"],
        steps=totals["steps"],
        hours=totals["hours"],
        trunk=facts.get("trunk"),
        initial=facts["initial"],
        earlier=tuple(facts.get("earlier", ())),
        threads=facts["threads"],
        precision=facts["precision"],
        paper_fraction=totals["paper_fraction"],
        log=tuple(_log(found, totals)),
        weights={name: weights.digest(path) for name, path in files.items()},
        note=note,
        environment={"machine": facts["machine"], **facts["versions"]},
        command=facts["command"],
        dead_filters=dead_filters.share(_network(found), dead_filters.embedded_images(facts["scale"])),
    )


def save(results: Path, folder: Path, note: str | None = None) -> Path | None:
    """Record the run in ``folder``; without a ``note`` that of its record stays. Returns the record's path."""
    found = read(folder, note or "")
    if note is None:
        notes = {one.file_name: one.note for one in records.load(results, TrainingRun)}
        found = replace(found, note=notes.get(found.file_name, ""))
    return records.save(results, found)


def _log(found: Checkpoint, totals: Mapping[str, Any]) -> list[dict[str, float | None]]:
    """The rows of the run's log, steps and seconds counted from the start of the network's first training."""
    step = totals["step"] - found.progress.step
    before = {"step": step, "seconds": 3600 * totals["hours"] - found.progress.seconds if step else 0.0}
    return [
        row | {name: row[name] + shift for name, shift in before.items() if row.get(name)} for row in found.progress.log
    ]


def _network(found: Checkpoint) -> nn.Module:
    """The network at that step."""
    model = build_any(found.run["model"], scale=found.run["scale"])
    weights.load(model, found.part("model"), "the checkpoint")
    return model


def is_of(path: Path, facts: Mapping[str, Any], step: int) -> bool:
    """Whether the weights file at ``path`` was made by the run with these facts, at ``step`` of all its steps."""
    there = weights.read(path).metadata
    same = ("recipe_digest", "seed", "data_digest", "initial", "command")
    return there.get("step") == step and all(there.get(name) == facts[name] for name in same)


def main(argv: Sequence[str] | None = None) -> int:
    """Record the runs that are named."""
    parser = Parser(
        prog="python -m replication.runs",
        description=f"{__doc__}\nWrites into results/records/runs; `python -m analysis runs` makes the page.",
        epilog="""examples:
  python -m replication.runs runs/smsrn_x4-cpu runs/msrn_x4-cpu
  python -m replication.runs runs/trial --note 'rate too high, dropped'""",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder of a training run")
    parser.add_argument("--note", help="why the runs were made, or dropped (default: as recorded before)")
    parser.add_results()
    arguments = parser.parse_args(argv)
    for path in [save(arguments.results, folder, arguments.note) for folder in arguments.runs]:
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    run(main)
