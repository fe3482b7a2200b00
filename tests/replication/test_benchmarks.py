"""The benchmark sets: layouts, names, digests, and what is said about wrong, missing, extra and unreadable files."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from replication.data import benchmarks
from replication.data.benchmarks import BENCHMARKS, EMBEDDED, Benchmark, Published, data_root, embedded, find, verify
from replication.errors import UserError
from replication.images.io import Image, write_image

RANDOM = np.random.default_rng(1)
COLOR = {name: RANDOM.integers(0, 256, (50, 61, 3), dtype=np.uint8) for name in ("baby", "img004")}
GREY = RANDOM.integers(0, 256, (50, 61), dtype=np.uint8)
MAN = np.repeat(GREY[::-1, :, None], 3, axis=2)  # looks grey, stored as RGB
IMAGES: dict[str, Image] = {"baby": COLOR["baby"], "bridge": GREY, "man": MAN, "img004": COLOR["img004"]}


def independent_digest(image: Image) -> str:
    """The documented digest, written again: grey images (in either form) as one channel."""
    rows = image.tolist()
    height, width = len(rows), len(rows[0])
    flat = [pixel for row in rows for pixel in row]
    if image.ndim == 3 and all(r == g == b for r, g, b in flat):
        flat = [r for r, _, _ in flat]
        image = image[..., 0]
    content = bytes(flat) if image.ndim == 2 else bytes(value for pixel in flat for value in pixel)
    channels = 1 if image.ndim == 2 else 3
    return hashlib.sha256(f"{height}x{width}x{channels}\n".encode() + content).hexdigest()


def crop(image: Image, multiple: int) -> Image:
    return image[: image.shape[0] // multiple * multiple, : image.shape[1] // multiple * multiple]


@pytest.fixture
def real_manifest() -> None:
    """Asks for the committed digests instead of the small set."""


@pytest.fixture(autouse=True)
def small_set(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Let every benchmark consist of the four small images above, except in tests that need the real manifest."""
    if "real_manifest" in request.fixturenames:
        return
    facts = {}
    for name, image in IMAGES.items():
        crops = [crop(image, multiple) for multiple in (1, 2, 3, 4, 8, 12)]
        digests = {f"{one.shape[0]}x{one.shape[1]}": independent_digest(one) for one in crops}
        facts[name] = Published(50, 61, 3 if image.ndim == 3 else 1, digests)
    monkeypatch.setattr(benchmarks, "manifest", lambda: dict.fromkeys(BENCHMARKS, facts))


def fill(folder: Path, suffix: str = "png", images: dict[str, Image] = IMAGES) -> Path:
    for name, image in images.items():
        write_image(folder / f"{name}.{suffix}", image)
    return folder


def there(name: str, root: Path) -> Benchmark:
    found = find(name, root)
    assert found is not None
    return found


def test_digest_is_the_documented_one() -> None:
    for image in (*IMAGES.values(), GREY[:7, :5], COLOR["baby"][:, ::2]):
        assert benchmarks.pixel_digest(image) == independent_digest(image)
    assert benchmarks.pixel_digest(GREY) == benchmarks.pixel_digest(np.repeat(GREY[..., None], 3, axis=2))
    assert benchmarks.pixel_digest(GREY.reshape(61, 50)) != benchmarks.pixel_digest(GREY)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_plain_layout(tmp_path: Path, suffix: str) -> None:
    fill(tmp_path / "benchmarks/Set5", suffix)
    for ignored in (".DS_Store", "Thumbs.db", "desktop.ini", "babyx4.png", "img_004_LR.png"):
        (tmp_path / "benchmarks/Set5" / ignored).write_bytes(b"?")
    (tmp_path / "benchmarks/Set5/LR_bicubic").mkdir()
    found = there("Set5", tmp_path)
    assert [image.name for image in found.images] == ["baby", "bridge", "img004", "man"]
    for image in found.images:
        np.testing.assert_array_equal(image.load(), IMAGES[image.name])
    assert verify(found) == []
    assert found.notes(4) == []


def test_edsr_layout_cropped_to_the_scale(tmp_path: Path) -> None:
    fill(tmp_path / "benchmark/B100/HR", images={name: crop(image, 4) for name, image in IMAGES.items()})
    found = there("B100", tmp_path)
    assert found.layout == "EDSR"
    assert verify(found) == []
    assert found.notes(4) == []  # 48x60 is what x4 evaluates of the full image as well
    assert found.notes(2)[0] == "baby is a cropped copy: x2 is evaluated on 48x60 instead of 50x60 pixels"


