"""One function per claim of the paper: what the code, the paper's own numbers and the records say of it.

The paper's words and numbers are in paper/claims.toml; `analysis.claims` compares them with what the functions here
return, and no function here sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis import cost_model, cost_ratio, identify, lighten, networks, paper, table1
from analysis.cost_model import Layer
from analysis.cost_ratio import percent
from analysis.paper import BENCHMARKS
from replication import recipe
from replication.data import benchmarks
from replication.models import build, count_parameters

if TYPE_CHECKING:
    from sympy import Expr

FULL_BUDGET = 0.95
"""From which share of the paper's training on a measured value is compared with the printed one."""

CONDITIONS = ("recipe_digest", "step", "data", "seed")
"""What must be the same for two trainings to be under equal conditions."""

REPEAT_PSNR, REPEAT_SSIM = 0.1, 0.005
"""How far (dB, SSIM) another full training may end: published trainings of this MSRN differ by up to 0.1 dB."""


@dataclass(frozen=True)
class Value:
    """A recomputed number: the best value, and the range that rounded inputs leave open (a point if there are none)."""

    best: Fraction
    low: Fraction
    high: Fraction


@dataclass(frozen=True)
class Formula:
    """A recomputed equation: derived as algebra, and counted for numbers ``(kernel, in_channels, out_channels)``."""

    derived: Expr
    counted: Callable[[int, int, int], int | Fraction]


Recomputed = Value | Formula | str


@dataclass(frozen=True)
class Finding:
    """What recomputing gave. ``scope``: how far it holds, if not as said. ``undecided``: nothing here can decide it."""

    values: Mapping[str, Recomputed]
    reason: str
    scope: str = ""
    undecided: bool = False


@dataclass(frozen=True)
class Sources:
    """What the functions recompute from, beyond the code: the records below ``results``."""

    results: Path

    @cached_property
    def rows(self) -> table1.Rows:
        """The recorded measurements of each method, with its shipped weights, on each set."""
        return table1.collect(self.results)


def exact(number: int | Fraction) -> Value:
    """A number that nothing was rounded for."""
    return Value(Fraction(number), Fraction(number), Fraction(number))


def half_unit(printed: str) -> Fraction:
    """Half of what the last printed digit is worth."""
    return Fraction(1, 2) * Fraction(10) ** int(decimal(printed).as_tuple().exponent)


def decimal(printed: str) -> Decimal:
    """A printed number with exactly its digits."""
    return Decimal(printed.replace(",", ""))


def decimals(printed: str) -> int:
    """Number of printed decimals."""
    return -int(decimal(printed).as_tuple().exponent)


def rounded(printed: str) -> Value:
    """A printed number as an input: anything that rounds to it."""
    best, half = Fraction(decimal(printed)), half_unit(printed)
    return Value(best, best - half, best + half)


def plain(number: Fraction, digits: int) -> str:
    """A number with at most ``digits`` decimals, without zeros at its end."""
    text = f"{float(number):,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def mean(values: Sequence[Value]) -> Value:
    """Mean, best value and range."""
    parts = ([value.best for value in values], [value.low for value in values], [value.high for value in values])
    return Value(*(sum(part, Fraction(0)) / len(values) for part in parts))


def quotient(over: Value, under: Value) -> Value:
    """Quotient of two positive numbers, best value and range."""
    return Value(over.best / under.best, over.low / under.high, over.high / under.low)


def in_percent(value: Value) -> Value:
    """The same in percent."""
    return Value(100 * value.best, 100 * value.low, 100 * value.high)


EQUATION_SIZES = [
    (kernel, inputs, outputs) for kernel in (1, 3, 5, 7) for inputs in (3, 64, 128) for outputs in (3, 64, 128)
]
"""Kernel, input and output channels for which equations are compared as numbers."""


# Equations


def symbols() -> tuple[Any, Any, Any]:
    """W_k, D and N as positive integers."""
    import sympy

    w, d, n = sympy.symbols("W_k D N", integer=True, positive=True)
    return w, d, n


def parse(printed: str) -> Any:
    """The right side of an equation in W_k, D and N."""
    import sympy

    return sympy.sympify(printed, locals=dict(zip(("W_k", "D", "N"), symbols(), strict=True)))


