"""What recomputing a claim gives: values with the range that rounding leaves, a reason, a scope."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from sympy import Expr

from analysis.paper.printed import decimal, half_unit
from analysis.quality.calibration import Calibrated, calibrated
from analysis.quality.columns import Rows, collect
from analysis.quality.ladder import OTHER_PAIR, Rung, rungs
from analysis.quality.spread import Spread, spread
from replication import records
from replication.records import TrainingRun


@dataclass(frozen=True)
class Value:
    """A recomputed number: the best value, and the range that rounded inputs leave open (a point if there are none)."""

    best: Fraction
    low: Fraction
    high: Fraction


@dataclass(frozen=True)
class Formula:
    """A recomputed equation: derived as algebra, and counted for numbers ``(kernel, in_channels, out_channels)``."""

    derived: Expr
    counted: Callable[[int, int, int], int | Fraction]


Recomputed = Value | Formula | str


@dataclass(frozen=True)
class Finding:
    """What recomputing gave.

    ``scope``: how far it holds, if not as said. ``undecided``: nothing here can decide it. ``adopted``: nothing can
    decide it from outside, and the values are what the code here does.
    """

    values: Mapping[str, Recomputed]
    reason: str
    scope: str = ""
    undecided: bool = False
    adopted: bool = False


@dataclass(frozen=True)
class Sources:
    """What the functions recompute from, beyond the code: the records below ``results``."""

    results: Path

    @cached_property
    def rows(self) -> Rows:
        """The recorded measurements of each method, with its shipped weights, on each set."""
        return collect(self.results)

    @cached_property
    def calibrated(self) -> Calibrated:
        """Networks that others trained, measured here."""
        return calibrated(self.results)

    @cached_property
    def runs(self) -> list[TrainingRun]:
        """Every recorded training."""
        return records.load(self.results, TrainingRun)

    @cached_property
    def rungs(self) -> list[Rung]:
        """Pairs of trainings under equal conditions."""
        return rungs(self.results)

    @cached_property
    def other_rungs(self) -> list[Rung]:
        """The same of another network with and without separable convolutions."""
        return rungs(self.results, OTHER_PAIR)

    @cached_property
    def spread(self) -> Spread:
        """How far apart trainings of one network end."""
        return spread(self.results)


def exact(number: int | Fraction) -> Value:
    """A number that nothing was rounded for."""
    return Value(Fraction(number), Fraction(number), Fraction(number))


def rounded(printed: str) -> Value:
    """A printed number as an input: anything that rounds to it."""
    best, half = Fraction(decimal(printed)), half_unit(printed)
    return Value(best, best - half, best + half)


def mean(values: Sequence[Value]) -> Value:
    """Mean, best value and range."""
    parts = ([value.best for value in values], [value.low for value in values], [value.high for value in values])
    return Value(*(sum(part, Fraction(0)) / len(values) for part in parts))


def quotient(over: Value, under: Value) -> Value:
    """Quotient of two positive numbers, best value and range."""
    return Value(over.best / under.best, over.low / under.high, over.high / under.low)


def in_percent(value: Value) -> Value:
    """The same in percent."""
    return Value(100 * value.best, 100 * value.low, 100 * value.high)


def yes_or_no(condition: bool) -> str:
    """The word for it, as paper/claims.toml has it."""
    return "yes" if condition else "no"
