"""Details of pictures as they are and as each method enlarges them: small PNG files with a record for each picture.

The detail is not chosen by hand: it is the window in which the two networks differ most. The embedded photographs may
be passed on, so theirs are kept with the records. The paper's four images may not: theirs go to ``<results>/local``,
which is not committed, and only where the images are on this machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from replication import evaluate, records, weights
from replication.data import benchmarks
from replication.data.benchmarks import EMBEDDED, BenchmarkImage, data_root, pixel_digest
from replication.errors import DamagedFileError, Parser, run
from replication.evaluate import BICUBIC, METHODS, Image, Subject
from replication.images.io import read_image, write_image
from replication.images.metrics import psnr, table_protocols
from replication.images.resize import imresize
from replication.models import MODELS
from replication.network import DEFAULT_SCALE as SCALE
from replication.records import Detail, ImageResult

PAPERS = (("Set5", "baby"), ("Set14", "comic"), ("B100", "102061"), ("Urban100", "img004"))
"""The images of the paper's Figures 4 to 7: benchmark and name."""

SIZE = 128
"""Side of a detail in pixels of the picture, a multiple of the scale."""

WHOLE = 160
"""Longer side of the small picture that shows where the detail is, in pixels."""

WHITE = 96
"""Percentile of bicubic's squared error at which the maps of all methods are white."""

ORIGINAL, SMALL = "original", "whole"
VERSIONS = (ORIGINAL, *METHODS)
"""What is shown of each detail; of each but the original there is a map of the squared error, too."""


def local(results: Path) -> Path:
    """Where details of images go that may not be passed on: a results folder that git ignores."""
    return results / "local"


def furthest(one: Image, other: Image, size: int) -> tuple[int, int]:
    """Top row and left column of the window of ``size`` x ``size`` pixels in which two images differ most.

    By squared error, summed over the channels. Images smaller than the window give (0, 0). Of windows that differ
    equally the first counts.
    """
    error = (one.astype(np.float64) - other.astype(np.float64)) ** 2
    error = error.reshape(*error.shape[:2], -1).sum(axis=2)
    height, width = (min(size, side) for side in error.shape)
    total = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    windows = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(top), int(left)


def squared_error(original: Image, other: Image) -> NDArray[np.float64]:
    """(H, W): squared difference of 8-bit values, the mean over the channels."""
    error = (original.astype(np.float64) - other.astype(np.float64)) ** 2
    return np.asarray(error.reshape(*error.shape[:2], -1).mean(axis=2))


@dataclass(frozen=True)
class Cut:
    """One picture measured and cut: its record, and the files that go with it, by version."""

    record: Detail
    images: Mapping[str, Image]


def cut(benchmark: str, image: BenchmarkImage, ready: Sequence[Subject]) -> Cut:
    """Enlarge one picture with every method that is ``ready``, measure it, and cut out the detail.

    ``ready`` holds all of `METHODS`. Raises UserError as `evaluate.evaluated` does.
    """
    original = evaluate.evaluated(image, SCALE)
    scores: dict[str, ImageResult] = {}
    enlarged: dict[str, Image] = {}
    for subject in ready:
        scores[subject.model], enlarged[subject.model] = evaluate.measure_image(subject, image.name, original)
    one, other = (enlarged[model] for model in MODELS)
    top, left = furthest(one, other, SIZE)
    window = np.s_[top : top + SIZE, left : left + SIZE]
    images = {ORIGINAL: original[window], **{name: picture[window] for name, picture in enlarged.items()}}
    errors = {name: squared_error(images[ORIGINAL], images[name]) for name in METHODS}
    limit = float(np.percentile(errors[BICUBIC], WHITE)) or 1.0
    inside = table_protocols(0)["public_code"]  # the window lies where it lies: it has no border to leave out
    record = Detail(
        benchmark=benchmark,
        name=image.name,
        scale=SCALE,
        weights={one.model: one.weights for one in ready if one.weights},
        top=top,
        left=left,
        size=SIZE,
        scores=scores,
        psnr_inside={name: psnr(images[name], images[ORIGINAL], inside) for name in METHODS},
        white=limit,
        files={},
        environment=records.environment(),
        command="python -m replication.crops",
    )
    for name, error in errors.items():
        images[f"{name}-error"] = np.clip(error / limit * 255, 0, 255).round().astype(np.uint8)
    factor = WHOLE / max(original.shape[:2])
    images[SMALL] = imresize(original, factor).astype(np.uint8)
    return Cut(record, images)


