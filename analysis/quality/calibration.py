"""Published values of networks that others trained, next to what this package measures with their weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from analysis import paper
from analysis.paper import BENCHMARKS
from analysis.paper.printed import decimals
from replication.calibrate import recorded
from replication.images.metrics import NAMED
from replication.records import BY_PROTOCOL, Calibration

CLOSE = {4: 0.0005, 2: 0.01}
"""How far a measured PSNR (dB) may be from one that is published with so many decimals."""


@dataclass(frozen=True)
class Comparison:
    """A published PSNR in dB as printed, and what is measured under each named protocol (PSNR and its SSIM).

    ``ssim_rgb``: the published SSIM over R, G and B; None where none is.
    """

    name: str
    benchmark: str
    printed: str
    ssim_rgb: str | None
    psnr: Mapping[str, float]
    ssim: Mapping[str, float]

    @property
    def difference(self) -> float:
        """Measured under ``public_code`` less published, in dB."""
        return self.psnr["public_code"] - float(self.printed)

    @property
    def agrees(self) -> bool:
        """Whether the public code's protocol gives the published value, to the digits that are published."""
        return abs(self.difference) <= CLOSE[decimals(self.printed)]


@dataclass(frozen=True)
class Calibrated:
    """All comparisons, each protocol's mean distance (dB) from what is published by set, and the records.

    ``missing``: what is published and not recorded.
    """

    comparisons: tuple[Comparison, ...]
    distance: Mapping[str, Mapping[str, float]]
    records: tuple[Calibration, ...]
    missing: tuple[str, ...]

    def of(self, name: str, benchmark: str) -> Comparison | None:
        """The comparison of one network on one set; None where it is not recorded."""
        found = (one for one in self.comparisons if (one.name, one.benchmark) == (name, benchmark))
        return next(found, None)


def calibrated(results: Path) -> Calibrated:
    """Every published value that is recorded here."""
    known = recorded(results)
    comparisons, missing = [], []
    for reference in paper.references():
        for benchmark, printed in reference.psnr.items():
            record = known.get((reference.name, benchmark))
            if record is None:
                missing.append(f"{reference.name} on {benchmark}")
                continue
            psnr = {name: record.mean(metrics[0]) for name, metrics in BY_PROTOCOL.items()}
            ssim = {name: record.mean(metrics[1]) for name, metrics in BY_PROTOCOL.items()}
            published_ssim = reference.ssim_rgb.get(benchmark)
            comparisons.append(Comparison(reference.name, benchmark, printed, published_ssim, psnr, ssim))
    distance = {
        name: {
            benchmark: fmean(abs(one.psnr[name] - float(one.printed)) for one in on_set)
            for benchmark in BENCHMARKS
            if (on_set := [one for one in comparisons if one.benchmark == benchmark])
        }
        for name in NAMED
    }
    return Calibrated(tuple(comparisons), distance, tuple(known.values()), tuple(missing))
