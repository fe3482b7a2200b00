"""The only formatter: JSON, CSV, tables, percentages, wrapped prose and numbers, for pages and terminals."""

import csv
import io
import json
import textwrap
from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib.metadata import version

from tabulate import tabulate

CONVENTION = (
    "Convention: one MAC is one multiply-add. Bias is excluded from the MACs and included in the parameters. "
    'Convolutions only; all else is 0 MACs. The "flop" that fvcore counts is a MAC; tools that count the '
    "multiplication and the addition separately give twice as much."
)


def percent(part: float | Fraction, digits: int = 1, *, signed: bool = False) -> str:
    """``part`` of 1 as a percentage, with the space that the paper prints."""
    return f"{100 * float(part):{'+' if signed else ''}.{digits}f} %"


def percentage(value: float | Fraction, digits: int = 1) -> str:
    """A number that is in percent already, written like `percent`."""
    return f"{float(value):.{digits}f} %"


def small_percent(part: float) -> str:
    """``part`` of 1 as a percentage with two significant digits and no exponent, for shares that may be tiny."""
    return f"{float(f'{100 * part:.2g}'):g} %"


def versions() -> dict[str, str]:
    """The counting software, without build tags, which say only where a wheel came from."""
    return {name: version(name).split("+")[0] for name in ("torch", "fvcore")}


def wrap(text: str, width: int = 100) -> str:
    """Break prose into lines of at most ``width`` characters, by default such that a terminal shows whole."""
    joined = text.replace(" %", "\u00a0%")  # a percentage stays on one line
    return textwrap.fill(joined, width, break_long_words=False, break_on_hyphens=False).replace("\u00a0", " ")


def heading(text: str, level: int, *, markdown: bool) -> str:
    """A heading of Markdown, or one for a terminal, which is underlined."""
    return f"{'#' * level} {text}" if markdown else f"{text}\n{('=' if level == 1 else '-') * len(text)}"


def in_words(names: Sequence[str]) -> str:
    """A list in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def shorten(text: str, width: int) -> str:
    """As many whole words of ``text`` as fit into ``width`` characters, with " ..." where some are left out."""
    return textwrap.shorten(text, width, placeholder=" ...")


def table(rows: Sequence[Sequence[object]], headers: Sequence[str], style: str, align: str = "") -> str:
    """A table with its cells as they are given.

    ``align``: a letter for each column, ``l`` or ``r``; unless given, the first is ``l`` and all others ``r``.
    """
    sides = [{"l": "left", "r": "right"}[letter] for letter in align or "l" + "r" * (len(headers) - 1)]
    return tabulate(rows, headers, tablefmt=style, colalign=sides if rows else None, disable_numparse=True)


def plain(number: Fraction, digits: int) -> str:
    """A number with at most ``digits`` decimals, without zeros at its end."""
    text = f"{float(number):,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def as_json(content: object) -> str:
    """``content`` as JSON text."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def as_csv(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Rows with these ``columns`` as CSV, with a header."""
    target = io.StringIO()
    writer = csv.DictWriter(target, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()
