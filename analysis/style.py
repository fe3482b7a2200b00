"""How every figure looks and is saved: one column wide, readable in grey, the same bytes on every run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from replication.files import atomic_path

COLUMN = 3.5
"""Width of a journal's text column in inches."""

PAPER, MEASURED, PUBLISHED = "#000000", "#c1440e", "#66717b"
"""Colours of the paper's values, this package's measurements and other publications: three greys in print."""

COLORS = {"bicubic": "#ffffff", "msrn": "#c3cad0", "smsrn": MEASURED}
"""Fill of each method: light, middle and dark in print. Every one needs an edge in `EDGE`."""
EDGE = "#3c444b"
FAINT = "#dddddd"

SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # shipped with matplotlib, so the same on every machine
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "figure.dpi": 300,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # embedded TrueType
    "svg.fonttype": "path",  # letters as outlines: no font needed to view it
    "svg.hashsalt": "replication",  # identifiers would be random otherwise
}


@contextmanager
def settings() -> Iterator[None]:
    """The settings of this module, for drawing and saving inside the ``with`` block only."""
    with rc_context(SETTINGS):  # type: ignore[arg-type]  # the stubs list every key as a literal
        yield


def new_figure(width: float = COLUMN, height: float = COLUMN * 0.75) -> Figure:
    """An empty figure of this size in inches, drawn by Agg: no window, no global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path, formats: tuple[str, ...] = ("png", "svg", "pdf")) -> list[Path]:
    """Write ``figure`` as ``<path>.<format>``, atomically and without dates; return the files. Raises UserError."""
    dates = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    written = []
    for suffix in formats:
        target = path.with_name(f"{path.name}.{suffix}")
        with atomic_path(target) as temporary:
            figure.savefig(temporary, format=suffix, metadata=dates[suffix])
        written.append(target)
    return written


def target(results: Path, name: str) -> Path:
    """Where the figure ``name`` goes, without suffix."""
    return results / "figures" / name


def words(figure: Figure) -> list[str]:
    """Every text of the figure that is not empty: for tests, and for whoever changes a figure."""
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
