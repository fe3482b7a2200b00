"""Charts as marks with places in percent of a frame: the page draws them in HTML, so that their text keeps its size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

NOMINAL = (760, 430)
"""Width and height in pixels for which labels are placed."""
CHARACTER, LINE, ROOM = 6.3, 15, 7
"""About the width of a letter and the height of a line of a label, and the room that a mark takes, in pixels."""


@dataclass(frozen=True)
class Axis:
    """An axis: its title, its ends, and whether it is logarithmic."""

    title: str
    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """The place of a value in percent of the axis."""
        low, high, value = (math.log10(one) if self.log else one for one in (self.low, self.high, value))
        return round(100 * (value - low) / (high - low), 2)

    def ticks(self) -> list[tuple[float, str]]:
        """Places in percent, and what stands there: four to nine round values."""
        return [(self.at(value), short(value)) for value in (self._logarithmic() if self.log else self._linear())]

    def _logarithmic(self) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1,) if self.high / self.low > 1e3 else (1, 2, 5)
        values = (step * 10.0**decade for decade in decades for step in steps)
        return [value for value in values if self.low <= value <= self.high]

    def _linear(self) -> list[float]:
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough)
        first = math.ceil(self.low / step)
        return [round(step * number, 10) for number in range(first, math.floor(self.high / step) + 1)]


def short(value: float) -> str:
    """A number of an axis: 10 k, 2.5 M."""
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def around(values: Sequence[float], title: str, *, log: bool = False, room: float = 0.06) -> Axis:
    """An axis that holds all ``values`` with some room at both ends. Raises ValueError without values."""
    low, high = min(values), max(values)
    if log:
        factor = (high / low) ** room if high > low else 2
        return Axis(title, low / factor, high * factor, log=True)
    margin = (high - low) * room or 0.5
    return Axis(title, low - margin, high + margin)


@dataclass(frozen=True)
class Mark:
    """One point: its values, what kind it is (a class of the style sheet), its name, and what is said of it.

    ``low`` and ``high``: the ends of an interval of y. ``data``: what filters look at. ``label``: the name stands on
    the chart where there is room; ``records``: paths of records.
    """

    x: float
    y: float
    kind: str
    name: str
    text: str
    label: bool = True
    low: float | None = None
    high: float | None = None
    data: dict[str, str] = field(default_factory=dict)
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve:
    """A line through points, with its kind and its name, which stands at its end where it is ``named``."""

    points: tuple[tuple[float, float], ...]
    kind: str
    name: str
    named: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart: axes, curves and marks, the most important marks first; ``key`` names it in a switch."""

    key: str
    title: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...] = ()
    curves: tuple[Curve, ...] = ()

    def places(self) -> list[str]:
        """For each mark the side on which its label stands, or "" where it has none: no two labels overlap."""
        width, height = NOMINAL
        taken = [
            _box(self.x.at(mark.x) / 100 * width, self.y.at(mark.y) / 100 * height, ROOM, ROOM) for mark in self.marks
        ]
        sides = []
        for index, mark in enumerate(self.marks):
            x, y = self.x.at(mark.x) / 100 * width, self.y.at(mark.y) / 100 * height
            side, box = "", None
            for name, dx, dy in (("right", 1, 0), ("left", -1, 0), ("above", 0, 1), ("below", 0, -1)):
                wide = len(mark.name) * CHARACTER
                trial = _box(x + dx * (wide / 2 + ROOM + 2), y + dy * (LINE / 2 + ROOM), wide, LINE)
                inside = trial[0] > 0 and trial[2] < width and trial[1] > 0 and trial[3] < height
                others = taken[:index] + taken[index + 1 :]
                if mark.label and inside and not any(_overlap(trial, other) for other in others):
                    side, box = name, trial
                    break
            if box:
                taken.append(box)
            sides.append(side)
        return sides

    def path(self, curve: Curve) -> str:
        """A curve in a square of 100 x 100 whose y grows downwards, as an SVG path."""
        points = [f"{self.x.at(x)},{round(100 - self.y.at(y), 2)}" for x, y in curve.points]
        return "M" + " L".join(points)


Box = tuple[float, float, float, float]


def _box(x: float, y: float, width: float, height: float) -> Box:
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
