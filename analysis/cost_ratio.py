"""The command that prints the cost of MSRN and SMSRN, by equations 1-5 and as a whole, and verifies it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from analysis.cost.cost_page import as_text, verification_text
from analysis.cost.equations import CHANNELS, KERNELS
from analysis.cost.study import as_json, study
from replication.errors import Parser, UserError, run


def parser() -> Parser:
    """The command line."""
    command = Parser(
        prog="python -m analysis.cost_ratio",
        description=(
            "Print what convolutions cost: equations 1-5 of the paper, its percentages, and MSRN and SMSRN as a\n"
            "whole, by group of layers. Then verify the numbers: every convolution against fvcore's count on the\n"
            "built networks, every layer against its real parameters, equation 5 against the measured ratio, and\n"
            "all five equations on the layers asked for, built with these sizes.\n"
            "`python -m analysis cost_ratio` writes the same into the results folder.\n"
            "Exit status: 0, 1 when a verification fails, 2 for bad input."
        ),
        epilog=(
            "examples:\n"
            "  python -m analysis.cost_ratio --no-verify\n"
            "  python -m analysis.cost_ratio --scale 2 --width 32 --blocks 4\n"
            "  python -m analysis.cost_ratio --kernel 7 --channels 48 96"
        ),
    )
    network = command.add_argument_group("your own network")
    network.add_argument("--scale", type=int, default=4, help="2, 3, 4 or 8 (default: %(default)s)")
    network.add_argument("--width", type=int, default=64, help="channels of a block's input (default: %(default)s)")
    network.add_argument("--blocks", type=int, default=8, help="number of blocks (default: %(default)s)")
    layer = command.add_argument_group("your own layers (equations 1-5)")
    layer.add_argument(
        "--kernel", type=int, nargs="+", default=KERNELS, metavar="K", help="odd kernel sizes (default: 3 5)"
    )
    layer.add_argument(
        "--channels",
        type=int,
        nargs="+",
        metavar="N",
        help="one number for both input and output channels, or two: input D, output N (default: 64, and 128)",
    )
    command.add_argument("--no-verify", action="store_true", help="only compute; needs no torch")
    command.add_argument("--json", action="store_true", help="print JSON; mismatches go to standard error")
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 when a verification fails. Raises UserError for sizes that make no network or layer."""
    arguments = parser().parse_args(argv)
    if arguments.channels is not None and len(arguments.channels) > 2:
        raise UserError(f"--channels: expected one or two numbers, got {len(arguments.channels)}")
    channels = CHANNELS if arguments.channels is None else ((arguments.channels[0], arguments.channels[-1]),)
    sizes = (arguments.scale, arguments.width, arguments.blocks, tuple(arguments.kernel), channels)
    result = study(*sizes, verify=not arguments.no_verify)
    if arguments.json:
        print(as_json(result), end="")
        if result.verified is False:
            print(verification_text(result, "simple"), file=sys.stderr)
    else:
        print(as_text(result), end="")
    return 1 if result.verified is False else 0


if __name__ == "__main__":
    run(main)
