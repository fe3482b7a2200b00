"""The paper's conclusion put to the test: other networks lightened by the same transformation.

`lighten` replaces standard convolutions by separable ones in any torch network. The command does so with the published
networks and writes what that saves, what equation 5 predicts, and what cannot shrink; or with a network of the user's.
"""

import importlib
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from math import sqrt
from pathlib import Path
from statistics import fmean

from torch import nn

from analysis.cost.closed_form import OUTPUT_HEIGHT, OUTPUT_WIDTH
from analysis.networks.catalogue import CONVENTION, COUNTED
from analysis.networks.lightened import Lightened, published, study
from analysis.text import percent, table, wrap
from replication import records
from replication.errors import Parser, UserError, run
from replication.evaluate import BICUBIC, recorded_row
from replication.files import write_text
from replication.lighten import Change, Report, lighten
from replication.measure_lightened import SETS, approximated, measure, recorded, shipped_msrn


def saving_table(cases: Sequence[Lightened], style: str = "github") -> str:
    """Parameters and MACs before and after, and equation 5's prediction for the whole network."""
    rows = [
        [
            case.title,
            f"{case.before.params:,}",
            f"{case.after.params:,}",
            percent(case.after.params / case.before.params),
            f"{case.before.macs / 1e9:,.2f}",
            f"{case.after.macs / 1e9:,.2f}",
            percent(case.after.macs / case.before.macs, 2),
            percent(case.predicted_macs / case.before.macs, 2),
        ]
        for case in cases
    ]
    headers = ["network", "parameters", "after", "left", "G MACs", "after", "left", "by eq. 5"]
    return table(rows, headers, style)


def limits_table(cases: Sequence[Lightened], style: str = "github") -> str:
    """Equation 5 over the layers of each network, and the share of what is not replaced."""
    rows = []
    for case in cases:
        ratios = [change.ratio for change in case.used]
        rows.append(
            [
                case.title,
                f"{len(case.report.changes)}",
                f"{min(ratios):.4f}",
                f"{max(ratios):.4f}",
                percent(1 - fmean(ratios)),
                percent(1 - (case.predicted_macs - case.kept_macs) / case.replaced_macs),
                percent(1 - case.after.macs / case.before.macs),
                percent(case.kept_macs / case.before.macs),
                percent(case.kept_macs / case.after.macs),
            ]
        )
    headers = [
        *("network", "replaced", "lowest eq. 5", "highest", "mean of layers saves", "layers together save"),
        *("network saves", "kept MACs before", "after"),
    ]
    return table(rows, headers, style)


def growing_layers(cases: Sequence[Lightened]) -> list[str]:
    """Replaced layers that cost more than before: equation 5 above 1."""
    return [f"{case.title} `{change.name}`" for case in cases for change in case.used if change.ratio > 1]


def random_error(change: Change) -> float:
    """Approximate error of `best_separable` on i.i.d. random kernels.

    The largest singular value of an N x k² matrix of such numbers is about √N + k, its Frobenius norm √N · k.
    """
    positions = change.kernel[0] * change.kernel[1]
    share = (sqrt(change.out_channels) + sqrt(positions)) ** 2 / (change.out_channels * positions)
    return sqrt(max(0.0, 1 - share))


def approximation_text(results: Path) -> str:
    """What a trained MSRN loses when its kernels are replaced by their best separable approximations."""
    network = shipped_msrn()
    if network is None:
        return wrap("MSRN x4 is not trained: no weights ship with this package, so there is nothing to approximate.")
    _, report = approximated(network)
    known, others = recorded(results), records.load_all(results)
    scores = []
    worse = []
    for name in SETS:
        after = known.get(name)
        before, bicubic = (recorded_row(others, name, model, 4).record for model in ("msrn", BICUBIC))
        found = [one.mean("psnr_y") if one else None for one in (bicubic, before, after)]
        scores.append([name, *("not recorded" if value is None else f"{value:.2f}" for value in found)])
        if bicubic and after:
            worse.append(after.mean("psnr_y") < bicubic.mean("psnr_y"))
    text = (
        "No training here: each trained kernel of the paper's layers is replaced by the separable one that is nearest "
        "to it. The error is the lost share of the Frobenius norm; random: about what kernels of independent random "
        "numbers would lose."
    )
    if worse and all(worse):
        text += (
            " The result is worse than bicubic interpolation: the paper's replacement makes a network to be trained, "
            "it does not compress one that is trained."
        )
    headers = ["PSNR (dB, luma)", "bicubic", "MSRN", "MSRN, nearest separable"]
    return "\n\n".join([wrap(text), table(scores, headers, "github"), errors_table(report)])


