"""Claims on PSNR and SSIM: Table 1, its averages, and what SMSRN keeps."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from analysis import paper
from analysis.claims.finding import Finding, Recomputed, Sources, Value, exact, in_percent, mean, quotient, rounded
from analysis.names import DISPLAY, MSRN_ROW
from analysis.paper import BENCHMARKS
from analysis.quality.columns import AVERAGE, measured, printed, printed_losses, published, retained
from analysis.quality.ladder import lost
from analysis.quality.spread import ssim_line
from analysis.quality.training import FULL_BUDGET, differing_conditions, training_of, training_share
from analysis.text import percent, percentage, plain
from replication.calibrate import PICTURES
from replication.records import BY_PROTOCOL


def cells(model: str, metric: str) -> list[Value]:
    """One model's four printed values of ``psnr`` or ``ssim``, each with its rounding."""
    scores = paper.table1().columns[model].scores
    return [rounded(_digits(getattr(scores[name], metric), metric)) for name in BENCHMARKS]


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


def kept(metric: str) -> Callable[[Sources], Finding]:
    """SMSRN's mean in percent of MSRN's. Text and table say the same, so they are judged by the same rule."""

    def recompute(sources: Sources) -> Finding:
        value = in_percent(quotient(mean(cells("smsrn", metric)), mean(cells("msrn", metric))))
        in_paper = paper.table1()
        averages = getattr(in_paper.smsrn.average, metric) / getattr(in_paper.msrn.average, metric)
        reason = (
            f"From the means of the four printed values {percentage(value.best, 4)}, from the two printed averages "
            f"{percent(averages, 4)}. The printed digits allow {float(value.low):.2f} to {percentage(value.high, 2)}. "
            f"{measured_kept(sources, metric)}"
        )
        scope = "arithmetic on the paper's own Table 1, whose values are claims of their own"
        return Finding({f"SMSRN's {metric.upper()}, % of MSRN's": value}, reason, scope)

    return recompute


def measured_kept(sources: Sources, metric: str) -> str:
    """What SMSRN keeps of MSRN in this package's own measurements, and under which conditions, in one sentence."""
    rows = sources.rows
    full, light = (measured(rows, model, *BY_PROTOCOL["public_code"]) for model in ("msrn", "smsrn"))
    ratio = retained(full, light, AVERAGE)
    trainings = [training_of(rows, model) for model in ("msrn", "smsrn")]
    if ratio is None or trainings[0] is None or trainings[1] is None:
        return f"Not measured here: {full.missing or light.missing}."
    differing = differing_conditions(trainings[0], trainings[1])
    conditions = (
        f"not under equal conditions (different: {', '.join(differing)})" if differing else "under equal conditions"
    )
    kept_here = ratio.psnr if metric == "psnr" else ratio.ssim
    loss = lost(rows, AVERAGE, BY_PROTOCOL["public_code"][0])
    decibel = f"; SMSRN loses {loss}" if loss and metric == "psnr" else ""
    share = training_share(trainings[1])
    return (
        f"Measured here {conditions}, with {share} of the paper's training: {percentage(kept_here, 2)}{decibel} "
        "(one training of each; interval over the images)."
    )


def rgb_better(sources: Sources) -> Finding:
    """The printed PSNR on Set5 against the published one of MSRN."""
    ours, theirs = paper.table1().msrn.scores["Set5"].psnr, paper.published_row("MSRN (paper)")
    original = theirs.psnr["Set5"]
    one = quotient(rounded(_digits(ours, "psnr")), rounded(_digits(original, "psnr")))
    value = in_percent(Value(one.best - 1, one.low - 1, one.high - 1))
    repository = paper.published_row(MSRN_ROW)
    reason = (
        f"{ours:.2f} dB against the {original:.2f} dB that MSRN's paper reports: {ours - original:.2f} dB more. The "
        f"two are not of the same network ({repository.parameters:,} parameters against {theirs.parameters:,}, "
        f"rounded), and MSRN's authors report {repository.psnr['Set5']:.2f} dB for the RGB one."
    )
    scope = "the two PSNR values; that RGB is the cause does not follow, since network and training differ as well"
    return Finding({"PSNR on Set5, % above the published MSRN": value}, reason, scope)


def table1_values(model: str, metric: str) -> Callable[[Sources], Finding]:
    """One column of Table 1 against this package's own measurements, and MSRN's against its authors' until then."""

    def recompute(sources: Sources) -> Finding:
        own = own_values(sources, model, metric)
        if model == "smsrn" or not own.undecided:
            return own
        others = {"psnr": authors_psnr, "ssim": expected_ssim}[metric](sources)
        return replace(others, reason=f"{others.reason} {own.reason}")

    return recompute


