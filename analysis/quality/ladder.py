"""What separability costs at growing budgets: pairs of trainings that differ in the network alone.

A rung is one length of one recipe and one seed for which both networks are recorded (`replication.runs`) and measured
(`replication.evaluate`). Losses are the PSNR on luma (protocol `public_code`) of the network with standard convolutions
minus that of the separable one: of SMSRN against MSRN, and of another network, to see whether the step carries over.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from analysis.names import SCALE
from analysis.paper import BENCHMARKS
from analysis.quality.columns import AVERAGE, Rows
from analysis.text import in_words
from replication import history, recipe, records, weights
from replication.benchmark_training import forward_macs
from replication.records import Evaluation, Metric, TrainingRun, TrainingSpeed

PAIR, OTHER_PAIR = ("msrn", "smsrn"), ("edsr-baseline", "edsr-baseline-separable")
"""The networks of a rung: with standard convolutions, and separable."""
RESAMPLES = 10_000
COVERAGE = 0.95


@dataclass(frozen=True)
class Loss:
    """A mean difference in dB and the ends of its 95 % bootstrap interval over images."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} dB ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Member:
    """One network of a rung: its run, and its mean PSNR on luma by set, "Average" included where all are measured.

    ``measured``: the records of that, by set.
    """

    run: TrainingRun
    psnr: dict[str, float]
    measured: dict[str, Evaluation]

    @property
    def training_macs(self) -> int:
        """Multiply-adds of the run's forward passes, its trunk's included."""
        return training_macs(self.run, self.run.steps)


@dataclass(frozen=True)
class Rung:
    """Both networks of a pair after the same steps of the same recipe, and what the separable one loses by set."""

    steps: int
    seed: int
    share: float
    full: Member
    light: Member
    loss: dict[str, Loss]

    @property
    def setting(self) -> str:
        """That of both runs: see `setting`."""
        return setting(self.full.run)

    @property
    def validation(self) -> float | None:
        """What the separable network loses on the validation images, in dB; None where that is not known of both."""
        full, light = last_validation(self.full.run), last_validation(self.light.run)
        return None if full is None or light is None else full - light

    @property
    def length(self) -> str:
        """What rungs that differ in the seed alone have in common."""
        return length(self.steps, self.setting)

    @property
    def name(self) -> str:
        """What the pair is called."""
        return f"{self.steps:,} steps, seed {self.seed}, {self.setting}"


def bootstrap(differences: Mapping[str, Sequence[float]]) -> Loss:
    """Mean of the sets' means of per-image ``differences``, with its interval; images are drawn anew within each.

    ``differences``: two or more a set. Plain percentiles would be too narrow where a set has few images (Set5: 84 % in
    place of 95 %), so this is the expanded percentile interval (T. Hesterberg, What Teachers Should Know about the
    Bootstrap, 2015): the resampled means have the spread of an unbiased variance, and the percentiles are those where
    Student's t of the sets' degrees of freedom (Welch and Satterthwaite's) has its tails.
    """
    random = np.random.default_rng(0)
    arrays = [np.asarray(values, dtype=float) for values in differences.values()]
    means = []
    for array in arrays:
        drawn = array[random.integers(len(array), size=(RESAMPLES, len(array)))].mean(axis=1)
        means.append(array.mean() + (drawn - array.mean()) * np.sqrt(len(array) / (len(array) - 1)))
    tail = scipy.stats.norm.cdf(scipy.stats.t.ppf((1 - COVERAGE) / 2, degrees_of_freedom(arrays)))
    low, high = np.quantile(np.mean(means, axis=0), [tail, 1 - tail])
    return Loss(fmean(fmean(values) for values in differences.values()), float(low), float(high))


def degrees_of_freedom(arrays: Sequence[NDArray[np.float64]]) -> float:
    """Welch and Satterthwaite's, of the mean of several sets' means; infinite where nothing varies."""
    variances = [array.var(ddof=1) / len(array) for array in arrays]
    parts = sum(variance**2 / (len(array) - 1) for variance, array in zip(variances, arrays, strict=True))
    return float(sum(variances) ** 2 / parts) if parts else np.inf


def lost(rows: Rows, name: str, metric: Metric) -> Loss | None:
    """What SMSRN loses against MSRN by recorded measurements on a set or on average; None where one is missing."""
    found = {}
    for one in BENCHMARKS if name == AVERAGE else (name,):
        msrn, smsrn = (rows[one, model].record for model in PAIR)
        if msrn is None or smsrn is None:
            return None
        found[one] = differences(msrn, smsrn, metric)
    return bootstrap(found)


def differences(full: Evaluation, light: Evaluation, metric: Metric) -> list[float]:
    """By how much each image of a set is better in ``full`` than in ``light``."""
    return [getattr(a, metric) - getattr(b, metric) for a, b in zip(full.images, light.images, strict=True)]


def finished_runs(results: Path, known: Sequence[Evaluation]) -> list[TrainingRun]:
    """The recorded runs at `SCALE` that reached their last step, none of which began with another network's weights.

    Of runs that repeat one another there is one, if possible one of those that ``known`` measures.
    """
    runs = records.load(results, TrainingRun)
    found = [run for run in runs if run.step == run.steps and run.scale == SCALE and run.begins_at_random]
    measured_last = sorted(found, key=lambda run: bool(_evaluations(run, known)))
    return list({(run.model, *condition(run)): run for run in measured_last}.values())


