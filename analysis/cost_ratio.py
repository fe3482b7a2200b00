"""Equations 1-5 of the paper, and the command that prints the cost of MSRN and SMSRN and verifies it.

The equations count multiply-adds per output position, where D and N are the input and output channels and k is the
kernel size (the paper's D, N and W_k).
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from analysis import cost_model
from analysis.cost_model import Layer
from replication.errors import Parser, UserError, run
from replication.files import write_text

if TYPE_CHECKING:  # `verify` uses `ratio`, and this module calls `verify` only when asked to
    from analysis.verify import Check


def standard(kernel: int, in_channels: int, out_channels: int) -> int:
    """Equation 1, standard convolution: k² · D · N multiply-adds per output position."""
    return kernel**2 * in_channels * out_channels


def depthwise(kernel: int, in_channels: int) -> int:
    """Equation 2, depth-wise convolution: k² · D multiply-adds per output position."""
    return kernel**2 * in_channels


def pointwise(in_channels: int, out_channels: int) -> int:
    """Equation 3, point-wise convolution: D · N multiply-adds per output position."""
    return in_channels * out_channels


def separable(kernel: int, in_channels: int, out_channels: int) -> int:
    """Equation 4, depth-wise then point-wise convolution: D · (k² + N) multiply-adds per output position."""
    return in_channels * (kernel**2 + out_channels)


def ratio(kernel: int, out_channels: int) -> Fraction:
    """Equation 5, separable over standard: 1/N + 1/k², exact."""
    return Fraction(1, out_channels) + Fraction(1, kernel**2)


KERNELS = (3, 5)
CHANNELS = ((64, 64), (128, 128))
"""Kernel sizes, and input and output channels, of the k x k layers in MSRN's blocks."""

PRINTED = ((3, "0.1189", "88 %"), (5, "0.0478", "95 %"))
PRINTED_MEAN = "92 %"
PRINTED_CHANNELS = 128
"""What the paper prints in section 3.2 (kernel size, ratio, saving; their mean; N): quoted to be compared with."""

CONVENTION = (
    "Convention: one MAC is one multiply-add. Bias is excluded from the MACs and included in the parameters. "
    'Convolutions only; all else is 0 MACs. The "flop" that fvcore counts is a MAC; tools that count the '
    "multiplication and the addition separately give twice as much."
)


@dataclass(frozen=True)
class Study:
    """What was asked and what came out; ``checks`` is None when nothing was verified."""

    scale: int
    width: int
    blocks: int
    equations: list[dict[str, int | float]]
    networks: dict[str, list[Layer]]
    checks: list[Check] | None

    @property
    def verified(self) -> bool | None:
        """True: every check holds. False: one does not. None: not verified."""
        return None if self.checks is None else all(check.ok for check in self.checks)


def equation_row(kernel: int, in_channels: int, out_channels: int) -> dict[str, int | float]:
    """Equations 1-5 for one layer. Raises UserError for an even kernel and for sizes below 1."""
    if kernel < 1 or kernel % 2 == 0:
        raise UserError(f"kernel: expected an odd number of at least 1, got {kernel}")
    if min(in_channels, out_channels) < 1:
        raise UserError(f"channels: expected at least 1, got {min(in_channels, out_channels)}")
    return {
        "kernel": kernel,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "standard": standard(kernel, in_channels, out_channels),
        "depthwise": depthwise(kernel, in_channels),
        "pointwise": pointwise(in_channels, out_channels),
        "separable": separable(kernel, in_channels, out_channels),
        "ratio": float(ratio(kernel, out_channels)),
    }


def study(
    scale: int = 4,
    width: int = 64,
    blocks: int = 8,
    kernels: Sequence[int] = KERNELS,
    channels: Sequence[tuple[int, int]] = CHANNELS,
    verify: bool = True,
) -> Study:
    """Compute everything that the command shows; ``channels`` are pairs of input and output channels.

    Raises UserError for sizes that make no network or layer, and where verification lacks a package.
    """
    equations = [equation_row(kernel, *pair) for pair in channels for kernel in kernels]
    networks = {
        "msrn": cost_model.msrn(scale, width, blocks),
        "smsrn": cost_model.smsrn(scale, width, blocks),
    }
    checks = None
    if verify:
        try:
            from analysis import verify as verification

            checks = verification.verify(scale, width, blocks)
        except ModuleNotFoundError as error:
            raise UserError(f"verification needs the package {error.name}: install it, or ask --no-verify") from error
    return Study(scale, width, blocks, equations, networks, checks)


