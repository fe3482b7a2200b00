"""What `replication.benchmark` recorded, in numbers: time, memory and the account of layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from analysis.cost import closed_form
from analysis.cost.folded import best_tail, folded_msrn, folded_smsrn
from analysis.names import BACKEND_NAMES, SCALE
from replication import records
from replication.benchmark import FORMATS, TILE
from replication.errors import UserError
from replication.models import build
from replication.network import receptive_radius
from replication.records import Account, LayerTime, NetworkTime, Speed, Timing
from replication.upscale import windows

Key = tuple[str, bool]
"""Network, and whether it is folded."""

REFERENCE: Key = ("msrn", False)
"""What ratios refer to, in PyTorch."""


@dataclass(frozen=True)
class Situation:
    """One measured situation: number of threads and size of the LR input."""

    threads: int
    height: int
    width: int

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.width}x{self.height} to {self.width * SCALE}x{self.height * SCALE}, {threads}"


def read(results: Path) -> Speed:
    """The newest record. Raises UserError when there is none or one is damaged."""
    record = records.newest(records.load(results, Speed))
    if record is None:
        raise UserError(f"{records.folder(results, Speed)}: no record; `python -m replication.benchmark` makes it")
    return record


def situations(record: Speed) -> list[Situation]:
    """Every situation that was measured, in the order of the record."""
    return list(dict.fromkeys(Situation(row.threads, row.height, row.width) for row in record.times))


def rounds(record: Speed, case: Situation) -> dict[tuple[str, bool, str, str], tuple[float, ...]]:
    """Seconds of each round by network, folded, backend and how."""
    return {
        (row.network, row.folded, row.backend, row.how): row.seconds
        for row in record.times
        if Situation(row.threads, row.height, row.width) == case
    }


def medians(record: Speed, case: Situation) -> dict[tuple[str, bool, str, str], float]:
    """Median seconds by network, folded, backend and how."""
    return {variant: median(seconds) for variant, seconds in rounds(record, case).items()}


def fastest(record: Speed, case: Situation) -> dict[tuple[Key, str], tuple[float, ...]]:
    """Seconds of each round by network and backend; of PyTorch's memory formats the faster. Trials do not count."""
    found: dict[tuple[Key, str], tuple[float, ...]] = {}
    for (network, folded, backend, how), seconds in rounds(record, case).items():
        if backend in BACKEND_NAMES and how in ("", *FORMATS):
            key = ((network, folded), backend)
            found[key] = min(seconds, found.get(key, seconds), key=median)
    return found


def best(record: Speed, case: Situation) -> dict[tuple[Key, str], float]:
    """Median seconds by network and backend; see `fastest`."""
    return {key: median(seconds) for key, seconds in fastest(record, case).items()}


@dataclass(frozen=True)
class Factor:
    """How many times as fast one is as another: by medians, and at least and at most by their single rounds."""

    median: float
    low: float
    high: float


def factor(slow: tuple[float, ...], fast: tuple[float, ...]) -> Factor:
    """How many times as fast ``fast`` is as ``slow``, from the seconds of their rounds."""
    return Factor(median(slow) / median(fast), min(slow) / max(fast), max(slow) / min(fast))


def backends(record: Speed) -> list[str]:
    """The backends that were measured."""
    return [name for name in BACKEND_NAMES if any(row.backend == name for row in record.times)]


def mac_ratio(key: Key, case: Situation) -> float:
    """MACs of MSRN as a multiple of a network's, the border's corrections included.

    How many times as fast as MSRN it would be if every multiply-add took the same time.
    """
    return _macs(REFERENCE, case) / _macs(key, case)


def _macs(key: Key, case: Situation) -> int:
    name, folded = key
    made = {
        ("msrn", False): closed_form.msrn, ("msrn", True): folded_msrn,
        ("smsrn", False): closed_form.smsrn, ("smsrn", True): folded_smsrn,
    }[name, folded]  # fmt: skip
    inner = closed_form.total_macs(made(SCALE)) * case.height * case.width
    return inner + (best_tail(SCALE).border.macs(case.height, case.width) if folded else 0)


def spread(times: Sequence[Timing] | Sequence[NetworkTime]) -> float:
    """The farthest that a single run was from its variant's median, as a share of the median."""
    return max(abs(value / median(row.seconds) - 1) for row in times for value in row.seconds)


def kind(layer: LayerTime) -> str:
    """What a layer is called in the account of layers."""
    size = f"{layer.kernel}x{layer.kernel}"
    return f"depth-wise {size}" if layer.groups > 1 else size


def layer_macs(layer: LayerTime) -> int:
    """Multiply-adds of a convolution with these sizes (equations 1-3 of the paper, times the output's positions)."""
    weights = layer.kernel**2 * layer.in_channels * layer.out_channels // layer.groups
    return weights * layer.height * layer.width


def all_macs(account: Account) -> int:
    """Multiply-adds of all convolutions of an account."""
    return sum(layer_macs(layer) for layer in account.layers)


def by_kind(account: Account) -> dict[str, list[LayerTime]]:
    """The layers of an account by `kind`."""
    kinds: dict[str, list[LayerTime]] = {}
    for layer in account.layers:
        kinds.setdefault(kind(layer), []).append(layer)
    return kinds


def tile_overhead(situation: Situation) -> tuple[int, float]:
    """SMSRN's receptive radius in pixels, and how many times as many pixels the picture has in overlapping tiles."""
    radius = receptive_radius(build("smsrn", scale=SCALE))
    size = situation.height, situation.width
    lengths = [sum(one.stop - one.start for one in windows(length, TILE, radius)) for length in size]
    return radius, lengths[0] * lengths[1] / (size[0] * size[1])
