"""What both networks cost, for the report: by group of layers, by equations, and layer by layer as measured."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import signature
from pathlib import Path

from analysis.cost import closed_form, equations
from analysis.cost.closed_form import Layer
from analysis.cost.study import Study, study
from analysis.figures import equation5
from analysis.names import BACKEND_NAMES, DISPLAY, VARIANTS
from analysis.report.chart import Axis, Chart, Curve, Mark
from analysis.report.numbers import Cell, Number, Table
from analysis.report.sources import path_of
from analysis.speed import inference
from analysis.speed.inference import layer_macs
from analysis.speed.inference_page import time_cell
from analysis.text import percent
from replication import records
from replication.records import Account, Speed

CLOSED_FORM, COMMAND = "analysis/cost/closed_form.py", "python -m analysis.cost_ratio"
BENCHMARK = "`python -m replication.benchmark`"
SPEED, SPEED_COMMAND = "analysis/speed/inference.py", "python -m analysis speed"
SIZES = "width {width}, {blocks} blocks, x{scale}, as in the paper".format(
    **{name: one.default for name, one in signature(closed_form.msrn).parameters.items()}
)
"""The sizes of the paper's networks in words."""
CLAIMS = {
    "parameters": ("parameters-msrn", "parameters-smsrn", "share-14.63"),
    "MACs per LR pixel": ("saving-92-network",),
}


@dataclass(frozen=True)
class LayerCost:
    """One convolution as it was measured: what it is, its multiply-adds, bytes and seconds."""

    name: str
    kind: str
    macs: int
    bytes: int
    seconds: float
    time: Number


@dataclass(frozen=True)
class Part:
    """One kind of layer in a bar: its share of a network's multiply-adds, bytes or time, 0..1."""

    name: str
    share: float


@dataclass(frozen=True)
class Breakdown:
    """Where the multiply-adds, the bytes and the seconds of a network go, layer by layer and by kind."""

    key: str
    label: str
    layers: tuple[LayerCost, ...]
    total: float
    bars: dict[str, tuple[Part, ...]]
    by_kind: Table


@dataclass(frozen=True)
class Costs:
    """All of it; ``times`` and ``breakdowns`` are empty where speed is not recorded."""

    study: Study
    groups: tuple[Table, ...]
    equation5: Chart
    times: tuple[Table, ...]
    breakdowns: tuple[Breakdown, ...]
    time_records: tuple[str, ...]


def costs(results: Path) -> Costs:
    """From formulas, and from the newest record of speed if there is one."""
    facts = study(verify=False)
    record = records.newest(records.load(results, Speed))
    return Costs(
        facts,
        tuple(_groups(facts, what, total) for what, total in TOTALS.items()),
        _equation5(),
        tuple(_times(record, case) for case in inference.situations(record)) if record else (),
        tuple(_breakdown(record, account) for account in record.layers) if record else (),
        (path_of(record),) if record else (),
    )


TOTALS: dict[str, Callable[[Iterable[Layer]], int]] = {
    "parameters": closed_form.total_params,
    "MACs per LR pixel": closed_form.total_macs,
}


def _groups(facts: Study, what: str, total: Callable[[Iterable[Layer]], int]) -> Table:
    _, msrn, smsrn = facts.groups[-1]
    body: list[tuple[Cell, ...]] = []
    for name, before, now in facts.groups:
        cells: list[Cell] = []
        for model, layers, whole in (("msrn", before, msrn), ("smsrn", now, smsrn)):
            words = f"{what} of {DISPLAY[model]}, {name}: counted in closed form"
            claims = CLAIMS[what] if name == "total" else ()
            cells.append(Number(f"{total(layers):,}", words, CLOSED_FORM, COMMAND, claims=claims))
            cells.append(percent(total(layers) / total(whole)))
        body.append((name, *cells, percent(total(now) / total(before), 2)))
    caption = f"{what}, by group of layers; {SIZES}"
    return Table(caption, (what, "MSRN", "share", "SMSRN", "share", "SMSRN / MSRN"), tuple(body))


