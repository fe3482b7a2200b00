"""Measure networks that others trained, with this package's resize and metrics: do the published numbers come out?

The authors' weights of PAN, IMDN and CARN-M and the x4 pictures that the public MSRN repository shows are looked for
below ``reference`` in the data folder. They are not shipped: each is its authors'.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from replication import evaluate, records, weights
from replication.data import benchmarks
from replication.data.benchmarks import BENCHMARKS
from replication.errors import DamagedFileError, Parser, run
from replication.evaluate import Image, Prepared, Subject
from replication.images.io import read_image
from replication.models.official import load_published
from replication.network import DEFAULT_SCALE as SCALE
from replication.records import Calibration, ImageResult

WEIGHTS = {"PAN": "PANx4_DF2K.pth", "IMDN": "IMDN_x4.pth", "CARN-M": "carn_m.pth"}
"""Files below ``reference/official_weights``, by the network's name in `replication.models.zoo`."""
PICTURES = "MSRN-public-pictures"
"""The name in records of MIVRC/MSRN-PyTorch's own results: ``reference/msrn_public_x4/<image>_MSRN_x4.png``."""
PICTURES_SET = "Set5"


@dataclass(frozen=True)
class Reference:
    """One network or set of pictures: its name, the sets that it can be measured on, and where its files are."""

    name: str
    sets: tuple[str, ...]
    path: Path

    @property
    def here(self) -> bool:
        """Whether the files are on this machine."""
        return self.path.is_file() or (self.path.is_dir() and any(self.path.glob("*.png")))


def references(root: Path) -> list[Reference]:
    """All references, here or not."""
    folder = root / "reference"
    networks = [Reference(name, BENCHMARKS, folder / "official_weights" / file) for name, file in WEIGHTS.items()]
    return [*networks, Reference(PICTURES, (PICTURES_SET,), folder / "msrn_public_x4")]


def measure_network(reference: Reference, data: Prepared) -> Calibration:
    """The authors' weights on one benchmark."""
    network = load_published(reference.name, reference.path)
    digest = weights.digest(reference.path)
    subject = Subject(reference.name, SCALE, digest, None, evaluate.network_upscaler(network))
    return Calibration(**vars(replace(evaluate.measure(subject, data), command="python -m replication.calibrate")))


def measure_pictures(reference: Reference, data: Prepared) -> Calibration:
    """Pictures that others made of one benchmark. Raises DamagedFileError naming one that does not fit."""
    results, total = [], hashlib.sha256()
    for name, hr in data.images.items():
        path = reference.path / f"{name}_MSRN_x{SCALE}.png"
        if not path.is_file():
            raise DamagedFileError(f"{path}: expected the picture of {name}, found nothing")
        picture: Image = np.asarray(read_image(path))
        if picture.shape != hr.shape:
            raise DamagedFileError(f"{path}: expected {hr.shape}, got {picture.shape}")
        total.update(picture.tobytes())
        scores = evaluate.compare(picture, hr, SCALE)
        results.append(ImageResult(name=name, height=hr.shape[0], width=hr.shape[1], seconds=0.0, **scores))
    subject = Subject(PICTURES, SCALE, total.hexdigest(), None, lambda image: image)
    return Calibration(
        key=evaluate.key_of(subject, data),
        benchmark=data.benchmark,
        images=tuple(results),
        training=None,
        environment=records.environment(),
        command="python -m replication.calibrate",
    )


def recorded(results: Path) -> dict[tuple[str, str], Calibration]:
    """What is recorded under today's protocols, by reference and benchmark."""
    return {
        (record.key.model, record.benchmark): record
        for record in records.load(results, Calibration)
        if record.key.protocol == records.protocols(SCALE)
    }


def calibrate(results: Path, data: Path | None = None, *, force: bool = False) -> list[Path]:
    """Measure every reference on every set that is here and not recorded; return the new records."""
    root, known = benchmarks.data_root(data), recorded(results)
    records.check_writable(results)
    written = []
    for name in BENCHMARKS:
        wanted = [one for one in references(root) if name in one.sets and one.here]
        wanted = [one for one in wanted if force or (one.name, name) not in known]
        benchmark = benchmarks.find(name, root) if wanted else None
        if benchmark is None:
            continue
        prepared = evaluate.prepare(benchmark, SCALE)
        for one in wanted:
            record = (measure_pictures if one.name == PICTURES else measure_network)(one, prepared)
            if path := records.save(results, record):
                written.append(path)
    return written


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and say what is missing."""
    parser = Parser(
        prog="python -m replication.calibrate",
        description=f"{__doc__}\n`python -m analysis calibration` makes the page of the records.",
        epilog="""examples:
  python -m replication.calibrate
  python -m replication.calibrate --data /data --force""",
    )
    parser.add_data()
    parser.add_results()
    parser.add_argument("--force", action="store_true", help="measure again what is recorded")
    arguments = parser.parse_args(argv)
    for path in calibrate(arguments.results, arguments.data, force=arguments.force):
        print(f"wrote {path}")
    for one in references(benchmarks.data_root(arguments.data)):
        if not one.here:
            print(f"{one.name}: not here (looked for {one.path}), so what is recorded stays")
    return 0


if __name__ == "__main__":
    run(main)
