"""What was measured: JSON files below ``<results>/records``, the only experimental input of tables and figures.

Each kind of record is a class with a folder of its own; all are read, checked and written here. The name of a file
follows from what its measurement depends on (the key), so that a repeated measurement finds its place. Fields outside
the key (package versions, machine, date, seconds) are provenance. Means are never stored, they are computed from the
per-image values. JSON has no infinity: the infinite PSNR of equal images is stored as null.
"""

import hashlib
import json
import math
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from replication import __version__
from replication.errors import DamagedFileError
from replication.files import check_folder, write_text
from replication.images.metrics import table_protocols

Metric = Literal[
    "psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_unrounded", "ssim_unrounded", "psnr_public_code", "seconds"
]
METRICS: tuple[Metric, ...] = (
    *("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"),
    *("psnr_unrounded", "ssim_unrounded", "psnr_public_code"),
)
"""PSNR in dB and SSIM on rounded luma (``_y``), on RGB, on luma that is not rounded, and as the public code takes it
(the SSIM that goes with it is that on RGB); the protocols are in the record's key."""

LUMA_AND_RGB: tuple[Metric, ...] = METRICS[:4]
"""What a table of one line for each measurement has room for."""

BY_PROTOCOL: dict[str, tuple[Metric, Metric]] = {
    "public_code": ("psnr_public_code", "ssim_rgb"),
    "matlab": ("psnr_y", "ssim_y"),
    "unrounded": ("psnr_unrounded", "ssim_unrounded"),
}
"""PSNR and SSIM under each protocol of `replication.images.metrics.NAMED`."""

TOLERANCE_PSNR, TOLERANCE_SSIM = 0.01, 0.0005
"""How far (dB, SSIM) bicubic may be from the published values."""

NOISE_PSNR, NOISE_SSIM = 0.001, 0.0001
"""How far (dB, SSIM) an image's measurement may be from the record that it repeats. Other processors and numbers of
threads add in another order; that moves a few pixels by one level of 255, and an image by some 0.00001 dB."""

TRAINING_FACTS = (
    "recipe_digest", "step", "steps", "seed", "data", "precision", "hours", "machine", "paper_fraction",
)  # fmt: skip
"""What a record repeats of the metadata inside a weights file."""

VOLATILE = frozenset({"date", "seconds"})
"""Fields that differ between two runs of the same measurement."""


# ---------------------------------------------------------------- kinds of records


class Record:
    """What all kinds share. A kind is a frozen dataclass that names its folder below ``records`` and its file."""

    FOLDER: ClassVar[str]
    IGNORED: ClassVar[frozenset[str]] = VOLATILE
    """Fields, at any depth, that do not make a measurement another one (see `save`)."""

    environment: dict[str, str]

    @property
    def file_name(self) -> str:
        """The file's name, from what the measurement depends on."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise ValueError for content that has the right types and is no measurement."""


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
        return _digest(asdict(self))


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
    psnr_unrounded: float
    ssim_unrounded: float
    psnr_public_code: float
    seconds: float


@dataclass(frozen=True)
class Evaluation(Record):
    """One model on one benchmark. ``training`` is None where nothing was learned."""

    FOLDER = ""

    key: Key
    benchmark: str
    images: tuple[ImageResult, ...]
    training: dict[str, Any] | None
    environment: dict[str, str]
    command: str

    def mean(self, metric: Metric) -> float:
        """Mean of the unrounded per-image values."""
        return fmean(getattr(image, metric) for image in self.images)

    def cells(self) -> list[str]:
        """The means of `LUMA_AND_RGB` as tables show them: two decimals of PSNR, four of SSIM."""
        return [f"{self.mean(metric):.{2 if 'psnr' in metric else 4}f}" for metric in LUMA_AND_RGB]

    @property
    def file_name(self) -> str:
        return file_name(self.benchmark, self.key)

    def check(self) -> None:
        if not self.images:
            raise ValueError("it holds no image")


