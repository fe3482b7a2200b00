"""Which metric protocol explains the paper's PSNR and SSIM: what each combination moves, ranked.

The paper names neither channel nor border. What a combination moves against the literature's protocol (rounded luma,
border of the scale, Gaussian window), measured by `replication.measure_protocol`, is compared with how far the paper's
numbers are from the literature's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import sqrt
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from analysis import paper
from analysis.names import MSRN_ROW, SCALE
from analysis.paper import BENCHMARKS
from analysis.quality.spread import Spread, spread
from replication import weights
from replication.data.benchmarks import EMBEDDED
from replication.evaluate import BICUBIC, METHODS
from replication.measure_protocol import CHANNELS, SHAVES, WINDOWS, load
from replication.records import ProtocolStudy, newest

LITERATURE = ("luma, rounded", SCALE, "Gaussian")
"""Channel, border and window of the tables in the literature."""

ROUNDED = {"luma, rounded": "luma"}
"""Channels that differ in rounding alone. The ranking cannot tell them apart: the published values that it starts from
are of both kinds (results/calibration.md)."""

SSIM_FIT_FROM = 31.5
"""Published networks below this PSNR (Set5, dB) are left out of the line of luma SSIM over PSNR."""


@dataclass(frozen=True)
class Measured:
    """One method on one benchmark: means over the images, by combination."""

    benchmark: str
    model: str
    images: int
    psnr: dict[tuple[str, int], float]
    ssim: dict[tuple[str, int, str], float]
    training: dict[str, Any] | None
    environment: dict[str, str]
    file_name: str


def means(record: ProtocolStudy) -> Measured:
    """A record's means over its images, by combination."""
    images = record.images
    psnr = {
        (channel, shave): fmean(image.psnr[f"{channel}/{shave}"] for image in images)
        for channel, shave in product(CHANNELS, SHAVES)
    }
    ssim = {
        (channel, shave, window): fmean(image.ssim[f"{channel}/{shave}/{window}"] for image in images)
        for channel, shave, window in product(CHANNELS, SHAVES, WINDOWS)
    }
    return Measured(
        record.benchmark, record.key.model, len(images), psnr, ssim, record.training, record.environment,
        record.file_name,
    )  # fmt: skip


def current(results: Path) -> list[Measured]:
    """The recorded measurements of each method with today's shipped weights, in the order of sets and methods."""
    digests = {model: weights.shipped_digest(model, SCALE) for model in METHODS}  # None: bicubic, or not trained
    known = load(results)
    found = []
    for name, model in product((*BENCHMARKS, EMBEDDED), METHODS):
        wanted = (name, model, digests[model])
        record = newest(one for one in known if (one.benchmark, one.key.model, one.key.weights) == wanted)
        if record:
            found.append(means(record))
    return found


def expected_ssim(name: str, psnr: float) -> float:
    """Luma SSIM that published networks have on benchmark ``name`` at that PSNR on luma: a least-squares line."""
    own = ("SMSRN", "MSRN (as retrained in SMSRN paper)")
    rows = [row for row in paper.published() if row.model not in own and name in row.psnr and name in row.ssim]
    rows = [row for row in rows if row.psnr.get("Set5", 0) >= SSIM_FIT_FROM]
    slope, offset = np.polyfit([row.psnr[name] for row in rows], [row.ssim[name] for row in rows], 1)
    return float(slope * psnr + offset)


def paper_psnr_moves(name: str) -> float:
    """The paper's PSNR of MSRN on ``name`` less that of the same network as its authors publish it (luma), in dB."""
    return paper.table1().msrn.scores[name].psnr - paper.published_row(MSRN_ROW).psnr[name]


def paper_ssim_moves(name: str, model: str) -> float:
    """The paper's SSIM of ``model`` on ``name`` less the luma SSIM that published networks have at its PSNR."""
    score = paper.table1().columns[model].scores[name]
    return score.ssim - expected_ssim(name, score.psnr)


@dataclass(frozen=True)
class Candidate:
    """One combination: what it moves on each measured set by method, and how far that is from the paper's difference.

    ``distance``: root of the mean square over the measured sets and methods.
    """

    combination: tuple[str | int, ...]
    moves: dict[tuple[str, str], float]
    distance: float

    def mean(self, model: str) -> float | None:
        """What it moves for one method, mean over the sets."""
        values = [value for (_, method), value in self.moves.items() if method == model]
        return fmean(values) if values else None


def psnr_candidates(measured: Sequence[Measured]) -> list[Candidate]:
    """Every combination for PSNR, the one nearest to the paper first."""
    values = {(one.benchmark, one.model): one.psnr for one in measured}
    return _ranked(values, LITERATURE[:2], {(name, model): paper_psnr_moves(name) for name, model in values})


