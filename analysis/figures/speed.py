"""How many times as fast as MSRN in PyTorch each network is in each backend: bars."""

from pathlib import Path

from matplotlib.figure import Figure

from analysis import style
from analysis.speed.inference import BACKEND_NAMES, LABELS, REFERENCE, backends, best, mac_ratio, read, situations
from replication.records import Speed


def draw(record: Speed) -> Figure:
    """Bars: times as fast as MSRN in PyTorch, for the first situation, with the ratio of the multiply-adds."""
    case = situations(record)[0]
    found = best(record, case)
    reference = found[REFERENCE, "torch"]
    names = backends(record)
    figure = style.new_figure(height=2.6)
    axes = figure.add_subplot()
    thickness = 0.8 / len(names)
    shades = ("#3c444b", "#98a2ab", style.MEASURED)
    for index, name in enumerate(names):
        rows = [row + (index - (len(names) - 1) / 2) * thickness for row in range(len(LABELS))]
        values = [reference / found[key, name] for key in LABELS]
        bars = axes.barh(rows, values, thickness, color=shades[index], label=BACKEND_NAMES[name])
        labels = axes.bar_label(bars, [f"{value:.1f}" for value in values], padding=2, size=5.5)
        for label in labels:  # readable over the dotted lines
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.4})
    for row, key in enumerate(LABELS):
        axes.plot([mac_ratio(key, case)] * 2, [row - 0.45, row + 0.45], color=style.PAPER, linewidth=0.8, linestyle=":",
                  label="ratio of multiply-adds" if row == 0 else None)  # fmt: skip
    axes.set_yticks(range(len(LABELS)), list(LABELS.values()))
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
