"""The only formatter: tables, percentages, wrapped prose and numbers, for pages and terminals."""

import textwrap
from collections.abc import Iterable, Sequence
from fractions import Fraction

from tabulate import tabulate

CONVENTION = (
    "Convention: one MAC is one multiply-add. Bias is excluded from the MACs and included in the parameters. "
    'Convolutions only; all else is 0 MACs. The "flop" that fvcore counts is a MAC; tools that count the '
    "multiplication and the addition separately give twice as much."
)


def percent(part: float | Fraction, digits: int = 1) -> str:
    """``part`` of 1 as a percentage, with the space that the paper prints."""
    return f"{100 * float(part):.{digits}f} %"


def wrap(text: str) -> str:
    """Break prose into lines that a terminal shows whole."""
    joined = text.replace(" %", "\u00a0%")  # a percentage stays on one line
    return textwrap.fill(joined, 100, break_long_words=False, break_on_hyphens=False).replace("\u00a0", " ")


def table(rows: Iterable[Sequence[object]], headers: Sequence[str], style: str, align: str = "") -> str:
    """A table with its cells as they are given.

    ``align``: a letter for each column, ``l`` or ``r``; unless given, the first is ``l`` and all others ``r``.
    """
    sides = [{"l": "left", "r": "right"}[letter] for letter in align or "l" + "r" * (len(headers) - 1)]
    return tabulate(rows, headers, tablefmt=style, colalign=sides, disable_numparse=True)


def checked_value(value: object) -> str:
    """One side of a check for people."""
    return "absent" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def plain(number: Fraction, digits: int) -> str:
    """A number with at most ``digits`` decimals, without zeros at its end."""
    text = f"{float(number):,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
