"""Table 1 as columns: the paper's, the published and the measured scores, and what one retains of another.

Everything measured comes from the records in the results folder, everything printed from analysis/paper. Averages are
means of the four benchmarks' means, as in the paper.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from analysis import paper
from analysis.names import DISPLAY, SCALE
from analysis.paper import BENCHMARKS, Score
from replication import records
from replication.data.benchmarks import EMBEDDED
from replication.evaluate import BICUBIC, METHODS, Row, recorded_row
from replication.records import BY_PROTOCOL, Metric

AVERAGE = "Average"

Rows = dict[tuple[str, str], Row]
"""What is recorded, by (benchmark, model)."""


@dataclass(frozen=True)
class Column:
    """One column of a table: a heading, scores by set (None: ``missing`` says why) and their average."""

    heading: str
    scores: dict[str, Score | None]
    average: Score | None
    missing: str = "not reported"

    def score(self, row: str) -> Score | None:
        """The score in the row of that name."""
        return self.average if row == AVERAGE else self.scores[row]

    def cell(self, row: str) -> str:
        """The score as the paper prints it: PSNR with two decimals, SSIM with four."""
        score = self.score(row)
        return f"{score.psnr:.2f} / {score.ssim:.4f}" if score else self.missing


def collect(results: Path) -> Rows:
    """The record of each method, with its shipped weights, on each set."""
    known = records.load_all(results)
    return {
        (name, model): recorded_row(known, name, model, SCALE) for name in (*BENCHMARKS, EMBEDDED) for model in METHODS
    }


def measured(rows: Rows, model: str, psnr: Metric, ssim: Metric) -> Column:
    """A measured column of these two metrics; the average only where all four sets are recorded."""
    scores: dict[str, Score | None] = {}
    for name in BENCHMARKS:
        record = rows[name, model].record
        scores[name] = Score(record.mean(psnr), record.mean(ssim)) if record else None
    missing = next((rows[name, model].status for name in BENCHMARKS if scores[name] is None), "")
    return Column(f"{DISPLAY[model]} (measured)", scores, average(scores), missing)


def average(scores: dict[str, Score | None]) -> Score | None:
    """Mean over the sets, as the paper averages; None where one is missing."""
    known = [score for score in scores.values() if score]
    if len(known) < len(BENCHMARKS):
        return None
    return Score(fmean(score.psnr for score in known), fmean(score.ssim for score in known))


def printed(model: str) -> Column:
    """A column of the paper's table, as printed."""
    column = paper.table1().columns[model]
    return Column(f"{DISPLAY[model]} (paper)", dict(column.scores), column.average)


def recomputed(model: str) -> Column:
    """`printed`, but with the mean of the printed values per set as average, which the paper prints rounded."""
    column = printed(model)
    return replace(column, average=average(column.scores))


def printed_losses() -> dict[str, float]:
    """PSNR (dB) that the paper's SMSRN loses against its MSRN, by set; the average from the printed values per set."""
    msrn, smsrn = (column.scores for column in (paper.table1().msrn, paper.table1().smsrn))
    losses = {name: msrn[name].psnr - smsrn[name].psnr for name in BENCHMARKS}
    return {**losses, AVERAGE: fmean(losses.values())}


def published(model: str, heading: str) -> Column:
    """A column from sota_x4.csv; its average is computed here."""
    row = paper.published_row(model)
    scores: dict[str, Score | None] = {name: Score(row.psnr[name], row.ssim[name]) for name in BENCHMARKS}
    return Column(heading, scores, average(scores))


@dataclass(frozen=True)
class Ratio:
    """What is left of a reference's PSNR and SSIM, in percent, and how many dB it is better."""

    psnr: float
    ssim: float
    lost_db: float


def retained(reference: Column, light: Column, row: str) -> Ratio | None:
    """``light`` as a share of ``reference`` in one row; None where one of them is not there."""
    full, rest = reference.score(row), light.score(row)
    if full is None or rest is None:
        return None
    return Ratio(100 * rest.psnr / full.psnr, 100 * rest.ssim / full.ssim, full.psnr - rest.psnr)


def bicubic_deviation(rows: Rows) -> tuple[float, float] | None:
    """Largest deviation of bicubic from what is published over the recorded sets: (PSNR in dB, SSIM), `matlab`."""
    known, bicubic = published("Bicubic", ""), measured(rows, BICUBIC, *BY_PROTOCOL["matlab"])
    pairs = [(known.score(name), bicubic.score(name)) for name in BENCHMARKS]
    both = [(one, other) for one, other in pairs if one and other]
    if not both:
        return None
    return max(abs(a.psnr - b.psnr) for a, b in both), max(abs(a.ssim - b.ssim) for a, b in both)
