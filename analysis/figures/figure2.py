"""Figure 2: standard convolution against depth-wise and point-wise convolution, to the equations' dimensions.

Everything is drawn to scale from five numbers, one small cube per value. What equations 1-3 count, the multiply-adds
per output position, is then the number of cubes in the filters of each panel: the reader can count it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from analysis import style
from analysis.cost import equations
from analysis.text import percent

DEPTH = 0.42
"""Length of the edges that lead away from the reader, relative to the others."""
INPUT, OUTPUT = ("#dfe5ea", "#5d6b78"), ("#fbe3d6", "#c1440e")
"""First and last channel's colour; channels between have colours between."""
GAP = 0.8  # between filters
LINE = 1.75  # of text, in cubes


@dataclass(frozen=True)
class Sizes:
    """The equations' symbols: D and N channels, a map of W x W (the paper takes H = W), kernels of W_k x W_k."""

    D: int = 4
    N: int = 6
    W: int = 7
    W_k: int = 3


@dataclass(frozen=True)
class Box:
    """``width`` x ``height`` x ``depth`` cubes; one colour for each position along the depth."""

    width: int
    height: int
    colors: Sequence[str]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the drawing."""
        return self.width + DEPTH * len(self.colors), self.height + DEPTH * len(self.colors)


@dataclass(frozen=True)
class Panel:
    """One convolution: its input, its filters and its output, and the equation that counts its cost."""

    title: str
    source: Box
    filters: tuple[Box, ...]
    target: Box
    depths: tuple[str, str, str]
    equation: str
    cost: int

    @property
    def columns(self) -> int:
        """Filters side by side, in two rows."""
        return -(-len(self.filters) // 2)

    @property
    def grid(self) -> tuple[float, float]:
        """Width and height of the two rows of filters."""
        width, height = self.filters[0].size
        return self.columns * (width + GAP) - GAP, 2 * height + GAP


def ramp(ends: tuple[str, str], count: int) -> list[str]:
    """``count`` colours from the first to the second end."""
    first, last = (to_rgb(end) for end in ends)
    shares = [index / max(count - 1, 1) for index in range(count)]
    mixed = [[a + (b - a) * share for a, b in zip(first, last, strict=True)] for share in shares]
    return ["#" + "".join(f"{round(255 * value):02x}" for value in color) for color in mixed]


def panels(sizes: Sizes) -> tuple[Panel, Panel, Panel]:
    """The paper's (a), (b) and (c) for these sizes; the costs are those of equations 1, 2 and 3."""
    D, N, W, k = sizes.D, sizes.N, sizes.W, sizes.W_k  # noqa: N806 (the paper's symbols)
    channels, outputs = ramp(INPUT, D), ramp(OUTPUT, N)
    before, after = Box(W, W, channels), Box(W, W, outputs)
    standard = Panel(
        r"(a) standard: $N$ filters of $W_k \times W_k \times D$",
        before,
        tuple(Box(k, k, channels) for _ in range(N)),
        after,
        ("$D$", "$D$", "$N$"),
        rf"eq. 1:  $W_k^2 \cdot D \cdot N = {k}^2 \cdot {D} \cdot {N}$",
        equations.standard(k, D, N),
    )
    depthwise = Panel(
        r"(b) depth-wise: $D$ filters of $W_k \times W_k$, one per channel",
        before,
        tuple(Box(k, k, [color]) for color in channels),
        before,
        ("$D$", "", "$D$"),
        rf"eq. 2:  $W_k^2 \cdot D = {k}^2 \cdot {D}$",
        equations.depthwise(k, D),
    )
    pointwise = Panel(
        r"(c) point-wise: $N$ filters of $1 \times 1 \times D$",
        before,
        tuple(Box(1, 1, channels) for _ in range(N)),
        after,
        ("$D$", "$D$", "$N$"),
        rf"eq. 3:  $D \cdot N = {D} \cdot {N}$",
        equations.pointwise(D, N),
    )
    return standard, depthwise, pointwise


def draw_box(axes: Axes, box: Box, left: float, bottom: float, name: str) -> None:
    """The visible faces of a box whose front lower left corner is at (left, bottom); ``name`` identifies it."""
    depth = len(box.colors)

    def point(x: float, y: float, z: float) -> tuple[float, float]:
        return left + x + DEPTH * z, bottom + y + DEPTH * z

    faces, colors = [], []
    for x in range(box.width):
        for y in range(box.height):
            faces.append([point(x + dx, y + dy, 0) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))])
            colors.append(box.colors[0])
    for z in range(depth):
        for x in range(box.width):
            faces.append([point(x + dx, box.height, z + dz) for dx, dz in ((0, 0), (1, 0), (1, 1), (0, 1))])
            colors.append(box.colors[z])
        for y in range(box.height):
            faces.append([point(box.width, y + dy, z + dz) for dy, dz in ((0, 0), (1, 0), (1, 1), (0, 1))])
            colors.append(box.colors[z])
    cubes = PolyCollection(faces, facecolors=colors, edgecolors=style.EDGE, linewidths=0.25, joinstyle="round")
    cubes.set_gid(f"{name} {box.width}x{box.height}x{depth}")
    axes.add_collection(cubes)


