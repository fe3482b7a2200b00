"""What the paper leaves open and what this package assumes, as one table for readers."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from analysis import paper
from replication import recipe
from replication.errors import Parser, run
from replication.files import write_text


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


def markdown() -> str:
    """The table as Markdown."""
    rows = [(item.topic, item.paper, item.value, item.reason) for item in load()]
    table = tabulate(rows, headers=("Open question", "The paper", "Here", "Reason"), tablefmt="github")
    return (
        "# What the paper leaves open\n\n"
        "Each is an assumption of this package. Values in code type are keys of `replication/recipes/paper.toml`, read "
        "from it. Made by `python -m analysis.assumptions`.\n\n"
        f"{table}\n"
    )


def write(results: Path) -> list[Path]:
    """Write ``assumptions.md`` into the results folder; return its path."""
    path = results / "assumptions.md"
    write_text(path, markdown())
    return [path]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the table and say where."""
    parser = Parser(
        prog="python -m analysis.assumptions",
        description=__doc__,
        epilog="examples:\n  python -m analysis.assumptions\n  python -m analysis.assumptions --results other\n",
    )
    parser.add_argument(
        "--results", type=Path, metavar="DIR", default=Path("results"), help="results folder (default: %(default)s)"
    )
    for path in write(parser.parse_args(argv).results):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    run(main)