@dataclass(frozen=True)
class Lightening(Evaluation):
    """One trained network with its kernels replaced by their best separable approximations, on one benchmark."""

    FOLDER = "lighten"


@dataclass(frozen=True)
class Calibration(Evaluation):
    """A network that others trained, or pictures that others made, on one benchmark: what measuring is checked by.

    ``key.weights``: SHA-256 of the authors' file, or of the pictures.
    """

    FOLDER = "calibration"


@dataclass(frozen=True)
class Repetition(Evaluation):
    """What this machine measured of something that is recorded already: kept next to the records, never committed."""

    FOLDER = "here"


@dataclass(frozen=True)
class StudyKey:
    """What a study of protocols depends on. ``combinations``: the version of the list of combinations."""

    model: str
    weights: str | None
    data: str
    scale: int
    combinations: int


@dataclass(frozen=True)
class StudyImage:
    """One image: PSNR (dB) by "<channel>/<border>", SSIM by "<channel>/<border>/<window>"."""

    name: str
    psnr: dict[str, float]
    ssim: dict[str, float]


@dataclass(frozen=True)
class ProtocolStudy(Record):
    """One model on one benchmark under every combination of channel, border and window."""

    FOLDER = "protocol"

    key: StudyKey
    benchmark: str
    images: tuple[StudyImage, ...]
    training: dict[str, Any] | None
    environment: dict[str, str]
    command: str

    @property
    def file_name(self) -> str:
        protocol = {"combinations": {"version": self.key.combinations}}
        key = Key(self.key.model, self.key.weights, self.key.data, protocol, self.key.scale)
        return f"{self.benchmark}-x{key.scale}-{key.model}-{key.digest[:8]}.json"

    def check(self) -> None:
        if not self.images:
            raise ValueError("it holds no image")


@dataclass(frozen=True)
class Timing:
    """Seconds of each run of a variant (network, backend, how) on one picture of ``height`` x ``width`` LR pixels."""

    network: str
    folded: bool
    backend: str
    how: str
    threads: int
    height: int
    width: int
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Memory:
    """Resident bytes of a process: once the network is loaded, and at the peak of running it."""

    network: str
    folded: bool
    backend: str
    how: str
    height: int
    width: int
    loaded: int
    peak: int


@dataclass(frozen=True)
class LayerTime:
    """One convolution: sizes, output height and width, bytes of input, weight and output, median seconds."""

    name: str
    kernel: int
    in_channels: int
    out_channels: int
    groups: int
    height: int
    width: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Account:
    """Where the seconds (``total``) of a network go, by convolution."""

    network: str
    folded: bool
    total: float
    layers: tuple[LayerTime, ...]


@dataclass(frozen=True)
class HalfPrecision:
    """Bytes of a network's ONNX file in single and half precision, and what half precision changes in PSNR."""

    network: str
    single: int
    half: int
    set: str
    change_db: float


@dataclass(frozen=True)
class Speed(Record):
    """Time and memory of inference, all variants in one run on one machine."""

    FOLDER = "speed"
    IGNORED = frozenset()

    environment: dict[str, str]
    rounds: int
    memory: tuple[Memory, ...]
    times: tuple[Timing, ...]
    layers: tuple[Account, ...]
    copy_bytes_per_second: float
    half_precision: tuple[HalfPrecision, ...]

    @property
    def file_name(self) -> str:
        return "speed.json"

    def check(self) -> None:
        if not self.times or not all(one.seconds for one in self.times):
            raise ValueError("it holds no times")
        in_pytorch = {(one.network, one.threads, one.height, one.width) for one in self.times if one.backend == "torch"}
        for one in self.times:
            for network in ("msrn", "smsrn"):
                if (network, one.threads, one.height, one.width) not in in_pytorch:
                    raise ValueError(f"the time of {network} in PyTorch is missing")


@dataclass(frozen=True)
class NetworkTime:
    """One network for one 1280x720 output: its input's size, MACs, and seconds of each round in ``backend``.

    ``trials``: seconds of one run on a smaller picture in each backend, by which the fastest was chosen.
    """

    network: str
    folded: bool
    backend: str
    channels: int
    height: int
    width: int
    macs: int
    seconds: tuple[float, ...]
    trials: dict[str, float]


