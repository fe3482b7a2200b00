"""Figure 1 and its sisters for the report: every network with its parameters, multiply-adds, measured time and PSNR."""

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from analysis import paper
from analysis.figures import figure1_macs
from analysis.names import BACKEND_NAMES, DISPLAY, PUBLISHED_LABELS, SCALE
from analysis.networks import catalogue
from analysis.paper import LAST_YEAR
from analysis.quality.training import short_share
from analysis.report.chart import Chart, Mark, around
from analysis.report.numbers import Number
from analysis.report.quality import COLUMNS
from analysis.report.sources import path_of
from analysis.speed import others
from replication import records
from replication.evaluate import recorded_row
from replication.models import MODELS
from replication.records import NetworkSpeed, NetworkTime

BENCHMARK = "Set5"
PAPER, MEASURED, PUBLISHED = "paper", "measured", "published"
"""Where a PSNR comes from: the paper, this package's measurements, other publications."""
PAPER_YEAR = 2021
KNOWN = ("IMDN", "CARN", "RCAN", "EDSR", "SRCNN", "VDSR", "PAN", "LatticeNet", "RDN", "DRRN")
"""Published networks whose names stand on the chart first."""


@dataclass(frozen=True)
class Network:
    """One point: what is known of a network and of its PSNR on the luma of Set5 at x4 (dB).

    ``counted``: whether parameters and multiply-adds (G, for a 1280x720 output) are counted on the network instead of
    copied. ``milliseconds``: measured for the same output under the ``conditions``. ``source``: of the PSNR and of what
    is copied.
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
    conditions: str = ""
    quality_record: str = ""
    time_record: str = ""

    @property
    def records(self) -> tuple[str, ...]:
        """Paths of the records behind the point."""
        return tuple(path for path in (self.quality_record, self.time_record) if path)

    def cost(self, axis: str) -> float | None:
        """What stands on an axis of `AXES`."""
        return {"parameters": self.parameters, "macs": self.gmacs, "time": self.milliseconds}[axis]


AXES = {
    "parameters": "parameters",
    "macs": "multiply-adds for a 1280x720 output (G)",
    "time": "milliseconds for a 1280x720 output, measured on a processor",
}


def networks(results: Path) -> list[Network]:
    """The paper's two networks, ours as measured, and those published up to the year before the paper."""
    record = others.read(results)
    times = {(one.network, one.folded): one for one in record.times} if record else {}
    return [*_ours(results, times, record), *_published(times, record)]


Times = dict[tuple[str, bool], NetworkTime]


def _timed(network: str, folded: bool, times: Times, record: NetworkSpeed | None) -> dict[str, Any]:
    found = times.get((network, folded))
    if found is None or record is None:
        return {}
    threads = f"{record.threads} thread{'s' if record.threads > 1 else ''}"
    backend = BACKEND_NAMES.get(found.backend, found.backend)
    conditions = f"{backend}, {threads}, {'folded' if folded else 'not folded'}"
    return {"milliseconds": 1000 * median(found.seconds), "conditions": conditions, "time_record": path_of(record)}


def _ours(results: Path, times: Times, record: NetworkSpeed | None) -> list[Network]:
    known = records.load_all(results)
    found = []
    for model in MODELS:
        row = recorded_row(known, BENCHMARK, model, SCALE).record
        printed = paper.table1().columns[model].scores[BENCHMARK].psnr
        qualities = [(PAPER, printed, "the paper's Table 1", "")]
        if row:
            share = short_share(row.training)
            words = "measured here with the shipped weights" + (f", {share} of the paper's training" if share else "")
            qualities.append((MEASURED, row.mean("psnr_public_code"), words, path_of(row)))
        count = catalogue.counted(figure1_macs.OURS[DISPLAY[model]])
        for kind, psnr, source, path in qualities:
            plain = Network(
                DISPLAY[model], kind, psnr, source, PAPER_YEAR, count.params, count.macs / 1e9,
                quality_record=path, **_timed(model, False, times, record),
            )  # fmt: skip
            found.append(plain)
            if time := _timed(model, True, times, record):
                gmacs = times[model, True].macs / 1e9
                found.append(replace(plain, label=f"{plain.label}, folded", parameters=None, gmacs=gmacs, **time))
    return found


def _published(times: Times, record: NetworkSpeed | None) -> list[Network]:
    found = []
    for row in paper.published():
        if not row.year or row.year > LAST_YEAR:
            continue
        count = catalogue.counted(row.model) if row.model in catalogue.COUNTED else None
        gmacs = count.macs / 1e9 if count else float(row.gmacs) if row.gmacs else None
        found.append(
            Network(
                PUBLISHED_LABELS.get(row.model, row.model), PUBLISHED, row.psnr[BENCHMARK], row.source, row.year,
                count.params if count else row.parameters, gmacs, count is not None,
                **_timed(row.model, False, times, record),
            )
        )  # fmt: skip
    first = {name: index for index, name in enumerate(KNOWN)}
    return sorted(found, key=lambda one: first.get(one.label, len(first)))


def quality_number(one: Network) -> Number | str:
    """The PSNR of a network, with its origin where it was measured here."""
    text = f"{one.psnr:.2f}"
    if not one.quality_record:
        return text
    words = f"PSNR of {one.label} on {BENCHMARK}, luma, public code"
    return Number(text, words, COLUMNS, "python -m analysis figure1", (one.quality_record,), "psnr_public_code")


def time_number(one: Network) -> Number | str:
    """The milliseconds of a network, with their origin."""
    if one.milliseconds is None:
        return ""
    words = f"{one.label} in {one.conditions}, median of the rounds: milliseconds for one output of 1280x720"
    command = "python -m analysis figure1_time"
    return Number(f"{one.milliseconds:,.0f}", words, "analysis/speed/others.py", command, (one.time_record,))


def described(one: Network) -> str:
    """Everything that is known of a network, in one line."""
    how = "counted" if one.counted else "as published"
    parts = [f"{one.label} ({one.year})" if one.year else one.label]
    if one.parameters:
        parts.append(f"{one.parameters:,} parameters ({how})")
    if one.gmacs:
        parts.append(f"{one.gmacs:,.1f} G MACs ({how})")
    if one.milliseconds:
        parts.append(f"{one.milliseconds:,.0f} ms in {one.conditions}")
    return "; ".join([*parts, f"{one.psnr:.2f} dB on {BENCHMARK}: {one.source.split(';')[0]}"])


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