def test_selfexsr_layout_numbers_its_images(tmp_path: Path) -> None:
    folder = tmp_path / "BSD100/image_SRF_4"
    for number, image in enumerate(IMAGES.values(), start=1):
        write_image(folder / f"img_{number:03}_SRF_4_HR.png", crop(image, 4))
        write_image(folder / f"img_{number:03}_SRF_4_LR.png", image[:10, :10])
        write_image(folder / f"img_{number:03}_SRF_4_SRCNN.png", crop(image, 4))
    write_image(tmp_path / "BSD100/image_SRF_3/img_001_SRF_3_HR.png", crop(IMAGES["baby"], 3))
    found = there("B100", tmp_path)
    assert {image.name: image.path.name[:7] for image in found.images} == {
        "baby": "img_001",
        "bridge": "img_002",
        "man": "img_003",
        "img004": "img_004",
    }
    assert verify(found) == []
    with pytest.raises(UserError, match=r"image_SRF_3: .* missing: bridge, man, img004"):
        find("B100", tmp_path, scale=3)


def test_urban100_names_are_unified(tmp_path: Path) -> None:
    fill(tmp_path / "benchmarks/Urban100", images={n.replace("img", "img_"): image for n, image in IMAGES.items()})
    found = there("Urban100", tmp_path)
    assert "img004" in [image.name for image in found.images]
    assert benchmarks.literature_name(Path("img_004_SRF_4_HR.png")) == "img004"
    assert benchmarks.literature_name(Path("baby_GT.bmp")) == "baby"


def test_grey_and_rgb_copies_are_returned_as_published(tmp_path: Path) -> None:
    other = {**IMAGES, "bridge": np.repeat(GREY[..., None], 3, axis=2), "man": GREY[::-1]}
    fill(tmp_path / "benchmarks/Set14", images=other)
    found = there("Set14", tmp_path)
    loaded = {image.name: image.load() for image in found.images}
    np.testing.assert_array_equal(loaded["bridge"], IMAGES["bridge"])
    np.testing.assert_array_equal(loaded["man"], IMAGES["man"])


def test_small_crop_is_recognised_and_said(tmp_path: Path) -> None:
    fill(tmp_path / "benchmarks/Set5", images={**IMAGES, "baby": crop(IMAGES["baby"], 12)})
    found = there("Set5", tmp_path)
    assert verify(found) == []
    assert found.notes(8) == []
    assert found.notes(2) == ["baby is a cropped copy: x2 is evaluated on 48x60 instead of 50x60 pixels"]
    (image,) = (image for image in found.images if image.name == "baby")
    assert image.load().shape == (48, 60, 3)


def test_absent_set_is_none(tmp_path: Path) -> None:
    assert find("Set5", tmp_path) is None
    (tmp_path / "benchmarks/Set5/LR_bicubic").mkdir(parents=True)
    assert find("Set5", tmp_path) is None


def test_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'Set6': expected one of Set5, Set14, B100, Urban100, embedded"):
        find("Set6", tmp_path)


def test_missing_and_extra_files_are_named(tmp_path: Path) -> None:
    folder = fill(tmp_path / "benchmarks/Set5")
    (folder / "baby.png").unlink()
    (folder / "man.png").unlink()
    write_image(folder / "holiday.png", COLOR["baby"][::-1])
    (folder / "notes.txt").write_text("mine")
    write_image(folder / "bridge.bmp", GREY)
    with pytest.raises(UserError) as caught:
        find("Set5", tmp_path)
    assert str(caught.value) == (
        f"{folder}: expected the 4 images of Set5; missing: baby, man; "
        "not part of the set: bridge.png (a second bridge), holiday.png, notes.txt"
    )


def test_renamed_file_is_recognised_by_its_pixels(tmp_path: Path) -> None:
    folder = fill(tmp_path / "benchmarks/Set5")
    (folder / "baby.png").rename(folder / "a child.png")
    found = there("Set5", tmp_path)
    assert next(image.path.name for image in found.images if image.name == "baby") == "a child.png"
    write_image(folder / "0 copy.png", COLOR["baby"])
    with pytest.raises(UserError, match=r"not part of the set: a child.png \(a second baby\)"):
        find("Set5", tmp_path)


