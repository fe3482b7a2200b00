"""Every number of the paper, and the statements that its conclusions rest on, recomputed and judged.

What the paper says is data (paper/claims.toml), what recomputing gives is in the modules of `analysis.claims.registry`,
the verdict follows from comparing the two by one rule (`analysis.claims.verdict`).
"""

import json
from collections.abc import Sequence
from pathlib import Path

from analysis.claims.finding import Formula, Recomputed
from analysis.claims.quality import Decibels, decibels, more_error
from analysis.claims.verdict import PART, VERDICTS, Entry, counts
from analysis.paper.claims import Claim
from analysis.paper.printed import decimals
from analysis.text import heading, percent, plain, table, wrap
from replication.files import write_text


def decibel_text(found: Sequence[Decibels]) -> str:
    """What a percentage of a decibel value means: the paper's loss as error, and bicubic by the same measure."""
    rows = []
    for one in found:
        kept = [percent(1 - one.lost / one.msrn), f"{one.lost:.2f}", more_error(one.lost)]
        bicubic = [percent(one.bicubic / one.msrn), more_error(one.gain)]
        rows.append([one.row, *kept, *bicubic, percent(1 - one.lost / one.gain)])
    headers = ["", "PSNR kept", "dB lost", "error grows by", "bicubic keeps", "its error is more by", "gain kept"]
    average_row = rows[-1]
    text = (
        "PSNR is a logarithm, 10 log10(255² / mean squared error), and a share of a logarithm depends on where its "
        f"scale begins. The average loss of {average_row[2]} dB means that the mean squared error of an image grows by "
        f"{average_row[3]}. Plain bicubic interpolation, which learns nothing, keeps {average_row[4]} of MSRN's PSNR "
        f"by the same measure, with {average_row[5]} more error. Of what MSRN gains over bicubic, SMSRN keeps "
        f"{average_row[6]}."
    )
    note = "From Table 1 as printed and the published values of bicubic interpolation (analysis/paper/SOURCES.md)."
    return "\n\n".join([wrap(text), table(rows, headers, "github"), note])


def math_text(expression: str) -> str:
    """An equation's side without stars, which Markdown would take for emphasis."""
    return expression.replace(" * ", "*").replace("**", "^").replace("*", " · ")


def shown(printed: str, found: Recomputed) -> str:
    """A recomputed value for people, two digits finer than the printed one."""
    if isinstance(found, str):
        return found
    if isinstance(found, Formula):
        return math_text(str(found.derived))
    digits = decimals(printed) + 2
    best = plain(found.best, digits)
    if found.low == found.high:
        return best
    return f"{best} ({plain(found.low, digits)} to {plain(found.high, digits)})"


def _in_line(values: dict[str, str]) -> str:
    """Values with their names; a lone number or equation without."""
    texts = {name: math_text(value) for name, value in values.items()}
    if len(texts) == 1 and not {"yes", "no"} & set(texts.values()):
        return next(iter(texts.values()))
    return ", ".join(f"{name}: {text}" for name, text in texts.items())


IMPLIED = "implied: "


def printed_text(claim: Claim) -> str:
    """The printed values in one line."""
    return (IMPLIED if claim.implied else "") + (_in_line(claim.values) or "a statement")


def recomputed_text(one: Entry) -> str:
    """The recomputed values in one line."""
    found = {name: shown(one.claim.values[name], value) for name, value in one.finding.values.items()}
    return _in_line(found) or "nothing"


def as_json(entries: Sequence[Entry]) -> str:
    """The ledger as JSON text: counts, and each claim with everything that the page shows."""
    claims = [
        {
            "id": one.claim.id,
            "kind": one.claim.kind,
            "said": [vars(place) for place in one.claim.said],
            "printed": one.claim.values,
            "implied": one.claim.implied,
            "decimals": {name: decimals(value) for name, value in one.claim.values.items() if _is_number(value)},
            "recomputed": {name: shown(one.claim.values[name], value) for name, value in one.finding.values.items()},
            "verdict": one.verdict,
            "scope": one.finding.scope,
            "reason": one.finding.reason,
            "command": one.claim.command,
            "see": one.claim.see,
        }
        for one in entries
    ]
    return json.dumps({"counts": counts(entries), "claims": claims}, indent=1, ensure_ascii=False) + "\n"


