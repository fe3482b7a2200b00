"""What the figures share: the models' colours and names, where the files go, and the command line."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis import style
from replication.errors import Parser

SCALE = 4
NAMES = {"bicubic": "bicubic", "msrn": "MSRN", "smsrn": "SMSRN"}

COLORS = {"bicubic": "#ffffff", "msrn": "#c3cad0", "smsrn": style.MEASURED}
"""Fill of each method: light, middle and dark in print. Every one needs an edge in `EDGE`."""
EDGE = "#3c444b"
FAINT = "#dddddd"

Write = Callable[[Path], list[Path]]


def target(results: Path, name: str) -> Path:
    """Where the figure ``name`` goes, without suffix."""
    return results / "figures" / name


def words(figure: Figure) -> list[str]:
    """Every text of the figure that is not empty: for tests, and for whoever changes a figure."""
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]


def parser(module: str, description: str) -> Parser:
    """The command line of ``analysis.figures.<module>``."""
    command = f"python -m analysis.figures.{module}"
    result = Parser(
        prog=command,
        description=description,
        epilog=f"examples:\n  {command}\n  {command} --results /tmp/results\n",
    )
    result.add_argument(
        "--results", type=Path, metavar="DIR", default=Path("results"), help="results folder (default: %(default)s)"
    )
    return result


def command(module: str, description: str, write: Write, argv: Sequence[str] | None) -> None:
    """Parse the command line, draw the figure and name the files."""
    for path in write(parser(module, description).parse_args(argv).results):
        print(f"wrote {path}")
