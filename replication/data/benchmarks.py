"""The benchmark sets: finding them on disk, in the layouts people already have, and proving that they are right.

Copies of Set5, Set14, B100 and Urban100 that differ (another crop, a JPEG in between, another *man* or *bridge*) shift
published numbers in the first decimal. So each image is compared with a SHA-256 of its decoded pixels, from
``benchmarks.json``. `find` checks names only and is instant; `BenchmarkImage.load` checks the pixels that it decodes
anyway; `verify` loads a whole set. Nothing is decoded twice.

**Digest.** SHA-256 over the ASCII text ``<height>x<width>x<channels>\\n`` followed by the decoded 8-bit pixels, row by
row, RGB interleaved. An image whose three channels are equal everywhere counts as one channel, so a grey image has one
digest however it is stored. The file lists it for the full image and for the top-left crops to multiples of 2, 3, 4, 8
and 12, by size. ``python -m replication.data --make-manifest FILE`` rebuilds the file from full images in
``benchmarks/<set>/``.

**Grey or RGB.** ``channels`` says how the literature's copy stores an image, and `BenchmarkImage.load` returns that
form: Set14 *bridge* is grey and is evaluated as it is; Set14 *man* and seven images of Urban100 look grey but are
stored as RGB and go through the luma formula like any other (it compresses 0..255 to 16..235, worth 1.32 dB per image,
0.09 dB in the mean of Set14: the published bicubic values need *man* as RGB and *bridge* as grey).

**Embedded set.** Five natural colour photographs that scikit-image ships inside its wheel, so that something real can
be measured without any download. By scikit-image's documentation: astronaut (NASA, public domain), chelsea (Stefan van
der Walt, CC0), coffee (Rachel Michetti, CC0), motorcycle_left (Middlebury 2014 stereo benchmark, down-sampled by 4),
rocket (SpaceX, public domain; the only JPEG).
"""

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import PIL.features
from tqdm import tqdm

from replication.errors import ArgumentError, DamagedFileError, MissingPackageError, UserError
from replication.images.io import Image, read_image, read_size

BENCHMARKS = ("Set5", "Set14", "B100", "Urban100")
EMBEDDED = "embedded"
SIZES = {"Set5": 5, "Set14": 14, "B100": 100, "Urban100": 100}
EMBEDDED_FILES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")

MANIFEST = Path(__file__).with_name("benchmarks.json")
CROPS = (1, 2, 3, 4, 8, 12)  # multiples to which copies are cropped; 1 is the full image

