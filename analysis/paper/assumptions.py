"""What the paper leaves open, and the value in force here for each open question, from assumptions.toml."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis import paper
from replication import recipe


@dataclass(frozen=True)
class Assumption:
    """One open question: what the paper says, the value in force here, and why that one."""

    topic: str
    paper: str
    value: str
    reason: str


def load() -> list[Assumption]:
    """The assumptions of analysis/paper/assumptions.toml, with values read from the recipe that is in force."""
    values = recipe.load("paper").as_dict()
    content = tomllib.loads((paper.FOLDER / "assumptions.toml").read_text(encoding="utf-8"))["assumption"]
    return [
        Assumption(
            topic=entry["topic"],
            paper=entry["paper"],
            value=_in_force(entry["keys"], values) if "keys" in entry else entry["value"],
            reason=entry["reason"],
        )
        for entry in content
    ]


def _in_force(keys: Sequence[str], values: dict[str, Any]) -> str:
    """Recipe keys with their values, as they stand in the file."""
    return ", ".join(f"`{key} = {json.dumps(values[key])}`" for key in keys)