@dataclass(frozen=True)
class NetworkSpeed(Record):
    """The time of published networks and ours, all in one run on one machine.

    ``left_out``: MACs of networks that were too large for this run. ``product_macs`` and ``product_seconds``: the
    matrix product that ran in each round.
    """

    FOLDER = "network_speed"
    IGNORED = frozenset()

    environment: dict[str, str]
    threads: int
    rounds: int
    times: tuple[NetworkTime, ...]
    left_out: dict[str, int]
    product_macs: int
    product_seconds: tuple[float, ...]

    @property
    def file_name(self) -> str:
        return "network_speed.json"

    def check(self) -> None:
        if not self.times or not all(one.seconds for one in self.times) or not self.product_seconds:
            raise ValueError("it holds no times")


@dataclass(frozen=True)
class IntegerFile:
    """One ONNX file: bytes; PSNR on luma (dB) and processor seconds of one thread for each image of a set."""

    how: str
    size: int
    psnr: tuple[float, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Integers(Record):
    """A network in floating point (the first of ``files``) and with integers of 8 bits, all in one run.

    ``calibration``: where the ``pictures`` came from that fixed the integers' ranges.
    """

    FOLDER = "int8"
    IGNORED = frozenset()

    model: str
    scale: int
    weights: str
    benchmark: str
    calibration: str
    pictures: int
    files: tuple[IntegerFile, ...]
    environment: dict[str, str]
    command: str

    @property
    def file_name(self) -> str:
        return f"{self.benchmark}-x{self.scale}-{self.model}-{_digest([self.weights, self.calibration])[:8]}.json"

    def check(self) -> None:
        if len(self.files) < 2 or not all(one.psnr and len(one.psnr) == len(one.seconds) for one in self.files):
            raise ValueError("it holds nothing to compare")


@dataclass(frozen=True)
class StepTime:
    """One variant of one network's training step: median seconds, and the farthest single step as a share of it."""

    network: str
    variant: str
    median: float
    spread: float


@dataclass(frozen=True)
class TrainingSpeed(Record):
    """What a training step costs, all variants in one run on one machine.

    ``steps``: in the order of the table. ``floor``: seconds by network that the step's multiply-adds (forward and twice
    backward) take at the rate of a large matrix product. ``loading``: by network, how much longer a step is with images
    being loaded, as a share. ``operators``: by network, shares of the fastest step by PyTorch operator.
    """

    FOLDER = "training_speed"
    IGNORED = frozenset()

    recipe: str
    hr_patch: int
    batch_size: int
    scale: int
    images: str
    threads: int
    rounds: int
    steps: tuple[StepTime, ...]
    floor: dict[str, float]
    loading: dict[str, float]
    operators: dict[str, dict[str, float]]
    environment: dict[str, str]
    command: str

    @property
    def file_name(self) -> str:
        machine = [self.environment.get(name) for name in ("machine", "instructions")]
        depends_on = [machine, self.recipe, self.batch_size, self.hr_patch, self.threads]
        return f"x{self.scale}-{_digest(depends_on)[:8]}.json"

    def check(self) -> None:
        if not self.steps:
            raise ValueError("it holds no step")


@dataclass(frozen=True)
class TrainingRun(Record):
    """One training, finished or not, and what it cost.

    ``step`` of ``steps`` were made in ``hours`` by the clock. They include those of the ``trunk`` (None: no trunk),
    which it shares with another run, and of ``earlier`` trainings, whose weights it began with (`replication.history`).
    ``log``: a row an epoch (loss, validation PSNR in dB, seconds). ``note``: why it was made or dropped.
    ``dead_filters``: their share at ``step`` (`replication.dead_filters`), None: not measured.
    """

    FOLDER = "runs"
    IGNORED = frozenset()

    model: str
    scale: int
    seed: int
    recipe: dict[str, Any]
    recipe_digest: str
    data: str
    step: int
    steps: int
    hours: float
    trunk: dict[str, float] | None
    initial: str | None
    threads: int
    precision: str
    paper_fraction: float
    log: tuple[dict[str, float | None], ...]
    weights: dict[str, str]
    note: str
    environment: dict[str, str]
    command: str
    dead_filters: float | None = None
    earlier: tuple[dict[str, Any], ...] = ()

    @property
    def start(self) -> dict[str, float]:
        """The step and the hours at which the run and its trunk began: those of earlier trainings."""
        return {name: self.earlier[-1][name] if self.earlier else 0 for name in ("step", "hours")}

    @property
    def before(self) -> dict[str, float]:
        """The step and the hours at which the run itself began: those of earlier trainings and of its trunk."""
        return {name: value + (self.trunk[name] if self.trunk else 0) for name, value in self.start.items()}

    @property
    def begins_at_random(self) -> bool:
        """Whether the first of its trainings began with a start of its own, not with given weights."""
        return (self.earlier[0] if self.earlier else {"initial": self.initial})["initial"] is None

    @property
    def file_name(self) -> str:
        # The time of the first epoch tells runs of one command apart, and stays when one goes on another day.
        first = self.log[0].get("seconds") if self.log else None
        depends_on = [self.recipe_digest, self.data, self.initial, self.command, first]
        return f"{self.model}-x{self.scale}-{self.steps}-s{self.seed}-{_digest(depends_on)[:8]}.json"


@dataclass(frozen=True)
class Detail(Record):
    """A detail of one picture as it is and as each method enlarges it, kept as PNG files next to the record.

    ``weights``: digest by network. ``top``, ``left``, ``size``: the window, in pixels of the picture. ``scores``: of
    the whole picture, by method; ``psnr_inside``: of the window alone (dB, luma as in the protocol "public_code",
    nothing left out). ``white``: the squared error of 8-bit values at which a map of the error is white. ``files``:
    digest of the pixels of each file (`replication.data.benchmarks.pixel_digest`).
    """

    FOLDER = "crops"

    benchmark: str
    name: str
    scale: int
    weights: dict[str, str]
    top: int
    left: int
    size: int
    scores: dict[str, ImageResult]
    psnr_inside: dict[str, float]
    white: float
    files: dict[str, str]
    environment: dict[str, str]
    command: str

    @property
    def file_name(self) -> str:
        return f"{self.benchmark}-{self.name}-x{self.scale}.json"


Kind = TypeVar("Kind", bound=Record)


# ---------------------------------------------------------------- provenance


def file_name(benchmark: str, key: Key) -> str:
    """The name of the file that records the measurement of ``key`` on ``benchmark``."""
    return f"{benchmark}-x{key.scale}-{key.model}-{key.digest[:8]}.json"


def protocols(scale: int) -> dict[str, dict[str, Any]]:
    """The metric protocols of a record at ``scale``, as they stand in its key (lists for tuples, as JSON has them)."""
    found: dict[str, dict[str, Any]] = json.loads(json.dumps({k: asdict(v) for k, v in table_protocols(scale).items()}))
    return found


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


# ---------------------------------------------------------------- the store


def folder(results: Path, kind: type[Record] = Evaluation) -> Path:
    """Where the records of a kind are."""
    return results / "records" / kind.FOLDER


def check_writable(results: Path) -> None:
    """Raise UserError when records could not be written, so that nobody finds out after an hour of measuring."""
    check_folder(folder(results))


def to_json(record: Record) -> str:
    """The record as sorted JSON text; an infinite PSNR becomes null."""
    content = _with_nulls(msgspec.to_builtins(record))
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str, source: str, kind: type[Kind]) -> Kind:
    """Read a record. Raises DamagedFileError, naming ``source`` and what is wrong, for anything but a complete one."""
    try:
        content = json.loads(text, parse_constant=_refused)
        record = msgspec.convert(_with_infinities(content), kind)
        record.check()
        if json.loads(to_json(record)) != content:
            raise ValueError("it holds fields that do not belong to such a record")
    except (ValueError, msgspec.ValidationError) as error:  # a JSONDecodeError is a ValueError
        raise DamagedFileError(f"{source} is damaged: {error}") from error
    return record