def ssim_candidates(measured: Sequence[Measured]) -> list[Candidate]:
    """Every combination for SSIM, the one nearest to the paper first. Bicubic is compared with the paper's MSRN."""
    values = {(one.benchmark, one.model): one.ssim for one in measured}
    wanted = {(name, model): paper_ssim_moves(name, "smsrn" if model == "smsrn" else "msrn") for name, model in values}
    return _ranked(values, LITERATURE, wanted)


def _ranked(
    values: Mapping[tuple[str, str], Mapping[Any, float]], reference: Any, wanted: Mapping[tuple[str, str], float]
) -> list[Candidate]:
    """By set and method: what each combination gives, and what it should move against the combination ``reference``."""
    found = []
    for combination in next(iter(values.values())):
        moves = {pair: by[combination] - by[reference] for pair, by in values.items()}
        distance = sqrt(fmean((moves[pair] - wanted[pair]) ** 2 for pair in moves))
        found.append(Candidate(combination, moves, distance))
    return sorted(found, key=lambda one: one.distance)


@dataclass(frozen=True)
class Ranking:
    """What the measurements on sets of the paper's table say: every combination, the nearest to the paper first."""

    models: tuple[str, ...]
    psnr: tuple[Candidate, ...]
    ssim: tuple[Candidate, ...]
    spread: Spread

    @property
    def fitting(self) -> list[str]:
        """Channels, whatever their rounding, with a combination as near as the nearest but for a repeated training."""
        limit = self.psnr[0].distance + self.spread.repeated
        kinds = {_kind(one.combination[0]) for one in self.psnr if one.distance <= limit}
        channels = dict.fromkeys(str(one.combination[0]) for one in self.psnr)
        return [channel for channel in channels if _kind(channel) in kinds]

    @property
    def excluded(self) -> dict[str, float]:
        """The other channels, with the distance of their nearest combination in dB."""
        return {
            channel: min(one.distance for one in self.psnr if one.combination[0] == channel)
            for channel in CHANNELS
            if channel not in self.fitting
        }

    @property
    def ssim_by_channel(self) -> list[Candidate]:
        """The nearest combination of each channel, the nearest channel first."""
        nearest = [next(one for one in self.ssim if one.combination[0] == channel) for channel in CHANNELS]
        return sorted(nearest, key=lambda one: one.distance)

    @property
    def other_window(self) -> Candidate:
        """The nearest combination for SSIM with the nearest channel and the other window."""
        channel, _, window = self.ssim[0].combination
        return next(one for one in self.ssim if one.combination[0] == channel and one.combination[2] != window)

    @property
    def literature(self) -> Candidate:
        """The literature's own protocol for SSIM."""
        return next(one for one in self.ssim if one.combination == LITERATURE)


def _kind(channel: str | int) -> str:
    """A channel without its rounding."""
    return ROUNDED.get(str(channel), str(channel))


def ranking(measured: Sequence[Measured], apart: Spread) -> Ranking | None:
    """Rank by the measurements that can be compared with the paper; None if there are none.

    ``apart``: how far trainings of one network end.
    """
    usable = [one for one in measured if one.benchmark in BENCHMARKS]
    if not usable:
        return None
    models = tuple(model for model in METHODS if any(one.model == model for one in usable))
    return Ranking(models, tuple(psnr_candidates(usable)), tuple(ssim_candidates(usable)), apart)


@dataclass(frozen=True)
class Difference:
    """How far the paper is from the literature on one set: PSNR of MSRN (dB), and by model SSIM and the usual SSIM."""

    benchmark: str
    psnr: float
    published: float
    ssim: dict[str, tuple[float, float]]


def differences() -> list[Difference]:
    """One for each set of the paper's table."""
    in_paper, repository = paper.table1(), paper.published_row(MSRN_ROW)
    found = []
    for name in BENCHMARKS:
        scores = {model: column.scores[name] for model, column in in_paper.columns.items()}
        ssim = {model: (score.ssim, expected_ssim(name, score.psnr)) for model, score in scores.items()}
        found.append(Difference(name, scores["msrn"].psnr, repository.psnr[name], ssim))
    return found


@dataclass(frozen=True)
class Protocols:
    """All that the page on protocols shows."""

    measured: tuple[Measured, ...]
    ranking: Ranking | None
    differences: tuple[Difference, ...]
    untrained: tuple[str, ...]


def protocols(results: Path) -> Protocols:
    """The facts, from the records in the results folder."""
    measured = tuple(current(results))
    untrained = tuple(model for model in METHODS if model != BICUBIC and not weights.shipped(model, SCALE))
    return Protocols(measured, ranking(measured, spread(results)), tuple(differences()), untrained)
