"""How far apart trainings of one network end: what others published, and seeds measured here."""

from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression

from analysis import paper
from analysis.names import MSRN_ROW
from analysis.paper import BENCHMARKS
from analysis.quality.calibration import Calibrated
from analysis.quality.ladder import PAIR, seeds

EARLIER_ROW = "MSRN (repo, 2018-11 retrain)"
"""The row of sota_x4.csv with the first of the two retrainings by MSRN's authors; the second is `MSRN_ROW`."""


@dataclass(frozen=True)
class Spread:
    """Differences of PSNR in dB, on luma.

    ``authors``: of two retrainings of MSRN by its authors, the largest over the sets. ``others``: by set, of one
    network trained by its authors and by somebody else. ``seeds``: of the average over
    the sets, the largest among runs recorded here that differ in the seed alone; None where no two such are measured.
    """

    authors: float
    others: dict[str, float]
    seeds: float | None

    @property
    def repeated(self) -> float:
        """How far a repetition by the same people ends."""
        return max(self.authors, self.seeds or 0.0)

    def words(self) -> str:
        """What `repeated` rests on, as the end of a sentence."""
        seeds = "no two seeds of one recipe are measured here yet"
        if self.seeds is not None:
            seeds = f"runs measured here that differ in the seed alone are at most {self.seeds:.3f} dB apart on average"
        return f"two retrainings by MSRN's authors are at most {self.authors:.2f} dB apart, and {seeds}"


def spread(results: Path) -> Spread:
    """From the published values and from the records below ``results``."""
    earlier, later = (paper.published_row(row).psnr for row in (EARLIER_ROW, MSRN_ROW))
    again = paper.literature("other-people")
    first = paper.published_row(again["network"]).psnr
    return Spread(
        authors=max(abs(earlier[name] - later[name]) for name in BENCHMARKS),
        others={name: abs(first[name] - float(again["psnr"][name])) for name in BENCHMARKS},
        seeds=max(
            (one.average for one in seeds(results) if one.model in PAIR and one.average is not None), default=None
        ),
    )


def ssim_line(facts: Calibrated, name: str) -> tuple[float, float] | None:
    """Slope (1/dB) and offset of SSIM over R, G and B against PSNR on luma, both of the public code, on one set.

    Over the networks that others trained; None where fewer than two are recorded.
    """
    points = [(one.psnr["public_code"], one.ssim["public_code"]) for one in facts.comparisons if one.benchmark == name]
    if len(points) < 2:
        return None
    slope, offset = linear_regression(*zip(*points, strict=True))
    return slope, offset
