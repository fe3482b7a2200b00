"""A verification in words: for the pages that show one, and for the terminal."""

from collections.abc import Sequence

from analysis.cost.verify import Check
from analysis.text import table, wrap


def comparisons(intro: str, checks: Sequence[Check], headings: tuple[str, str], style: str) -> str:
    """How many comparisons of each kind were made and failed, and each one that failed.

    ``headings``: of the column of kinds, and of the column of expected values.
    """
    failed = [check for check in checks if not check.ok]
    rows = []
    for kind in dict.fromkeys(check.kind for check in checks):
        made, wrong = (sum(check.kind == kind for check in some) for some in (checks, failed))
        rows.append([kind, f"{made:,}", f"{wrong:,}"])
    parts = [wrap(intro), table(rows, [headings[0], "comparisons", "differ"], style)]
    if failed:
        shown = [[one.kind, one.name, _value(one.expected), _value(one.found)] for one in failed]
        parts.append(table(shown, ["DIFFERS", "where", headings[1], "found"], style))
    parts.append("NOT VERIFIED: the values above differ." if failed else "Verified: everything agrees.")
    return "\n\n".join(parts)


def _value(value: object) -> str:
    return "absent" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