def load(results: Path, kind: type[Kind]) -> list[Kind]:
    """Every record of a kind, sorted by file name; none when there is no such folder.

    Raises DamagedFileError naming a file that is damaged or whose name does not belong to its content.
    """
    found = []
    for path in sorted(folder(results, kind).glob("*.json")):
        record = _read(path, kind)
        if record.file_name != path.name:
            raise DamagedFileError(f"{path} is damaged: its content belongs to a file named {record.file_name}")
        found.append(record)
    return found


def load_all(results: Path) -> list[Evaluation]:
    """Every evaluation; see `load`."""
    return load(results, Evaluation)


def newest(records: Iterable[Kind]) -> Kind | None:
    """The record with the latest date (of equal ones the last by file name); None of none."""
    return max(records, key=lambda record: (record.environment.get("date", ""), record.file_name), default=None)


def find(
    records: Sequence[Evaluation], *, benchmark: str, model: str, scale: int, weights: str | None
) -> Evaluation | None:
    """The newest evaluation of ``model`` with these weights on ``benchmark`` under today's protocols, or None."""
    wanted = (benchmark, model, scale, weights, protocols(scale))
    return newest(
        record
        for record in records
        if (record.benchmark, record.key.model, record.key.scale, record.key.weights, record.key.protocol) == wanted
    )


