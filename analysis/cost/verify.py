"""Checks of the closed form: against fvcore's counts and against the parameters of the real networks.

torch, fvcore and the networks are imported inside the functions, so that reading numbers does not wait for them.
fvcore says "flop" and counts multiply-adds, without bias: the convention of `analysis.cost.closed_form`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from analysis.cost import closed_form
from analysis.cost.closed_form import Layer
from analysis.cost.equations import ratio
from analysis.cost.folded import best_tail, folded_msrn, folded_smsrn

if TYPE_CHECKING:
    from torch.nn import Module

    from replication.models.msrn import MSRN

SIZES = ((12, 10), (7, 9), (16, 16))
"""LR heights and widths for which fvcore counts: oblong, odd and square."""

UNCOUNTED = ("aten::add", "aten::pixel_shuffle", "aten::sub")
"""Operators of MSRN that fvcore has no rule for and reports: the skips and mean shift, and the pixel shuffle. They are
0 MACs by our convention. (ReLU and concatenation are on fvcore's own list of free operators, so it never reports them.)
"""

UNCOUNTED_FOLDED = ("aten::add_", "aten::pad", "aten::pixel_shuffle", "aten::sub")
"""The same for a folded network, which adds in place and pads before it convolves."""

EXACT_SIZES = ((1, 1), (1, 6), (7, 2), (8, 9))
"""LR heights and widths on which a folded network must give the output of the unfolded one: also the smallest."""


@dataclass(frozen=True)
class Check:
    """One comparison. ``None`` as a value means: this side has no such layer."""

    kind: str
    name: str
    expected: int | Fraction | str | None
    found: int | Fraction | str | None

    @property
    def ok(self) -> bool:
        """Whether both sides are exactly equal; a check that compares nothing with nothing is not one."""
        return self.expected is not None and self.expected == self.found


@dataclass(frozen=True)
class Fvcore:
    """What fvcore says of one run: multiply-adds per module name ("" is the whole), and operators it left out."""

    macs: Mapping[str, int]
    uncounted: tuple[str, ...]
    leaves: frozenset[str]


def count(model: Module, size: tuple[int, int], channels: int = 3) -> Fvcore:
    """Let fvcore count ``model`` on one image of ``size`` (height, width) LR pixels with so many ``channels``."""
    import torch

    leaves = frozenset(name for name, module in model.named_modules() if not any(module.children()))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for images this small, threads only wait for each other: seconds on a busy machine
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # fvcore rests on TorchScript
            from fvcore.nn import FlopCountAnalysis

            counter = FlopCountAnalysis(model, torch.zeros(1, channels, *size))
            counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
            return Fvcore(dict(counter.by_module()), tuple(sorted(counter.unsupported_ops())), leaves)
    finally:
        torch.set_num_threads(threads)


def check_params(network: str, layers: Sequence[Layer], model: Module) -> list[Check]:
    """Closed form against the real parameters: each layer, every module the closed form lacks, and the total."""
    real = {
        name: sum(parameter.numel() for parameter in module.parameters(recurse=False))
        for name, module in model.named_modules()
    }
    closed = {layer.name: layer.params for layer in layers}
    names = [*closed, *(name for name, number in real.items() if number and name not in closed)]
    checks = [Check("parameters, per layer", f"{network} {n}", closed.get(n), real.get(n)) for n in names]
    total = sum(parameter.numel() for parameter in model.parameters())
    return [*checks, Check("parameters, total", network, closed_form.total_params(layers), total)]


def check_macs(
    network: str,
    layers: Sequence[Layer],
    counted: Fvcore,
    size: tuple[int, int],
    uncounted: Sequence[str] = UNCOUNTED,
) -> list[Check]:
    """Closed form against fvcore for one input size: each layer, every module the closed form lacks, the total, and
    the operators that fvcore left out, which must be ``uncounted``."""
    height, width = size
    where = f"at {height}x{width}"
    closed = {layer.name: layer.macs_per_lr_pixel * height * width for layer in layers}
    extra = sorted(name for name in counted.leaves if counted.macs.get(name) and name not in closed)
    checks = [
        Check("MACs, per convolution", f"{network} {name} {where}", closed.get(name), counted.macs.get(name))
        for name in [*closed, *extra]
    ]
    total = closed_form.total_macs(layers) * height * width
    return [
        *checks,
        Check("MACs, total", f"{network} {where}", total, counted.macs[""]),
        Check("operators without MACs", f"{network} {where}", ", ".join(uncounted), ", ".join(counted.uncounted)),
    ]


def check_ratio(
    standard: Sequence[Layer], separable: Sequence[Layer], msrn: Fvcore, smsrn: Fvcore, size: tuple[int, int]
) -> list[Check]:
    """Equation 5 against fvcore's count of each depth-wise and point-wise pair, divided by the one it replaces."""
    replacing = {layer.name.removesuffix(".depthwise") for layer in separable if layer.name.endswith(".depthwise")}
    checks = []
    for layer in standard:
        if layer.name not in replacing:
            continue
        before, after = msrn.macs.get(layer.name), smsrn.macs.get(layer.name)
        measured = Fraction(after, before) if before and after is not None else None
        name = f"{layer.name} at {size[0]}x{size[1]}"
        checks.append(Check("equation 5", name, ratio(layer.kernel, layer.out_channels), measured))
    return checks


def verify_equations(rows: Sequence[Mapping[str, int | float]]) -> list[Check]:
    """Equations 1-5 against fvcore's count of the very layers, standard and separable, built with those sizes.

    ``rows``: as `analysis.cost.equations.equation_row` gives them.
    """
    from replication.models.layers import SeparableConv2d, standard_conv

    checks, size = [], SIZES[0]
    for row in rows:
        kernel, inputs, outputs = (int(row[name]) for name in ("kernel", "in_channels", "out_channels"))
        layer = f"{kernel}x{kernel}, {inputs} to {outputs}"
        full, light = (kind(inputs, outputs, kernel) for kind in (standard_conv, SeparableConv2d))
        before, after = count(full, size, inputs).macs[""], count(light, size, inputs).macs
        for number, name, macs in (
            (1, "standard", before),
            (2, "depthwise", after["depthwise"]),
            (3, "pointwise", after["pointwise"]),
            (4, "separable", after[""]),
        ):
            checks.append(
                Check(f"equation {number}, layers asked for", layer, int(row[name]) * size[0] * size[1], macs)
            )
        checks.append(Check("equation 5, layers asked for", layer, ratio(kernel, outputs), Fraction(after[""], before)))
    return checks


def build(name: str, scale: int, width: int, blocks: int) -> MSRN:
    """The real network with random weights: the package's own, or one of another width or number of blocks."""
    from replication import models
    from replication.models.msrn import MSRN

    if (width, blocks) == (64, 8):
        return models.build(name, scale=scale)
    return MSRN(models.MODELS[name], scale=scale, width=width, blocks=blocks)


def verify(scale: int = 4, width: int = 64, blocks: int = 8, sizes: Sequence[tuple[int, int]] = SIZES) -> list[Check]:
    """Every check of MSRN and SMSRN: parameters once, MACs and equation 5 for each of ``sizes`` (height, width)."""
    standard = closed_form.msrn(scale, width, blocks)
    separable = closed_form.smsrn(scale, width, blocks)
    msrn, smsrn = (build(name, scale, width, blocks) for name in ("msrn", "smsrn"))
    checks = check_params("msrn", standard, msrn) + check_params("smsrn", separable, smsrn)
    for size in sizes:
        msrn_count, smsrn_count = count(msrn, size), count(smsrn, size)
        checks += check_macs("msrn", standard, msrn_count, size)
        checks += check_macs("smsrn", separable, smsrn_count, size)
        checks += check_ratio(standard, separable, msrn_count, smsrn_count, size)
    return checks


def verify_folded(
    scale: int = 4, width: int = 64, blocks: int = 8, sizes: Sequence[tuple[int, int]] = SIZES
) -> list[Check]:
    """Every check of the folded networks: as `verify`, what the border adds to each, and that the output is the same.

    The layers are compared in the networks that are not exact along the border. With the border, its stored values are
    compared, and its multiply-adds: those of the whole network less those of the network without it.
    """
    from replication.fold import fold

    border = best_tail(scale, width, blocks).border
    checks = []
    for name, closed in (("msrn", folded_msrn), ("smsrn", folded_smsrn)):
        network, layers = f"folded {name}", closed(scale, width, blocks)
        model = build(name, scale, width, blocks)
        exact, plain = fold(model), fold(model, exact_border=False)
        checks += check_params(network, layers, plain)
        values = sum(value.numel() for key, value in exact.named_buffers() if ".border." in key)
        checks.append(Check("border: stored values", network, border.values, values))
        for size in sizes:
            without, whole = count(plain, size), count(exact, size)
            checks += check_macs(network, layers, without, size, UNCOUNTED_FOLDED)
            where = f"{network} at {size[0]}x{size[1]}"
            checks.append(Check("border: MACs", where, border.macs(*size), whole.macs[""] - without.macs[""]))
        checks += check_output(network, model, exact)
    return checks


def check_output(network: str, model: Module, folded: Module) -> list[Check]:
    """Whether ``folded`` gives the output of ``model``, both in single precision, on noise of each of `EXACT_SIZES`."""
    import torch

    random = torch.Generator().manual_seed(0)
    checks = []
    for height, width in EXACT_SIZES:
        x = torch.rand(1, 3, height, width, generator=random)
        with torch.no_grad():
            difference = (folded(x) - model(x)).abs().max().item()
        found = "below 1e-5" if difference < 1e-5 else f"{difference:.0e}"
        checks.append(Check("largest difference of outputs", f"{network} at {height}x{width}", "below 1e-5", found))
    return checks
