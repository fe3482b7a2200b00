"""What `replication.benchmark_networks` recorded, in numbers: time and PSNR, and which network dominates which."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from analysis import paper
from analysis.names import DISPLAY, SCALE
from analysis.quality.training import short_share
from replication import records
from replication.evaluate import recorded_row
from replication.models import MODELS
from replication.records import NetworkSpeed

SETS = ("Set5", "Urban100")
"""What PSNR is compared on: the easiest of the usual benchmarks, and the one that separates networks most."""

PRINTED, MEASURED = "as published", "measured here"


@dataclass(frozen=True)
class Timed:
    """One network's time for a 1280x720 output, and a PSNR on luma at x4 by benchmark.

    ``seconds`` of each round in ``backend``; ``floor``: how many times the time is that its MACs would take at the
    speed of the matrix product of the same run. ``source``: where the PSNR comes from, published or measured here.
    ``training``: the share of the paper's training that a measured network had.
    """

    label: str
    model: str
    backend: str
    macs: int
    seconds: tuple[float, ...]
    floor: float
    psnr: dict[str, float]
    source: str
    training: str = ""

    @property
    def origin(self) -> str:
        """Where the PSNR comes from, and after how much training if it is ours."""
        return f"{self.source} after {self.training} of the paper's training" if self.training else self.source

    @property
    def median(self) -> float:
        """Median seconds."""
        return median(self.seconds)

    @property
    def ours(self) -> bool:
        """Whether it is MSRN or SMSRN."""
        return self.model in MODELS

    def faster_than(self, other: "Timed") -> bool:
        """Whether its slowest round was faster than the other's fastest one."""
        return max(self.seconds) < min(other.seconds)

    def dominates(self, other: "Timed") -> bool:
        """Whether it is faster, and at least as good on every benchmark that both have, which must be one at least."""
        shared = self.psnr.keys() & other.psnr.keys()
        return self.faster_than(other) and bool(shared) and all(self.psnr[name] >= other.psnr[name] for name in shared)


def read(results: Path) -> NetworkSpeed | None:
    """The newest record, or None. Raises DamagedFileError."""
    return records.newest(records.load(results, NetworkSpeed))


def timed(record: NetworkSpeed, results: Path) -> list[Timed]:
    """Every network that was timed, the fastest first; ours with the paper's PSNR and with the measured one.

    A folded network has the output of the unfolded one, and so its PSNR.
    """
    rate = record.product_macs / median(record.product_seconds)
    known = records.load_all(results)
    found = []
    for row in record.times:
        label = DISPLAY.get(row.network, row.network) + (", folded" if row.folded else "")
        for psnr, source, training in _qualities(row.network, known):
            floor = median(row.seconds) * rate / row.macs
            found.append(Timed(label, row.network, row.backend, row.macs, row.seconds, floor, psnr, source, training))
    return sorted(found, key=lambda one: one.median)


def _qualities(network: str, known: list[records.Evaluation]) -> list[tuple[dict[str, float], str, str]]:
    """The PSNR that is known of a network, by benchmark, with its source and its share of the paper's training."""
    if network not in MODELS:
        row = paper.published_row(network)
        return [({name: row.psnr[name] for name in SETS if name in row.psnr}, PRINTED, "")]
    printed = paper.table1().columns[network].scores
    found = [({name: printed[name].psnr for name in SETS}, PRINTED, "")]
    rows = {name: recorded_row(known, name, network, SCALE).record for name in SETS}
    measured = {name: record for name, record in rows.items() if record}
    if not measured:
        return found
    scores = {name: record.mean("psnr_public_code") for name, record in measured.items()}
    return [*found, (scores, MEASURED, short_share(next(iter(measured.values())).training))]