def derived() -> dict[str, Any]:
    """Multiply-adds per output position, by summing 1 over everything that a convolution sums over."""
    import sympy

    w, d, n = symbols()
    row, column, channel, output = sympy.symbols("i j d n", integer=True)
    kernel = [(row, 1, w), (column, 1, w)]
    one = sympy.Integer(1)
    standard = sympy.summation(one, *kernel, (channel, 1, d), (output, 1, n))
    depthwise = sympy.summation(one, *kernel, (channel, 1, d))
    pointwise = sympy.summation(one, (channel, 1, d), (output, 1, n))
    both = depthwise + pointwise
    return {
        "standard": standard,
        "depth-wise": depthwise,
        "point-wise": pointwise,
        "separable": both,
        "ratio": both / standard,
    }


def counted(kind: str) -> Callable[[int, int, int], int | Fraction]:
    """The same from the layers of `cost_model`, which `analysis.verify` checks against real networks."""

    def macs(kernel: int, inputs: int, outputs: int) -> int | Fraction:
        (standard,) = cost_model.standard_conv("", "", kernel, inputs, outputs)
        depthwise, pointwise = cost_model.separable_conv("", "", kernel, inputs, outputs)
        both = depthwise.macs_per_lr_pixel + pointwise.macs_per_lr_pixel
        values: dict[str, int | Fraction] = {
            "standard": standard.macs_per_lr_pixel,
            "depth-wise": depthwise.macs_per_lr_pixel,
            "point-wise": pointwise.macs_per_lr_pixel,
            "separable": both,
            "ratio": Fraction(both, standard.macs_per_lr_pixel),
        }
        return values[kind]

    return macs


def equation(kind: str, *names: str) -> Callable[[Sources], Finding]:
    """Equation 1-5 by its kind; ``names`` are the right sides that the paper prints."""

    def recompute(sources: Sources) -> Finding:
        formula = Formula(derived()[kind], counted(kind))
        reason = (
            "Derived by summing one multiply-add over the kernel's positions, the input and the output channels; equal "
            f"as algebra (sympy), and equal to the closed form's layers for {len(EQUATION_SIZES)} combinations of "
            "sizes. Per output position, bias left out."
        )
        if kind == "ratio":
            reason += " D cancels, so the ratio depends on N and W_k only, as section 3.2 says."
        return Finding(dict.fromkeys(names, formula), reason)

    return recompute


# The networks


def msrn() -> list[Layer]:
    """MSRN x4 in closed form."""
    return cost_model.msrn()


def smsrn() -> list[Layer]:
    """SMSRN x4 in closed form."""
    return cost_model.smsrn()


def named(layers: Sequence[Layer], name: str) -> Layer:
    """The layer of that name."""
    return next(layer for layer in layers if layer.name == name)


def _yes(condition: bool) -> str:
    return "yes" if condition else "no"


OURS = "This is so in the network whose number of parameters is the printed one (claims parameters-msrn and -smsrn)."


def scale(sources: Sources) -> Finding:
    """The enlargement of the networks, and its inverse."""
    factor = msrn()[-1].resolution
    reason = f"The upsampler with the printed number of parameters makes {factor}x{factor} pixels of one; 1/{factor}"
    return Finding(
        {"enlarged by": exact(factor), "downsampled by": exact(Fraction(1, factor))},
        f"{reason} is {1 / factor}.",
    )


def kernel_sizes(sources: Sources) -> Finding:
    """The kernels larger than 1x1."""
    sizes = sorted({layer.kernel for layer in msrn() if layer.kernel > 1})
    points = sum(layer.kernel == 1 for layer in msrn())
    values = {"first": exact(sizes[0]), "second": exact(sizes[-1]), "how many": exact(len(sizes))}
    return Finding(values, f"The kernels larger than 1x1. Beside them MSRN has {points} layers of 1x1. {OURS}")


def fusion(sources: Sources) -> Finding:
    """The layer that fuses the blocks' outputs."""
    layer = named(msrn(), "tail.0")
    values: dict[str, Recomputed] = {
        "kernel": exact(layer.kernel),
        "channels become fewer": _yes(layer.out_channels < layer.in_channels),
    }
    return Finding(
        values, f"The outputs of the blocks and the head: {layer.in_channels} to {layer.out_channels}. {OURS}"
    )


