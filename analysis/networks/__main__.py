"""The command that prints counted and published values of the published networks."""

from collections.abc import Sequence
from typing import Any

from analysis import paper
from analysis.networks import catalogue
from analysis.networks.catalogue import CONVENTION, SHOWN
from analysis.text import as_csv, as_json, table, wrap
from replication.errors import Parser, run

COLUMNS = (
    *("network", "input", "params", "weights", "params_published", "params_agree", "macs", "gmacs_published"),
    "macs_agree",
)
"""Columns of the table of networks."""


def rows() -> list[dict[str, Any]]:
    """Every published network that this package builds, counted at x4 for a 1280x720 output."""
    found = []
    for name in SHOWN:
        published, count = paper.published_row(name), catalogue.counted(name)
        values = [
            *(name, str(count.inputs), count.params, catalogue.weights(name), published.parameters),
            *(catalogue.parameters_agree(name, published.parameters), count.macs),
            None if published.gmacs is None else float(published.gmacs),
            catalogue.macs_agree(name, published.gmacs),
        ]
        found.append(dict(zip(COLUMNS, values, strict=True)))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 when a published number is neither counted nor explained."""
    command = Parser(
        prog="python -m analysis.networks",
        description=(
            "Print parameters and multiply-adds of the published networks, counted at x4 for a 1280x720 output,\n"
            "next to the published values. `python -m analysis networks` writes the page, with explanations.\n"
            "Exit status: 0, 1 when a published number is neither our count nor explained."
        ),
        epilog="example:\n  python -m analysis.networks --csv\n",
    )
    formats = command.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="print everything as JSON")
    formats.add_argument("--csv", action="store_true", help="print the table as CSV")
    arguments = command.parse_args(argv)
    found, failures = rows(), catalogue.disagreements()
    if arguments.json:
        print(as_json({"convention": CONVENTION, "networks": found, "disagreements": failures}), end="")
    elif arguments.csv:
        print(as_csv(found, COLUMNS), end="")
    else:
        cells = [
            ["" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value) for value in row]
            for row in (one.values() for one in found)
        ]
        headers = ["network", "input", "parameters", "weights", "published", "agrees"]
        print(table(cells, [*headers, "MACs", "G MACs published", "agrees"], "simple", "llrrrlrrl"))
        print(f"\n{wrap(CONVENTION)}")
    return 1 if failures else 0


if __name__ == "__main__":
    run(main)
