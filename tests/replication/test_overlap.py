"""Training images that show a benchmark's picture are recognised by content; those used here show none."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from replication.data import __main__ as command
from replication.data import benchmarks
from replication.data.overlap import SAME, details, overlaps
from replication.images.io import Image, read_image, write_image


@pytest.fixture(scope="module")
def photographs() -> dict[str, Image]:
    """The embedded set, at most 512 pixels a side."""
    return {one.name: one.load()[:512, :512] for one in benchmarks.embedded().images}


def as_jpeg(image: Image, quality: int) -> Image:
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(PIL.Image.open(file))


def damaged(image: Image) -> dict[str, Image]:
    """The same picture as people pass it on."""
    return {
        "cropped": image[37:290, 101:388],
        "cropped, JPEG": as_jpeg(np.ascontiguousarray(image[6:260, 3:301]), 50),
        "in grey": np.asarray(PIL.Image.fromarray(image).convert("L")),
        "darker": (image * 0.7).astype(np.uint8),
    }


def test_a_picture_is_recognised_and_no_other(photographs: dict[str, Image]) -> None:
    benchmark = {name: details(image) for name, image in photographs.items()}
    copies = {
        f"{name}, {how}": details(one) for name, image in photographs.items() for how, one in damaged(image).items()
    }
    found = overlaps(benchmark, copies)
    assert set(found) == {(copy.partition(",")[0], copy) for copy in copies}
    assert min(found.values()) > (SAME + 1) / 2


def test_flat_and_tiny_images_share_nothing() -> None:
    flat, tiny = np.full((200, 200, 3), 90, np.uint8), np.zeros((20, 20), np.uint8)
    nothing = {"flat": details(flat), "tiny": details(tiny)}
    assert [len(one.where) for one in nothing.values()] == [0, 0]
    assert overlaps(nothing, nothing) == {}


def test_command(photographs: dict[str, Image], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    write_image(folder / "mine.png", photographs["chelsea"][:200, :240])
    assert command.main(["--data", str(tmp_path), "--overlap", str(folder)]) == 1
    assert f"{folder / 'mine.png'} shows embedded chelsea" in capsys.readouterr().out
    write_image(folder / "mine.png", np.random.default_rng(0).integers(0, 256, (200, 240, 3), dtype=np.uint8))
    assert command.main(["--data", str(tmp_path), "--overlap", str(folder)]) == 0
    assert "1 image, compared with 5 of embedded: none shows" in capsys.readouterr().out


TRAINING = ("BSDS400", "budgie_cc0")
"""Folders below ``train`` of the data folder with the images of the shipped weights."""


def test_no_training_image_shares_pixels_with_a_benchmark() -> None:
    root = benchmarks.data_root(None)
    folders = [root / "train" / name for name in TRAINING]
    sets = [benchmarks.find(name, root) for name in benchmarks.BENCHMARKS]
    if not all(sets) or not all(folder.is_dir() for folder in folders):
        pytest.skip("needs the benchmarks and the training images in the data folder")
    shown = {f"{one.name} {image.name}": details(image.load()) for one in sets if one for image in one.images}
    used = {path.name: read_image(path) for folder in folders for path in sorted(folder.glob("*.*"))}
    assert (len(shown), len(used)) == (219, 419)
    halved = {f"{name}, halved": half(image) for name, image in used.items() if max(image.shape) > 2000}
    assert len(halved) == 19  # trained on at half their size
    assert overlaps(shown, {name: details(image) for name, image in {**used, **halved}.items()}) == {}
    # That it would be found: two pictures of Set5 are in Set14, one of them cropped.
    set5, others = ({name: one for name, one in shown.items() if name.startswith(title)} for title in ("Set5", "Set14"))
    assert set(overlaps(set5, others)) == {("Set5 butterfly", "Set14 monarch"), ("Set5 head", "Set14 face")}


def half(image: Image) -> Image:
    """Means of 2 x 2 pixels."""
    height, width = (side // 2 * 2 for side in image.shape[:2])
    return image[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