def draw_panel(axes: Axes, panel: Panel, top: float, total: float) -> float:
    """Draw a panel below ``top``, centred in a figure that is ``total`` cubes wide; return where it ends."""
    axes.text(0, top, panel.title, weight="bold", va="top")
    width, height = panel.filters[0].size
    grid_width, grid_height = panel.grid
    tall = max(panel.source.size[1], panel.target.size[1], grid_height)
    middle = top - 1.5 * LINE - tall / 2
    bottom = middle - tall / 2

    left = 1.6  # room for the letter H
    draw_box(axes, panel.source, left, middle - panel.source.size[1] / 2, "map")
    label_sizes(axes, panel.source, left, middle - panel.source.size[1] / 2, ("$W$", "$H$", panel.depths[0]))
    right = total - panel.target.size[0] - 0.6
    draw_box(axes, panel.target, right, middle - panel.target.size[1] / 2, "map")
    label_sizes(axes, panel.target, right, middle - panel.target.size[1] / 2, ("$W$", "", panel.depths[2]))

    start, end = left + panel.source.size[0], right
    first = (start + end - grid_width) / 2
    for index, one in enumerate(panel.filters):
        row, column = divmod(index, panel.columns)
        x, y = first + column * (width + GAP), middle + grid_height / 2 - row * (height + GAP) - height
        draw_box(axes, one, x, y, "filter")
        if index == panel.columns:  # the first of the lower row
            label_sizes(axes, one, x, y, ("$W_k$" if one.width > 1 else "$1$", "", panel.depths[1]))
    axes.text((start + first) / 2, middle, r"$\ast$", ha="center", va="center", size=9)
    axes.text((first + grid_width + end) / 2, middle, r"$\rightarrow$", ha="center", va="center", size=9)
    axes.text(total / 2, bottom - LINE, f"{panel.equation} = {panel.cost}", ha="center", va="top")
    return bottom - 2 * LINE - 1.2


def label_sizes(axes: Axes, box: Box, left: float, bottom: float, labels: tuple[str, str, str]) -> None:
    """Write the width below a box, the height on its left and the depth along its lower right edge."""
    width, height, depth = labels
    axes.text(left + box.width / 2, bottom - 0.15, width, ha="center", va="top", size=6)
    axes.text(left - 0.25, bottom + box.height / 2, height, ha="right", va="center", size=6)
    reach = DEPTH * len(box.colors) / 2
    axes.text(left + box.width + reach + 0.25, bottom + reach - 0.1, depth, ha="left", va="top", size=6)


def conclusion(sizes: Sizes) -> list[str]:
    """Equations 4 and 5 for the drawing, and for the layer of MSRN that the paper takes as its example."""
    D, N, k = sizes.D, sizes.N, sizes.W_k  # noqa: N806 (the paper's symbols)
    channels = equations.PRINTED_CHANNELS
    kernel = equations.KERNELS[0]
    before = equations.standard(kernel, channels, channels)
    after = equations.separable(kernel, channels, channels)
    return [
        rf"eq. 4, (b) and (c):  $D \cdot (W_k^2 + N) = {D} \cdot ({k}^2 + {N})$ = {equations.separable(k, D, N)}",
        rf"eq. 5:  $1/N + 1/W_k^2 = 1/{N} + 1/{k}^2$ = {percent(equations.ratio(k, N))} of (a)",
        rf"in MSRN, $W_k$ = {kernel}, $D$ = $N$ = {channels}:  {before:,} become {after:,},"
        f" {percent(equations.ratio(kernel, channels))}",
    ]


def draw(sizes: Sizes | None = None) -> Figure:
    """The figure; call it, and save the figure, inside `style.settings`."""
    sizes = sizes or Sizes()
    three = panels(sizes)
    filters = max(panel.grid[0] for panel in three)
    total = 1.6 + three[0].source.size[0] + 3.6 + filters + 3.6 + three[0].target.size[0] + 0.6
    scratch = style.new_figure().add_subplot()  # the height is known once everything has been drawn
    height = -_draw_all(scratch, three, sizes, total)
    figure = style.new_figure(height=style.COLUMN * height / total)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.5, total + 0.5), ylim=(-height, 0.5), aspect="equal")
    axes.set_axis_off()
    _draw_all(axes, three, sizes, total)
    return figure


def _draw_all(axes: Axes, three: Sequence[Panel], sizes: Sizes, total: float) -> float:
    top = 0.0
    for panel in three:
        top = draw_panel(axes, panel, top, total)
    axes.plot([0, total], [top + 0.5, top + 0.5], color=style.EDGE, linewidth=0.4)
    top -= 0.3
    for line in conclusion(sizes):
        axes.text(0, top, line, va="top")
        top -= 1.1 * LINE  # subscripts hang low
    axes.text(0, top, "Cost: multiply-adds per output position = cubes in the filters.", va="top", size=6)
    return top - LINE


def write(results: Path) -> list[Path]:
    """Write figure2.png, figure2.svg and figure2.pdf below ``<results>/figures``; return their paths."""
    with style.settings():
        return style.save(draw(), style.target(results, "figure2"))