def errors_table(report: Report) -> str:
    """The approximation's errors, over the layers with the same place in a block."""
    kinds: dict[str, list[Change]] = {}
    for change in report.changes:
        kinds.setdefault(".".join("*" if part.isdigit() else part for part in change.name.split(".")), []).append(
            change
        )
    rows = []
    for kind, changes in kinds.items():
        errors = [change.error for change in changes if change.error is not None]
        spread = [f"{value:.3f}" for value in (min(errors), fmean(errors), max(errors), random_error(changes[0]))]
        rows.append([f"`{kind}`", shape(changes[0]), f"{len(changes)}", *spread])
    return table(rows, ["layers", "shape", "number", "least error", "mean", "greatest", "random"], "github")


def shape(change: Change) -> str:
    """A layer's kernel and channels in short."""
    return f"{change.kernel[0]}x{change.kernel[1]}, {change.in_channels} to {change.out_channels}"


def markdown(results: Path) -> str:
    """The page as Markdown; measurements come from the records of the results folder."""
    cases = published()
    growing = growing_layers(cases)
    exact = all(round(case.predicted_macs) == case.after.macs for case in cases)
    luma = ", ".join(name for name, network in COUNTED.items() if network.channels == 1)
    left = {case.title: reasons for case in cases if (reasons := left_text(case.report))}
    parts = [
        "# Other networks, lightened the same way",
        "Made by `python -m analysis lighten`. Every standard convolution with a kernel larger than 1x1 is replaced by "
        "a depth-wise and a point-wise one; nothing is trained, so this says what is saved and not what it does to "
        "the pictures.",
        CONVENTION,
        "## What it saves",
        saving_table(cases),
        "by eq. 5: every replaced layer's MACs times 1/N + 1/k², all else unchanged. "
        + ("It is exact for every network here." if exact else "It is NOT exact for every network here."),
        "## What it cannot save",
        limits_table(cases),
        "mean of layers saves: the plain mean over the replaced layers, as the paper takes it over two of them; layers "
        "together save: each weighed by its MACs; kept MACs: the share of what is not replaced, before and after.",
        "Equation 5 is above 1 where a layer has very few outputs, and the replacement then costs more: "
        f"{', '.join(growing) or 'none here'}. And it does not show what is lost: the depth-wise part of a layer with "
        f"D inputs has D maps, so whatever the first layer of a network on luma ({luma}) puts out is one filtered "
        "map, scaled and shifted; on RGB it is made of three.",
        "Left alone: " + "; ".join(f"{title}: {text}" for title, text in left.items()) + ".",
        "## From trained weights",
        approximation_text(results),
    ]
    return "\n\n".join(part if part.startswith(("#", "|")) or "\n\n" in part else wrap(part) for part in parts) + "\n"


def left_text(report: Report) -> str:
    """How many layers were left alone, by reason."""
    reasons = list(report.left.values())
    return ", ".join(f"{reasons.count(reason)} {reason.split(':')[0]}" for reason in dict.fromkeys(reasons))


def write(results: Path) -> list[Path]:
    """Write ``lighten.md`` into the results folder from what is recorded; return its path."""
    path = results / "lighten.md"
    write_text(path, markdown(results))
    return [path]


def user_network(name: str) -> nn.Module:
    """The network that ``--network`` names: one of `COUNTED`, or ``module:factory``, importable from this folder.

    Raises UserError, in one line, when there is no such module or factory, when it fails, and when what it returns is
    no torch network.
    """
    if name in COUNTED:
        return COUNTED[name].factory()
    module_name, colon, factory_name = name.partition(":")
    if not (module_name and colon and factory_name):
        raise UserError(f"--network: expected MODULE:FACTORY or one of {', '.join(COUNTED)}, got {name!r}")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # somebody else's module: importing it can do anything
        raise UserError(f"--network: cannot import {module_name!r}: {_first_line(error)}") from error
    finally:
        sys.path.remove(str(Path.cwd()))
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        raise UserError(f"--network: expected a function or class {factory_name!r} in {module_name!r}, found none")
    try:
        network = factory()
    except Exception as error:
        raise UserError(f"--network: {name} fails without arguments: {_first_line(error)}") from error
    if not isinstance(network, nn.Module):
        raise UserError(f"--network: expected {name} to return a torch.nn.Module, got {type(network).__name__}")
    return network


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"