def save(results: Path, record: Record) -> Path | None:
    """Write the record and return its path; None when the same measurement is there already.

    The same: everything but the fields that its kind ignores is equal. Keeping that file leaves a repeated run without
    changes. Raises UserError naming a damaged file in its place (which is not overwritten) or a path that cannot be
    written.
    """
    path = folder(results, type(record)) / record.file_name
    if path.is_file():
        there = _read(path, type(record))
        if record.IGNORED and _without(there, record.IGNORED) == _without(record, record.IGNORED):
            return None
    return write_text(path, to_json(record))


def largest_difference(old: Evaluation, new: Evaluation) -> tuple[float, float]:
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


@dataclass(frozen=True)
class Confirmation:
    """How far (dB, SSIM) what this machine measured is from the record that it repeats, at most over the images."""

    record: Evaluation
    psnr: float
    ssim: float

    @property
    def holds(self) -> bool:
        """Whether it is no more than the noise of float arithmetic."""
        return self.psnr <= NOISE_PSNR and self.ssim <= NOISE_SSIM


def confirmations(results: Path) -> list[Confirmation]:
    """What this machine repeated of the records, in their order; nothing where it repeated nothing."""
    repeated = {one.key.digest: one for one in load(results, Repetition)}
    known = [one for one in load_all(results) if one.key.digest in repeated]
    return [Confirmation(one, *largest_difference(one, repeated[one.key.digest])) for one in known]


def _read(path: Path, kind: type[Kind]) -> Kind:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedFileError(f"cannot read record {path}: {error}") from error
    return from_json(text, str(path), kind)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _with_nulls(value: Any) -> Any:
    """``value`` with null in place of infinity."""
    if isinstance(value, dict):
        return {name: _with_nulls(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_nulls(inner) for inner in value]
    return None if value == math.inf else value


def _with_infinities(value: Any, psnr: bool = False) -> Any:
    """``value`` with infinity in place of null, in fields that are PSNR values."""
    if isinstance(value, dict):
        return {name: _with_infinities(inner, psnr or name.startswith("psnr")) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_infinities(inner, psnr) for inner in value]
    return math.inf if value is None and psnr else value


def _without(record: Record, ignored: frozenset[str]) -> Any:
    def pruned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: pruned(inner) for name, inner in value.items() if name not in ignored}
        return [pruned(inner) for inner in value] if isinstance(value, list | tuple) else value

    return pruned(msgspec.to_builtins(record))
