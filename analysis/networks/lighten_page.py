"""The page that puts the paper's conclusion to the test: the published networks, lightened in the same way.

What that saves, what equation 5 predicts, and what cannot shrink. `python -m analysis.lighten` does it with a network
of one's own.
"""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from statistics import fmean

import numpy as np

from analysis.networks.catalogue import CONVENTION, COUNTED
from analysis.networks.lighten_text import left_text, saving_table, shape
from analysis.networks.lightened import Lightened, published
from analysis.text import percent, table, wrap
from replication import records
from replication.evaluate import BICUBIC, recorded_row
from replication.files import write_text
from replication.lighten import Change, Report
from replication.measure_lightened import SETS, approximated, recorded, shipped_msrn


def limits_table(cases: Sequence[Lightened]) -> str:
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
    return table(rows, headers, "github")


def growing_layers(cases: Sequence[Lightened]) -> list[str]:
    """Replaced layers that cost more than before: equation 5 above 1."""
    return [f"{case.title} `{change.name}`" for case in cases for change in case.used if change.ratio > 1]


RANDOM_KERNELS = 500
"""How many random kernels `random_error` takes."""


def random_error(change: Change) -> float:
    """Error of `best_separable` on i.i.d. random kernels of the layer's shape, computed by SVD with a fixed seed.

    One input channel is a matrix of N outputs by k² positions; what its largest singular value leaves is lost.
    """
    shape = (RANDOM_KERNELS, change.out_channels, prod(change.kernel))
    values = np.linalg.svd(np.random.default_rng(0).standard_normal(shape), compute_uv=False) ** 2
    return float(np.sqrt(1 - values[:, 0].sum() / values.sum()))


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
        "to it. The error is the lost share of the Frobenius norm; random: what kernels of independent random numbers "
        "would lose."
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


def markdown(results: Path) -> str:
    """The page as Markdown; measurements come from the records of the results folder."""
    cases = published()
    growing = growing_layers(cases)
    luma = ", ".join(name for name, network in COUNTED.items() if network.channels == 1)
    left = {case.title: reasons for case in cases if (reasons := left_text(case.report))}
    parts = [
        "# Other networks, lightened the same way",
        "Made by `python -m analysis lighten`; `python -m analysis.lighten` does the same with a network of your own. "
        "Every standard convolution with a kernel larger than 1x1 is replaced by a depth-wise and a point-wise one, a "
        "transposed one by its adjoint: a point-wise and then a depth-wise transposed one. Nothing is trained, so this "
        "says what is saved and not what it does to the pictures.",
        CONVENTION,
        "## What it saves",
        saving_table(cases, "github"),
        "by eq. 5: every replaced layer's MACs times 1/N + 1/k² (1/D + 1/k² where it is transposed), all else "
        "unchanged. It is exact for every network here: another count after the replacement would be an error.",
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


def write(results: Path) -> list[Path]:
    """Write ``lighten.md`` into the results folder from what is recorded; return its path."""
    return [write_text(results / "lighten.md", markdown(results))]
