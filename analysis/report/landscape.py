"""Figure 1 and its sisters for the report: every network with its parameters, multiply-adds, measured time and PSNR."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from analysis import paper
from analysis.figures import figure1_macs
from analysis.figures.figure1 import LAST_YEAR
from analysis.names import DISPLAY, PUBLISHED_LABELS, SCALE
from analysis.networks import catalogue
from analysis.report.chart import Chart, Mark, around
from analysis.report.sources import path_of
from analysis.speed import others
from analysis.speed.inference import BACKEND_NAMES
from replication import records
from replication.evaluate import recorded_row
from replication.models import MODELS
from replication.records import NetworkSpeed, NetworkTime

BENCHMARK = "Set5"
PAPER, MEASURED, PUBLISHED = "paper", "measured", "published"
"""Where a PSNR comes from: the paper, this package's measurements, other publications."""
KNOWN = ("IMDN", "CARN", "RCAN", "EDSR", "SRCNN", "VDSR", "PAN", "LatticeNet", "RDN", "DRRN")
"""Published networks whose names stand on the chart first."""


@dataclass(frozen=True)
class Network:
    """One point: what is known of a network and of its PSNR on the luma of Set5 at x4 (dB).

    ``counted``: whether parameters and multiply-adds (G, for a 1280x720 output) are counted on the network instead of
    copied. ``milliseconds``: measured for the same output in ``backend``. ``source``: of the PSNR and what is copied.
    """

    label: str
    kind: str
    psnr: float
    source: str
    year: int | None = None
    parameters: int | None = None
    gmacs: float | None = None
    counted: bool = True
    milliseconds: float | None = None
    backend: str = ""
    records: tuple[str, ...] = ()

    def cost(self, axis: str) -> float | None:
        """What stands on an axis of `AXES`."""
        return {"parameters": self.parameters, "macs": self.gmacs, "time": self.milliseconds}[axis]


AXES = {
    "parameters": "parameters",
    "macs": "multiply-adds for a 1280x720 output (G)",
    "time": "milliseconds for a 1280x720 output, measured",
}


def networks(results: Path) -> list[Network]:
    """The paper's two networks, ours as measured, and those published up to the year before the paper."""
    record = others.read(results)
    times = {(one.network, one.folded): one for one in record.times} if record else {}
    return [*_ours(results, times, record), *_published(times, record)]


Times = dict[tuple[str, bool], NetworkTime]


def _timed(network: str, folded: bool, times: Times, record: NetworkSpeed | None) -> dict[str, object]:
    found = times.get((network, folded))
    if found is None or record is None:
        return {}
    return {"milliseconds": 1000 * median(found.seconds), "backend": BACKEND_NAMES.get(found.backend, found.backend)}


def _ours(results: Path, times: Times, record: NetworkSpeed | None) -> list[Network]:
    known = records.load_all(results)
    table = paper.table1()
    printed = {"msrn": table.msrn, "smsrn": table.smsrn}
    speed = (path_of(record),) if record else ()
    found = []
    for model in MODELS:
        row = recorded_row(known, BENCHMARK, model, SCALE).record
        qualities = [(PAPER, printed[model].scores[BENCHMARK].psnr, "the paper's Table 1", ())]
        if row:
            words = "measured here with the shipped weights"
            qualities.append((MEASURED, row.mean("psnr_public_code"), words, (path_of(row),)))
        count = catalogue.counted(figure1_macs.OURS[DISPLAY[model]])
        for kind, psnr, source, origin in qualities:
            for folded in (False, True):
                time = _timed(model, folded, times, record)
                if folded and not time:
                    continue
                label = DISPLAY[model] + (", folded" if folded else "")
                gmacs = times[model, True].macs / 1e9 if folded else count.macs / 1e9
                found.append(
                    Network(
                        label, kind, psnr, source, 2021, None if folded else count.params, gmacs, True,
                        records=origin + (speed if time else ()), **time,  # type: ignore[arg-type]
                    )
                )  # fmt: skip
    return found


def _published(times: Times, record: NetworkSpeed | None) -> list[Network]:
    found = []
    for row in paper.published():
        if not row.year or row.year > LAST_YEAR:
            continue
        count = catalogue.counted(row.model) if row.model in catalogue.COUNTED else None
        time = _timed(row.model, False, times, record)
        found.append(
            Network(
                PUBLISHED_LABELS.get(row.model, row.model), PUBLISHED, row.psnr[BENCHMARK], row.source, row.year,
                count.params if count else row.parameters,
                count.macs / 1e9 if count else float(row.gmacs) if row.gmacs else None,
                count is not None, records=(path_of(record),) if time and record else (),
                **time,  # type: ignore[arg-type]
            )
        )  # fmt: skip
    first = {name: index for index, name in enumerate(KNOWN)}
    return sorted(found, key=lambda one: first.get(one.label, len(first)))


def described(one: Network) -> str:
    """Everything that is known of a network, in one line."""
    how = "counted" if one.counted else "as published"
    parts = [f"{one.label} ({one.year})" if one.year else one.label]
    if one.parameters:
        parts.append(f"{one.parameters:,} parameters ({how})")
    if one.gmacs:
        parts.append(f"{one.gmacs:,.1f} G MACs ({how})")
    if one.milliseconds:
        parts.append(f"{one.milliseconds:,.0f} ms in {one.backend}")
    source = {PAPER: "printed by the paper", MEASURED: "measured here", PUBLISHED: "published"}[one.kind]
    return "; ".join([*parts, f"{one.psnr:.2f} dB on {BENCHMARK}, {source}"])


def charts(found: list[Network]) -> list[Chart]:
    """One chart for each of `AXES` that any network has a value for."""
    made = []
    for key, title in AXES.items():
        shown = [one for one in found if one.cost(key)]
        if not shown:
            continue
        marks = tuple(
            Mark(
                float(one.cost(key) or 0), one.psnr, one.kind, one.label, described(one),
                data={"year": str(one.year or ""), "counted": "yes" if one.counted else "no"}, records=one.records,
            )
            for one in shown
        )  # fmt: skip
        x = around([mark.x for mark in marks], title, log=True)
        y = around([one.psnr for one in shown], f"PSNR on {BENCHMARK}, x{SCALE} (dB, luma)")
        made.append(Chart(key, f"{y.title} over {title}", x, y, marks))
    return made

