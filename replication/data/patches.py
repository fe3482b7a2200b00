"""Training patches: original and low-resolution images made once, sampling and augmentation without state.

What sample ``index`` under ``seed`` is depends on nothing else, so neither workers nor restarts nor the number of
processes change the data.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from replication.errors import DamagedFileError, UserError, above_zero
from replication.images.io import read_image
from replication.images.resize import crop_to_multiple, imresize

SUFFIXES = {".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff"}
DIV2K_TRAINING = tuple(f"{number:04d}.png" for number in range(1, 801))


def list_images(folder: Path, dataset: str) -> list[Path]:
    """The images of a training folder, sorted by name.

    Raises UserError when the folder is missing, unreadable or holds none, and for "DIV2K" names the training images
    that are absent.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise UserError(f"training images: expected a folder at {folder}, found {found}")
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"training images: cannot read folder {folder}: {error.strerror or error}") from error
    paths = [path for path in files if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    if not paths:
        raise UserError(f"training images: {folder} holds no image ({', '.join(sorted(SUFFIXES))})")
    if dataset == "DIV2K":
        missing = sorted(set(DIV2K_TRAINING) - {path.name for path in paths})
        if missing:
            shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise UserError(f"{folder}: expected DIV2K's 800 training images, {len(missing)} missing: {shown}")
        paths = [path for path in paths if path.name in set(DIV2K_TRAINING)]
    return paths


@dataclass(frozen=True)
class Source:
    """A training image, or a folder of them, and the factor (at most 1) by which it is shrunk before anything else."""

    path: Path
    factor: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "Source":
        """Read ``DIR`` or ``DIR@FACTOR``. Raises argparse.ArgumentTypeError unless the factor is above 0, at most 1."""
        path, at, factor = text.rpartition("@")
        if not at or Path(text).is_dir():
            return cls(Path(text))
        return cls(Path(path), above_zero(1, f"after {path}@ a factor")(factor))

    def __str__(self) -> str:
        return self.path.name if self.factor == 1 else f"{self.path.name}@{self.factor:g}"


@dataclass(frozen=True)
class Pair:
    """Where one image (height x width, RGB) and its low-resolution image lie in the two flat files.

    ``source``: the number of the training image that it is, or is a shrunk copy of; names may be those of several.
    """

    name: str
    source: int
    scaling: float
    height: int
    width: int
    hr_offset: int
    lr_offset: int


@dataclass(frozen=True)
class Pairs:
    """Prepared training images: an index, two memory-mapped files of uint8 samples, and the digest of the originals.

    Pickling carries the folder and not the samples: loader processes that are not forked open the files themselves.
    """

    index: tuple[Pair, ...]
    hr: NDArray[np.uint8]
    lr: NDArray[np.uint8]
    scale: int
    digest: str
    folder: Path

    def __reduce__(self) -> tuple[Callable[..., "Pairs"], tuple[Path, int]]:
        return _open, (self.folder, self.scale)

    def images(self, pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Original (H, W, 3) and low-resolution image (H / scale, W / scale, 3), uint8, as views of the files."""
        low = (pair.height // self.scale, pair.width // self.scale, 3)
        hr = self.hr[pair.hr_offset : pair.hr_offset + pair.height * pair.width * 3]
        lr = self.lr[pair.lr_offset : pair.lr_offset + low[0] * low[1] * 3]
        return hr.reshape(pair.height, pair.width, 3), lr.reshape(low)


def prepare(
    sources: Sequence[Source], scale: int, scaling: Sequence[float], cache: Path, *, show_progress: bool = False
) -> Pairs:
    """Make every original and its low-resolution image once, in ``cache``; later calls open what is there.

    The low-resolution image is our bicubic of the original (times ``scaling``, cropped to a multiple of ``scale``).
    The cache is keyed by names, sizes, times, scale, scaling and the index's fields, so changed images are prepared
    anew. Raises UserError naming every image that cannot be used, before anything is trained.
    """
    paths = [source.path for source in sources]
    try:
        stamp = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    except OSError as error:
        raise UserError(f"cannot read training image {error.filename}: {error.strerror}") from error
    factors = [source.factor for source in sources]
    made_of = [stamp, factors, scale, list(scaling), list(Pair.__annotations__)]
    key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    folder = cache / key
    if not folder.is_dir():
        _build(sources, scale, scaling, folder, show_progress)
    return _open(folder, scale)


def _build(sources: Sequence[Source], scale: int, scaling: Sequence[float], folder: Path, show_progress: bool) -> None:
    """Fill a temporary folder and rename it to ``folder``, so that an interrupted run leaves no half-made cache."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
        try:
            _fill(sources, scale, scaling, temporary, show_progress)
            try:
                temporary.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another run has made the same images in the meantime
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise UserError(f"cannot write training cache {folder}: {error.strerror or error}") from error


def _fill(sources: Sequence[Source], scale: int, scaling: Sequence[float], folder: Path, show_progress: bool) -> None:
    index: list[Pair] = []
    broken: list[str] = []
    originals = hashlib.sha256()
    with (folder / "hr").open("wb") as hr_file, (folder / "lr").open("wb") as lr_file:
        shown = tqdm(sources, desc="preparing training images", unit="image", disable=not show_progress)
        for number, source in enumerate(shown):
            path = source.path
            try:
                image = read_image(path)
            except DamagedFileError as error:
                broken.append(str(error))
                continue
            if source.factor != 1:
                image = np.asarray(imresize(image, source.factor), np.uint8)
            if min(image.shape[:2]) < scale:
                broken.append(f"{path}: {image.shape[0]}x{image.shape[1]} pixels is too small for scale {scale}")
                continue
            originals.update(path.name.encode() + image.tobytes())
            if image.ndim == 2:
                image = np.repeat(image[:, :, None], 3, axis=2)
            for factor in scaling:
                shrunk = image if factor == 1 else imresize(image, factor)
                if min(shrunk.shape[:2]) < scale:
                    continue  # a shrunk copy too small for any patch
                hr = crop_to_multiple(shrunk, scale)
                offsets = (hr_file.tell(), lr_file.tell())
                name = f"{path.parent.name}/{path.name}"
                index.append(Pair(name, number, factor, hr.shape[0], hr.shape[1], *offsets))
                hr_file.write(hr.tobytes())
                lr_file.write(imresize(hr, 1 / scale).tobytes())
    if broken:
        raise UserError(f"{len(broken)} training image(s) cannot be used: {'; '.join(broken)}")
    content = {"digest": originals.hexdigest(), "pairs": [vars(pair) for pair in index]}
    (folder / "index.json").write_text(json.dumps(content), encoding="utf-8")


def _open(folder: Path, scale: int) -> Pairs:
    try:
        content = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        index = tuple(Pair(**pair) for pair in content["pairs"])
        hr, lr = (np.memmap(folder / name, np.uint8, "r") for name in ("hr", "lr"))
        expected = sum(pair.height * pair.width * 3 for pair in index)
        if (hr.size, lr.size * scale**2) != (expected, expected):
            raise ValueError(f"expected {expected} samples, got {hr.size}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"training cache {folder} is damaged: remove it and start again ({error})") from error
    return Pairs(index, hr, lr, scale, content["digest"], folder)


@dataclass(frozen=True)
class Place:
    """Where a sample comes from: the pair, the LR pixel of its corner, quarter turns, and whether it is mirrored."""

    pair: Pair
    top: int
    left: int
    turns: int
    mirror: bool


class PatchDataset(Dataset[tuple[Tensor, Tensor]]):
    """An endless list of training patches: item ``index`` is a pure function of (``seed``, ``index``).

    Each item: (3, p / scale, p / scale) and (3, p, p), uint8 RGB, for p = ``hr_patch``. ``sampling``: images are drawn
    equally often ("image") or in proportion to their pixels ("area"). Raises UserError when ``hr_patch`` is no multiple
    of the scale or an unscaled image is smaller; a shrunk copy that is smaller is left out.
    """

    def __init__(
        self, pairs: Pairs, *, hr_patch: int, flips: bool, rotations: bool, seed: int, sampling: str = "image"
    ) -> None:
        if hr_patch % pairs.scale:
            raise UserError(f"recipe key 'hr_patch': expected a multiple of the scale {pairs.scale}, got {hr_patch}")
        fits = [pair for pair in pairs.index if min(pair.height, pair.width) >= hr_patch]
        usable = {pair.source for pair in fits}
        for pair in pairs.index:
            if pair.source not in usable:
                raise UserError(
                    f"training image {pair.name} is smaller than a patch: expected at least {hr_patch}x{hr_patch} "
                    f"pixels, got {pair.height}x{pair.width}"
                )
        self.pairs, self.fits = pairs, fits
        self.hr_patch, self.flips, self.rotations, self.seed = hr_patch, flips, rotations, seed
        areas = np.cumsum([pair.height * pair.width for pair in fits])
        self.shares = areas / areas[-1] if sampling == "area" else None

    def place(self, index: int) -> Place:
        """Where sample ``index`` comes from."""
        random = np.random.default_rng([self.seed, index])
        if self.shares is None:
            pair = self.fits[random.integers(len(self.fits))]
        else:
            pair = self.fits[int(np.searchsorted(self.shares, random.random(), side="right"))]
        scale, size = self.pairs.scale, self.hr_patch // self.pairs.scale
        top, left = (int(random.integers(length // scale - size + 1)) for length in (pair.height, pair.width))
        turns, mirror = int(random.integers(4)), bool(random.integers(2))
        return Place(pair, top, left, turns if self.rotations else 0, mirror and self.flips)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        place = self.place(index)
        hr, lr = self.pairs.images(place.pair)
        scale, size = self.pairs.scale, self.hr_patch // self.pairs.scale
        top, left = place.top, place.left
        low = lr[top : top + size, left : left + size]
        high = hr[top * scale : (top + size) * scale, left * scale : (left + size) * scale]
        return _oriented(low, place), _oriented(high, place)


def _oriented(patch: NDArray[np.uint8], place: Place) -> Tensor:
    patch = np.rot90(patch, place.turns)
    if place.mirror:
        patch = patch[:, ::-1]
    return torch.from_numpy(np.ascontiguousarray(patch.transpose(2, 0, 1)))


def fits(pairs: Pairs, device: torch.device) -> bool:
    """Whether a GPU has twice the room that all images need: the rest is for the network. True for other devices."""
    return device.type != "cuda" or 2 * (pairs.lr.size + pairs.hr.size) <= torch.cuda.mem_get_info(device)[0]


class ResidentPatches:
    """The same samples, gathered on a device that holds all images: a GPU never waits for a loader.

    The whole set travels once: three bytes a pixel, originals, shrunk copies and LR images together.
    """

    def __init__(self, dataset: PatchDataset, device: torch.device) -> None:
        self.dataset, self.device = dataset, device
        # Copies, because PyTorch warns of arrays that cannot be written.
        self.lr, self.hr = (
            torch.from_numpy(np.array(flat)).to(device) for flat in (dataset.pairs.lr, dataset.pairs.hr)
        )

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Samples ``indices``: (B, 3, p / scale, p / scale) and (B, 3, p, p), uint8 on the device."""
        places = [self.dataset.place(index) for index in indices]
        scale, size = self.dataset.pairs.scale, self.dataset.hr_patch // self.dataset.pairs.scale
        low = [(place.pair.lr_offset, place.pair.width // scale, place.top, place.left) for place in places]
        high = [(place.pair.hr_offset, place.pair.width, place.top * scale, place.left * scale) for place in places]
        turned = torch.tensor([(place.turns, place.mirror) for place in places]).to(self.device, non_blocking=True)
        return self._gather(self.lr, low, turned, size), self._gather(self.hr, high, turned, size * scale)

    def _gather(self, flat: Tensor, places: list[tuple[int, int, int, int]], turned: Tensor, size: int) -> Tensor:
        offset, width, top, left = torch.tensor(places).to(self.device, non_blocking=True).view(-1, 4, 1, 1).unbind(1)
        turns, mirror = turned.unbind(1)
        near = torch.arange(size, device=self.device)
        far = size - 1 - near
        rows = near.view(1, size, 1)
        columns = torch.where(mirror.bool().view(-1, 1, 1), far.view(1, 1, size), near.view(1, 1, size))
        # Pixel (row, column) after so many quarter turns, counter-clockwise as numpy's rot90, was at:
        row = [rows, columns, size - 1 - rows, size - 1 - columns]
        column = [columns, size - 1 - rows, size - 1 - columns, rows]
        shape = (len(places), size, size)
        chosen = turns.view(-1, 1, 1, 1).expand(-1, 1, size, size)
        y, x = (torch.stack([one.expand(shape) for one in four], 1).gather(1, chosen)[:, 0] for four in (row, column))
        pixels = offset + 3 * ((top + y) * width + left + x)
        return flat[pixels.unsqueeze(1) + torch.arange(3, device=self.device).view(1, 3, 1, 1)]


def batches(steps: range, batch_size: int, rank: int, processes: int) -> Iterator[range]:
    """Sample indices of each step for one of ``processes`` processes: its share of every whole batch.

    Step s takes samples s·batch_size to (s + 1)·batch_size. Raises UserError when the batch cannot be shared evenly.
    """
    if batch_size % processes:
        raise UserError(f"recipe key 'batch_size': {batch_size} cannot be shared by {processes} processes")
    share = batch_size // processes
    return (range(first, first + share) for first in (step * batch_size + rank * share for step in steps))
