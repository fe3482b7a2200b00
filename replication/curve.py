"""The curve of a training: loss and validation PSNR over steps, from its log."""

import csv
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path

import numpy as np

from replication.errors import DamagedFileError
from replication.files import write_with

CURVE = ("step", "loss", "validation_psnr")
"""Columns of the log that the curve shows."""

Limits = Mapping[str, tuple[float, float]]
"""Ends of the axes, by column of the log."""


def read_log(path: Path) -> list[dict[str, float]]:
    """The columns of a shipped training log that its curve shows. Raises UserError naming a file that is damaged."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{name: float(row[name] or "nan") for name in CURVE} for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError) as error:
        raise DamagedFileError(f"{path}: expected a training log with {', '.join(CURVE)}, got {error}") from error


def common_limits(logs: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, tuple[float, float]]:
    """Axes that hold all curves, with a margin: curves on different scales cannot be compared by eye.

    Without validation images none of its column.
    """
    limits = {}
    for name in CURVE:
        values = [row[name] for log in logs for row in log if isfinite(row[name])]
        if values:
            margin = 0.05 * (max(values) - min(values))
            limits[name] = (min(values) - margin, max(values) + margin)
    return limits


def draw_curve(path: Path, log: Sequence[Mapping[str, float | None]], limits: Limits | None = None) -> None:
    """Draw loss and validation PSNR over steps; ``limits``: the same axes for several logs (default: to fit)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot()
    values = {key: np.array([row[key] for row in log], float) for key in CURVE}
    axes.plot(values["step"], values["loss"], color="0.6", label="L1 loss (left)")
    axes.set(xlabel="step", ylabel="L1 loss, values in 0..1")
    scores = axes.twinx()
    scores.plot(values["step"], values["validation_psnr"], color="black", label="validation PSNR (right)")
    scores.set_ylabel("PSNR in dB, luma")
    if limits:
        axes.set(xlim=limits["step"], ylim=limits["loss"])
        scores.set_ylim(limits.get("validation_psnr"))
    figure.legend(loc="outside upper center", ncols=2)
    write_with(path, lambda target: figure.savefig(target, dpi=120, metadata={"Software": None}))
