"""Records as cards: what the report says of the origin of a number."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.names import DISPLAY
from replication import records
from replication.records import (
    METRICS,
    Detail,
    Evaluation,
    NetworkSpeed,
    Record,
    Speed,
    TrainingRun,
)

KINDS: dict[type[Record], str] = {
    Evaluation: "PSNR and SSIM, image by image",
    Detail: "details of a picture",
    TrainingRun: "a training run",
    Speed: "time and memory of inference",
    NetworkSpeed: "time of published networks and ours",
}
"""The kinds of records that the report shows numbers of, in a few words."""


@dataclass(frozen=True)
class Card:
    """A record for a reader. ``path`` is below the results folder; ``images``: by name, the value of each metric."""

    path: str
    kind: str
    facts: tuple[tuple[str, str], ...]
    images: dict[str, list[float]]

    @property
    def anchor(self) -> str:
        """The card's place on the page."""
        return anchor(self.path)


def anchor(path: str) -> str:
    """The id of the card of the record at ``path``."""
    return "record-" + path.removeprefix("records/").removesuffix(".json").replace("/", "-").replace(" ", "-")


def path_of(record: Record, below: str = "") -> str:
    """Where a record is below the results folder, or below a folder ``below`` in it."""
    return "/".join(part for part in (below, "records", record.FOLDER, record.file_name) if part)


def cards(results: Path) -> dict[str, Card]:
    """Every record of `KINDS` by its path. Raises DamagedFileError naming one that is damaged."""
    found = [card(record) for kind in KINDS for record in records.load(results, kind)]
    return {one.path: one for one in found}


def card(record: Record, below: str = "") -> Card:
    """One record; ``below`` as in `path_of`."""
    content: dict[str, Any] = vars(record)
    where = record.environment
    packages = [f"{name} {value}" for name, value in where.items() if name not in ("machine", "date")]
    facts = [
        *_of_its_kind(record),
        ("machine", where.get("machine", "unknown")),
        ("date", where.get("date", "unknown")),
        ("packages", ", ".join(packages)),
        ("command", content.get("command", MEASURED_BY.get(type(record), ""))),
    ]
    return Card(
        path_of(record, below),
        KINDS[type(record)],
        tuple((name, text) for name, text in facts if text),
        _images(record),
    )


def machines(known: Mapping[str, Card], paths: Iterable[str]) -> list[str]:
    """The machines of the records at ``paths``, each with the dates on which they were made there."""
    dates: dict[str, set[str]] = {}
    for path in paths:
        facts = dict(known[path].facts)
        dates.setdefault(facts["machine"], set()).add(facts["date"])
    return [f"{machine} ({', '.join(sorted(days))})" for machine, days in sorted(dates.items())]


MEASURED_BY: dict[type[Record], str] = {
    Speed: "python -m replication.benchmark",
    NetworkSpeed: "python -m replication.benchmark_networks",
}
"""Commands that are not in their records."""


def _of_its_kind(record: Record) -> Iterable[tuple[str, str]]:
    if isinstance(record, Evaluation):
        yield "method", DISPLAY.get(record.key.model, record.key.model)
        yield "images", f"{len(record.images)} of {record.benchmark}"
        yield "pixels of the images, SHA-256", record.key.data
        yield "weights, SHA-256", record.key.weights or ""
        if record.training:
            yield from _training(record.training)
    elif isinstance(record, Detail):
        yield "picture", f"{record.name} ({record.benchmark}), x{record.scale}"
        yield "window", f"{record.size}x{record.size} pixels, top {record.top}, left {record.left}"
        for model, digest in record.weights.items():
            yield f"weights of {DISPLAY[model]}, SHA-256", digest
    elif isinstance(record, TrainingRun):
        yield "network", f"{DISPLAY[record.model]}, step {record.step:,} of {record.steps:,}, seed {record.seed}"
        yield "images", record.data
        yield "recipe, SHA-256", record.recipe_digest
        for name, digest in record.weights.items():
            yield f"weights ({name}), SHA-256", digest
        yield "note", record.note
    elif isinstance(record, Speed | NetworkSpeed):
        yield "rounds", str(record.rounds)


def _training(training: dict[str, Any]) -> Iterable[tuple[str, str]]:
    if "step" in training:
        yield (
            "trained",
            f"step {training['step']:,} of {training['steps']:,}, seed {training['seed']}, {training['data']}",
        )
        yield "recipe, SHA-256", training["recipe_digest"]


def _images(record: Record) -> dict[str, list[float]]:
    if not isinstance(record, Evaluation):
        return {}
    return {one.name: [round(getattr(one, metric), 4) for metric in METRICS] for one in record.images}
