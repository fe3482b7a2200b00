"""How the measured networks were trained: their share of the paper's training, and whether conditions were equal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from analysis.names import SCALE
from analysis.quality.columns import Rows, collect
from analysis.quality.ladder import Rung, rungs
from analysis.text import small_percent
from replication import recipe, records, weights
from replication.curve import read_log
from replication.data.download import SOURCES
from replication.models import MODELS, build, count_parameters
from replication.records import Confirmation

FULL_BUDGET = 0.95
"""Minimum share of the paper's training before measured and printed values are compared."""

CONDITIONS = {
    "recipe_digest": "recipe", "step": "number of steps", "data": "images", "seed": "seed", "precision": "precision",
    "earlier": "earlier trainings",
}  # fmt: skip
"""What must be the same for two trainings to be under equal conditions: the fact, and what it is called."""


def training_of(rows: Rows, model: str) -> dict[str, Any] | None:
    """What the records say about how a network was trained; None without a record."""
    record = next((row.record for row in rows.values() if row.model == model and row.record), None)
    return {**(record.training or {}), "weights": record.key.weights} if record else None


def training_share(training: dict[str, Any]) -> str:
    """How much of the paper's training budget that was, in percent, and by other readings of the paper."""
    fraction = training.get("paper_fraction")
    return "unknown" if fraction is None else share_with_range(fraction)


def other_readings() -> tuple[float, float]:
    """By which factors a share of the paper's training changes by other readings of it, at least and at most.

    A patch of 256 LR pixels has 16 times the HR pixels; an epoch that takes each training image once has fewer steps.
    """
    plan = recipe.load("paper")
    once = SOURCES["DIV2K_train_HR"].images / plan.batch_size
    return 1 / SCALE**2, plan.steps_per_epoch / once


def share_with_range(fraction: float) -> str:
    """A share of the paper's training in percent; in brackets what it is by other readings."""
    low, high = (small_percent(fraction * factor) for factor in other_readings())
    return f"{small_percent(fraction)} ({low.removesuffix(' %')} to {high})"


def readings_words() -> str:
    """What figures say next to shares of the paper's training."""
    low, high = other_readings()
    return f"by other readings of the paper {low:.3g} to {high:.3g} times that"


def readings() -> str:
    """What a share of the paper's training is; without its full stop."""
    low, high = other_readings()
    return (
        "A share of the paper's training is one of the HR pixels in all its patches, as the recipe `paper` reads it: "
        "256 pixels of the HR image, 1000 steps an epoch. With 256 pixels of the LR image, or an epoch that takes each "
        f"training image once, a share would be {low:g} to {high:g} times as large"
    )


def readings_note() -> str:
    """`readings` for pages that show shares."""
    return f"{readings()} ([assumptions.md](assumptions.md)); where brackets follow a share, they have that range."


def short_share(training: Mapping[str, Any] | None) -> str:
    """The share of the paper's training alone, for labels; empty where it is not known."""
    fraction = (training or {}).get("paper_fraction")
    return "" if fraction is None else small_percent(fraction)


def differing_conditions(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The `CONDITIONS` in which two trainings differ."""
    return [name for fact, name in CONDITIONS.items() if one.get(fact) != other.get(fact)]


def shipped_validation() -> dict[str, float]:
    """The last validation PSNR (dB) in the training log of each network's shipped weights; empty if one has none."""
    found = {}
    for model in ("msrn", "smsrn"):
        log = read_log(weights.FOLDER / f"{model}_x{SCALE}.csv")
        scores = [row["validation_psnr"] for row in log if isfinite(row["validation_psnr"])]
        if not scores:
            return {}
        found[model] = scores[-1]
    return found


@dataclass(frozen=True)
class Measurements:
    """All that the page of Table 1 shows: what is recorded, parameters counted, trainings.

    ``trainings``: by network, None where nothing is recorded with its shipped weights. ``confirmations``: what this
    machine measured again. ``validation``: the last validation PSNR of the shipped trainings, in dB. ``rungs``: pairs
    of equal trainings.
    """

    rows: Rows
    parameters: Mapping[str, int]
    trainings: Mapping[str, dict[str, Any] | None]
    confirmations: tuple[Confirmation, ...] = ()
    validation: Mapping[str, float] = field(default_factory=dict)
    rungs: tuple[Rung, ...] = ()


def measurements(results: Path) -> Measurements:
    """The facts, from the records in the results folder and the logs of the shipped weights."""
    rows = collect(results)
    parameters = {model: count_parameters(build(model, scale=SCALE)) for model in MODELS}
    trainings = {model: training_of(rows, model) for model in MODELS}
    shown = [row.record for row in rows.values()]
    confirmed = tuple(one for one in records.confirmations(results) if one.record in shown)
    known = all(trainings.values())
    return Measurements(
        rows, parameters, trainings, confirmed, shipped_validation() if known else {},
        tuple(rungs(results)),
    )  # fmt: skip
