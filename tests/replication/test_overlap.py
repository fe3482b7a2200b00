"""Training images that show a benchmark's picture are recognised by content; those used here show none."""

import io
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from scipy.ndimage import gaussian_filter

from replication import records
from replication.data import __main__ as command
from replication.data import benchmarks, patches
from replication.data.overlap import SAME, Details, details, overlaps
from replication.images.io import Image, read_image, write_image
from replication.images.resize import imresize


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


def test_one_edge_in_common_is_no_picture_in_common() -> None:
    """Along an edge all looks the same, and where two images overlap by it alone they correlate."""
    random = np.random.default_rng(0)
    parts = []
    for _ in range(2):
        edge = np.where(np.arange(96) < 40, 250, 40)[:, None] + 140 * gaussian_filter(random.normal(size=(96, 800)), 4)
        parts.append((edge, random.normal(120, 5, (400, 800))))
    (roof, below), (floor, above) = parts
    images = [np.concatenate([roof, below]), np.concatenate([above, floor])]
    first, second = (details(np.clip(image, 0, 255).astype(np.uint8)) for image in images)
    assert overlaps({"one": first}, {"other": second}) == {}


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


RESULTS = Path(__file__).parents[2] / "results"


def trained_on() -> dict[str, int]:
    """Each folder (DIR or DIR@FACTOR) with images of a recorded training, earlier ones included, and how many."""
    runs = records.load(RESULTS, records.TrainingRun)
    data = [run.data for run in runs] + [stage["data"] for run in runs for stage in run.earlier]
    return {name: int(count) for text in data for count, name in re.findall(r"(\d+) images of (\S+)", text)}


@pytest.fixture(scope="module")
def shown() -> dict[str, Details]:
    """What all images of the four benchmarks show."""
    root = benchmarks.data_root(None)
    sets = [benchmarks.find(name, root) for name in benchmarks.BENCHMARKS]
    if not all(sets):
        pytest.skip("needs the benchmarks in the data folder")
    found = {f"{one.name} {image.name}": details(image.load()) for one in sets if one for image in one.images}
    assert len(found) == 219
    return found


@pytest.mark.parametrize("name", sorted(trained_on()))
def test_no_training_image_shares_pixels_with_a_benchmark(name: str, shown: dict[str, Details]) -> None:
    """As they are and, of a folder that was shrunk, as they were trained on."""
    source = patches.Source.parse(str(benchmarks.data_root(None) / "train" / name))
    if not source.path.is_dir():
        pytest.skip(f"needs {name} in the data folder, in train/")
    images = {path.name: read_image(path) for path in patches.list_images(source.path, "any")}
    assert len(images) >= trained_on()[name], "the rest is held out"
    if source.factor != 1:
        images |= {
            f"{one}, shrunk": np.asarray(imresize(image, source.factor), np.uint8) for one, image in images.items()
        }
    assert overlaps(shown, {one: details(image) for one, image in images.items()}) == {}


def test_that_it_would_be_found(shown: dict[str, Details]) -> None:
    """Two pictures of Set5 are in Set14, one of them cropped."""
    set5, others = ({name: one for name, one in shown.items() if name.startswith(title)} for title in ("Set5", "Set14"))
    assert set(overlaps(set5, others)) == {("Set5 butterfly", "Set14 monarch"), ("Set5 head", "Set14 face")}