def rgb_channels(sources: Sources) -> Finding:
    """Channels of the image at both ends."""
    first, last = msrn()[0].in_channels, msrn()[-1].out_channels
    value: Recomputed = exact(first) if first == last else f"{first} in, {last} out"
    return Finding({"channels": value}, f"Input and output of both networks. {OURS}")


def pointwise_kernel(sources: Sources) -> Finding:
    """The kernel of a point-wise convolution."""
    same = cost_ratio.standard(1, 64, 128) == cost_ratio.pointwise(64, 128)
    kernel = cost_model.separable_conv("", "", 3, 64, 128)[-1].kernel
    return Finding(
        {"kernel": exact(kernel)}, f"Equation 1 with W_k = 1 is {'' if same else 'NOT '}equation 3: the same operation."
    )


def block_channels(sources: Sources) -> Finding:
    """Channels inside a block of SMSRN."""
    layers = smsrn()
    firsts = [named(layers, f"body.0.{name}_1.pointwise").out_channels for name in ("conv_3", "conv_5")]
    last = named(layers, "body.0.confusion")
    values: dict[str, Recomputed] = {
        "each first layer": exact(firsts[0]) if firsts[0] == firsts[1] else str(firsts),
        "concatenated": exact(named(layers, "body.0.conv_3_2.depthwise").in_channels),
        "concatenated at the end": exact(last.in_channels),
        "last kernel": exact(last.kernel),
        "reduced to": exact(last.out_channels),
    }
    return Finding(values, f"Read from the layers of a block. {OURS}")


def parameters(name: str) -> Callable[[Sources], Finding]:
    """The number of parameters of one network: closed form, built, and how many other designs have it."""

    def recompute(sources: Sources) -> Finding:
        closed = cost_model.total_params({"msrn": msrn, "smsrn": smsrn}[name]())
        built = count_parameters(build(name))
        search = identify.paper_search()
        members = search.found.get(closed, [])
        value: Recomputed = exact(closed) if closed == built else f"{closed:,} in closed form, {built:,} built"
        reason = (
            f"Counted in closed form and in the built network. Of {search.size:,} designs {len(members)} "
            f"{'has' if len(members) == 1 else 'have'} this total: {members[0].words() if members else 'none'}."
        )
        return Finding({"parameters": value}, reason)

    return recompute


def share(sources: Sources) -> Finding:
    """SMSRN's parameters in percent of MSRN's."""
    light, full = cost_model.total_params(smsrn()), cost_model.total_params(msrn())
    part = Fraction(100 * light, full)
    reason = (
        f"{light:,} / {full:,} = {float(part):.4f} %: {float(part):.2f} with two decimals, {float(part):.1f} with one."
    )
    return Finding({"SMSRN's parameters, % of MSRN's": exact(part)}, reason)


def msrn_luma(sources: Sources) -> Finding:
    """What another paper did."""
    original, repository = paper.published_row("MSRN (paper)"), paper.published_row(table1.PUBLISHED_MSRN)
    reason = (
        "About another paper's network, which is not here. Its published number of parameters "
        f"({original.parameters:,}, rounded) is not that of the RGB network of its authors' later code "
        f"({repository.parameters:,}), which is this paper's."
    )
    return Finding({}, reason, undecided=True)


def recursive_networks(sources: Sources) -> Finding:
    """What DRCN and DRRN save by sharing weights, counted."""
    saves_parameters, saves_macs, words = [], [], []
    for name in ("DRCN", "DRRN"):
        shared, separate = networks.counted(name), networks.unshared_parameters(name)
        separate_macs = sum(layer.macs for layer in networks.layers(name))
        saves_parameters.append(shared.params < separate)
        saves_macs.append(shared.macs < separate_macs)
        words.append(
            f"{name} has {shared.params:,} parameters instead of {separate:,}, and {shared.macs / 1e9:,.1f} G MACs "
            f"instead of {separate_macs / 1e9:,.1f} G ({paper.published_row(name).gmacs:,} G published)"
        )
    full, light = (cost_model.gmacs_720p(layers, 4) for layers in (msrn(), smsrn()))
    values: dict[str, Recomputed] = {
        "DRCN and DRRN save parameters": _yes(all(saves_parameters)),
        "DRCN and DRRN save computation": _yes(any(saves_macs)),
        "SMSRN saves computation": _yes(light < full),
    }
    reason = (
        f"With shared and with separate weights, for a 1280x720 output: {'; '.join(words)}. "
        f"SMSRN needs {light:,.1f} G, MSRN {full:,.1f} G."
    )
    return Finding(values, reason)