def as_json(result: Study) -> str:
    """The whole study as JSON text."""
    networks: dict[str, Any] = {}
    for name, layers in result.networks.items():
        networks[name] = {
            "params": cost_model.total_params(layers),
            "macs_per_lr_pixel": cost_model.total_macs(layers),
            "gmacs_720p": cost_model.gmacs_720p(layers, result.scale),
            "layers": [
                {**asdict(layer), "params": layer.params, "macs_per_lr_pixel": layer.macs_per_lr_pixel}
                for layer in layers
            ],
        }
    whole = {"equations": result.equations, "networks": networks, "verified": result.verified}
    return json.dumps(whole, indent=2) + "\n"


def percent(part: float | Fraction, digits: int = 1) -> str:
    """``part`` of 1 as a percentage, with the space that the paper prints."""
    return f"{100 * float(part):.{digits}f} %"


def as_text(result: Study, *, markdown: bool = False) -> str:
    """The whole study for people: plain text for a terminal, or Markdown."""
    title = f"Cost of MSRN and SMSRN at x{result.scale} (width {result.width}, {result.blocks} blocks)"
    sections = [
        ("Equations 1-5: multiply-adds per output position", equations_text),
        ("The paper's percentages", percentages_text),
        ("The whole networks", networks_text),
        ("What the whole network saves", saving_text),
        ("Verification", verification_text),
    ]
    parts = [f"# {title}" if markdown else f"{title}\n{'=' * len(title)}", wrap(CONVENTION)]
    for heading, section in sections:
        parts.append(f"## {heading}" if markdown else f"{heading}\n{'-' * len(heading)}")
        parts.append(section(result, "github" if markdown else "simple"))
    return "\n\n".join(parts) + "\n"


def wrap(text: str) -> str:
    """Break prose into lines that a terminal shows whole."""
    joined = text.replace(" %", "\u00a0%")  # a percentage stays on one line
    return textwrap.fill(joined, 100, break_long_words=False, break_on_hyphens=False).replace("\u00a0", " ")


def table(rows: Iterable[Sequence[object]], headers: Sequence[str], style: str) -> str:
    """A table whose first column is text and whose other columns are right-aligned, cells as they are given."""
    align = ("left", *["right"] * (len(headers) - 1))
    return tabulate(rows, headers, tablefmt=style, colalign=align, disable_numparse=True)


def equations_text(result: Study, style: str) -> str:
    """The table of equations 1-5."""
    rows = [
        [
            f"k={row['kernel']}, D={row['in_channels']}, N={row['out_channels']}",
            *(f"{row[name]:,}" for name in ("standard", "depthwise", "pointwise", "separable")),
            f"{row['ratio']:.4f}",
            percent(1 - row["ratio"]),
        ]
        for row in result.equations
    ]
    formulas = ["(1) k²·D·N", "(2) k²·D", "(3) D·N", "(4) D·(k²+N)", "(5) 1/N+1/k²", "saved"]
    text = "Standard (1), depth-wise (2), point-wise (3), separable (4) convolution; (5) is (4) over (1)."
    return f"{wrap(text)}\n\n{table(rows, ['layer', *formulas], style)}"


def percentages_text(result: Study, style: str) -> str:
    """The percentages that the paper draws from equation 5, beside exact ones. Does not depend on what was asked."""
    rows = []
    for kernel, printed_ratio, printed_saving in PRINTED:
        exact = ratio(kernel, PRINTED_CHANNELS)
        rows += [
            [f"ratio for k = {kernel}, N = {PRINTED_CHANNELS}", printed_ratio, f"{float(exact):.6f}"],
            [f"saving for k = {kernel}, N = {PRINTED_CHANNELS}", printed_saving, percent(1 - exact, 2)],
        ]
    rows.append(["mean of the two savings", PRINTED_MEAN, percent(mean_saving(), 2)])
    return table(rows, ["section 3.2", "printed", "computed"], style)


def mean_saving() -> Fraction:
    """The paper's average: of the savings of two layers, 3x3 and 5x5 on 128 channels, with equal weight."""
    return 1 - Fraction(sum(ratio(kernel, PRINTED_CHANNELS) for kernel, _, _ in PRINTED), len(PRINTED))


