"""Every number of the paper, and the statements that its conclusions rest on, recomputed and judged.

What the paper says is data (paper/claims.toml). For each claim a function of `analysis.recompute` recomputes it; the
verdict then follows from comparing the two by one rule (`judge`), the same for every claim. Measured values come from
the records of the results folder.
"""

import difflib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tabulate import tabulate

from analysis import paper, table1
from analysis.cost_ratio import percent, table, wrap
from analysis.paper import BENCHMARKS
from analysis.recompute import (
    EQUATION_SIZES,
    RECOMPUTE,
    Finding,
    Formula,
    Recomputed,
    Sources,
    Value,
    decibels_lost,
    decimal,
    decimals,
    half_unit,
    more_error,
    parse,
    plain,
    symbols,
)
from replication.errors import Parser, UserError, run
from replication.files import write_text

CONFIRMED = "confirmed"
ROUNDING = "confirmed to rounding"
PART = "confirmed for part"
CONTRADICTED = "contradicted"
UNDECIDABLE = "not decidable here"
VERDICTS = {
    CONFIRMED: "the recomputed value is exactly the printed one",
    ROUNDING: "the recomputed value, rounded to the printed digits, is the printed one, or can be where the numbers "
    "that it is computed from are themselves printed rounded (their range is shown in brackets)",
    PART: "it holds within the scope that is named, and not as generally as it is said",
    CONTRADICTED: "the recomputed value is not the printed one, whatever was rounded",
    UNDECIDABLE: "nothing that is here can decide it; the reason says what is missing",
}

KINDS = ("arithmetic", "structural", "cost", "protocol-dependent", "needs training", "judgement")


@dataclass(frozen=True)
class Said:
    """One place where the paper makes a claim; ``english`` is empty for equations and cells of a table."""

    where: str
    as_printed: str
    english: str = ""


@dataclass(frozen=True)
class Claim:
    """One claim as printed; see paper/claims.toml for the fields."""

    id: str
    kind: str
    values: dict[str, str]
    said: tuple[Said, ...]
    see: str = ""

    @property
    def command(self) -> str:
        """The command that recomputes it."""
        return f"python -m analysis.claims --only {self.id}"


def load() -> list[Claim]:
    """The claims of paper/claims.toml, in the order of the paper."""
    content = tomllib.loads((paper.FOLDER / "claims.toml").read_text(encoding="utf-8"))["claim"]
    return [Claim(**{**entry, "said": tuple(Said(**place) for place in entry["said"])}) for entry in content]


def agrees(printed: str, found: Recomputed) -> bool:
    """Whether ``found`` is what was printed: equal text, the same function, or a number that rounds to it."""
    if isinstance(found, str):
        return printed == found
    if isinstance(found, Formula):
        import sympy

        expression = parse(printed)
        same = sympy.simplify(expression - found.derived) == 0
        w, d, n = symbols()
        return same and all(
            Fraction(str(expression.subs({w: kernel, d: inputs, n: outputs}))) == found.counted(kernel, inputs, outputs)
            for kernel, inputs, outputs in EQUATION_SIZES
        )
    number, half = Fraction(decimal(printed)), half_unit(printed)
    return found.low <= number + half and number - half <= found.high


def is_exact(printed: str, found: Recomputed) -> bool:
    """Whether no rounding is needed to agree."""
    return not isinstance(found, Value) or found.low == found.high == Fraction(decimal(printed))


def judge(claim: Claim, finding: Finding) -> str:
    """The verdict. Raises ValueError when a claim's values are not all recomputed, and only they."""
    if finding.undecided:
        return UNDECIDABLE
    if finding.values.keys() != claim.values.keys() or not claim.values:
        raise ValueError(f"claim {claim.id}: printed are {list(claim.values)}, recomputed are {list(finding.values)}")
    pairs = [(claim.values[name], finding.values[name]) for name in claim.values]
    if not all(agrees(printed, found) for printed, found in pairs):
        return CONTRADICTED
    if finding.scope:
        return PART
    return CONFIRMED if all(is_exact(printed, found) for printed, found in pairs) else ROUNDING


def decibel_text() -> str:
    """What a percentage of a decibel value means: the paper's loss as error, and bicubic by the same measure."""
    full, floor = table1.printed("msrn"), table1.published("Bicubic", "")
    rows = []
    for name in (*BENCHMARKS, table1.AVERAGE):
        lost, top, bottom = decibels_lost(name), full.score(name), floor.score(name)
        assert top
        assert bottom
        gain = top.psnr - bottom.psnr
        cells_ = [percent(1 - lost / top.psnr), f"{lost:.2f}", more_error(lost)]
        rows.append([name, *cells_, percent(bottom.psnr / top.psnr), more_error(gain), percent(1 - lost / gain)])
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


