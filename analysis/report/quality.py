"""Table 1 for the report: one table for each protocol, every measured cell with its origin."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis import paper
from analysis.names import DISPLAY, SCALE
from analysis.paper import BENCHMARKS
from analysis.quality.columns import AVERAGE, Column, Rows, measured, printed, printed_losses
from analysis.quality.ladder import lost
from analysis.quality.training import Measurements, measurements, short_share
from analysis.report.numbers import Cell, Number, Pair, Table
from analysis.report.sources import path_of
from analysis.text import percent
from replication.data.benchmarks import EMBEDDED
from replication.evaluate import BICUBIC, METHODS
from replication.images.metrics import NAMED
from replication.records import BY_PROTOCOL, Metric

COLUMNS, LADDER = "analysis/quality/columns.py", "analysis/quality/ladder.py"
COMMAND = "python -m analysis table1"


@dataclass(frozen=True)
class View:
    """One way to measure: its name in a switch, the protocol in words, the metrics."""

    key: str
    label: str
    text: str
    psnr: Metric
    ssim: Metric


VIEWS = (
    View("public_code", "public code, as the paper", NAMED["public_code"], *BY_PROTOCOL["public_code"]),
    View("matlab", "MATLAB", NAMED["matlab"], *BY_PROTOCOL["matlab"]),
    View("unrounded", "unrounded", NAMED["unrounded"], *BY_PROTOCOL["unrounded"]),
    View("rgb", "RGB", "PSNR and SSIM on R, G and B", "psnr_rgb", "ssim_rgb"),
)


@dataclass(frozen=True)
class Quality:
    """Table 1 by view, the embedded set, and what is said of the trainings."""

    tables: dict[str, Table]
    embedded: Table
    facts: Measurements


def quality(results: Path) -> Quality:
    """All of it, from the records."""
    facts = measurements(results)
    tables = {view.key: table(facts, view) for view in VIEWS}
    return Quality(tables, embedded(facts.rows), facts)


def table(facts: Measurements, view: View) -> Table:
    """Table 1 under one protocol; the paper's columns are as printed, whatever the protocol."""
    rows = facts.rows
    columns = {model: measured(rows, model, view.psnr, view.ssim) for model in METHODS}
    body: list[tuple[Cell, ...]] = []
    for name in (*BENCHMARKS, AVERAGE):
        cells = [printed(model).cell(name) for model in ("msrn", "smsrn")]
        bicubic, *found = (_pair(rows, columns[model], model, name, view) for model in (BICUBIC, "msrn", "smsrn"))
        body.append((name, *found, _loss(rows, name, view), *cells, f"{printed_losses()[name]:.2f} dB", bicubic))
    body.append(("training*", *_shares(facts), "", "100 %", "100 %", "", "none"))
    headings = [
        f"{name}, {where}" for where in ("measured", "paper") for name in (DISPLAY["msrn"], DISPLAY["smsrn"], "lost")
    ]
    caption = f"PSNR (dB) / SSIM at x{SCALE}; measured columns: {view.label}"
    return Table(caption, ("", *headings, f"{DISPLAY[BICUBIC]}, measured"), tuple(body))


def _shares(facts: Measurements) -> list[Cell]:
    found: list[Cell] = []
    for model in ("msrn", "smsrn"):
        training = facts.trainings[model]
        words = f"share of the paper's training that the shipped weights of {DISPLAY[model]} had, by patch pixels"
        origin = records_of(facts.rows, BENCHMARKS[0], (model,))
        number = (
            Number(short_share(training), words, "analysis/quality/training.py", COMMAND, origin) if training else ""
        )
        found.append(number or "not recorded")
    return found


def records_of(rows: Rows, name: str, models: Sequence[str]) -> tuple[str, ...]:
    """Paths of the records behind a set's row, or behind the average's."""
    sets = BENCHMARKS if name == AVERAGE else (name,)
    found = (rows[one, model].record for model in models for one in sets)
    return tuple(path_of(record) for record in found if record)


def _pair(rows: Rows, column: Column, model: str, name: str, view: View) -> Cell:
    score = column.score(name)
    if score is None:
        return column.missing
    of = "mean of the four sets" if name == AVERAGE else name
    origin = records_of(rows, name, (model,))

    def number(kind: str, text: str, metric: Metric) -> Number:
        words = f"{kind.upper()} of {DISPLAY[model]}, {of}. {view.text}"
        claims = () if model == BICUBIC else (f"table1-{model}-{kind}",)
        return Number(text, words, COLUMNS, COMMAND, origin, metric, claims)

    return Pair(number("psnr", f"{score.psnr:.2f}", view.psnr), number("ssim", f"{score.ssim:.4f}", view.ssim))


def _loss(rows: Rows, name: str, view: View) -> Cell:
    loss = lost(rows, name, view.psnr)
    if loss is None:
        return "not measured"
    words = (
        f"PSNR of MSRN less that of SMSRN, {name}, with the 95 % interval of a bootstrap over the images. {view.text}. "
        "The shipped weights were not trained for equal lengths unless the table says so"
    )
    origin = records_of(rows, name, ("msrn", "smsrn"))
    return Number(str(loss), words, LADDER, COMMAND, origin, view.psnr, ("table1-smsrn-psnr",))


def embedded(rows: Rows) -> Table:
    """The embedded photographs, which any machine can measure without a download."""
    metrics: tuple[tuple[str, Metric], ...] = (
        ("PSNR (luma)", "psnr_y"), ("SSIM (luma)", "ssim_y"), ("PSNR (RGB)", "psnr_rgb"), ("SSIM (RGB)", "ssim_rgb"),
    )  # fmt: skip
    body: list[tuple[Cell, ...]] = []
    for model in METHODS:
        record = rows[EMBEDDED, model].record
        cells: list[Cell] = []
        for (label, metric), text in zip(metrics, record.cells(), strict=True) if record else ():
            words = f"{label} of {DISPLAY[model]}, mean of the embedded photographs"
            cells.append(Number(text, words, COLUMNS, COMMAND, records_of(rows, EMBEDDED, (model,)), metric))
        body.append((DISPLAY[model], *(cells or [rows[EMBEDDED, model].status] * len(metrics))))
    caption = "Five photographs inside scikit-image, measured on any machine by `python -m replication`."
    return Table(caption, ("", *(label for label, _ in metrics)), tuple(body))


def bicubic_share() -> str:
    """What bicubic interpolation keeps of the PSNR of the paper's MSRN, as published: what a share of decibels says."""
    row, msrn = paper.published_row("Bicubic").psnr, paper.table1().msrn.average.psnr
    return percent(sum(row[name] for name in BENCHMARKS) / len(BENCHMARKS) / msrn)