def networks_text(result: Study, style: str) -> str:
    """Parameters and MACs of both networks by group of layers and in total, and per 1280x720 output."""
    msrn, smsrn = result.networks["msrn"], result.networks["smsrn"]
    tables = [
        group_table("parameters", cost_model.total_params, msrn, smsrn, style),
        group_table("MACs per LR pixel", cost_model.total_macs, msrn, smsrn, style),
    ]
    before, after = (cost_model.gmacs_720p(layers, result.scale) for layers in (msrn, smsrn))
    width, height = cost_model.OUTPUT_WIDTH, cost_model.OUTPUT_HEIGHT
    text = f"For a {width}x{height} output: MSRN {before:.1f} G MACs, SMSRN {after:.1f} G MACs"
    if width % result.scale or height % result.scale:
        text += (
            f". No LR image gives exactly this output at x{result.scale} ({width}x{height} is not divisible): "
            "the values are the cost per area, not that of an image that can be run."
        )
    else:
        text += f" (LR input {width // result.scale}x{height // result.scale})."
    return "\n\n".join([*tables, wrap(text)])


def group_table(
    what: str, total: Callable[[Iterable[Layer]], int], msrn: list[Layer], smsrn: list[Layer], style: str
) -> str:
    """One quantity of both networks by group of layers, with each group's share of its network."""
    rows = []
    whole = [("total", msrn, smsrn)]
    after_by_group = cost_model.by_group(smsrn)
    groups = [(name, before, after_by_group.get(name, [])) for name, before in cost_model.by_group(msrn).items()]
    for name, before, after in groups + whole:
        rows.append(
            [
                name,
                f"{total(before):,}",
                percent(total(before) / total(msrn)),
                f"{total(after):,}",
                percent(total(after) / total(smsrn)),
                percent(total(after) / total(before), 2),
            ]
        )
    return table(rows, [what, "MSRN", "share", "SMSRN", "share", "SMSRN / MSRN"], style)


def saving_text(result: Study, style: str) -> str:
    """How much the whole network saves, and why that is not the paper's average of two layers."""
    msrn, smsrn = result.networks["msrn"], result.networks["smsrn"]
    same = set(msrn) & set(smsrn)
    replaced = [layer for layer in msrn if layer not in same]
    replacement = [layer for layer in smsrn if layer not in same]
    rows = []
    for what, total in (("MACs", cost_model.total_macs), ("parameters", cost_model.total_params)):
        rows.append(
            [
                what,
                percent(1 - total(replacement) / total(replaced)),
                percent(total(replaced) / total(msrn)),
                percent(1 - total(smsrn) / total(msrn)),
            ]
        )
    macs, params = rows
    layer_savings = [f"{kernel}x{kernel}: {percent(1 - ratio(kernel, PRINTED_CHANNELS))}" for kernel in KERNELS]
    narrow = [
        f"{layer.kernel}x{layer.kernel} {percent(1 - ratio(layer.kernel, layer.out_channels))}"
        for layer in cost_model.by_group(msrn)["block first pair"][:2]
    ]
    unchanged_groups = [
        name for name, layers in cost_model.by_group(msrn).items() if all(layer in same for layer in layers)
    ]
    share_before = cost_model.total_macs(same) / cost_model.total_macs(msrn)
    share_after = cost_model.total_macs(same) / cost_model.total_macs(smsrn)
    paragraphs = [
        f"SMSRN as a whole saves {macs[-1]} of MSRN's MACs and {params[-1]} of its parameters. The paper's "
        f"{PRINTED_MEAN} is not the network's saving: it is the plain mean of two layers' savings at "
        f"N = {PRINTED_CHANNELS} ({', '.join(layer_savings)}).",
        f"Part of the network stays standard and cannot shrink: {', '.join(unchanged_groups)}. That part is "
        f"{percent(share_before)} of MSRN's MACs and becomes {percent(share_after)} of SMSRN's; were all the rest "
        f"free, the saving could not pass {percent(1 - share_before)}. Among the replaced layers, too, the plain mean "
        f"is not the saving: the blocks' first pair has N = {result.width} ({', '.join(narrow)}), and 5x5 layers "
        f"weigh more than 3x3 ones; taken together, the replaced layers save {macs[1]}.",
        "The whole saving is the saving of the replaced layers times their share of MSRN:",
    ]
    products = table(rows, ["", "saved in replaced layers", "their share of MSRN", "whole network saves"], style)
    return "\n\n".join([*(wrap(paragraph) for paragraph in paragraphs), products])