@dataclass(frozen=True)
class Entry:
    """A claim, what recomputing gave, and the verdict."""

    claim: Claim
    finding: Finding
    verdict: str


def entry(claim: Claim, sources: Sources) -> Entry:
    """Recompute and judge one claim."""
    finding = RECOMPUTE[claim.id](sources)
    return Entry(claim, finding, judge(claim, finding))


def ledger(results: Path) -> list[Entry]:
    """Every claim, recomputed from the code and from the records below ``results``."""
    sources = Sources(results)
    return [entry(claim, sources) for claim in load()]


def counts(entries: Sequence[Entry]) -> dict[str, int]:
    """How many claims have each verdict."""
    return {verdict: sum(one.verdict == verdict for one in entries) for verdict in VERDICTS}


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


def printed_text(claim: Claim) -> str:
    """The printed values in one line."""
    return _in_line(claim.values) or "a statement"


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
    lines = [f"### {claim.id}" if markdown else f"{claim.id}\n{'-' * len(claim.id)}", ""]
    for place in claim.said:
        quote = " ".join(place.as_printed.split())
        quote = f"`{quote}`" if markdown and "\\" in quote else quote
        translation = f" ({place.english})" if place.english else ""
        lines.append(f"- {place.where}: {quote}{translation}")
    verdict = f"{one.verdict}: {finding.scope}" if one.verdict == PART else one.verdict
    facts = {
        "Kind": claim.kind,
        "Printed": printed_text(claim),
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
        "Made by `python -m analysis.claims` from `analysis/paper/claims.toml`; `--only ID` explains one claim.",
        "| claims | verdict | which means that |\n|--:|---|---|\n"
        + "\n".join(f"| {number[verdict]} | {verdict} | {meaning} |" for verdict, meaning in VERDICTS.items()),
        wrap(
            "The claims stand in the order in which the paper makes them. Each number of its text, equations, tables "
            "and captions belongs to one claim. Not listed: numbers of sections, figures and references, dates, the "
            "grant and the authors' lives."
        ),
        tabulate(rows, ["claim", "first said in", "printed", "recomputed", "verdict"], "github", disable_numparse=True),
        "## What a percentage of a decibel value means",
        decibel_text(),
        "## Each claim",
        *(explained(one, markdown=True) for one in entries),
    ]
    return "\n\n".join(parts) + "\n"


def write(results: Path) -> list[Path]:
    """Write ``claims.md`` and ``claims.json`` into the results folder; return their paths."""
    return save(ledger(results), results)


def save(entries: Sequence[Entry], results: Path) -> list[Path]:
    """Write a ledger; return the paths. Raises UserError naming one that cannot be written."""
    paths = [results / "claims.md", results / "claims.json"]
    write_text(paths[0], markdown(entries))
    write_text(paths[1], as_json(entries))
    return paths


def chosen(identifier: str) -> Claim:
    """The claim of that id. Raises UserError that names ids which look like it."""
    known = {claim.id: claim for claim in load()}
    if identifier not in known:
        close = difflib.get_close_matches(identifier, known, n=5, cutoff=0.3) or list(known)
        raise UserError(f"--only: unknown claim {identifier!r}; did you mean {', '.join(close)}?")
    return known[identifier]


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run the command line. Raises UserError for an unknown claim."""
    parser = Parser(
        prog="python -m analysis.claims",
        description=(
            "Recompute every number of the paper and say whether it holds: confirmed, confirmed to rounding,\n"
            "confirmed for part, contradicted, or not decidable here, each with its reason. Measured values come\n"
            "from the records of the results folder. Writes claims.md and claims.json."
        ),
        epilog=(
            "examples:\n"
            "  python -m analysis.claims\n"
            "  python -m analysis.claims --only share-14.64      one claim in full; writes nothing\n"
        ),
    )
    parser.add_argument("--only", metavar="ID", help="explain this claim alone, and write nothing")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", default=Path("results"), help="results folder (default: %(default)s)"
    )
    arguments = parser.parse_args(argv)
    if arguments.only is not None:
        print(explained(entry(chosen(arguments.only), Sources(arguments.results))))
        return None
    entries = ledger(arguments.results)
    print(table([[one.claim.id, one.verdict] for one in entries], ["claim", "verdict"], "simple"))
    print()
    print(wrap(summary(entries) + "."))
    for path in save(entries, arguments.results):
        print(f"wrote {path}")
    return None


if __name__ == "__main__":
    run(main)
