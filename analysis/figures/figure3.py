"""Figure 3: the network and its block, drawn from the built network itself.

Boxes and arrows are the graph that `torch.fx` records when the network's own code runs; kernel sizes, channels, names
and the number of parameters are read from its modules and from the shapes that pass through it. Nothing is typed in.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from analysis import style
from analysis.names import SCALE
from replication.models import build, count_parameters
from replication.models.msrn import MSRN, MultiScaleBlock

PROBE = 8
"""Height and width of the input whose shapes are followed through the network."""
PITCH = 0.2
"""From row to row of the network, in inches."""
DEPTHWISE, CONVOLUTION, BLOCK, OTHER = "#f3b898", "#e3e8ec", "#b4bdc5", "#ffffff"
SMALL, NORMAL = 5.0, 5.8


@dataclass(frozen=True)
class Node:
    """One box: its identity, the name of its module ("" if it is none), what it does, its sources, and its row."""

    key: str
    name: str
    text: str
    color: str
    sources: tuple[str, ...]
    row: int


class _Tracer(fx.Tracer):
    """Follows the network's code down to its layers, but not into the blocks, which have a panel of their own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, MultiScaleBlock) or super().is_leaf_module(m, module_qualified_name)


def nodes_of(module: nn.Module, channels: int) -> list[Node]:
    """Every step of ``module`` for an input of (1, channels, H, W), in the order in which they run.

    Raises ValueError for a step that this figure has no words for.
    """
    graph = _Tracer().trace(module)
    traced = fx.GraphModule(module, graph)
    with torch.inference_mode():
        ShapeProp(traced).propagate(torch.zeros(1, channels, PROBE, PROBE))
    found: dict[str, Node] = {}
    for step in graph.nodes:
        if step.op == "get_attr":  # a constant such as the mean: part of the step that uses it
            continue
        sources = tuple(source.name for source in step.all_input_nodes if source.name in found)
        row = 1 + max((found[source].row for source in sources), default=-1)
        name = str(step.target) if step.op == "call_module" else ""
        text, color = _words(step, traced)
        found[step.name] = Node(step.name, name, text, color, sources, row)
    return list(found.values())


def _words(step: fx.Node, traced: fx.GraphModule) -> tuple[str, str]:
    """What a box says, and its colour."""
    shape = step.meta["tensor_meta"].shape
    channels, size = shape[1], shape[2]
    if step.op == "placeholder":
        return f"input, {channels} channels", OTHER
    if step.op == "output":
        times = f", {size // PROBE}× as large" if size != PROBE else ""
        return f"output, {channels} channels{times}", OTHER
    if step.op == "call_module":
        return _module_words(traced.get_submodule(str(step.target)), channels)
    constants = [str(source.target) for source in step.all_input_nodes if source.op == "get_attr"]
    signs: dict[object, str] = {operator.sub: "−", operator.add: "+"}
    if step.target in signs:
        return f"{signs[step.target]} {constants[0]}" if constants else signs[step.target], OTHER
    if step.target is torch.cat:
        return f"concatenate, {channels}", OTHER
    if step.target is nn.functional.relu:
        return "ReLU", OTHER
    raise ValueError(f"no words for this step: {step.format_node()}")


def _module_words(module: nn.Module, channels: int) -> tuple[str, str]:
    if isinstance(module, MultiScaleBlock):
        return f"block, {channels}", BLOCK
    if isinstance(module, nn.PixelShuffle):
        return f"shuffle ×{module.upscale_factor}", OTHER
    if isinstance(module, nn.Conv2d):
        kernel = "×".join(str(side) for side in module.kernel_size)
        if module.groups == module.in_channels == module.out_channels:
            return f"DC {kernel}, {channels}", DEPTHWISE
        if module.groups == 1:
            return f"{kernel}, {module.in_channels}→{module.out_channels}", CONVOLUTION
    raise ValueError(f"no words for this module: {module}")


@dataclass(frozen=True)
class Area:
    """Where a graph is drawn, in inches: from left to right, rows downwards from top."""

    left: float
    right: float
    top: float
    pitch: float
    box: float

    def y(self, row: int) -> float:
        """The middle of a row."""
        return self.top - self.pitch * (row + 0.5)


