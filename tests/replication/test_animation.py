"""Animations frame by frame, and HEIC."""

import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from helpers import NEAREST, SRGB, chunk
from PIL import PngImagePlugin

from replication import upscale
from replication.errors import MissingPackageError, UserError
from replication.images.animation import animation, frames
from replication.images.photo import read_photo

COLORS = ((250, 20, 30), (10, 240, 60), (30, 40, 230))


def written(path: Path, *, transparent: bool = False, **options: object) -> Path:
    """Three frames in three colours, the second half transparent if asked; 50, 100 and 150 ms; twice."""
    pictures = []
    for index, color in enumerate(COLORS):
        pixels = np.full((6, 8, 4), (*color, 255), np.uint8)
        pixels[index, index, :3] = 255
        if transparent:
            pixels[:, 4:, 3] = 0
        pictures.append(PIL.Image.fromarray(pixels if transparent else pixels[..., :3]))
    extra = {"lossless": True} if path.suffix == ".webp" else {"disposal": 2} if path.suffix == ".gif" else {}
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=[50, 100, 150], loop=2, **extra, **options
    )
    return path


@pytest.mark.parametrize("to", ["gif", "webp", "png"])
@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("source", ["gif", "webp", "png"])
def test_every_frame(tmp_path: Path, source: str, to: str, transparent: bool) -> None:
    path, target = written(tmp_path / f"a.{source}", transparent=transparent), tmp_path / f"b.{to}"
    notes = upscale.upscale_file(path, target, NEAREST)
    assert notes[0] == "3 frames"
    assert (len(notes) == 2) == (to == "gif")
    told = animation(target)
    assert told is not None
    assert (told.durations, told.repeats, told.height, told.width) == ((50, 100, 150), 2, 12, 16)
    for index, (frame, color) in enumerate(zip(frames(target), COLORS, strict=True)):
        assert frame.shape == (12, 16, 4)
        off = np.abs(frame[11, 0, :3].astype(int) - color).max()
        assert off <= (10 if to == "webp" else 0)
        assert frame[2 * index, 2 * index, :3].min() > (150 if to == "webp" else 250)
        assert frame[5, 15, 3] == (0 if transparent else 255)


@pytest.mark.parametrize("to", ["gif", "webp", "png"])
@pytest.mark.parametrize("source", ["webp", "png"])
def test_what_is_attached_stays_or_is_named(tmp_path: Path, source: str, to: str) -> None:
    exif = PIL.Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    path, target = tmp_path / f"a.{source}", tmp_path / f"b.{to}"
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a title")
    written(path, exif=exif.tobytes(), icc_profile=SRGB, **({"pnginfo": text} if source == "png" else {}))
    notes = " ".join(upscale.upscale_file(path, target, NEAREST))
    with PIL.Image.open(target) as picture:
        assert picture.size == (12, 16), "turned"
        assert next(frames(target)).shape == (16, 12, 4)
        found = picture.getexif()
        assert ("exif not kept" in notes) == (to == "gif")
        assert (found.get(0x010F), found.get(0x0112)) == ((None, None) if to == "gif" else ("Maker", 1))
        assert ("colour profile not kept" in notes) == (picture.info.get("icc_profile") != SRGB) == (to == "gif")
        if source == "png":
            assert ("Title" in notes) != (getattr(picture, "text", {}).get("Title") == "a title")
    upscale.upscale_file(path, tmp_path / f"c.{to}", NEAREST, upscale.Options(strip=True))
    with PIL.Image.open(tmp_path / f"c.{to}") as picture:
        assert not {"exif", "icc_profile", "Title"} & set(picture.info)


def png_16(path: Path, levels: list[int], channels: int, key: bytes | None = None) -> Path:
    """An animated PNG of 16 bits per channel, which Pillow does not write: 3x2 pixels of one level in each frame."""
    content = b"\x89PNG\r\n\x1a\n"
    content += chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 16, {1: 0, 3: 2}[channels], 0, 0, 0))
    content += chunk(b"tRNS", key) if key else b""
    content += chunk(b"acTL", struct.pack(">II", len(levels), 0))
    for index, level in enumerate(levels):
        data = zlib.compress((b"\0" + struct.pack(">H", level) * 3 * channels) * 2)
        content += chunk(b"fcTL", struct.pack(">5I2H2B", max(0, 2 * index - 1), 3, 2, 0, 0, 1, 10, 0, 0))
        content += chunk(b"fdAT", struct.pack(">I", 2 * index) + data) if index else chunk(b"IDAT", data)
    path.write_bytes(content + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_reduced_with_a_note(tmp_path: Path, channels: int) -> None:
    path = png_16(tmp_path / "a.png", [1000, 30000], channels)
    assert "16 bits per channel reduced to 8" in upscale.upscale_file(path, tmp_path / "b.png", NEAREST)
    assert [frame[0, 0].tolist() for frame in frames(tmp_path / "b.png")] == [[3, 3, 3, 255], [117, 117, 117, 255]]
    png_16(path, [1000, 30000], channels, struct.pack(">H", 1000) * channels)
    with pytest.raises(UserError, match=r"a\.png: expected 8 bits per channel, got frames of 16"):
        upscale.upscale_file(path, tmp_path / "c.png", NEAREST)


def test_still_pictures_and_other_targets(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "still.gif")
    assert animation(tmp_path / "still.gif") is None
    moving = written(tmp_path / "moving.gif")
    notes = upscale.upscale_file(moving, tmp_path / "a.jpg", NEAREST)
    assert "first of 3 frames" in notes
    (tmp_path / "half.gif").write_bytes(moving.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"half\.gif"):
        upscale.upscale_file(tmp_path / "half.gif", tmp_path / "b.gif", NEAREST)
    assert not (tmp_path / "b.gif").exists()


def test_picture_for_others_is_no_frame(tmp_path: Path) -> None:
    path = written(tmp_path / "a.png", default_image=True)
    told = animation(path)
    assert told is not None
    assert len(told) == len(list(frames(path))) == 2


def test_still_gif_is_written_with_a_note(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png")
    assert "colours reduced to 256" in upscale.upscale_file(tmp_path / "a.png", tmp_path / "a.gif", NEAREST)


def test_resized_and_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = upscale.Options(size=upscale.Size(factor=3), quiet=True)
    upscale.upscale_file(written(tmp_path / "a.gif"), tmp_path / "b.png", NEAREST, options)
    assert {frame.shape for frame in frames(tmp_path / "b.png")} == {(18, 24, 4)}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("bits", [8, 10])
def test_heic(tmp_path: Path, bits: int) -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs the heif extra")
    ramp = np.linspace(0, 65535, 64)[None, :, None].repeat(48, 0).repeat(3, 2).astype(np.uint16)
    mode, pixels = ("RGB;16", ramp) if bits == 10 else ("RGB", (ramp >> 8).astype(np.uint8))
    heif.from_bytes(mode=mode, size=(64, 48), data=pixels.tobytes()).save(tmp_path / "a.heic", quality=95)
    read = read_photo(tmp_path / "a.heic")
    assert np.abs(read.pixels - ramp / 257).max() <= 4
    assert read.notes == (("10 bits per channel reduced to 8",) if bits == 10 else ())


def test_heic_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    with pytest.raises(MissingPackageError, match=r'pip install "\.\[heif\]"'):
        read_photo(tmp_path / "a.heic")
