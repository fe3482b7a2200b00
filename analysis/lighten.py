"""The command that lightens a network of one's own; the machinery: `replication.lighten` and `analysis.networks`."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from fnmatch import fnmatch

from torch.nn.modules.conv import _ConvNd

from analysis.count import (
    add_formats,
    add_inputs,
    add_network,
    add_timing,
    asked_inputs,
    asked_network,
    check_timing,
)
from analysis.networks.lighten_text import COLUMNS, as_dictionary, as_text, changes
from analysis.networks.lightened import Lightened, study
from analysis.networks.load import user_network
from analysis.networks.timing import Timing, timed
from analysis.text import as_csv, as_json
from replication.errors import Parser, run


def parser() -> Parser:
    """The command line."""
    command = Parser(
        prog="python -m analysis.lighten",
        description=(
            "Replace standard convolutions by depth-wise separable ones in a network of your own: MODULE:NAME or\n"
            "FILE.py:NAME, found from the current folder, a network, or a class or function that makes one without\n"
            "arguments; or the name of a published network. Replaced are layers with kernels larger than 1x1 that mix\n"
            "channels. Shows parameters and multiply-adds before and after, layer by layer; what is counted after\n"
            "must be what equation 5 predicts. In Python: replication.lighten.lighten."
        ),
        epilog=(
            "examples:\n"
            "  python -m analysis.lighten IMDN\n"
            "  python -m analysis.lighten MSRN --only 'head.*' 'body.*'     the paper's choice of layers\n"
            "  python -m analysis.lighten my_module:Net --input 1 64 64 --only 'body.*'\n"
            "  python -m analysis.lighten my_file.py:Net --from-weights --time --json\n"
        ),
    )
    add_network(command)
    add_inputs(command)
    command.add_argument(
        "--only", nargs="+", default=["*"], metavar="PATTERN", help="replace only layers with such names (default: all)"
    )
    command.add_argument(
        "--from-weights", action="store_true", help="show how well separable kernels can approximate its weights"
    )
    add_timing(command)
    add_formats(command, "the replaced layers")
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 when something cannot be counted.

    Raises UserError for bad input, and where counts and equation 5 disagree.
    """
    arguments = parser().parse_args(argv)
    with redirect_stdout(sys.stderr):  # what a network prints must not stand in the JSON
        case, timing = studied(arguments)
    if arguments.json:
        print(as_json(as_dictionary(case, timing)), end="")
    elif arguments.csv:
        print(as_csv(changes(case), COLUMNS), end="")
    else:
        print(as_text(case, timing), end="")
    return 1 if case.before.unknown else 0


def studied(arguments: argparse.Namespace) -> tuple[Lightened, Timing | None]:
    """What the command line asks for. Raises UserError as `main`."""
    check_timing(arguments)
    name = asked_network(arguments)
    network = user_network(name)
    inputs = asked_inputs(arguments, name)

    def choose(layer: str, module: _ConvNd) -> bool:
        return any(fnmatch(layer, pattern) for pattern in arguments.only)

    case = study(name, network, inputs, choose, from_weights=arguments.from_weights)
    timing = None
    if arguments.time:
        measured = {"before": (network, case.before.macs), "lightened": (case.lighter, case.after.macs)}
        timing = timed(measured, inputs, threads=arguments.threads, rounds=arguments.rounds)
    return case, timing


if __name__ == "__main__":
    run(main)
