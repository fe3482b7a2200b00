"""How the measured networks were trained: their share of the paper's training, and whether conditions were equal."""

from typing import Any

from analysis.quality.columns import Rows


def training_of(rows: Rows, model: str) -> dict[str, Any] | None:
    """What the records tell of how a network was trained; None without a record."""
    record = next((row.record for row in rows.values() if row.model == model and row.record), None)
    return {**(record.training or {}), "weights": record.key.weights} if record else None


def training_share(training: dict[str, Any]) -> str:
    """How much of the paper's training budget that was, in percent."""
    fraction = training.get("paper_fraction")
    return "unknown" if fraction is None else f"{100 * fraction:.2g} %"


FULL_BUDGET = 0.95
"""From which share of the paper's training on a measured value is compared with the printed one."""

CONDITIONS = ("recipe_digest", "step", "data", "seed")
"""What must be the same for two trainings to be under equal conditions."""
