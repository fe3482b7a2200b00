"""What the figures share: the models' colours and names, and where the files go."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis import style

SCALE = 4
NAMES = {"bicubic": "bicubic", "msrn": "MSRN", "smsrn": "SMSRN"}

COLORS = {"bicubic": "#ffffff", "msrn": "#c3cad0", "smsrn": style.MEASURED}
"""Fill of each method: light, middle and dark in print. Every one needs an edge in `EDGE`."""
EDGE = "#3c444b"
FAINT = "#dddddd"


def target(results: Path, name: str) -> Path:
    """Where the figure ``name`` goes, without suffix."""
    return results / "figures" / name


def words(figure: Figure) -> list[str]:
    """Every text of the figure that is not empty: for tests, and for whoever changes a figure."""
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
