"""Charts as marks with places in percent of a frame: the page draws them in HTML, so that their text keeps its size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

WIDE, HALF = (760, 430), (430, 300)
"""Width and height in pixels for which labels are placed: a chart of its own, and one of two side by side."""
CHARACTER, LINE, ROOM = 6.3, 15, 7
"""About the width of a letter and the height of a line of a label, and the room that a mark takes, in pixels."""
STEP = 5
"""Pixels between the points of a curve that a label keeps clear of."""
SIDES = {
    "right": (1, 0), "left": (-1, 0), "above-right": (1, 1), "below-right": (1, -1), "above": (0, 1), "below": (0, -1),
}  # fmt: skip
"""Where a label may stand beside its mark, the best first: to the right or left, and above or below."""

Box = tuple[float, float, float, float]
"""Left, bottom, right and top in pixels."""


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
    the chart where there is room; ``hollow``: drawn as an outline; ``records``: paths of records.
    """

    x: float
    y: float
    kind: str
    name: str
    text: str
    label: bool = True
    hollow: bool = False
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
    """A chart: axes, curves and marks, the most important marks first; ``key`` names it in a switch.

    ``size``: in pixels, as `WIDE`.
    """

    key: str
    title: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...] = ()
    curves: tuple[Curve, ...] = ()
    size: tuple[int, int] = WIDE

    def places(self) -> list[str]:
        """For each mark its label's place of `SIDES`, or "" for none: no label covers a label, a mark or a curve."""
        marks = [_box(*self._pixel(mark.x, mark.y), ROOM, ROOM) for mark in self.marks]
        taken = [box for curve in self.curves for box in self._along(curve)]
        sides = []
        for index, mark in enumerate(self.marks):
            free = self._free(mark, [*marks[:index], *marks[index + 1 :], *taken]) if mark.label else {}
            side = next(iter(free), "")
            if side:
                taken.append(free[side])
            sides.append(side)
        return sides

    def _free(self, mark: Mark, taken: Sequence[Box]) -> dict[str, Box]:
        """The places where a mark's label would be inside the chart and cover nothing."""
        x, y = self._pixel(mark.x, mark.y)
        wide = len(mark.name) * CHARACTER
        found = {}
        for side, (right, up) in SIDES.items():
            beside = wide / 2 if up else wide / 2 + ROOM + 2
            box = _box(x + right * beside, y + up * (LINE / 2 + ROOM), wide, LINE)
            inside = box[0] > 0 and box[2] < self.size[0] and box[1] > 0 and box[3] < self.size[1]
            if inside and not any(_overlap(box, other) for other in taken):
                found[side] = box
        return found

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        return self.x.at(x) / 100 * self.size[0], self.y.at(y) / 100 * self.size[1]

    def _along(self, curve: Curve) -> list[Box]:
        """Small boxes along a curve."""
        boxes = []
        for (x, y), (to_x, to_y) in pairwise(self._pixel(*point) for point in curve.points):
            count = max(1, round(math.hypot(to_x - x, to_y - y) / STEP))
            shares = (number / count for number in range(count + 1))
            boxes += [_box(x + share * (to_x - x), y + share * (to_y - y), 2, 2) for share in shares]
        return boxes

    def path(self, curve: Curve) -> str:
        """A curve in a square of 100 x 100 whose y grows downwards, as an SVG path."""
        points = [f"{self.x.at(x)},{round(100 - self.y.at(y), 2)}" for x, y in curve.points]
        return "M" + " L".join(points)


def _box(x: float, y: float, width: float, height: float) -> Box:
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
