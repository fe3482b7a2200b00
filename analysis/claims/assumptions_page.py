"""What the paper leaves open and what this package assumes, as one table for readers."""

from collections.abc import Sequence
from pathlib import Path

from analysis.paper.assumptions import Assumption, load
from analysis.quality.training import readings
from analysis.text import table, wrap
from replication.files import write_text


def markdown(assumptions: Sequence[Assumption]) -> str:
    """The table as Markdown."""
    rows = [(item.topic, item.paper, item.value, item.reason) for item in assumptions]
    headers = ("Open question", "The paper", "Here", "Reason")
    return (
        "# What the paper leaves open\n\n"
        "Each is an assumption of this package. Values in code type are keys of `replication/recipes/paper.toml`, read "
        "from it. Made by `python -m analysis assumptions`.\n\n"
        f"{table(rows, headers, 'github', 'llll')}\n\n"
        "## How much of the paper's training a run is\n\n"
        f"{wrap(readings())}.\n"
    )


def write(results: Path) -> list[Path]:
    """Write ``assumptions.md`` into the results folder; return its path."""
    return [write_text(results / "assumptions.md", markdown(load()))]
