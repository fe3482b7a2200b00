"""The command line of a module that writes artefacts into the results folder: one shape for all of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from replication.errors import Parser

Write = Callable[[Path], list[Path]]


def parser(module: str, description: str) -> Parser:
    """The command line of ``analysis.<module>``: where the results go."""
    command = f"python -m analysis.{module}"
    result = Parser(
        prog=command,
        description=description,
        epilog=f"examples:\n  {command}\n  {command} --results /tmp/results\n",
    )
    result.add_argument(
        "--results", type=Path, metavar="DIR", default=Path("results"), help="results folder (default: %(default)s)"
    )
    return result


def write_and_name(module: str, description: str, write: Write, argv: Sequence[str] | None) -> None:
    """Parse the command line, write the artefacts and name the files."""
    for path in write(parser(module, description).parse_args(argv).results):
        print(f"wrote {path}")