def other_networks(sources: Sources) -> Finding:
    """Whether other networks become lighter by the same transformation."""
    cases = [case for case in lighten.published() if not case.title.startswith("MSRN")]
    macs = [1 - case.after.macs / case.before.macs for case in cases]
    params = [1 - case.after.params / case.before.params for case in cases]
    lighter = all(value > 0 for value in (*macs, *params))
    reason = (
        f"Every standard convolution replaced in {len(cases)} published networks "
        f"({', '.join(case.title for case in cases)}): they save {percent(min(params))} to {percent(max(params))} of "
        f"the parameters and {percent(min(macs))} to {percent(max(macs))} of the MACs."
    )
    scope = "the cost; none of them was trained afterwards, so what it does to the pictures is open"
    return Finding({"other networks become lighter": _yes(lighter)}, reason, scope)


def separable_replaces(sources: Sources) -> Finding:
    """Fewer parameters, lower PSNR: in this paper's own table."""
    in_paper = paper.table1()
    lower = [in_paper.smsrn.scores[name].psnr < in_paper.msrn.scores[name].psnr for name in BENCHMARKS]
    fewer = cost_model.total_params(smsrn()) < cost_model.total_params(msrn())
    reason = f"Parameters counted; PSNR as printed in Table 1, lower on {sum(lower)} of {len(lower)} sets."
    scope = 'MSRN at x4 by the paper\'s own table; "slight" and "radically" are judgements'
    return Finding({"fewer parameters": _yes(fewer), "lower PSNR": _yes(all(lower))}, reason, scope)


# Costs


def at(kernel: int) -> Layer:
    """The second layer with that kernel of an MSRN block, where N = 128."""
    return named(msrn(), f"body.0.conv_{kernel}_2")


def ratio(kernel: int) -> Callable[[Sources], Finding]:
    """Equation 5 for one kernel size and the N of the blocks' second pair."""

    def recompute(sources: Sources) -> Finding:
        layer = at(kernel)
        value, narrow = cost_ratio.ratio(kernel, layer.out_channels), named(msrn(), f"body.0.conv_{kernel}_1")
        values: dict[str, Recomputed] = {
            "N": exact(layer.out_channels),
            "W_k": exact(layer.kernel),
            "equation 5": exact(value),
        }
        reason = (
            f"1/{layer.out_channels} + 1/{kernel**2} = {float(value):.6f}. It is the ratio of the second pair of a "
            f"block; the first pair has N = {narrow.out_channels} and "
            f"{float(cost_ratio.ratio(kernel, narrow.out_channels)):.4f}."
        )
        return Finding(values, reason)

    return recompute


def saving(kernel: int) -> Callable[[Sources], Finding]:
    """What equation 5 saves, in percent."""

    def recompute(sources: Sources) -> Finding:
        saved = 100 * (1 - cost_ratio.ratio(kernel, at(kernel).out_channels))
        return Finding({"saved, %": exact(saved)}, f"100 (1 - {float(1 - saved / 100):.6f}) = {float(saved):.4f}.")

    return recompute


def saving_mean(sources: Sources) -> Finding:
    """The mean of the two savings, and what the whole network saves."""
    three, five = (1 - cost_ratio.ratio(kernel, at(kernel).out_channels) for kernel in (3, 5))
    average = (three + five) / 2
    whole = 1 - cost_model.total_macs(smsrn()) / cost_model.total_macs(msrn())
    reason = (
        f"The plain mean of {percent(three, 2)} (3x3) and {percent(five, 2)} (5x5) is {percent(average, 2)}. SMSRN as "
        f"a whole saves {percent(whole)} of MSRN's MACs, because 1x1 layers, upsampler and tail do not shrink."
    )
    scope = f"the mean of two layers with N = 128, not the network, which saves {percent(whole)}"
    return Finding({"saved on average, %": exact(100 * average)}, reason, scope)


