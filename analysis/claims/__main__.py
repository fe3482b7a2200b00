"""The command that explains one claim, or judges all of them."""

import difflib
from collections.abc import Sequence

from analysis.claims.finding import Sources
from analysis.claims.page import explained, summary
from analysis.claims.verdict import entry, ledger
from analysis.paper.claims import Claim, load
from analysis.text import table, wrap
from replication import records
from replication.errors import Parser, UserError, run


def chosen(identifier: str) -> Claim:
    """The claim of that id. Raises UserError that names ids which look like it."""
    known = {claim.id: claim for claim in load()}
    if identifier not in known:
        close = difflib.get_close_matches(identifier, known, n=5, cutoff=0.3) or list(known)
        raise UserError(f"--only: unknown claim {identifier!r}; did you mean {', '.join(close)}?")
    return known[identifier]


def main(argv: Sequence[str] | None = None) -> None:
    """Print the verdicts, or one claim in full. Raises UserError for an unknown claim."""
    parser = Parser(
        prog="python -m analysis.claims",
        description=(
            "Recompute every number of the paper and say whether it holds: confirmed, confirmed to rounding,\n"
            "confirmed for part, contradicted, adopted, or not decidable here, each with its reason. Measured values\n"
            "come from the records of the results folder. Writes nothing: `python -m analysis claims` writes the page."
        ),
        epilog=(
            "examples:\n"
            "  python -m analysis.claims\n"
            "  python -m analysis.claims --only share-14.64      one claim in full\n"
        ),
    )
    parser.add_argument("--only", metavar="ID", help="explain this claim alone")
    parser.add_results()
    arguments = parser.parse_args(argv)
    measured = records.folder(arguments.results)
    if not measured.is_dir():  # without them more claims would be undecidable, and nobody would know why
        raise UserError(f"{measured}: expected the records of the results folder (--results), but it does not exist")
    if arguments.only is not None:
        print(explained(entry(chosen(arguments.only), Sources(arguments.results))))
        return
    entries = ledger(arguments.results)
    print(table([[one.claim.id, one.verdict] for one in entries], ["claim", "verdict"], "simple"))
    print()
    print(wrap(summary(entries) + "."))


if __name__ == "__main__":
    run(main)
