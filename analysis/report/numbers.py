"""A number that the report shows, with its origin."""

import re
from dataclasses import dataclass

HYPHEN_AS_MINUS = re.compile(r"(?<![\w)./-])-(?=\d)")


def minus(text: str) -> str:
    """The text with a minus sign, in place of a hyphen, before its negative numbers."""
    return HYPHEN_AS_MINUS.sub("\N{MINUS SIGN}", text)


def together(text: str) -> str:
    """The text with each number on one line with its unit."""
    return re.sub(r"(?<=\d) (?=%|dB\b)", "\N{NO-BREAK SPACE}", text)


@dataclass(frozen=True)
class Number:
    """What stands on the page, and where it comes from.

    ``text``: as printed. ``what``: one line that says what it is. ``records``: paths of records below the results
    folder, with "/" between. ``metric``: the field of a record's images that it is the mean of. ``code``: path of the
    file that computes it, from the repository's root. ``command``: what makes it. ``claims``: ids of claims of the
    paper that it bears on.
    """

    text: str
    what: str
    code: str
    command: str
    records: tuple[str, ...] = ()
    metric: str = ""
    claims: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """PSNR and SSIM in one cell of a table."""

    psnr: Number
    ssim: Number


Cell = Number | Pair | str
"""A cell of a table: numbers with their origin, or words."""


@dataclass(frozen=True)
class Table:
    """A table: its caption, headings, and rows whose first cell names them; columns of ``words`` hold sentences."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: tuple[str, ...] = ()