def computation_too(sources: Sources) -> Finding:
    """Whether the whole network has fewer parameters and fewer MACs."""
    macs = 1 - cost_model.total_macs(smsrn()) / cost_model.total_macs(msrn())
    params = 1 - cost_model.total_params(smsrn()) / cost_model.total_params(msrn())
    reason = f"The whole network: {percent(params)} fewer parameters, {percent(macs)} fewer multiply-adds."
    return Finding({"fewer parameters": _yes(params > 0), "less computation": _yes(macs > 0)}, reason)


# Table 1


def cells(model: str, metric: str) -> list[Value]:
    """One model's four printed values of ``psnr`` or ``ssim``, each with its rounding."""
    column = {"msrn": paper.table1().msrn, "smsrn": paper.table1().smsrn}[model]
    return [rounded(_digits(getattr(column.scores[name], metric), metric)) for name in BENCHMARKS]


def _digits(value: float, metric: str) -> str:
    """``value`` with the digits of Table 1: two for PSNR, four for SSIM."""
    return f"{value:.{2 if metric == 'psnr' else 4}f}"


def average(model: str, metric: str) -> Callable[[Sources], Finding]:
    """The mean of one model's four printed values."""

    def recompute(sources: Sources) -> Finding:
        value = mean(cells(model, metric))
        reason = f"The mean of the four printed values is {plain(value.best, 6)}."
        return Finding({f"mean of the four {metric.upper()}": value}, reason)

    return recompute


def kept(metric: str, in_text: bool) -> Callable[[Sources], Finding]:
    """SMSRN's mean in percent of MSRN's; ``in_text``: said of the experiment, not just written into the table."""

    def recompute(sources: Sources) -> Finding:
        value = in_percent(quotient(mean(cells("smsrn", metric)), mean(cells("msrn", metric))))
        in_paper = paper.table1()
        averages = getattr(in_paper.smsrn.average, metric) / getattr(in_paper.msrn.average, metric)
        reason = (
            f"From the means of the four printed values {float(value.best):.4f} %, from the two printed averages "
            f"{100 * averages:.4f} %. The printed digits allow {float(value.low):.2f} to {float(value.high):.2f} %."
        )
        scope = ""
        if in_text:
            reason += " " + measured_kept(sources, metric)
            scope = "arithmetic on the paper's own Table 1, whose values are claims of their own"
        return Finding({f"SMSRN's {metric.upper()}, % of MSRN's": value}, reason, scope)

    return recompute


def measured_kept(sources: Sources, metric: str) -> str:
    """What SMSRN keeps of MSRN in this package's own measurements, and under which conditions, in one sentence."""
    rows = sources.rows
    full, light = (table1.measured(rows, model, "ssim_rgb") for model in ("msrn", "smsrn"))
    ratio = table1.retained(full, light, table1.AVERAGE)
    trainings = [table1.training_of(rows, model) for model in ("msrn", "smsrn")]
    if ratio is None or trainings[0] is None or trainings[1] is None:
        return f"Not measured here: {full.missing or light.missing}."
    differing = [name for name in CONDITIONS if trainings[0].get(name) != trainings[1].get(name)]
    alike = f"not under equal conditions ({', '.join(differing)} differ)" if differing else "under equal conditions"
    kept_here = ratio.psnr if metric == "psnr" else ratio.ssim
    lost = f", {abs(ratio.lost_db):.2f} dB {'less' if ratio.lost_db > 0 else 'more'}" if metric == "psnr" else ""
    return (
        f"Measured here {alike}, with {table1.training_share(trainings[1])} of the paper's training: {kept_here:.2f} %"
        f"{lost}."
    )


def rgb_better(sources: Sources) -> Finding:
    """The printed PSNR on Set5 against the published one of MSRN."""
    ours, theirs = paper.table1().msrn.scores["Set5"].psnr, paper.published_row("MSRN (paper)")
    original = theirs.psnr["Set5"]
    one = quotient(rounded(_digits(ours, "psnr")), rounded(_digits(original, "psnr")))
    value = in_percent(Value(one.best - 1, one.low - 1, one.high - 1))
    repository = paper.published_row(table1.PUBLISHED_MSRN)
    reason = (
        f"{ours:.2f} dB against the {original:.2f} dB that MSRN's paper reports: {ours - original:.2f} dB more. The "
        f"two are not of the same network ({repository.parameters:,} parameters against {theirs.parameters:,}, "
        f"rounded), and MSRN's authors report {repository.psnr['Set5']:.2f} dB for the RGB one."
    )
    scope = "the two PSNR values; that RGB is the cause does not follow, since network and training differ as well"
    return Finding({"PSNR on Set5, % above the published MSRN": value}, reason, scope)


