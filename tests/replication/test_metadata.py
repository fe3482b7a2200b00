"""What is attached to a picture stays, or is said not to."""

import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from helpers import NEAREST, SRGB
from PIL import PngImagePlugin

from replication import upscale
from replication.images.metadata import Metadata
from replication.images.photo import Photo, read_photo, write_photo

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rating>5</rating></x:xmpmeta>'


def exif() -> PIL.Image.Exif:
    result = PIL.Image.Exif()
    result[0x010F], result[0x0132], result[0x0112] = "Maker", "2024:05:06 07:08:09", 6
    result.get_ifd(0x8769)[0x829A] = 0.005  # exposure time
    return result


def jpeg(path: Path) -> Path:
    PIL.Image.fromarray(PIXELS).save(path, dpi=(300, 200), exif=exif(), comment="seen at dawn", xmp=XMP)
    return path


def png(path: Path, pixels: np.ndarray = PIXELS) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "a title")
    info.add_text("Author", "日本語")
    info.add(b"gAMA", struct.pack(">I", 100000))
    info.add(b"cICP", bytes([9, 16, 0, 1]))
    PIL.Image.fromarray(pixels).save(path, dpi=(300, 300), pnginfo=info)
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_exif_stays_with_orientation_1(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"a.{suffix}"
    notes = upscale.upscale_file(jpeg(tmp_path / "source.jpg"), target, NEAREST)
    with PIL.Image.open(target) as picture:
        assert picture.size == (18, 24), "turned"
        found = picture.getexif()
        assert (found[0x010F], found[0x0132]) == ("Maker", "2024:05:06 07:08:09")
        assert found.get(0x0112, 1) == 1
        exposure = found.get_ifd(0x8769).get(0x829A)
        assert exposure == pytest.approx(0.005) if suffix != "tif" else "camera's EXIF" in " ".join(notes)
        if suffix == "webp":
            assert "resolution not kept in WebP" in notes
        else:
            assert picture.info["dpi"] == pytest.approx((300, 200), abs=0.01)
    again = read_photo(target)
    assert again.metadata.xmp == XMP
    kept = suffix in ("png", "jpg")
    assert (("Comment", "seen at dawn") in again.metadata.text) == kept
    assert any("Comment" in note for note in notes) != kept


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("source", ["jpg", "tif"])
def test_names_of_people_keep_their_letters(tmp_path: Path, source: str, suffix: str) -> None:
    """EXIF and TIFF say ASCII, and people write UTF-8 there."""
    path, target, owner = tmp_path / f"source.{source}", tmp_path / f"a.{suffix}", "© José, 日本".encode()
    if source == "tif":
        tifffile.imwrite(path, PIXELS, photometric="rgb", metadata=None, extratags=[(33432, 2, None, owner, True)])
    else:
        data = PIL.Image.Exif()
        data[33432] = owner
        data.get_ifd(0x8769)[0x829A] = 0.005
        PIL.Image.fromarray(PIXELS).save(path, exif=data)
    upscale.upscale_file(path, target, NEAREST)
    with PIL.Image.open(target) as picture:
        assert picture.getexif()[33432].encode("latin-1") == owner


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_text_and_gamma_stay_or_are_named(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"a.{suffix}"
    notes = " ".join(upscale.upscale_file(png(tmp_path / "source.png"), target, NEAREST))
    if suffix != "png":
        for word in ("Title, Author", "gAMA", "cICP"):
            assert word in notes
        return
    assert notes == ""
    with PIL.Image.open(target) as picture:
        assert picture.text == {"Title": "a title", "Author": "日本語"}
        assert picture.info["gamma"] == 1
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert read_photo(target).metadata == read_photo(tmp_path / "source.png").metadata


def test_16_bit_png_and_tiff(tmp_path: Path) -> None:
    attached = read_photo(png(tmp_path / "source.png")).metadata
    attached = Metadata(exif().tobytes(), attached.dpi, attached.text, XMP, attached.color_chunks)
    deep = PIXELS.astype(np.uint16) * 257
    assert write_photo(tmp_path / "a.png", Photo(deep, metadata=attached)) == ()
    found = read_photo(tmp_path / "a.png").metadata
    assert (found.text, found.xmp, found.color_chunks) == (attached.text, XMP, attached.color_chunks)
    assert found.dpi == pytest.approx(attached.dpi, abs=0.01)
    assert found.exif is not None
    tifffile.imwrite(
        tmp_path / "planes.tif", deep.transpose(2, 0, 1), photometric="rgb", planarconfig="separate",
        resolution=(118.11, 118.11), resolutionunit=3, extratags=[(315, 2, None, "An artist", True)],
    )  # fmt: skip
    upscale.upscale_file(tmp_path / "planes.tif", tmp_path / "b.tif", NEAREST)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = file.pages[0].tags
        assert tags["Artist"].value == "An artist"
        assert tags["ResolutionUnit"].value == 2
        assert tags["XResolution"].value[0] / tags["XResolution"].value[1] == pytest.approx(300, abs=0.01)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_strip_leaves_the_pixels_alone(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "source.jpg"
    PIL.Image.fromarray(PIXELS).save(source, exif=exif(), comment="c", xmp=XMP, dpi=(300, 300), icc_profile=SRGB)
    upscale.upscale_file(source, tmp_path / f"kept.{suffix}", NEAREST)
    upscale.upscale_file(source, tmp_path / f"a.{suffix}", NEAREST, upscale.Options(strip=True))
    kept, bare = read_photo(tmp_path / f"kept.{suffix}"), read_photo(tmp_path / f"a.{suffix}")
    assert kept.icc_profile == SRGB
    assert (bare.icc_profile, bare.metadata.exif, bare.metadata.xmp, bare.metadata.text) == (None, None, None, ())
    assert bare.metadata.dpi in (None, (1.0, 1.0))
    np.testing.assert_array_equal(kept.pixels, bare.pixels)


def test_damaged_exif_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: PIL.Image.Exif, offset: int = 8) -> bytes:
        raise struct.error("damaged")

    jpeg(tmp_path / "a.jpg")
    monkeypatch.setattr(PIL.Image.Exif, "tobytes", broken)
    read = read_photo(tmp_path / "a.jpg")
    assert "EXIF is damaged" in read.metadata.notes[0]
    assert read.metadata.dpi is not None


def test_exif_too_long_for_jpeg(tmp_path: Path) -> None:
    long = PIL.Image.Exif()
    long[0x010E] = "x" * 70_000
    notes = write_photo(tmp_path / "a.jpg", Photo(PIXELS, metadata=Metadata(exif=long.tobytes())))
    assert notes == ("EXIF does not fit into JPEG and was not kept",)
    assert write_photo(tmp_path / "a.png", Photo(PIXELS, metadata=Metadata(exif=long.tobytes()))) == ()
