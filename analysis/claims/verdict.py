"""The verdict on each claim: what the paper prints against what was recomputed, by one rule for all claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from analysis.claims.equations import EQUATION_SIZES, parse, symbols
from analysis.claims.finding import Finding, Formula, Recomputed, Sources, Value
from analysis.claims.registry import RECOMPUTE
from analysis.paper.claims import Claim, load
from analysis.paper.printed import decimal, half_unit

CONFIRMED = "confirmed"
ROUNDING = "confirmed to rounding"
PART = "confirmed for part"
CONTRADICTED = "contradicted"
ADOPTED = "adopted"
UNDECIDABLE = "not decidable here"

VERDICTS = {
    CONFIRMED: "the recomputed value is exactly the printed one",
    ROUNDING: "the recomputed value, rounded to the printed digits, is the printed one, or can be where the numbers "
    "that it is computed from are themselves printed rounded (their range is shown in brackets)",
    PART: "it holds within the scope that is named, and not as generally as it is said",
    CONTRADICTED: "the recomputed value is not the printed one, whatever was rounded",
    ADOPTED: "a choice of the authors that cannot be seen from outside; this package has it, too, in its networks or "
    "in its recipe `paper`, and the value shown is read from there; the reason says in how many trainings it is",
    UNDECIDABLE: "nothing that is here can decide it; the reason says what is missing",
}

KINDS = ("arithmetic", "structural", "cost", "protocol-dependent", "needs training", "literature", "judgement")


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
    agreeing = all(agrees(printed, found) for printed, found in pairs)
    if finding.adopted:
        return ADOPTED if agreeing else UNDECIDABLE
    if not agreeing:
        return CONTRADICTED
    if finding.scope:
        return PART
    return CONFIRMED if all(is_exact(printed, found) for printed, found in pairs) else ROUNDING


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