def test_wrong_and_unreadable_images_are_named(tmp_path: Path) -> None:
    folder = fill(tmp_path / "benchmarks/Set5")
    changed = COLOR["baby"].copy()
    changed[7, 7, 1] ^= 1
    write_image(folder / "baby.png", changed)
    (folder / "img004.png").write_text("this is not an image")
    write_image(folder / "man.png", IMAGES["man"][:1, :1])
    found = there("Set5", tmp_path)
    problems = verify(found)
    assert len(problems) == 3
    assert "baby.png: its pixels differ" in problems[0]
    assert "decoder" not in problems[0]
    assert "img004.png: expected an image" in problems[1]
    assert "man.png: expected 50x61 pixels (or its crop to a multiple of 2, 3, 4, 8, 12), got 1x1" in problems[2]
    with pytest.raises(UserError, match=r"baby\.png: its pixels differ"):
        next(image for image in found.images if image.name == "baby").load()


def test_jpeg_with_other_pixels_names_the_decoder_as_a_cause(tmp_path: Path) -> None:
    folder = fill(tmp_path / "benchmarks/Set5")
    (folder / "baby.png").unlink()
    write_image(folder / "baby.jpg", COLOR["baby"])
    found = there("Set5", tmp_path)
    (problem,) = verify(found)
    assert "baby.jpg: its pixels differ" in problem
    assert "likely cause is the decoder" in problem


def test_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPLICATION_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert data_root() == Path("data")
    monkeypatch.setenv("REPLICATION_DATA", str(tmp_path))
    assert data_root() == tmp_path
    assert data_root(tmp_path / "new", must_exist=False) == tmp_path / "new"
    with pytest.raises(UserError, match=r"new \(from --data\): expected the data folder, but it does not exist"):
        data_root(tmp_path / "new")
    monkeypatch.setenv("REPLICATION_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"nowhere \(from REPLICATION_DATA\)"):
        find("Set5")
    (tmp_path / "file").write_text("a file")
    monkeypatch.setenv("REPLICATION_DATA", str(tmp_path / "file"))
    with pytest.raises(UserError, match="file: expected the data folder, got a file"):
        data_root()


def test_set_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/Set5").write_text("a file")
    with pytest.raises(UserError, match="cannot read the folder"):
        find("Set5", tmp_path)


@pytest.mark.usefixtures("real_manifest")
def test_manifest_holds_the_published_sets() -> None:
    manifest = benchmarks.manifest()
    assert {name: len(images) for name, images in manifest.items()} == {
        EMBEDDED: 5,
        "Set5": 5,
        "Set14": 14,
        "B100": 100,
        "Urban100": 100,
    }
    assert [name for images in manifest.values() for name, one in images.items() if one.channels == 1] == ["bridge"]
    for name, image in {"Set5": "butterfly", "Set14": "ppt3", "B100": "102061", "Urban100": "img004"}.items():
        assert image in manifest[name]
    sizes = {(one.height, one.width) for one in manifest["B100"].values()}
    assert sizes == {(321, 481), (481, 321)}
    digests = [digest for images in manifest.values() for one in images.values() for digest in one.sha256.values()]
    assert len(set(digests)) == len(digests)


@pytest.mark.usefixtures("real_manifest")
def test_embedded_set_is_installed_and_right() -> None:
    found = find(EMBEDDED)
    assert found == embedded()
    assert [image.name for image in found.images] == ["astronaut", "chelsea", "coffee", "motorcycle_left", "rocket"]
    assert verify(found) == []
    assert all(image.load().ndim == 3 for image in found.images)


@pytest.mark.usefixtures("real_manifest")
def test_manifest_is_rebuilt_byte_for_byte() -> None:
    root = os.environ.get("REPLICATION_DATA")
    if not root or not (Path(root) / "benchmarks/Urban100").is_dir():
        pytest.skip("needs the four real sets, as full images, in $REPLICATION_DATA/benchmarks")
    assert benchmarks.make_manifest(Path(root)) == benchmarks.MANIFEST.read_text(encoding="utf-8")


@pytest.mark.usefixtures("real_manifest")
@pytest.mark.parametrize("name", BENCHMARKS)
def test_real_sets_verify(name: str) -> None:
    found = find(name) if os.environ.get("REPLICATION_DATA") else None
    if found is None:
        pytest.skip(f"needs the real {name} in $REPLICATION_DATA")
    assert verify(found) == []


def test_manifest_needs_the_right_number_of_images(tmp_path: Path) -> None:
    fill(tmp_path / "benchmarks/Set5")
    with pytest.raises(UserError, match="expected 5 images of Set5, got 4"):
        benchmarks.make_manifest(tmp_path)
