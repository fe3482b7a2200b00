"""The paper and the literature around it as data: Table 1 as printed, and published x4 results of other models."""

import csv
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
BENCHMARKS = ("Set5", "Set14", "B100", "Urban100")
"""Rows of Table 1, in its order."""

LAST_YEAR = 2020
"""The year before the paper: what was published until then, it could know."""


@dataclass(frozen=True)
class Score:
    """PSNR in dB and SSIM."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class Column:
    """One model's column of Table 1: a score per benchmark, the printed average, the number of parameters."""

    scores: dict[str, Score]
    average: Score
    parameters: int


@dataclass(frozen=True)
class Table1:
    """Table 1 as printed. ``retained``: SMSRN's average PSNR and SSIM and its parameters in percent of MSRN's."""

    msrn: Column
    smsrn: Column
    retained: dict[str, float]

    @property
    def columns(self) -> dict[str, Column]:
        """Both columns, by network."""
        return {"msrn": self.msrn, "smsrn": self.smsrn}


@dataclass(frozen=True)
class Published:
    """A published x4 result: learned parameters, and PSNR (dB) and SSIM on luma by benchmark (see SOURCES.md).

    ``gmacs``: multiply-adds for a 1280x720 output in G (1e9), with the digits that were printed. What its source does
    not report is None, or absent from ``psnr`` and ``ssim``.
    """

    model: str
    year: int | None
    parameters: int | None
    psnr: dict[str, float]
    ssim: dict[str, float]
    gmacs: Decimal | None
    source: str


def table1() -> Table1:
    """The paper's Table 1, from table1.toml."""
    content = tomllib.loads((FOLDER / "table1.toml").read_text(encoding="utf-8"))
    return Table1(_column(content["msrn"]), _column(content["smsrn"]), content["retained"])


def _column(content: dict[str, Any]) -> Column:
    scores = {name: Score(**content[name]) for name in BENCHMARKS}
    return Column(scores, Score(**content["average"]), content["parameters"])


def published() -> list[Published]:
    """Every row of sota_x4.csv, in its order."""
    with open(FOLDER / "sota_x4.csv", encoding="utf-8", newline="") as file:
        return [_published(row) for row in csv.DictReader(file)]


def _published(row: dict[str, str]) -> Published:
    return Published(
        model=row["model"],
        year=int(row["year"]) if row["year"] else None,
        parameters=int(row["params"]) if row["params"] else None,
        psnr=_reported(row, "psnr"),
        ssim=_reported(row, "ssim"),
        gmacs=Decimal(row["multadds_g_720p"]) if row["multadds_g_720p"] else None,
        source=row["source"],
    )


def _reported(row: dict[str, str], metric: str) -> dict[str, float]:
    cells = {name: row[f"{name.lower()}_{metric}"] for name in BENCHMARKS}
    return {name: float(cell) for name, cell in cells.items() if cell}


def published_row(model: str) -> Published:
    """The row of sota_x4.csv with this exact name."""
    return next(row for row in published() if row.model == model)


@dataclass(frozen=True)
class Reference:
    """What is published of a network that can be measured here: PSNR on luma by set, as printed.

    ``ssim_rgb``: SSIM over R, G and B by set, where it is published.
    """

    name: str
    source: str
    psnr: dict[str, str]
    ssim_rgb: dict[str, str]


def references() -> list[Reference]:
    """The networks of calibration.toml."""
    content = tomllib.loads((FOLDER / "calibration.toml").read_text(encoding="utf-8"))
    return [
        Reference(
            name, row["source"], {one: row[one] for one in BENCHMARKS if one in row}, dict(row.get("ssim_rgb", {}))
        )
        for name, row in content.items()
    ]


def literature(name: str) -> dict[str, Any]:
    """One entry of literature.toml: what others published, with its ``source``."""
    entry: dict[str, Any] = tomllib.loads((FOLDER / "literature.toml").read_text(encoding="utf-8"))[name]
    return entry
