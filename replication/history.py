"""The trainings that a network had before its run: those of the weights that `--initial` names.

Steps, hours and the share of the paper's training of a weights file or a record are those of all its trainings, as
those of a run that branches from another one's trunk are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from replication import weights

TOTALS = ("step", "hours", "paper_fraction")
STAGE = (*TOTALS, "seed", "recipe", "recipe_digest", "data", "initial", "machine", "command")
"""What is kept of an earlier training: where the network was after it, and what makes it again."""


def earlier(initial: Path | None) -> list[dict[str, Any]]:
    """The trainings behind the weights file ``initial``, oldest first; none where they are not known.

    What another network was trained before it was expanded into this one does not count.
    """
    facts = weights.read(initial).metadata if initial else {}
    if "expanded_from" in facts or any(name not in facts for name in STAGE):
        return []
    return [*facts.get("earlier", []), {name: facts.get(name) for name in (*STAGE, "precision")}]


def conditions(stages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What two networks must have in common of earlier trainings, to be trained alike."""
    names = ("step", "seed", "recipe_digest", "data", "precision")  # the last is not known of the oldest
    return [{name: one.get(name) for name in names} for one in stages]


def in_all(facts: Mapping[str, Any], step: int, seconds: float) -> dict[str, Any]:
    """`TOTALS`, "steps" and "machine" over all trainings, ``step`` and ``seconds`` into the run with ``facts``."""
    stages = facts.get("earlier", [])
    before = stages[-1] if stages else dict.fromkeys(TOTALS, 0)
    return {
        "step": before["step"] + step,
        "steps": before["step"] + facts["steps"],
        "hours": before["hours"] + seconds / 3600,
        "paper_fraction": before["paper_fraction"] + facts["paper_fraction"] * step / facts["steps"],
        "machine": machines(*stages, facts),
    }


def machines(*trainings: Mapping[str, Any]) -> str:
    """The machines that trainings ran on, each named once, in their order."""
    return "; then ".join(dict.fromkeys(name for one in trainings for name in one["machine"].split("; then ")))