def own_values(sources: Sources, model: str, metric: str) -> Finding:
    """One column of Table 1 against this package's own measurements; undecided before the whole training."""
    column = measured(sources.rows, model, *BY_PROTOCOL["public_code"])
    training = training_of(sources.rows, model)
    missing = [name for name in BENCHMARKS if column.scores[name] is None]
    protocol = "PSNR on luma" if metric == "psnr" else "SSIM as the mean over R, G and B (see results/protocol.md)"
    if training is None or len(missing) == len(BENCHMARKS):
        reason = f"It takes a trained network, and {DISPLAY[model]} is {column.missing} here. Compared: {protocol}."
        return Finding({}, reason, undecided=True)
    points: dict[str, Recomputed] = {
        name: exact(Fraction(getattr(score, metric))) for name, score in column.scores.items() if score is not None
    }
    budget = f"{training_share(training)} of the paper's training"
    if missing or (training.get("paper_fraction") or 0) < FULL_BUDGET:
        lacking = f"; not measured: {', '.join(missing)}" if missing else ""
        reason = (
            f"Measured ({protocol}) with weights that had {budget}{lacking}. That shows the network at work; what "
            "the paper's whole training gives it does not show."
        )
        return Finding(points, reason, undecided=True)
    repeats = {name: tolerance(sources, name, metric) for name in BENCHMARKS}
    values = {name: within(value.best, repeats[name]) for name, value in points.items() if isinstance(value, Value)}
    listed = ", ".join(f"{repeat:.2g} on {name}" for name, repeat in repeats.items())
    reason = (
        f"Measured ({protocol}) with weights that had {budget}. Trainings by different people end apart by as much as "
        f"{listed} (analysis/paper/literature.toml)."
    )
    return Finding(values, reason, "within what trainings of one network by different people differ by")


def within(best: Fraction, tolerance: float) -> Value:
    """A value that another training repeats to within ``tolerance``."""
    return Value(best, best - Fraction(tolerance), best + Fraction(tolerance))


def tolerance(sources: Sources, name: str, metric: str) -> float:
    """How far (dB, or SSIM over R, G and B) a training by other people may end on one set."""
    apart = sources.spread.others[name]
    line = ssim_line(sources.calibrated, name)
    return apart if metric == "psnr" else apart * line[0] if line else 0.0


def authors_psnr(sources: Sources) -> Finding:
    """MSRN's PSNR as its authors publish it, against Table 1."""
    published_by, in_paper = paper.published_row(MSRN_ROW).psnr, paper.table1().msrn.scores
    values: dict[str, Recomputed] = {
        name: within(Fraction(str(published_by[name])), tolerance(sources, name, "psnr")) for name in BENCHMARKS
    }
    lower = {name: published_by[name] - in_paper[name].psnr for name in BENCHMARKS}
    equal = [name for name in BENCHMARKS if abs(lower[name]) <= sources.spread.authors / 2]
    others = [
        f"{name} {abs(lower[name]):.2f} dB {'lower' if lower[name] > 0 else 'higher'}"
        for name in BENCHMARKS
        if name not in equal
    ]
    apart = ", ".join(f"{sources.spread.others[name]:.2f} on {name}" for name in BENCHMARKS)
    reason = (
        f"MSRN's authors publish these values (June 2019): {' and '.join(equal)} are the same to the last digit, "
        f"{' and '.join(others)}. Since {sources.spread.words()}, the paper's is a training of its own. Trainings of "
        f"{paper.literature('other-people')['network']} by different people differ as much, in dB: {apart}. "
        f"{pictures(sources)}"
    )
    scope = (
        f"such values are what this network reaches, {' and '.join(equal)} as its authors'; the paper's own is not here"
    )
    return Finding(values, reason, scope)


def expected_ssim(sources: Sources) -> Finding:
    """The SSIM over R, G and B that networks have whose PSNR is that of MSRN's authors, against Table 1."""
    lines = {name: ssim_line(sources.calibrated, name) for name in BENCHMARKS}
    if any(line is None for line in lines.values()):
        return Finding({}, "No networks that others trained are recorded (results/calibration.md).", undecided=True)
    published_by = paper.published_row(MSRN_ROW)
    values: dict[str, Recomputed] = {
        name: within(Fraction(line[0] * published_by.psnr[name] + line[1]), tolerance(sources, name, "ssim"))
        for name, line in lines.items()
        if line
    }
    luma = ", ".join(f"{published_by.ssim[name]:.4f} on {name}" for name in BENCHMARKS)
    reason = (
        "Recomputed: the SSIM over R, G and B of networks that others trained, measured here (results/calibration.md), "
        "along a line to the PSNR that MSRN's authors publish; in brackets what other people's trainings differ by. On "
        f"luma its authors publish {luma}. {pictures(sources)}"
    )
    return Finding(values, reason, "SSIM over R, G and B of a network with MSRN's PSNR; the paper's own is not here")


def pictures(sources: Sources) -> str:
    """What the public MSRN's own pictures have, in one sentence."""
    one = sources.calibrated.of(PICTURES, "Set5")
    if one is None:
        return "The pictures of the public MSRN are not recorded."
    return (
        f"The public MSRN's own pictures of Set5 have {one.psnr['public_code']:.2f} dB and an SSIM of "
        f"{one.ssim['public_code']:.4f} over R, G and B, measured here."
    )


def more_error(decibels: float) -> str:
    """By how much the mean squared error grows when PSNR falls by that, in percent."""
    return percent(10 ** (decibels / 10) - 1)


@dataclass(frozen=True)
class Decibels:
    """One row of Table 1 in decibels: PSNR of MSRN and of bicubic interpolation, and what SMSRN loses."""

    row: str
    msrn: float
    bicubic: float
    lost: float

    @property
    def gain(self) -> float:
        """What MSRN gains over bicubic."""
        return self.msrn - self.bicubic


def decibels() -> list[Decibels]:
    """Every row of Table 1, as printed, with the published values of bicubic interpolation."""
    full, floor = printed("msrn"), published("Bicubic", "")
    found = []
    for name in (*BENCHMARKS, AVERAGE):
        top, bottom = full.score(name), floor.score(name)
        assert top
        assert bottom
        found.append(Decibels(name, top.psnr, bottom.psnr, printed_losses()[name]))
    return found