def describe(name: str, only: Sequence[str], input_shape: Sequence[int] | None, from_weights: bool) -> str:
    """What lightening does to one network of the user's, as text for a terminal."""
    network = user_network(name)
    if input_shape is None:
        known = COUNTED.get(name)
        input_shape = known.input_shape(OUTPUT_HEIGHT, OUTPUT_WIDTH)[1:] if known else DEFAULT_INPUT

    def choose(layer: str, module: nn.Conv2d) -> bool:
        return any(fnmatch(layer, pattern) for pattern in only)

    case = study(name, network, (1, *input_shape), choose)
    changes = lighten(network, choose=choose, from_weights=True)[1].changes if from_weights else case.report.changes
    rows = []
    for change in changes:
        layer = case.layers[change.name]
        saved = f"{layer.macs:,}", f"{round(layer.macs * change.ratio):,}", f"{change.ratio:.4f}"
        rows.append([change.name, shape(change), *saved, *([f"{change.error:.4f}"] if from_weights else [])])
    headers = ["replaced", "shape", "MACs", "after", "eq. 5", *(["weights' error"] if from_weights else [])]
    kept = (
        f"{percent(case.kept_macs / case.before.macs)} of the MACs before, {percent(case.kept_macs / case.after.macs)}"
    )
    parts = [
        table(rows, headers, "simple"),
        saving_table([case], "simple"),
        wrap(
            f"Input {'x'.join(map(str, input_shape))}. Left alone: {left_text(case.report) or 'nothing'}; {kept} after."
        ),
        wrap("MACs: one is one multiply-add; bias excluded, included in the parameters."),
    ]
    return "\n\n".join(parts)


DEFAULT_INPUT = (3, 180, 320)
"""Channels, height and width of the input for a network of the user's: RGB that x4 makes 1280x720."""


def parser() -> Parser:
    """The command line."""
    command = Parser(
        prog="python -m analysis.networks.lighten_page",
        description=(
            "Replace standard convolutions by depth-wise separable ones, in the published networks (and write\n"
            "lighten.md) or in a network of your own: --network names a Python module, found from the current folder,\n"
            "and a function or class in it that makes the network without arguments. Layers with kernels larger than\n"
            "1x1 and groups=1 are replaced. Shows parameters and multiply-adds before and after, layer by layer."
        ),
        epilog=(
            "examples:\n"
            "  python -m analysis.networks.lighten_page\n"
            "  python -m analysis.networks.lighten_page --network IMDN\n"
            "  python -m analysis.networks.lighten_page --network mynet:MyNet --input 1 64 64 --only 'body.*'\n"
        ),
    )
    command.add_argument("--network", metavar="MODULE:FACTORY", help="your network, or a published one by its name")
    command.add_argument(
        "--input", type=int, nargs=3, metavar=("C", "H", "W"), help="its input size (default: 3 180 320)"
    )
    command.add_argument(
        "--only", nargs="+", default=["*"], metavar="PATTERN", help="replace only layers with such names (default: all)"
    )
    command.add_argument(
        "--from-weights", action="store_true", help="show how well separable kernels can approximate its weights"
    )
    command.add_argument("--data", type=Path, metavar="DIR", help="data folder (default: $REPLICATION_DATA or data)")
    command.add_argument(
        "--results", type=Path, metavar="DIR", default=Path("results"), help="results folder (default: %(default)s)"
    )
    return command


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run the command line; see `parser`."""
    arguments = parser().parse_args(argv)
    if arguments.network is None:
        if arguments.input or arguments.only != ["*"] or arguments.from_weights:
            raise UserError("--input, --only and --from-weights: expected --network with them")
        for path in [*measure(arguments.results, arguments.data), *write(arguments.results)]:
            print(f"wrote {path}")
        return None
    if arguments.input and min(arguments.input) < 1:
        raise UserError(f"--input: expected three numbers of at least 1, got {arguments.input}")
    print(describe(arguments.network, arguments.only, arguments.input, arguments.from_weights))
    return None


if __name__ == "__main__":
    run(main)