def table1_values(model: str, metric: str) -> Callable[[Sources], Finding]:
    """One column of Table 1 against this package's own measurements."""

    def recompute(sources: Sources) -> Finding:
        column = table1.measured(sources.rows, model, "ssim_rgb")
        training = table1.training_of(sources.rows, model)
        missing = [name for name in BENCHMARKS if column.scores[name] is None]
        protocol = "PSNR on luma" if metric == "psnr" else "SSIM as the mean over R, G and B (see results/protocol.md)"
        if training is None or len(missing) == len(BENCHMARKS):
            reason = (
                f"It takes a trained network, and {table1.NAMES[model]} is {column.missing} here. Compared: {protocol}."
            )
            return Finding({}, reason, undecided=True)
        values: dict[str, Recomputed] = {}
        for name in BENCHMARKS:
            score = column.scores[name]
            if score is not None:
                repeat = Fraction(str(REPEAT_PSNR if metric == "psnr" else REPEAT_SSIM))
                best = Fraction(getattr(score, metric))
                values[name] = Value(best, best - repeat, best + repeat)
        budget = f"{table1.training_share(training)} of the paper's training"
        if missing or (training.get("paper_fraction") or 0) < FULL_BUDGET:
            lacking = f"; not measured: {', '.join(missing)}" if missing else ""
            reason = (
                f"Measured ({protocol}) with weights that had {budget}{lacking}. That shows the network at work; what "
                "the paper's whole training gives it does not show."
            )
            points = {name: exact(value.best) for name, value in values.items() if isinstance(value, Value)}
            return Finding(points, reason, undecided=True)
        tolerance = f"{REPEAT_PSNR} dB" if metric == "psnr" else f"{REPEAT_SSIM}"
        reason = f"Measured ({protocol}) with weights that had {budget}; another training may end {tolerance} away."
        return Finding(values, reason, f"within {tolerance}, which is what two trainings differ by")

    return recompute


# Training and data


UNSEEN = "What the authors ran cannot be seen from outside."


def setting(reason: str, **keys: Callable[[recipe.Recipe], str]) -> Callable[[Sources], Finding]:
    """A setting of the paper's training: repeated by the recipe ``paper``, but what was run cannot be seen."""

    def recompute(sources: Sources) -> Finding:
        used = recipe.load("paper")
        values: dict[str, Recomputed] = {
            name.replace("_", " "): f"{value(used)} (recipe)" for name, value in keys.items()
        }
        text = UNSEEN + (" The recipe `replication/recipes/paper.toml` repeats what is printed." if keys else "")
        return Finding(values, f"{text} {reason}".strip(), undecided=True)

    return recompute


def augmentations(used: recipe.Recipe) -> str:
    """The augmentations that a recipe turns on."""
    on = {"scaling": len(used.scaling) > 1, "rotation": used.rotations, "flipping": used.flips}
    return ", ".join(name for name, is_on in on.items() if is_on)


def same_training(sources: Sources) -> Finding:
    """Whether the authors trained both networks alike."""
    return Finding({}, f"{UNSEEN} {measured_kept(sources, 'psnr')}", undecided=True)


def four_sets(sources: Sources) -> Finding:
    """The sets of Table 1 that are known here."""
    known = [name for name in paper.table1().msrn.scores if name in benchmarks.SIZES]
    sizes = ", ".join(f"{name} ({benchmarks.SIZES[name]} images)" for name in known)
    return Finding({"data sets": exact(len(known))}, f"The rows of Table 1: {sizes}.")


def pictured_images(sources: Sources) -> Finding:
    """The set that each pictured image belongs to."""
    names = {"baby", "comic", "102061", "img004"}
    values: dict[str, Recomputed] = {
        image: name for name in BENCHMARKS for image in benchmarks.manifest()[name] if image in names
    }
    return Finding(values, "Each is an image of that set, by the names under which the sets are published.")