def save(results: Path, made: Cut) -> list[Path]:
    """Write the pictures and then the record that names their digests; return what was written.

    The record goes first if there is one: a run that is cut off leaves pictures without a record, which count as none.
    """
    folder = records.folder(results, Detail)
    (folder / made.record.file_name).unlink(missing_ok=True)
    stem = Path(made.record.file_name).stem
    written, files = [], {}
    for version, image in made.images.items():
        path = folder / f"{stem}-{version}.png"
        write_image(path, image)
        files[path.name] = pixel_digest(image)
        written.append(path)
    record = records.save(results, replace(made.record, files=files))
    return [*written, record] if record else written


def shipped() -> dict[str, str]:
    """Digest of the weights that ship for each network, where there are some."""
    return {model: digest for model in MODELS if (digest := weights.shipped_digest(model, SCALE))}


def current(results: Path) -> list[Detail]:
    """The recorded details that were made with the shipped weights and whose pictures are there.

    Raises DamagedFileError for a damaged record, and for a picture that is not the recorded one.
    """
    found = []
    for record in records.load(results, Detail):
        paths = [records.folder(results, Detail) / name for name in record.files]
        if record.weights != shipped() or not all(path.is_file() for path in paths):
            continue
        for path in paths:
            if pixel_digest(read_image(path)) != record.files[path.name]:
                raise DamagedFileError(
                    f"{path}: expected the pixels of the record {record.file_name}, got others; "
                    "`python -m replication.crops --force` makes them anew"
                )
        found.append(record)
    return found


def update(results: Path, data: Path | None = None, *, force: bool = False) -> list[Path]:
    """Make what is not here yet of the embedded photographs, and of the paper's images where they are.

    Nothing is made unless both networks are trained. Raises UserError for data that is there but wrong.
    """
    if len(shipped()) < len(MODELS):
        return []
    written = []
    ready: list[Subject] = []
    for target, wanted in ((results, _embedded()), (local(results), _of_the_paper(data))):
        known = set() if force else {(one.benchmark, one.name) for one in current(target)}
        missing = [(name, image) for name, image in wanted if (name, image.name) not in known]
        if missing and not ready:
            ready = [subject for model in METHODS if (subject := evaluate.subject(model, SCALE))]
        for name, image in tqdm(missing, desc="details", unit="picture", disable=not missing):
            written += save(target, cut(name, image, ready))
    return written


def _embedded() -> list[tuple[str, BenchmarkImage]]:
    return [(EMBEDDED, image) for image in benchmarks.embedded().images]


def _of_the_paper(data: Path | None) -> list[tuple[str, BenchmarkImage]]:
    sets = {name: benchmarks.find(name, data_root(data), scale=SCALE) for name, _ in PAPERS}
    return [
        (name, image)
        for name, wanted in PAPERS
        if (found := sets[name])
        for image in found.images
        if image.name == wanted
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Make the details; see `update`."""
    parser = Parser(
        prog="python -m replication.crops",
        description=(
            "Cut details out of the embedded photographs as they are and as each method enlarges them, where the two\n"
            "networks differ most, and record their PSNR and SSIM: what the pictures of results/report.html are made\n"
            "of. The same for the four images of the paper's Figures 4 to 7 where they are in the data folder; these\n"
            "may not be passed on and go to a folder that is not committed."
        ),
        epilog=(
            "examples:\n"
            "  python -m replication.crops                 what is not here yet, or was made with other weights\n"
            "  python -m replication.crops --force         all of it anew\n"
        ),
    )
    parser.add_argument("--force", action="store_true", help="make again what is there")
    parser.add_data()
    parser.add_results()
    arguments = parser.parse_args(argv)
    records.check_writable(arguments.results)
    written = update(arguments.results, arguments.data, force=arguments.force)
    for path in written:
        print(f"wrote {path}")
    if not written:
        print("nothing to do: all that can be made is here, made with the shipped weights")
    return 0


if __name__ == "__main__":
    run(main)
