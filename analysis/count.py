"""The command that counts a network of one's own; the machinery is in `analysis.networks`."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from analysis.cost.closed_form import OUTPUT_HEIGHT, OUTPUT_WIDTH
from analysis.networks.catalogue import COUNTED
from analysis.networks.checks import checks
from analysis.networks.count_text import Sheet, as_dictionary, as_text, layers_csv
from analysis.networks.counter import Count, count
from analysis.networks.inputs import Inputs, Shape, given, parse
from analysis.networks.load import published_name, user_inputs, user_network
from analysis.networks.timing import timed
from analysis.text import as_json
from replication.errors import Parser, UserError, run

__all__ = ["Count", "Inputs", "checks", "count", "given", "main", "parser"]

DEFAULT_INPUT = (1, 3, 180, 320)
"""Batch, channels, height and width for a network of one's own: RGB that x4 makes 1280x720."""

SCALES = (2, 3, 4, 8)


def sizes(network: str, scale: int, channels: int) -> dict[str, Shape]:
    """The inputs at which papers count a super-resolution network; the first is the one that is shown in full.

    Raises UserError for a published network and a scale that it is not built for.
    """
    known = COUNTED.get(network)
    if known and scale != 4:
        raise UserError(f"--scale: expected 4 for {network}, because the published networks are built for x4")
    found = {f"{OUTPUT_WIDTH}x{OUTPUT_HEIGHT} output": (OUTPUT_HEIGHT // scale, OUTPUT_WIDTH // scale)}
    if scale == 3:  # 1280 is no multiple of 3, and 320 x 320 has a ninth of the area of 1280 x 720
        found = {"1280x720 output, input 427x240": (240, 427), "1280x720 output, by area": (320, 320)}
    found["256x256 input (NTIRE)"] = (256, 256)
    if known:
        return {name: Shape(known.input_shape(scale * size[0], scale * size[1])) for name, size in found.items()}
    return {name: Shape((1, channels, *size)) for name, size in found.items()}


def parser() -> Parser:
    """The command line."""
    command = Parser(
        prog="python -m analysis.count",
        description=(
            "Count a torch network of your own: parameters, multiply-adds, activations and memory traffic, by layer\n"
            "and by kind, checked against other counts of the same run. NETWORK is MODULE:NAME or FILE.py:NAME,\n"
            "found from the current folder: a network, or a class or function that makes one without arguments; or\n"
            "the name of a published network. It runs on the meta device, where size costs nothing, and where that\n"
            "cannot be on its own device.\n"
            "Exit status: 0, 1 when a check fails or something cannot be counted, 2 for bad input."
        ),
        epilog=(
            "examples:\n"
            "  python -m analysis.count IMDN --scale 4 --summary\n"
            "  python -m analysis.count my_module:Net --input 3 180 320\n"
            "  python -m analysis.count my_module:Net --input 1x3x64x64:float16 --input mask=1x1x64x64 --json\n"
            "  python -m analysis.count my_file.py:Translator --inputs-from my_file.py:sentences --time\n"
        ),
    )
    add_network(command)
    add_inputs(command)
    command.add_argument(
        "--scale", type=int, choices=SCALES, help="count at the sizes that papers on super-resolution use, for x this"
    )
    command.add_argument("--channels", type=int, metavar="N", help="of the input of --scale (default: 3)")
    command.add_argument("--bias", action="store_true", help="count a bias as one MAC for each output value")
    command.add_argument("--summary", action="store_true", help="no table of layers")
    command.add_argument("--no-verify", action="store_true", help="do not compare with other counts")
    add_timing(command)
    add_formats(command, "the layers")
    return command


def add_network(command: argparse.ArgumentParser) -> None:
    """The network, which is named first: --input takes all that stands behind it."""
    command.usage = f"{command.prog} NETWORK [options]"
    command.add_argument("network", nargs="?", metavar="NETWORK", help="your network, or a published one by its name")


def asked_network(arguments: argparse.Namespace) -> str:
    """Its name. Raises UserError when there is none."""
    if arguments.network is None:
        raise UserError(
            "NETWORK: expected one, before the options, because --input takes all that stands behind it; "
            "a published network by its name, or MODULE:NAME, or FILE.py:NAME (--help has examples)"
        )
    return published_name(arguments.network)


def add_inputs(command: argparse.ArgumentParser) -> None:
    """The options that say what a network is given."""
    command.add_argument(
        "--input",
        nargs="+",
        action="append",
        metavar="SIZE",
        help="one input, repeated for several: sizes of one sample (3 180 320), or a whole shape with type and name "
        "where needed (mask=1x1x64x64:float16); default: 3 180 320, a published network's own",
    )
    command.add_argument(
        "--inputs-from", metavar="MODULE:FUNCTION", help="a function that gives the inputs: a tuple, a dictionary, both"
    )


def add_timing(command: argparse.ArgumentParser) -> None:
    """The options of the measurement."""
    command.add_argument("--time", action="store_true", help="also measure time and memory, on this processor")
    command.add_argument("--threads", type=int, default=1, help="for --time (default: %(default)s)")
    command.add_argument("--rounds", type=int, default=5, help="for --time (default: %(default)s)")


def add_formats(command: argparse.ArgumentParser, rows: str) -> None:
    """The options for programs that read the output."""
    formats = command.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="print everything as JSON")
    formats.add_argument("--csv", action="store_true", help=f"print {rows} as CSV")


def asked_inputs(arguments: argparse.Namespace, network: str) -> Inputs:
    """The inputs that the command line asks for. Raises UserError for contradictions."""
    if arguments.input and arguments.inputs_from:
        raise UserError("--input, --inputs-from: expected one of them, got both")
    if arguments.inputs_from:
        return user_inputs(arguments.inputs_from)
    if arguments.input:
        return parse(arguments.input)
    if network in COUNTED:
        return given(COUNTED[network].input_shape(OUTPUT_HEIGHT, OUTPUT_WIDTH))
    return given(DEFAULT_INPUT)


def check_timing(arguments: argparse.Namespace) -> None:
    """Raises UserError for numbers of threads or rounds below 1."""
    for option in ("threads", "rounds"):
        if getattr(arguments, option) < 1:
            raise UserError(f"--{option}: expected a number of at least 1, got {getattr(arguments, option)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 when a check fails or something cannot be counted. Raises UserError for bad input."""
    arguments = parser().parse_args(argv)
    with redirect_stdout(sys.stderr):  # what a network prints must not stand in the JSON
        sheet = counted_sheet(arguments)
    if arguments.json:
        print(as_json(as_dictionary(sheet)), end="")
    elif arguments.csv:
        print(layers_csv(sheet), end="")
    else:
        print(as_text(sheet, summary=arguments.summary), end="")
    return 0 if sheet.ok else 1


def counted_sheet(arguments: argparse.Namespace) -> Sheet:
    """What the command line asks for. Raises UserError for bad input."""
    check_timing(arguments)
    if arguments.channels is not None and not arguments.scale:
        raise UserError("--channels: expected --scale with it; --input says the channels itself")
    channels = 3 if arguments.channels is None else arguments.channels
    if channels < 1:
        raise UserError(f"--channels: expected a number of at least 1, got {channels}")
    if arguments.scale and (arguments.input or arguments.inputs_from):
        raise UserError("--scale: expected no --input with it, because it sets the input")
    name = asked_network(arguments)
    if name in COUNTED and arguments.channels is not None:
        raise UserError(f"--channels: expected none for {name}, because the published networks have their own")
    network = user_network(name)
    at = sizes(name, arguments.scale, channels) if arguments.scale else {}
    inputs = Inputs((next(iter(at.values())),)) if at else asked_inputs(arguments, name)
    counted = count(network, inputs)
    extra = {}
    for size, shape in at.items():
        other = count(network, Inputs((shape,)))
        extra[size] = (str(shape), other.macs + (other.bias if arguments.bias else 0))
    found = [] if arguments.no_verify else checks(counted, network)
    timing = None
    if arguments.time:
        measured = {name: (network, counted.macs)}
        timing = timed(measured, inputs, threads=arguments.threads, rounds=arguments.rounds)
    return Sheet(name, counted, found, arguments.bias, extra or None, timing)


if __name__ == "__main__":
    run(main)