def draw_graph(axes: Axes, nodes: Sequence[Node], area: Area) -> None:
    """Boxes by row, arrows down to the next row, and a lane on the right for what skips rows."""
    rows: dict[int, list[Node]] = {}
    for node in nodes:
        rows.setdefault(node.row, []).append(node)
    most = max(len(row) for row in rows.values())
    lane = area.right - 0.06
    step = (lane - 0.08 - area.left) / most
    width = step - (0.06 if most > 1 else 0)
    middles, extents = {}, {}
    for row in rows.values():
        for column, node in enumerate(row):
            wide = width if len(row) == most else min(width * most, 1.1)
            middles[node.key] = area.left + step * (most / 2 + column - (len(row) - 1) / 2)
            extents[node.key] = wide / 2
            draw_node(axes, node, middles[node.key], area.y(node.row), wide, area.box)
    by_key = {node.key: node for node in nodes}
    for node in nodes:
        for source in (by_key[key] for key in node.sources):
            if node.row - source.row == 1:
                begin, finish = middles[source.key], middles[node.key]
                if len(rows[source.row]) > len(rows[node.row]):  # several into one: next to each other
                    finish = (begin + finish) / 2
                elif len(rows[source.row]) < len(rows[node.row]):
                    begin = (begin + finish) / 2
                start = (begin, area.y(source.row) - area.box / 2)
                arrow(axes, start, (finish, area.y(node.row) + area.box / 2), node)
            else:
                y = area.y(source.row)
                axes.plot([middles[source.key] + extents[source.key], lane, lane], [y, y, area.y(node.row)], **LINE)
                arrow(axes, (lane, area.y(node.row)), (middles[node.key] + extents[node.key], area.y(node.row)), node)


LINE: dict[str, Any] = {"color": style.EDGE, "linewidth": 0.45, "solid_joinstyle": "miter"}


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], node: Node) -> None:
    """A thin arrow into ``node``."""
    style_ = {"arrowstyle": "-|>,head_length=0.22,head_width=0.12", "shrinkA": 0, "shrinkB": 0, "linewidth": 0.45}
    drawn = axes.annotate("", end, start, arrowprops={**style_, "color": style.EDGE, "mutation_scale": 7})
    drawn.set_gid(f"into {node.key}")


def draw_node(axes: Axes, node: Node, x: float, y: float, width: float, height: float) -> None:
    """A box with its text and, where it is a module, the module's name."""
    patch = FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.02",
        facecolor=node.color, edgecolor=style.EDGE, linewidth=0.4,
    )  # fmt: skip
    patch.set_gid(f"box {node.key}")
    axes.add_patch(patch)
    if not node.name:
        axes.text(x, y, node.text, size=NORMAL, ha="center", va="center_baseline")
    elif height > 0.2:  # room for two lines
        axes.text(x, y + height / 4.5, node.text, size=NORMAL, ha="center", va="center_baseline")
        axes.text(x, y - height / 4.5, node.name, size=SMALL, ha="center", va="center_baseline", color="#333333")
    else:
        axes.text(x - width / 2 + 0.04, y, node.name, size=SMALL, ha="left", va="center_baseline", color="#333333")
        axes.text(x + width / 2 - 0.04, y, node.text, size=NORMAL, ha="right", va="center_baseline")


def draw(network: MSRN, name: str) -> Figure:
    """The figure for a network of any convolution, scale, width and number of blocks; ``name`` is its title.

    Call it, and save the figure, inside `style.settings`.
    """
    first = network.body[0]
    assert isinstance(first, MultiScaleBlock)
    whole, block = nodes_of(network, 3), nodes_of(first, first.confusion.out_channels)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    notes = [f"{count_parameters(network):,} parameters."]
    if any(module.groups > 1 for module in convolutions):
        notes.append("DC: depth-wise convolution.")
    if all(module.bias is not None for module in convolutions):
        notes.append("Every convolution has a bias.")
    equal = len({str(one) for one in network.body}) == 1
    last = len(network.body) - 1
    of = f"body.0 to body.{last}" if last and equal else "body.0"

    rows = max(node.row for node in whole) + 1
    height = rows * PITCH + 0.42
    top = height - 0.22
    figure = style.new_figure(height=height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, style.COLUMN), ylim=(0, height))
    axes.set_axis_off()
    axes.text(0.04, height - 0.04, f"(a) {name} x{network.scale}", weight="bold", va="top")
    axes.text(1.72, height - 0.04, f"(b) block, {of}", weight="bold", va="top")
    draw_graph(axes, whole, Area(0.04, 1.58, top, PITCH, 0.135))
    pitch = rows * PITCH / (max(node.row for node in block) + 1)
    draw_graph(axes, block, Area(1.72, style.COLUMN - 0.02, top, pitch, 0.25))
    axes.text(0.04, 0.06, " ".join(notes), size=NORMAL)
    return figure


def write(results: Path) -> list[Path]:
    """Write figure3.png, figure3.svg and figure3.pdf below ``<results>/figures``; return their paths."""
    with style.settings():
        return style.save(draw(build("smsrn", scale=SCALE), "SMSRN"), style.target(results, "figure3"))
