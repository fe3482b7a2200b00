"""How every figure looks and is saved: one column wide, readable in grey, the same bytes on every run."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from replication.files import write_bytes

COLUMN = 3.5
"""Width of a journal's text column in inches."""

PAPER, MEASURED, PUBLISHED = "#000000", "#c1440e", "#66717b"
"""Colours of the paper's values, this package's measurements and other publications: three greys in print."""

COLORS = {"bicubic": "#ffffff", "msrn": "#c3cad0", "smsrn": MEASURED}
"""Fill of each method: light, middle and dark in print. Every one needs an edge in `EDGE`."""
EDGE = "#3c444b"
FAINT = "#dddddd"

NOISE = 2
"""Levels of 255 by which a pixel may differ between two machines that draw the same."""

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
    "pdf.compression": 0,  # zlib's bytes differ between machines
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
    """Write ``figure`` as ``<path>.<format>``, atomically and without dates; return the files. Raises UserError.

    A PNG that shows the same already is kept (see `same_picture`).
    """
    dates = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    written = []
    for suffix in formats:
        target = path.with_name(f"{path.name}.{suffix}")
        content = io.BytesIO()
        figure.savefig(content, format=suffix, metadata=dates[suffix])
        if suffix != "png" or not same_picture(target, content):
            write_bytes(target, content.getvalue())
        written.append(target)
    return written


def same_picture(there: Path, made: BinaryIO | Path) -> bool:
    """Whether the PNG file ``there`` shows what ``made`` does: no pixel differs by more than `NOISE`.

    Processors round differently, and compress to other bytes. False where there is no such file, or a damaged one.
    """
    try:
        with Image.open(there) as one, Image.open(made) as other:
            if (one.size, one.mode) != (other.size, other.mode):
                return False
            return bool(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max() <= NOISE)
    except OSError:
        return False


def target(results: Path, name: str) -> Path:
    """Where the figure ``name`` goes, without suffix."""
    return results / "figures" / name


def words(figure: Figure) -> list[str]:
    """Every text of the figure that is not empty: for tests, and for whoever changes a figure."""
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