def _is_number(printed: str) -> bool:
    return printed.replace(",", "").replace(".", "", 1).isdigit()


def explained(one: Entry, *, markdown: bool = False) -> str:
    """One claim in full."""
    claim, finding = one.claim, one.finding
    code = "`" if markdown else ""
    lines = [heading(claim.id, 3, markdown=markdown), ""]
    for place in claim.said:
        quote = " ".join(place.as_printed.split())
        quote = f"`{quote}`" if markdown and "\\" in quote else quote
        translation = f" ({place.english})" if place.english else ""
        lines.append(f"- {place.where}: {quote}{translation}")
    verdict = f"{one.verdict}: {finding.scope}" if one.verdict == PART else one.verdict
    facts = {
        "Kind": claim.kind,
        "Implied" if claim.implied else "Printed": printed_text(claim).removeprefix(IMPLIED),
        "Recomputed": recomputed_text(one),
        "Verdict": f"**{verdict}**" if markdown else verdict,
        "Reason": finding.reason,
        "Command": f"{code}{claim.command}{code}" + (f"; more: {code}{claim.see}{code}" if claim.see else ""),
    }
    lines += ["", *(f"- {name}: {text}" for name, text in facts.items())]
    return "\n".join(lines)


def summary(entries: Sequence[Entry]) -> str:
    """How many claims have which verdict, in one line."""
    return f"{len(entries)} claims: " + ", ".join(f"{number} {verdict}" for verdict, number in counts(entries).items())


def _implied(entries: Sequence[Entry], verdict: str) -> str:
    ids = [one.claim.id for one in entries if one.verdict == verdict and one.claim.implied]
    return f"; not said in so many words, only implied: {', '.join(ids)}" if ids else ""


def markdown(entries: Sequence[Entry]) -> str:
    """The whole page."""
    rows = [
        [
            f"[{one.claim.id}](#{one.claim.id.replace('.', '')})",
            one.claim.said[0].where + (" ..." if len({place.where for place in one.claim.said}) > 1 else ""),
            printed_text(one.claim),
            recomputed_text(one),
            one.verdict,
        ]
        for one in entries
    ]
    number = counts(entries)
    parts = [
        "# Every number of the paper, recomputed",
        "Made by `python -m analysis claims` from `analysis/paper/claims.toml`; "
        "`python -m analysis.claims --only ID` explains one claim.",
        "| claims | verdict | which means that |\n|--:|---|---|\n"
        + "\n".join(
            f"| {number[verdict]} | {verdict} | {meaning}{_implied(entries, verdict)} |"
            for verdict, meaning in VERDICTS.items()
        ),
        wrap(
            "The claims stand in the order in which the paper makes them. Each number of its text, equations, tables "
            "and captions belongs to one claim, and so do the statements without a number that its conclusions rest "
            "on. Not listed: numbers of sections, figures and references, dates, the grant and the authors' lives."
        ),
        table(rows, ["claim", "first said in", "printed", "recomputed", "verdict"], "github", "lllll"),
        "## What a percentage of a decibel value means",
        decibel_text(decibels()),
        "## Each claim",
        *(explained(one, markdown=True) for one in entries),
    ]
    return "\n\n".join(parts) + "\n"


def save(entries: Sequence[Entry], results: Path) -> list[Path]:
    """Write a ledger; return the paths. Raises UserError naming one that cannot be written."""
    paths = [results / "claims.md", results / "claims.json"]
    write_text(paths[0], markdown(entries))
    write_text(paths[1], as_json(entries))
    return paths
