"""How many times as fast as MSRN in PyTorch each network is in each backend: bars."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from analysis import style
from analysis.names import BACKEND_NAMES, VARIANTS
from analysis.speed.inference import REFERENCE, backends, best, mac_ratio, read, situations
from replication.records import Speed

SHADES = {
    "torch": (style.EDGE, "white"),
    "onnxruntime": ("#98a2ab", "black"),
    "openvino": ("#f6e3d8", "black"),
}
"""Fill of a backend's bars and colour of the numbers on them: dark, middle and light in grey."""


def draw(record: Speed) -> Figure:
    """Bars: times as fast as MSRN in PyTorch, for the first situation, with the ratio of the multiply-adds."""
    case = situations(record)[0]
    found = best(record, case)
    reference = found[REFERENCE, "torch"]
    names = backends(record)
    figure = style.new_figure(height=2.6)
    axes = figure.add_subplot()
    thickness = 0.8 / len(names)
    for index, name in enumerate(names):
        rows = [row + (index - (len(names) - 1) / 2) * thickness for row in range(len(VARIANTS))]
        values = [reference / found[key, name] for key in VARIANTS]
        fill, ink = SHADES[name]
        axes.barh(rows, values, thickness, color=fill, edgecolor=style.EDGE, linewidth=0.4, label=BACKEND_NAMES[name])
        for row, value in zip(rows, values, strict=True):  # inside the bar, where no line crosses it
            axes.text(0.08, row, f"{value:.1f}", color=ink, size=5.5, va="center_baseline")
    line: dict[str, Any] = {"color": style.PAPER, "linewidth": 1.2, "solid_capstyle": "butt"}
    line["path_effects"] = [withStroke(linewidth=2.8, foreground="white")]  # seen on dark bars, too
    for row, key in enumerate(VARIANTS):
        label = "ratio of multiply-adds" if row == 0 else None
        axes.plot([mac_ratio(key, case)] * 2, [row - 0.46, row + 0.46], label=label, **line)
    axes.set_yticks(range(len(VARIANTS)), list(VARIANTS.values()))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.margins(x=0.1)
    axes.set_xlabel(f"times as fast as MSRN in PyTorch\n{case}")
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=2, handlelength=1.2)
    return figure


def write(results: Path) -> list[Path]:
    """Write speed.png, .svg and .pdf below ``<results>/figures``; return their paths. Raises UserError as `read`."""
    with style.settings():
        return style.save(draw(read(results)), style.target(results, "speed"))