def last_validation(run: TrainingRun) -> float | None:
    """The last validation PSNR in dB; None where none was taken."""
    return next((score for one in reversed(run.log) if (score := one.get("validation_psnr")) is not None), None)


def training_macs(run: TrainingRun, steps: int) -> int:
    """Multiply-adds of so many steps' forward passes."""
    values = (run.recipe[name] for name in ("batch_size", "hr_patch", "fold_upsampler"))
    return steps * forward_macs(run.model, run.scale, *values)


def condition(run: TrainingRun) -> tuple[object, ...]:
    """What must be the same for the two networks of a rung."""
    before = (tuple(one.items()) for one in history.conditions(run.earlier))
    return (run.recipe_digest, run.seed, run.data, run.precision, *before)


def rungs(results: Path, pair: tuple[str, str] = PAIR) -> list[Rung]:
    """All rungs of a pair that are recorded and measured on at least one set, by images, steps and seed."""
    known = records.load_all(results)
    partners: dict[tuple[object, ...], dict[str, TrainingRun]] = {}
    for run in finished_runs(results, known):
        if run.model in pair:
            partners.setdefault(condition(run), {})[run.model] = run
    found = [_rung(runs[pair[0]], runs[pair[1]], known) for runs in partners.values() if len(runs) == len(pair)]
    return sorted((rung for rung in found if rung), key=lambda rung: (rung.setting, rung.steps, rung.seed))


def image_folders(run: TrainingRun) -> str:
    """The folders that a run was trained on, in words; a folder's name may have spaces."""
    return in_words(re.split(r" and \d+ images of ", re.sub(r"^\d+ images of ", "", run.data)))


def changes(run: TrainingRun) -> dict[str, Any]:
    """What a run's recipe has otherwise than the nearest of the shipped recipes today, length and logging aside."""
    found = [recipe.differing(run.recipe, name) for name in recipe.names()]
    return {key: value for key, value in min(found, key=len).items() if key not in ("steps", "steps_per_epoch")}


def by_todays_recipe(run: TrainingRun) -> bool:
    """Whether a shipped recipe makes the run today, from the start; of any length."""
    return not changes(run) and not run.earlier


def setting(run: TrainingRun) -> str:
    """The folders that a run was trained on, and what its recipe has otherwise than today's, or its digest if much.

    "restarted" where it began with the weights of earlier trainings, whatever their lengths.
    """
    words = {"matrix_rate": "SOAP's rate", "learning_rate": "Adam's rate"}
    changed = [
        f"scaled to {min(value)} to {max(value)}" if key == "scaling" else f"{words.get(key, key)} {value}"
        for key, value in changes(run).items()
    ]
    if len(changed) > 2:
        changed = [f"recipe {run.recipe_digest[:8]}"]
    return ", ".join([image_folders(run), *changed, *(["restarted"] if run.earlier else [])])


def length(steps: int, setting: str) -> str:
    """How long a run was trained, and in which setting."""
    return f"{steps:,} steps, {setting}"


def _rung(full: TrainingRun, light: TrainingRun, known: Sequence[Evaluation]) -> Rung | None:
    one, other = member(full, known), member(light, known)
    found = {
        name: differences(one.measured[name], other.measured[name], "psnr_public_code")
        for name in one.measured
        if name in other.measured
    }
    if not found:
        return None
    loss = {name: bootstrap({name: values}) for name, values in found.items()}
    if len(found) == len(BENCHMARKS):
        loss[AVERAGE] = bootstrap(found)
    return Rung(full.steps, full.seed, full.paper_fraction, one, other, loss)


def member(run: TrainingRun, known: Sequence[Evaluation]) -> Member:
    """A run with what is measured of its final weights."""
    measured = _evaluations(run, known)
    psnr = {name: record.mean("psnr_public_code") for name, record in measured.items()}
    if len(psnr) == len(BENCHMARKS):
        psnr[AVERAGE] = fmean(psnr.values())
    return Member(run, psnr, measured)


def _evaluations(run: TrainingRun, known: Sequence[Evaluation]) -> dict[str, Evaluation]:
    """By set, the measurement of the run's final weights or of the same weights as they ship."""
    digests = [run.weights[name] for name in ("final", "shipped") if name in run.weights]
    return {
        name: record
        for name in BENCHMARKS
        for digest in digests
        if (record := records.find(known, benchmark=name, model=run.model, scale=run.scale, weights=digest))
    }


def of_one_network(results: Path, model: str) -> list[Member]:
    """Every finished and measured run of a network, by steps: the rungs that have no partner included."""
    known = records.load_all(results)
    members = [member(run, known) for run in finished_runs(results, known) if run.model == model]
    return sorted((one for one in members if one.psnr), key=lambda one: (one.run.steps, one.run.seed))