def verification_text(result: Study, style: str) -> str:
    """How many comparisons of each kind were made and failed, and each one that failed."""
    if result.checks is None:
        return "Not verified (--no-verify)."
    from analysis.verify import SIZES, versions

    kinds = dict.fromkeys(check.kind for check in result.checks)
    failed = [check for check in result.checks if not check.ok]
    rows = []
    for kind in kinds:
        number = sum(check.kind == kind for check in result.checks)
        wrong = sum(check.kind == kind for check in failed)
        rows.append([kind, f"{number:,}", f"{wrong:,}"])
    sizes = ", ".join(f"{height}x{width}" for height, width in SIZES)
    intro = f"Closed form against the built networks, and against the counts of {versions()} on LR inputs of {sizes}."
    parts = [wrap(intro), table(rows, ["compared, exactly", "comparisons", "differ"], style)]
    if failed:
        shown = [[check.kind, check.name, plain(check.expected), plain(check.found)] for check in failed]
        parts.append(table(shown, ["DIFFERS", "where", "closed form", "found"], style))
    parts.append("NOT VERIFIED: the values above differ." if failed else "Verified: everything agrees.")
    return "\n\n".join(parts)


def plain(value: object) -> str:
    """One side of a check for people."""
    return "absent" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def save(result: Study, results: Path) -> list[Path]:
    """Write ``cost_ratio.md`` and ``.json`` to ``results``. Raises UserError naming a path that cannot be written."""
    paths = [results / "cost_ratio.md", results / "cost_ratio.json"]
    write_text(paths[0], as_text(result, markdown=True))
    write_text(paths[1], as_json(result))
    return paths


def write(results: Path) -> list[Path]:
    """Study and verify the paper's own networks and write ``cost_ratio.md`` and ``cost_ratio.json`` to ``results``.

    The files say whether they are verified. Raises VerificationError after writing them when they are not, and
    UserError naming a path that cannot be written.
    """
    from analysis.verify import VerificationError

    result = study()
    paths = save(result, results)
    if not result.verified:
        raise VerificationError(f"closed form and networks differ: see {paths[0]}")
    return paths


def parser() -> Parser:
    """The command line."""
    command = Parser(
        prog="python -m analysis.cost_ratio",
        description=(
            "Print what convolutions cost: equations 1-5 of the paper, its percentages, and MSRN and SMSRN as a\n"
            "whole, by group of layers. Then verify the numbers: every convolution against fvcore's count on the\n"
            "built networks, every layer against its real parameters, equation 5 against the measured ratio.\n"
            "Exit status: 0, 1 when a verification fails, 2 for bad input."
        ),
        epilog=(
            "examples:\n"
            "  python -m analysis.cost_ratio --no-verify\n"
            "  python -m analysis.cost_ratio --scale 2 --width 32 --blocks 4\n"
            "  python -m analysis.cost_ratio --no-verify --kernel 7 --channels 48 96"
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
        help="one number for input and output channels alike, or two: input D, output N (default: 64, and 128)",
    )
    command.add_argument("--no-verify", action="store_true", help="only compute; needs no torch")
    command.add_argument("--json", action="store_true", help="print JSON; mismatches go to standard error")
    command.add_argument("--write", action="store_true", help="also write cost_ratio.md and cost_ratio.json")
    command.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="where --write writes (default: results)"
    )
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 when a verification fails. Raises UserError for sizes that make no network or layer."""
    arguments = parser().parse_args(argv)
    if arguments.channels is not None and len(arguments.channels) > 2:
        raise UserError(f"--channels: expected one or two numbers, got {len(arguments.channels)}")
    channels = CHANNELS if arguments.channels is None else ((arguments.channels[0], arguments.channels[-1]),)
    asked = (arguments.scale, arguments.width, arguments.blocks, tuple(arguments.kernel), channels)
    if arguments.write and (arguments.no_verify or asked != (4, 64, 8, KERNELS, CHANNELS)):
        raise UserError(
            "--write: expected no other sizes and no --no-verify, because it writes the paper's verified case"
        )
    result = study(*asked, verify=not arguments.no_verify)
    if arguments.json:
        print(as_json(result), end="")
        if result.verified is False:
            print(verification_text(result, "simple"), file=sys.stderr)
    else:
        print(as_text(result), end="")
    if arguments.write:
        for path in save(result, arguments.results):
            print(f"wrote {path}", file=sys.stderr)
    return 1 if result.verified is False else 0


if __name__ == "__main__":
    run(main)
