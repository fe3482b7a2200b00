"""What the paper leaves open and what this package assumes, as one table for readers."""

from pathlib import Path

from tabulate import tabulate

from analysis.paper.assumptions import load
from replication.files import write_text


def markdown() -> str:
    """The table as Markdown."""
    rows = [(item.topic, item.paper, item.value, item.reason) for item in load()]
    table = tabulate(rows, headers=("Open question", "The paper", "Here", "Reason"), tablefmt="github")
    return (
        "# What the paper leaves open\n\n"
        "Each is an assumption of this package. Values in code type are keys of `replication/recipes/paper.toml`, read "
        "from it. Made by `python -m analysis assumptions`.\n\n"
        f"{table}\n"
    )


def write(results: Path) -> list[Path]:
    """Write ``assumptions.md`` into the results folder; return its path."""
    path = results / "assumptions.md"
    write_text(path, markdown())
    return [path]