def _equation5() -> Chart:
    """Equation 5 over N for some kernels, with the paper's two points and the layers of MSRN."""
    n = equation5.CHANNELS
    curves = tuple(
        Curve(tuple((float(one), equation5.cost(kernel, one)) for one in n), f"k{kernel}", f"k = {kernel}", True)
        for kernel in equation5.KERNELS
    )
    printed = [
        Mark(
            equations.PRINTED_CHANNELS, 100 * float(ratio), "paper", f"{ratio} (k = {kernel})",
            f"the paper: {ratio} for k = {kernel}, N = {equations.PRINTED_CHANNELS}, and a saving of {saving}",
        )
        for kernel, ratio, saving in equations.PRINTED
    ]  # fmt: skip
    ours = [
        Mark(
            channels, equation5.cost(kernel, channels), "measured", f"k = {kernel}, N = {channels}",
            f"layers of MSRN with k = {kernel}, N = {channels}: {percent(equations.ratio(kernel, channels), 2)}",
            label=False,
        )
        for kernel, channels in equation5.layers_of_msrn()
    ]  # fmt: skip
    x = Axis("output channels N", n[0], n[-1], log=True)
    y = Axis("separable / standard = 1/N + 1/k² (%)", 0, 1.03 * equation5.cost(min(equation5.KERNELS), n[0]))
    return Chart("equation5", "Equation 5 over the output channels", x, y, (*printed, *ours), curves)


def _times(record: Speed, case: inference.Situation) -> Table:
    """Milliseconds by network and backend, and how many times as fast as MSRN in PyTorch."""
    found = inference.fastest(record, case)
    reference = found[inference.REFERENCE, "torch"]
    body: list[tuple[Cell, ...]] = []
    for key, label in VARIANTS.items():
        cells: list[Cell] = []
        for name in inference.backends(record):
            text = time_cell(found.get((key, name)), reference)
            words = (
                f"{label} in {BACKEND_NAMES[name]}, {case}: median of {record.rounds} rounds, and how many times as "
                "fast as MSRN in PyTorch, with the least and the most that single rounds give"
            )
            origin = (path_of(record),)
            number = Number(text, words, SPEED, SPEED_COMMAND, origin, "", ("computation-too",))
            cells.append(number if text else "")
        words = f"multiply-adds of MSRN over those of {label}"
        body.append((label, *cells, Number(f"{inference.mac_ratio(key, case):.1f}x", words, SPEED, SPEED_COMMAND)))
    headings = ("", *(BACKEND_NAMES[name] for name in inference.backends(record)), "MAC ratio")
    caption = f"{case}; the networks take turns, medians of {record.rounds} rounds; {BENCHMARK}"
    return Table(caption, headings, tuple(body))


def _breakdown(record: Speed, account: Account) -> Breakdown:
    label = VARIANTS[account.network, account.folded]
    origin = (path_of(record),)

    def time(seconds: float, what: str, digits: int) -> Number:
        words = f"{label}: milliseconds in {what}"
        return Number(f"{1000 * seconds:.{digits}f}", words, SPEED, SPEED_COMMAND, origin)

    layers = tuple(
        LayerCost(
            one.name, inference.kind(one), layer_macs(one), one.bytes, one.seconds, time(one.seconds, "one layer", 2)
        )
        for one in account.layers
    )
    macs, moved = sum(one.macs for one in layers), sum(one.bytes for one in layers)
    bars: dict[str, list[Part]] = {"multiply-adds": [], "bytes": [], "time": []}
    body: list[tuple[Cell, ...]] = []
    for kind in inference.by_kind(account):
        members = [one for one in layers if one.kind == kind]
        these, size = sum(one.macs for one in members), sum(one.bytes for one in members)
        seconds = sum(one.seconds for one in members)
        shares = {"multiply-adds": these / macs, "bytes": size / moved, "time": seconds / account.total}
        for name, share in shares.items():
            bars[name].append(Part(kind, share))
        texts = [percent(share) for share in shares.values()]
        body.append((
            kind, str(len(members)), f"{these / 1e9:.2f}", texts[0], f"{size / 1e6:,.0f}", texts[1],
            time(seconds, f"{kind} layers", 0), texts[2],
        ))  # fmt: skip
    rest = account.total - sum(one.seconds for one in layers)
    bars["time"].append(Part("everything else", rest / account.total))
    body.append((
        "everything else", "", "", "", "", "", time(rest, "all but convolutions", 0), percent(rest / account.total)
    ))  # fmt: skip
    body.append(("all", "", "", "", "", "", time(account.total, "the whole network", 0), ""))
    headings = ("", "layers", "G MACs", "of MACs", "MB moved", "of bytes", "ms", "of time")
    return Breakdown(
        account.network + ("-folded" if account.folded else ""),
        label,
        layers,
        account.total,
        {name: tuple(parts) for name, parts in bars.items()},
        Table(
            f"{label}: by kind of layer; {inference.situations(record)[0]}, in PyTorch, "
            f"this network alone again and again; {BENCHMARK}",
            headings,
            tuple(body),
        ),
    )
