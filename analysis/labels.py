"""Placing labels next to points so that nothing overlaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OVER_MARKER = 25.0
"""What it costs a label's line to run over another marker or line, in points (1/72 inch) of distance."""

ROUNDS = 30
"""How many arrangements of labels are tried."""


def place_labels(axes: Axes, labels: Sequence[Text], radii: Sequence[float]) -> None:
    """Move each label next to the point where it was created, clear of every label, marker, line and the legend.

    ``labels``: texts created at their points' data coordinates, the most important first; ``radii``: what to keep
    free around each point, in points (1/72 inch). Each label in turn gets the nearest free place around its point, and
    a thin line to it from further away. This is repeated with the label that fared worst moved to the front of the
    queue, and the best arrangement is kept: the same on every run. Raises RuntimeError when the labels do not fit.
    """
    figure = axes.figure
    assert isinstance(figure, Figure)
    for label in labels:
        label.set_in_layout(False)
    figure.draw_without_rendering()  # lays the figure out; then nothing may move, or the labels would not fit
    figure.set_layout_engine("none")
    pixel = figure.dpi / 72
    legend = axes.get_legend()
    room = _Room(
        area=np.array(axes.get_window_extent().extents),
        legend=np.array(legend.get_window_extent().extents) if legend else np.zeros(4),
        anchors=np.array([axes.transData.transform(label.get_position()) for label in labels]),
        sizes=np.array([label.get_window_extent().size for label in labels]) + pixel / 2,
        radii=np.array(radii) * pixel,
        pixel=pixel,
    )
    to_data = axes.transData.inverted()
    for label, place in zip(labels, _all_placed(room), strict=True):
        centre = to_data.transform((place.box[:2] + place.box[2:]) / 2)
        label.set(position=centre, horizontalalignment="center", verticalalignment="center")
        if len(place.line):
            ends = to_data.transform(place.line[[0, -1]])
            axes.plot(ends[:, 0], ends[:, 1], color="#8a8a8a", linewidth=0.3, zorder=2, scalex=False, scaley=False)


@dataclass(frozen=True)
class _Room:
    """Where labels can go, all in pixels: boxes are (x0, y0, x1, y1); one row of each array per label."""

    area: Floats
    legend: Floats
    anchors: Floats
    sizes: Floats
    radii: Floats
    pixel: float

    @property
    def markers(self) -> Floats:
        return np.hstack([self.anchors - self.radii[:, None], self.anchors + self.radii[:, None]])


@dataclass(frozen=True)
class _Place:
    """A label's box, points along the line that ties it to its point (none when it is close), and how bad that is."""

    box: Floats
    line: Floats
    cost: float


def _all_placed(room: _Room) -> list[_Place]:
    """A place for every label; see `place_labels`."""
    queue = list(range(len(room.anchors)))
    best: dict[int, _Place] | None = None
    for _ in range(ROUNDS):
        placed: dict[int, _Place] = {}
        for index in queue:
            place = _nearest(room, index, placed)
            if place is None:
                worst = index
                break
            placed[index] = place
        else:
            if best is None or _total(placed) < _total(best):
                best = placed
            worst = max(queue, key=lambda index: placed[index].cost)
        queue.remove(worst)
        queue.insert(0, worst)
    if best is None:
        raise RuntimeError("the labels do not fit: make the figure larger, or the labels smaller or fewer")
    return [best[index] for index in range(len(queue))]


def _total(placed: Mapping[int, _Place]) -> float:
    """What an arrangement costs: squares, so that one long line is worse than several short ones."""
    return sum(place.cost**2 for place in placed.values())


def _nearest(room: _Room, index: int, placed: Mapping[int, _Place]) -> _Place | None:
    """The best free place for a label: the nearest, where a line that runs over markers or lines counts as longer."""
    anchor, size, radius, pixel = room.anchors[index], room.sizes[index], room.radii[index], room.pixel
    labels = np.array([room.legend, *(place.box for place in placed.values())])
    lines = np.vstack([np.empty((0, 2)), *(place.line for place in placed.values())])
    distances, angles = np.meshgrid(np.arange(radius, radius + 60 * pixel, pixel), np.radians(np.arange(0, 360, 15)))
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    centres = (anchor + directions * (distances[..., None] + size / 2)).reshape(-1, 2)
    boxes = np.hstack([centres - size / 2, centres + size / 2])
    free = (boxes[:, :2] >= room.area[:2]).all(axis=1) & (boxes[:, 2:] <= room.area[2:]).all(axis=1)
    free &= ~_overlap(boxes, np.vstack([labels, room.markers])).any(axis=1)

    best: _Place | None = None
    reach = distances.ravel()
    for candidate in sorted(np.flatnonzero(free), key=lambda candidate: float(reach[candidate])):
        box, distance = boxes[candidate], float(reach[candidate])
        if best and distance >= best.cost:
            break
        line = np.linspace(anchor, np.clip(anchor, box[:2], box[2:]), int(2 * distance / pixel) + 2)
        if _inside(line, labels).any() or _inside(lines, box[None]).any():
            continue
        passed = int(_inside(line, room.markers).any(axis=0).sum()) - 1  # its own marker does not count
        passed += int((np.abs(line[:, None] - lines[None]) < pixel / 3).all(axis=2).any())
        cost = distance + OVER_MARKER * pixel * passed
        if best is None or cost < best.cost:
            close = distance <= radius + 2 * pixel and not passed
            best = _Place(box, np.empty((0, 2)) if close else line, cost)
    return best


def _overlap(boxes: Floats, others: Floats) -> NDArray[np.bool_]:
    """(N, 4) and (M, 4) boxes -> (N, M): which overlap."""
    apart = boxes[:, None, :2] >= others[None, :, 2:]
    apart |= boxes[:, None, 2:] <= others[None, :, :2]
    return np.asarray(~apart.any(axis=2))


def _inside(points: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """(N, 2) points and (M, 4) boxes -> (N, M): which point lies in which box."""
    inside = (points[:, None] >= boxes[None, :, :2]) & (points[:, None] <= boxes[None, :, 2:])
    return np.asarray(inside.all(axis=2))


def overlaps(labels: Sequence[Text]) -> list[tuple[str, str]]:
    """Pairs of labels of a drawn figure that overlap: for tests, and for whoever changes a figure."""
    boxes = [label.get_window_extent() for label in labels]
    pairs = [(a, b) for a in range(len(boxes)) for b in range(a)]
    return [(labels[a].get_text(), labels[b].get_text()) for a, b in pairs if boxes[a].overlaps(boxes[b])]