FOLDERS = {"B100": ("B100", "BSD100", "BSDS100")}  # other names of a set's folder
IGNORED = frozenset({"thumbs.db", "desktop.ini"})
LOW_RESOLUTION = re.compile(r"(_LR|_bicubic|x[2348])$", re.IGNORECASE)
DECORATION = re.compile(r"(_SRF_\d+)?(_HR|_GT)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Published:
    """What one image must be: its full size in pixels, its channels (1 or 3), and its digests by ``<H>x<W>``."""

    height: int
    width: int
    channels: int
    sha256: dict[str, str]


@dataclass(frozen=True)
class BenchmarkImage:
    """One image of a benchmark; ``published`` None means that nothing is known of it and nothing is checked."""

    name: str
    path: Path
    published: Published | None = None

    def load(self) -> Image:
        """Decode and check: uint8 in 0..255, (H, W) if the literature's copy is grey, else (H, W, 3) RGB.

        Raises UserError naming the file when it is unreadable or is not the published image.
        """
        image = read_image(self.path)
        if self.published is None:
            return image
        problem = mismatch(image, self.published, self.path)
        if problem is not None:
            raise DamagedFileError(f"{self.path}: {problem}")
        if self.published.channels == 1 and image.ndim == 3:
            return image[..., 0]
        if self.published.channels == 3 and image.ndim == 2:
            return np.repeat(image[..., None], 3, axis=2)
        return image

    def note(self, scale: int) -> str | None:
        """A note for the reader if this copy is cropped so far that fewer pixels are evaluated at ``scale``."""
        if self.published is None:
            return None
        have = tuple(length // scale * scale for length in read_size(self.path))
        full = tuple(length // scale * scale for length in (self.published.height, self.published.width))
        if have == full:
            return None
        sizes = f"{have[0]}x{have[1]} instead of {full[0]}x{full[1]}"
        return f"{self.name} is a cropped copy: x{scale} is evaluated on {sizes} pixels"


@dataclass(frozen=True)
class Benchmark:
    """A set that is on this machine, its images sorted by name; ``layout`` says how ``folder`` is organised."""

    name: str
    images: tuple[BenchmarkImage, ...]
    folder: Path | None = None
    layout: str = ""

    def notes(self, scale: int) -> list[str]:
        """What a reader must know of this copy when it is evaluated at ``scale``. Reads file headers only."""
        return [note for image in self.images if (note := image.note(scale)) is not None]


def data_root(given: Path | None = None, *, must_exist: bool = True) -> Path:
    """The data folder: ``given`` (a ``--data`` argument), else ``$REPLICATION_DATA``, else ``data`` here.

    Raises UserError when it is a file, or when it was named by the user and does not exist (unless ``must_exist`` is
    False). The default folder need not exist: then no set is there.
    """
    named = os.environ.get("REPLICATION_DATA", "")
    source = "--data" if given is not None else "REPLICATION_DATA"
    root = given if given is not None else Path(named or "data")
    if root.exists() and not root.is_dir():
        raise UserError(f"{root}: expected the data folder, got a file")
    if must_exist and (given is not None or named) and not root.is_dir():
        raise UserError(f"{root} (from {source}): expected the data folder, but it does not exist")
    return root


def find(name: str, root: Path | None = None, *, scale: int = 4) -> Benchmark | None:
    """The benchmark ``name`` below ``root`` (default: `data_root`), or None when the set is absent altogether.

    Looked for in this order: ``benchmarks/<set>/*``; EDSR's ``benchmark/<set>/HR/*``; SelfExSR's
    ``<set>/image_SRF_<scale>/*_HR.png`` (the folder for ``scale`` first, as its images are cropped for it). B100 may be
    called BSD100. Hidden files and low-resolution images are ignored. Names are unified to the literature's
    (``img_004.png`` is img004, ``101085.jpg`` is 101085); a file with an unknown name is recognised by its pixels.

    Raises UserError for an unknown ``name``, and when the set is there but images are missing or files are extra, each
    of them named. Pixels of files with a known name are not decoded here.
    """
    if name == EMBEDDED:
        return embedded()
    if name not in BENCHMARKS:
        raise ArgumentError(f"unknown benchmark {name!r}: expected one of {', '.join((*BENCHMARKS, EMBEDDED))}")
    for layout, folder in _candidates(name, data_root() if root is None else root, scale):
        files = _files(folder, only_hr=layout == "SelfExSR")
        if files:
            return Benchmark(name, _matched(name, folder, files), folder, layout)
    return None


def at_hand(name: str, root: Path | None = None, *, scale: int = 4) -> Benchmark:
    """The benchmark ``name`` where it is (see `find`), else the embedded photographs, which always are."""
    return find(name, root, scale=scale) or embedded()


def verify(benchmark: Benchmark) -> list[str]:
    """Load every image, with a progress bar; one line for each that is unreadable or not the published one."""
    problems = []
    for image in tqdm(benchmark.images, desc=f"verifying {benchmark.name}", unit="image", leave=False):
        try:
            image.load()
        except DamagedFileError as error:
            problems.append(str(error))
    return problems


def pixel_digest(image: Image) -> str:
    """SHA-256 of the decoded pixels, as defined in this module's docstring."""
    if image.ndim == 3 and bool((image == image[..., :1]).all()):
        image = image[..., 0]
    channels = 1 if image.ndim == 2 else image.shape[2]
    digest = hashlib.sha256(f"{image.shape[0]}x{image.shape[1]}x{channels}\n".encode("ascii"))
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()


def mismatch(image: Image, published: Published, path: Path) -> str | None:
    """Why a decoded image is not the published one (nor a known crop of it), in words, or None if it is."""
    expected = published.sha256.get(f"{image.shape[0]}x{image.shape[1]}")
    if expected is None:
        return (
            f"expected {published.height}x{published.width} pixels (or its crop to a multiple of "
            f"{', '.join(str(crop) for crop in CROPS[1:])}), got {image.shape[0]}x{image.shape[1]}"
        )
    if pixel_digest(image) == expected:
        return None
    reason = "its pixels differ from the published image (another picture, or a copy that was compressed or edited)"
    if path.suffix.lower() in (".jpg", ".jpeg"):
        decoder = "libjpeg-turbo" if PIL.features.check_feature("libjpeg_turbo") else "libjpeg"
        version = PIL.features.version("libjpeg_turbo") or PIL.features.version("jpg")
        reason += (
            f"; for an original JPEG a likely cause is the decoder ({decoder} {version} here), because versions may "
            "decode to other pixels: install the Pillow of constraints.txt or use a PNG copy"
        )
    return reason


@cache
def manifest() -> dict[str, dict[str, Published]]:
    """What each image of each set must be, by set and name, from ``benchmarks.json``."""
    sets = json.loads(MANIFEST.read_text(encoding="utf-8"))["sets"]
    return {name: {image: Published(**facts) for image, facts in images.items()} for name, images in sets.items()}


def make_manifest(root: Path) -> str:
    """The text of ``benchmarks.json``, from the full images in ``<root>/benchmarks/<set>/`` and the embedded set.

    The images there are taken as the truth. Raises UserError when a set is absent or has the wrong number of images.
    """
    sets = {EMBEDDED: {path.stem: path for path in _embedded_paths()}}
    for name, count in SIZES.items():
        folder = root / "benchmarks" / name
        sets[name] = {literature_name(path): path for path in _files(folder, only_hr=False)}
        if len(sets[name]) != count:
            raise DamagedFileError(f"{folder}: expected {count} images of {name}, got {len(sets[name])}")
    lines = []
    for name, images in sets.items():
        entries = [f"    {json.dumps(image)}: {json.dumps(_facts(images[image]))}" for image in sorted(images)]
        lines.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(entries) + "\n  }")
    about = "SHA-256 of decoded pixels by size, as defined in replication/data/benchmarks.py"
    return f'{{"about": {json.dumps(about)},\n "sets": {{\n' + ",\n".join(lines) + "\n}}\n"


def literature_name(path: Path) -> str:
    """The name of an image in the literature: no suffix, no ``_SRF_4_HR`` or ``_GT``, img004 for img_004."""
    stem = DECORATION.sub("", path.stem.lower())
    return re.sub(r"^img_(\d+)$", r"img\1", stem)


def _facts(path: Path) -> dict[str, object]:
    """The manifest's entry for one full image."""
    image = read_image(path)
    height, width = image.shape[:2]
    digests = {}
    for multiple in CROPS:
        rows, columns = height // multiple * multiple, width // multiple * multiple
        digests[f"{rows}x{columns}"] = pixel_digest(image[:rows, :columns])
    return {"height": height, "width": width, "channels": 1 if image.ndim == 2 else 3, "sha256": digests}


def _candidates(name: str, root: Path, scale: int) -> Iterator[tuple[str, Path]]:
    """The folders where a set may be, with the name of the layout, the preferred one first."""
    names = FOLDERS.get(name, (name,))
    for folder in names:
        yield "benchmarks", root / "benchmarks" / folder
    for folder in names:
        yield "EDSR", root / "benchmark" / folder / "HR"
    for folder in names:
        for factor in dict.fromkeys((scale, 4, 2, 3, 8)):
            yield "SelfExSR", root / folder / f"image_SRF_{factor}"


def _files(folder: Path, *, only_hr: bool) -> list[Path]:
    """The files of a folder that count, sorted; none if there is no such folder."""
    try:
        files = sorted(path for path in folder.iterdir() if not path.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DamagedFileError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    visible = [path for path in files if not path.name.startswith(".") and path.name.lower() not in IGNORED]
    if only_hr:  # this layout keeps the results of other methods in the same folder
        return [path for path in visible if path.stem.upper().endswith("_HR")]
    return [path for path in visible if not LOW_RESOLUTION.search(path.stem)]


def _matched(name: str, folder: Path, files: Sequence[Path]) -> tuple[BenchmarkImage, ...]:
    """Each image of the set with its file. Raises UserError naming what is missing and what is extra."""
    published = manifest()[name]
    found: dict[str, Path] = {}
    extra = []
    # Files with a known name first, so that a renamed duplicate cannot take the place of the properly named file.
    for path in sorted(files, key=lambda path: literature_name(path) not in published):
        image = literature_name(path)
        if image not in published:
            image = _identified(path, published)
        if image in published and image not in found:
            found[image] = path
        else:
            extra.append(f"{path.name} (a second {image})" if image else path.name)
    missing = [image for image in published if image not in found]
    if missing or extra:
        parts = [f"{folder}: expected the {len(published)} images of {name}"]
        parts += [f"missing: {', '.join(missing)}"] if missing else []
        parts += [f"not part of the set: {', '.join(extra)}"] if extra else []
        raise DamagedFileError("; ".join(parts))
    return tuple(BenchmarkImage(image, found[image], published[image]) for image in sorted(found))


def _identified(path: Path, published: dict[str, Published]) -> str:
    """The name of the image that a file with an unknown name holds, by its pixels; empty if it is none."""
    try:
        image = read_image(path)
    except DamagedFileError:
        return ""
    size, digest = f"{image.shape[0]}x{image.shape[1]}", pixel_digest(image)
    return next((name for name, one in published.items() if one.sha256.get(size) == digest), "")


def _embedded_paths() -> list[Path]:
    """The embedded photographs' files. Raises UserError if scikit-image does not have them."""
    spec = importlib.util.find_spec("skimage")  # finds the package without importing it
    if spec is None or spec.origin is None:
        raise MissingPackageError("the embedded set needs scikit-image: expected it to be installed, but it is not")
    paths = [Path(spec.origin).parent / "data" / name for name in EMBEDDED_FILES]
    absent = [path.name for path in paths if not path.is_file()]
    if absent:
        raise DamagedFileError(f"{paths[0].parent}: expected scikit-image's photographs; missing: {', '.join(absent)}")
    return paths


def embedded() -> Benchmark:
    """The photographs that come with scikit-image. Raises UserError if it does not have them."""
    published = manifest()[EMBEDDED]
    paths = _embedded_paths()
    images = tuple(BenchmarkImage(path.stem, path, published[path.stem]) for path in paths)
    return Benchmark(EMBEDDED, images, paths[0].parent, "scikit-image's wheel")
