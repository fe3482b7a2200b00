"""``python -m analysis``: rebuild all artefacts below results/, or those that are named."""

import difflib
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from analysis.artefacts import ARTEFACTS, Artefact
from analysis.report import report_page
from analysis.text import table
from replication.data.benchmarks import data_root
from replication.errors import Parser, UserError, run
from replication.records import check_writable
from replication.stages import Job, Stage, run_stages


def chosen(names: Sequence[str]) -> list[Artefact]:
    """The artefacts of these names, in the order of the list; all without names. Raises UserError for unknown ones."""
    known = {one.name: one for one in ARTEFACTS}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or list(known)
            raise UserError(f"unknown artefact {name!r}; did you mean {', '.join(close)}? (--list shows all)")
    return [one for one in ARTEFACTS if one.name in names or not names]


def main(argv: Sequence[str] | None = None) -> int:
    """Write, or list, the artefacts; 1 when a verification fails."""
    parser = Parser(
        prog="python -m analysis",
        description=(
            "Rebuild the tables, figures and verdicts below the results folder from formulas, the paper's data and\n"
            "the records. Measures nothing: `python -m replication` does.\n"
            "Exit status: 0, 1 when a verification fails, 2 for bad input."
        ),
        epilog=(
            "examples:\n"
            "  python -m analysis                      everything\n"
            "  python -m analysis table1 claims        some of it\n"
            "  python -m analysis --list               the names, each with a line\n"
            "  python -m analysis report --open        all of it on one page, in the browser\n"
        ),
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="artefacts to rebuild (default: all)")
    parser.add_argument("--list", action="store_true", help="list the artefacts and what they are made from")
    parser.add_argument("--open", action="store_true", help="show the report in the browser when it is made")
    parser.add_data()
    parser.add_results()
    arguments = parser.parse_args(argv)
    artefacts = chosen(arguments.names)
    if arguments.open and all(one.name != "report" for one in artefacts):
        raise UserError(f"--open: expected the report among the artefacts, got {' '.join(arguments.names)}")
    if arguments.list:
        print(table([[one.name, one.title, one.needs] for one in artefacts], ["name", "what", "from"], "simple", "lll"))
        return 0
    data_root(arguments.data)  # what is wrong with a folder is said before the first artefact, not after it
    check_writable(arguments.results)
    status = run_stages(Job(arguments.results, arguments.data), [Stage(one.title, one.run) for one in artefacts])
    if arguments.open:
        show(report_page.newest(arguments.results))
    return status


def show(page: Path) -> None:
    """Open a page in the user's browser. Raises UserError, naming the page, where there is none to be found."""
    if not webbrowser.open(page.resolve().as_uri()):
        raise UserError(f"no browser was found: open {page} in one")


if __name__ == "__main__":
    run(main)
