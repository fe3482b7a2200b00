"""The pictures of the report: details with their scores, as files inside the page, and what is missing."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.names import IN_TEXT
from analysis.report.numbers import Cell, Number, Table
from analysis.report.sources import path_of
from replication import crops, records
from replication.crops import ORIGINAL, PAPERS, SMALL
from replication.data.benchmarks import EMBEDDED, EMBEDDED_FILES
from replication.evaluate import METHODS
from replication.records import Detail

CODE, COMMAND = "replication/crops.py", "python -m replication.crops"
NAMES = {ORIGINAL: "original", **IN_TEXT}


@dataclass(frozen=True)
class Picture:
    """One picture: its detail by version and the maps of the squared error by method, each as a data address.

    ``small``: the whole picture; ``frame``: left, top, width and height of the detail in percent of it.
    """

    name: str
    record: Detail
    images: dict[str, str]
    errors: dict[str, str]
    small: str
    frame: tuple[float, float, float, float]
    scores: Table


@dataclass(frozen=True)
class Pictures:
    """The pictures that are there, and the names of those that are not."""

    shown: tuple[Picture, ...]
    missing: tuple[str, ...]


def embedded(results: Path) -> Pictures:
    """The photographs that scikit-image ships."""
    return _of(results, [(EMBEDDED, Path(name).stem) for name in EMBEDDED_FILES], "")


def of_the_paper(results: Path) -> Pictures:
    """The paper's four images, where they were cut on this machine."""
    return _of(crops.local(results), PAPERS, crops.local(results).name)


def _of(results: Path, wanted: Sequence[tuple[str, str]], below: str) -> Pictures:
    found = {(one.benchmark, one.name): one for one in crops.current(results)}
    shown = tuple(_picture(results, found[one], below) for one in wanted if one in found)
    return Pictures(
        shown, tuple(f"{name} ({benchmark})" for benchmark, name in wanted if (benchmark, name) not in found)
    )


def _picture(results: Path, record: Detail, below: str) -> Picture:
    folder = records.folder(results, Detail)
    stem = Path(record.file_name).stem
    data = {
        name.removeprefix(f"{stem}-").removesuffix(".png"): _address((folder / name).read_bytes())
        for name in record.files
    }
    score = next(iter(record.scores.values()))
    place = (
        record.left / score.width,
        record.top / score.height,
        record.size / score.width,
        record.size / score.height,
    )
    left, top, width, height = (round(100 * one, 2) for one in place)
    return Picture(
        record.name,
        record,
        {version: data[version] for version in crops.VERSIONS},
        {method: data[f"{method}-error"] for method in METHODS},
        data[SMALL],
        (left, top, width, height),
        _scores(record, below),
    )


def _address(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def _scores(record: Detail, below: str) -> Table:
    body: list[tuple[Cell, ...]] = []
    for method in METHODS:
        score = record.scores[method]
        origin = (path_of(record, below),)
        values = (
            ("PSNR on luma (dB), public code, whole picture", f"{score.psnr_public_code:.2f}"),
            ("SSIM on RGB, whole picture", f"{score.ssim_rgb:.4f}"),
            ("PSNR on luma (dB), public code, this detail", f"{record.psnr_inside[method]:.2f}"),
        )
        cells = [
            Number(text, f"{NAMES[method]}, {record.name}: {what}", CODE, COMMAND, origin) for what, text in values
        ]
        body.append((NAMES[method], *cells))
    caption = f"{record.name}: whole picture, and the detail shown; PSNR on luma by the public code, SSIM on RGB"
    return Table(caption, ("", "PSNR (dB)", "SSIM", "detail's PSNR (dB)"), tuple(body))
