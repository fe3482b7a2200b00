"""What was measured: one JSON file per benchmark, model and scale, the only experimental input of tables and figures.

A record is identified by its key: the model, the digest of its weights, the digest of the evaluated images, the metric
protocols and the scale. What is not in the key (package versions, machine, date, seconds) says how it came about.
Means are never stored, they are computed from the per-image values.
"""

import hashlib
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryFile
from typing import Any, Literal

from replication import __version__
from replication.errors import UserError
from replication.files import write_text
from replication.images.metrics import table_protocols

Metric = Literal["psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "seconds"]
TOLERANCE_PSNR, TOLERANCE_SSIM = 0.01, 0.0005
"""How far (dB, SSIM) a measurement may be from a record of the same, and bicubic from the published values."""

METRICS: tuple[Metric, ...] = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")
"""PSNR in dB and SSIM on luma (``_y``) and on RGB; the protocols are in the record's key."""

TRAINING_FACTS = ("recipe_digest", "step", "steps", "seed", "data", "hours", "machine", "paper_fraction")
"""What a record repeats of the metadata inside a weights file."""


@dataclass(frozen=True)
class Key:
    """What a measurement depends on. ``weights`` is None for a method without learned parameters (bicubic)."""

    model: str
    weights: str | None
    data: str
    protocol: dict[str, dict[str, Any]]
    scale: int

    @property
    def digest(self) -> str:
        """SHA-256 over the key as canonical JSON."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class ImageResult:
    """One image: size of the evaluated HR image in pixels, PSNR in dB (infinite for equal images), SSIM, seconds."""

    name: str
    height: int
    width: int
    psnr_y: float
    ssim_y: float
    psnr_rgb: float
    ssim_rgb: float
    seconds: float


@dataclass(frozen=True)
class Record:
    """One model on one benchmark. ``training`` is None where nothing was learned."""

    key: Key
    benchmark: str
    images: tuple[ImageResult, ...]
    training: dict[str, Any] | None
    environment: dict[str, str]
    command: str

    def mean(self, metric: Metric) -> float:
        """Mean of the unrounded per-image values."""
        return fmean(getattr(image, metric) for image in self.images)

    @property
    def file_name(self) -> str:
        """The record's file name below ``<results>/records``."""
        return f"{self.benchmark}-x{self.key.scale}-{self.key.model}-{self.key.digest[:8]}.json"


def protocols(scale: int) -> dict[str, dict[str, Any]]:
    """The metric protocols of a record at ``scale``, as they stand in its key."""
    return {name: asdict(protocol) for name, protocol in table_protocols(scale).items()}


def environment() -> dict[str, str]:
    """Package versions, machine and today's date (UTC) as recorded with each measurement."""
    packages = {name: version(name) for name in ("torch", "numpy", "scikit-image")}
    return {
        "python": platform.python_version(),
        **packages,
        "replication": __version__,
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def machine() -> str:
    """The processor as the system names it, the number of usable cores, and the system; no host name."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux, or a processor that Linux does not name
    return f"{processor}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def folder(results: Path) -> Path:
    """Where the records of a results folder are."""
    return results / "records"


def check_writable(results: Path) -> None:
    """Raise UserError when records could not be written, so that nobody finds out after an hour of measuring."""
    try:
        folder(results).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder(results)):
            pass
    except OSError as error:
        raise UserError(f"cannot write records to {folder(results)}: {error.strerror or error}") from error


def to_json(record: Record) -> str:
    """The record as sorted JSON text; an infinite PSNR (equal images) becomes null, because JSON has no infinity."""
    content = asdict(record)
    for image in content["images"]:
        for name, value in image.items():
            if value == math.inf:
                image[name] = None
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str, source: str) -> Record:
    """Read a record. Raises UserError, naming ``source`` and what is wrong, for anything but a complete record."""
    try:
        content = json.loads(text)
        record = Record(
            key=Key(**_checked(content["key"], Key)),
            benchmark=content["benchmark"],
            images=tuple(_image(image) for image in content["images"]),
            training=content["training"],
            environment={str(name): str(value) for name, value in content["environment"].items()},
            command=content["command"],
        )
    except json.JSONDecodeError as error:
        raise UserError(f"{source} is damaged: expected a JSON record, {error}") from error
    except KeyError as error:
        raise UserError(f"{source} is damaged: {error} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{source} is damaged: {error}") from error
    if not record.images:
        raise UserError(f"{source} is damaged: it holds no image")
    return record


def _checked(content: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """``content`` with exactly the fields of ``kind``; KeyError or ValueError names the odd one."""
    fields: tuple[str, ...] = tuple(kind.__dataclass_fields__)  # type: ignore[attr-defined]
    for name in content:
        if name not in fields:
            raise ValueError(f"unknown field {name!r}")
    return {name: content[name] for name in fields}


def _image(content: Mapping[str, Any]) -> ImageResult:
    values = _checked(content, ImageResult)
    for name in (*METRICS, "seconds"):
        value = math.inf if values[name] is None and name.startswith("psnr") else values[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise ValueError(f"{name} of image {values['name']!r}: expected a number, got {value!r}")
        values[name] = float(value)
    return ImageResult(**values)


def load_all(results: Path) -> list[Record]:
    """Every record of a results folder, sorted by file name; none when there is no such folder.

    Raises UserError naming a file that is damaged or whose name does not belong to its content.
    """
    found = []
    for path in sorted(folder(results).glob("*.json")):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read record {path}: {error}") from error
        record = from_json(text, str(path))
        if record.file_name != path.name:
            raise UserError(f"{path} is damaged: its content belongs to a file named {record.file_name}")
        found.append(record)
    return found


def find(records: Sequence[Record], *, benchmark: str, model: str, scale: int, weights: str | None) -> Record | None:
    """The newest record of ``model`` with these weights on ``benchmark`` under today's protocols, or None."""
    wanted = (benchmark, model, scale, weights, protocols(scale))
    matching = [
        record
        for record in records
        if (record.benchmark, record.key.model, record.key.scale, record.key.weights, record.key.protocol) == wanted
    ]
    return max(matching, key=lambda record: (record.environment.get("date", ""), record.file_name), default=None)


def save(results: Path, record: Record) -> Path | None:
    """Write the record and return its path; None when the same measurement is there already.

    The same: everything but the date and the seconds is equal. Keeping that file leaves a repeated run without changes.
    Raises UserError naming a damaged file in its place (which is not overwritten) or a path that cannot be written.
    """
    path = folder(results) / record.file_name
    if path.is_file():
        there = from_json(path.read_text(encoding="utf-8"), str(path))
        if _timeless(there) == _timeless(record):
            return None
    write_text(path, to_json(record))
    return path


def _timeless(record: Record) -> Record:
    return replace(
        record,
        images=tuple(replace(image, seconds=0.0) for image in record.images),
        environment={name: value for name, value in record.environment.items() if name != "date"},
    )


def largest_difference(old: Record, new: Record) -> tuple[float, float]:
    """Largest difference between two records of the same images: (PSNR in dB, SSIM), over images and both channels."""
    psnr, ssim = 0.0, 0.0
    for before, after in zip(old.images, new.images, strict=True):
        for metric in METRICS:
            one, other = getattr(before, metric), getattr(after, metric)
            difference = 0.0 if one == other else abs(one - other)  # equal infinities do not differ
            if metric.startswith("psnr"):
                psnr = max(psnr, difference)
            else:
                ssim = max(ssim, difference)
    return psnr, ssim