@dataclass(frozen=True)
class Seeds:
    """Runs of one network that differ in the seed alone: number, and largest minus smallest PSNR in dB.

    ``validation``: on the held-out crops; ``average``: on the four benchmarks, None where fewer than two are measured.
    """

    model: str
    steps: int
    setting: str
    count: int
    validation: float
    average: float | None


def seeds(results: Path) -> list[Seeds]:
    """How far runs lie apart that differ in the seed alone; restarted ones may share a training, and are left out."""
    known, groups = records.load_all(results), dict[tuple[object, ...], list[TrainingRun]]()
    for run in finished_runs(results, known):
        if not run.earlier:
            groups.setdefault((run.model, run.steps, setting(run), run.recipe_digest, run.precision), []).append(run)
    found = []
    for runs in groups.values():
        validation = [score for run in runs if (score := last_validation(run)) is not None]
        averages = [psnr[AVERAGE] for run in runs if AVERAGE in (psnr := member(run, known).psnr)]
        if len(validation) > 1:
            spread = max(averages) - min(averages) if len(averages) > 1 else None
            apart, one = max(validation) - min(validation), runs[0]
            found.append(Seeds(one.model, one.steps, setting(one), len(runs), apart, spread))
    return sorted(found, key=lambda one: (one.setting, one.steps, one.model))


@dataclass(frozen=True)
class SeedLoss:
    """What the separable network loses after the same steps, over several seeds: the mean of the pairs' losses by set.

    The interval, of 95 % by Student's t, is that of the mean over all seeds; the test images are the same throughout.
    ``rungs``: the pairs, which differ in the seed alone.
    """

    rungs: tuple[Rung, ...]
    loss: dict[str, Loss]

    @property
    def first(self) -> Rung:
        """One of the pairs, for what they have in common."""
        return self.rungs[0]

    @property
    def seeds(self) -> str:
        """The seeds, as a list."""
        return ", ".join(str(rung.seed) for rung in self.rungs)

    @property
    def deviation(self) -> float:
        """Standard deviation of the average loss over the seeds, in dB."""
        return stdev(rung.loss[AVERAGE].mean for rung in self.rungs)


FEWEST_SEEDS = 3
"""Of fewer the interval of a mean is so wide that it says nothing."""


def over_seeds(found: Sequence[Rung]) -> list[SeedLoss]:
    """Losses of ``found`` joined over the seeds, where there are `FEWEST_SEEDS` of the same setting and steps.

    A seed counts once, however often it was trained. Restarted pairs are left out: several may share a training, and
    are no draws of their own.
    """
    groups: dict[tuple[str, str], dict[int, Rung]] = {}
    for rung in found:
        if AVERAGE in rung.loss and not rung.full.run.earlier:
            groups.setdefault((rung.length, rung.full.run.precision), {}).setdefault(rung.seed, rung)
    return [
        SeedLoss(
            tuple(same.values()),
            {name: mean_of_seeds([rung.loss[name].mean for rung in same.values()]) for name in (*BENCHMARKS, AVERAGE)},
        )
        for same in groups.values()
        if len(same) >= FEWEST_SEEDS
    ]


def headline(found: Sequence[Rung]) -> Rung | None:
    """The pair to be named first, of those measured on all sets.

    That whose weights ship, else the longest by today's recipe, else the longest.
    """
    measured, shipped = [rung for rung in found if AVERAGE in rung.loss], set(weights.shipped_digests().values())

    def rank(rung: Rung) -> tuple[bool, bool, int]:
        ships = all(shipped & set(one.run.weights.values()) for one in (rung.full, rung.light))
        return ships, by_todays_recipe(rung.full.run), rung.steps

    return max(measured, key=rank, default=None)


def mean_of_seeds(losses: Sequence[float]) -> Loss:
    """Mean of two or more seeds' losses, with the interval of Student's t for it."""
    mean = fmean(losses)
    half = float(scipy.stats.t.ppf((1 + COVERAGE) / 2, len(losses) - 1) * stdev(losses) / len(losses) ** 0.5)
    return Loss(mean, mean - half, mean + half)


def best_within(members: Sequence[Member], name: str, *, steps: float = np.inf, macs: float = np.inf) -> Member | None:
    """The one with the highest PSNR on set ``name`` that took at most so many steps and multiply-adds."""
    fitting = [one for one in members if name in one.psnr and one.run.steps <= steps and one.training_macs <= macs]
    return max(fitting, key=lambda one: one.psnr[name], default=None)


def step_ratios(results: Path) -> dict[str, tuple[float, float]]:
    """How many steps of SMSRN take as long as one of MSRN, by machine: least and most of the recorded benchmarks.

    Of its last two variants, steps by the whole recipe without and with the loading of images, which is the same work
    for both networks: that their ratios differ is the noise of the machine.
    """
    found: dict[str, list[float]] = {}
    for record in records.load(results, TrainingSpeed):
        seconds = {network: [one.median for one in record.steps if one.network == network][-2:] for network in PAIR}
        ratios = [full / light for full, light in zip(*seconds.values(), strict=True)]
        found.setdefault(record.environment["machine"], []).extend(ratios)
    return {machine: (min(ratios), max(ratios)) for machine, ratios in found.items()}