def by_eye(sources: Sources) -> Finding:
    """What is hard to see."""
    lost = decibels_lost(table1.AVERAGE)
    reason = (
        "A judgement of viewers: none were asked here. Figures 4 to 7 are drawn again for the reader's own eye. The "
        f"average loss is {lost:.2f} dB, that is {more_error(lost)} more mean squared error."
    )
    return Finding({}, reason, undecided=True)


def depends_on_original(sources: Sources) -> Finding:
    """Whether a better network gives a better lightened one."""
    reason = "It needs several networks, each trained before and after: the paper shows one, and so does this package."
    return Finding({}, reason, undecided=True)


_PATCH = "Whether the 256 pixels are HR or LR is not said (see results/assumptions.md)."
_LOSS = "Training here uses the mean absolute error, too (replication/train.py)."

RECOMPUTE: dict[str, Callable[[Sources], Finding]] = {
    "share-14.64": share,
    "psnr-98.53": kept("psnr", in_text=True),
    "by-eye": by_eye,
    "other-networks": other_networks,
    "scale": scale,
    "kernel-sizes": kernel_sizes,
    "fusion-1x1": fusion,
    "msrn-luma": msrn_luma,
    "rgb-channels": rgb_channels,
    "rgb-better": rgb_better,
    "pointwise-1x1": pointwise_kernel,
    "separable-replaces": separable_replaces,
    "recursive-networks": recursive_networks,
    "block-channels": block_channels,
    "equation-1": equation("standard", "standard convolution"),
    "equation-2": equation("depth-wise", "depth-wise convolution"),
    "equation-3": equation("point-wise", "point-wise convolution"),
    "equation-4": equation("separable", "depth-wise and point-wise"),
    "equation-5": equation("ratio", "as a quotient", "as a sum"),
    "ratio-3x3": ratio(3),
    "saving-88": saving(3),
    "ratio-5x5": ratio(5),
    "saving-95": saving(5),
    "saving-92": saving_mean,
    "share-14.63": share,
    "same-training": same_training,
    "training-data": setting("", dataset=lambda used: used.dataset),
    "augmentation": setting("The range of the scaling is not said.", augmentations=augmentations),
    "loss": setting(_LOSS),
    "learning-rate": setting("", optimiser=lambda used: "Adam", initial_rate=lambda used: f"{used.learning_rate:.4f}"),
    "batch": setting("", batch=lambda used: str(used.batch_size)),
    "epochs": setting(
        "The length of an epoch is not said.", epochs=lambda used: f"{used.steps / used.steps_per_epoch:g}"
    ),
    "patch": setting(_PATCH, patch=lambda used: str(used.hr_patch)),
    "four-sets": four_sets,
    "table1-msrn-psnr": table1_values("msrn", "psnr"),
    "table1-msrn-ssim": table1_values("msrn", "ssim"),
    "table1-smsrn-psnr": table1_values("smsrn", "psnr"),
    "table1-smsrn-ssim": table1_values("smsrn", "ssim"),
    "average-msrn-psnr": average("msrn", "psnr"),
    "average-msrn-ssim": average("msrn", "ssim"),
    "average-smsrn-psnr": average("smsrn", "psnr"),
    "average-smsrn-ssim": average("smsrn", "ssim"),
    "psnr-98.5": kept("psnr", in_text=False),
    "ssim-98.3": kept("ssim", in_text=False),
    "parameters-msrn": parameters("msrn"),
    "parameters-smsrn": parameters("smsrn"),
    "share-14.6": share,
    "ssim-98.27": kept("ssim", in_text=True),
    "computation-too": computation_too,
    "depends-on-original": depends_on_original,
    "pictured-images": pictured_images,
}
"""The function that recomputes each claim of paper/claims.toml, by id."""


def decibels_lost(row: str) -> float:
    """What SMSRN loses against MSRN in Table 1, in dB; the average from the printed per-set values."""
    if row == table1.AVERAGE:
        return float(mean(cells("msrn", "psnr")).best - mean(cells("smsrn", "psnr")).best)
    in_paper = paper.table1()
    return in_paper.msrn.scores[row].psnr - in_paper.smsrn.scores[row].psnr


def more_error(decibels: float) -> str:
    """By how much the mean squared error grows when PSNR falls by that, in percent."""
    return percent(10 ** (decibels / 10) - 1)
