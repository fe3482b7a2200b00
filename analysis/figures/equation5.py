"""Equation 5 as curves: what a separable convolution costs relative to a standard one, over N, for three kernels."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from analysis import style
from analysis.cost import closed_form, equations
from analysis.names import SCALE
from analysis.text import percentage

KERNELS = {3: "-", 5: "--", 7: ":"}
"""Kernel sizes and their lines."""
CHANNELS = tuple(dict.fromkeys(round(2 ** (exponent / 8)) for exponent in range(4 * 8, 10 * 8 + 1)))
"""N along the axis: 16 to 1024, evenly spread on a logarithmic axis."""


def cost(kernel: int, channels: int) -> float:
    """Equation 5 in percent."""
    return 100 * float(equations.ratio(kernel, channels))


def layers_of_msrn() -> list[tuple[int, int]]:
    """Kernel and N, each pair once, of the layers that become separable: those that MSRN and SMSRN do not share."""
    msrn = closed_form.msrn(SCALE)
    kept = set(closed_form.smsrn(SCALE))
    return sorted({(layer.kernel, layer.out_channels) for layer in msrn if layer not in kept})


def draw() -> Figure:
    """The figure. Call it, and save the figure, inside `style.settings`."""
    figure = style.new_figure(height=2.9)
    axes = figure.add_subplot()
    for kernel, line in KERNELS.items():
        costs = [cost(kernel, n) for n in CHANNELS]
        axes.plot(CHANNELS, costs, line, color=style.EDGE, linewidth=1, label=f"_k={kernel}")  # named at its end
        limit = 100 / kernel**2
        axes.axhline(limit, color="#b5b5b5", linewidth=0.4, zorder=1)
        axes.text(
            1,
            limit,
            f" k = {kernel}\n limit {percentage(limit)}",
            transform=axes.get_yaxis_transform(),
            va="center",
            size=6,
        )
    ours = layers_of_msrn()
    axes.scatter(
        [n for _, n in ours], [cost(*layer) for layer in ours],
        marker="o", s=22, color=style.MEASURED, edgecolor="white", linewidth=0.5, zorder=3,
        label="layers of MSRN",
    )  # fmt: skip
    printed = [(kernel, equations.PRINTED_CHANNELS, 100 * float(ratio)) for kernel, ratio, _ in equations.PRINTED]
    axes.scatter(
        [n for _, n, _ in printed], [value for *_, value in printed],
        marker="*", s=75, color=style.PAPER, edgecolor="white", linewidth=0.4, zorder=4, label="printed in the paper",
    )  # fmt: skip
    for _, n, value in printed:
        axes.annotate(percentage(value, 2), (n, value), (1, 5), textcoords="offset points", weight="bold")
    for layer in ours:
        if layer not in [(kernel, n) for kernel, n, _ in printed]:
            value = cost(*layer)
            axes.annotate(percentage(value, 2), (layer[1], value), (1, 4), textcoords="offset points", size=6)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0, symbol=" %"))
    axes.set(xlim=(CHANNELS[0], CHANNELS[-1]), ylim=(0, cost(min(KERNELS), CHANNELS[0]) * 1.03))
    axes.set_xlabel("output channels N")
    axes.set_ylabel("separable / standard = 1/N + 1/k²")
    axes.legend(loc="upper right", handletextpad=0.3)
    return figure


def write(results: Path) -> list[Path]:
    """Write equation5.png, equation5.svg and equation5.pdf below ``<results>/figures``; return their paths."""
    with style.settings():
        return style.save(draw(), style.target(results, "equation5"))
