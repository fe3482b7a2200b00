"""Never silent garbage: over a matrix of layouts, what is read is what another reader finds, or it is refused."""

import itertools
import logging
import math
import runpy
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tifffile
from helpers import png

from replication.errors import UserError
from replication.images.io import read_image
from replication.images.photo import read_photo

RANDOM = np.random.default_rng(0)
SAMPLES = RANDOM.random((21, 35, 4))
"""All values of 16 bits: were they multiples of 257, a reader that keeps 8 of them would pass."""
COLORS = {"minisblack": 1, "miniswhite": 1, "rgb": 3, "separated": 4}


def tiff_cases() -> list[tuple[str, str, int, str]]:
    return [
        (kind, photometric, samples, planes)
        for kind, photometric, samples, planes in itertools.product(
            ["u1", "u2", "u4", "i1", "i2", "f2", "f4"], COLORS, [1, 2, 3, 4], ["contig", "separate"]
        )
        if samples in (COLORS[photometric], COLORS[photometric] + 1) and not (samples == 1 and planes == "separate")
    ]


def write_tiff(path: Path, kind: str, photometric: str, samples: int, planes: str, **options: Any) -> np.ndarray:
    """Write a TIFF with tifffile; returns the pixels as they must be read: (H, W, C), white high."""
    dtype = np.dtype(kind)
    whole = SAMPLES[..., :samples]
    pixels = whole.astype(dtype) if dtype.kind == "f" else np.rint(whole * np.iinfo(dtype).max).astype(dtype)
    stored = pixels[..., 0] if samples == 1 else pixels.transpose(2, 0, 1) if planes == "separate" else pixels
    if samples > 1:
        options["planarconfig"] = planes
    if samples > COLORS[photometric]:
        options["extrasamples"] = ["unassalpha"]
    tifffile.imwrite(path, stored, photometric=photometric, **options)
    again = tifffile.imread(path)  # the other reader: what it decodes is what was written, to JPEG's loss
    shown = again.transpose(1, 2, 0) if planes == "separate" and samples > 1 else again.reshape(pixels.shape)
    if photometric == "miniswhite" and dtype.kind == "u":
        shown = shown.copy()
        shown[..., 0] = np.iinfo(dtype).max - shown[..., 0]
    return shown


@pytest.mark.parametrize(("kind", "photometric", "samples", "planes"), tiff_cases())
def test_tiff_matrix(tmp_path: Path, kind: str, photometric: str, samples: int, planes: str) -> None:
    pytest.importorskip("imagecodecs", reason="the other reader needs it for LZW and JPEG")
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    path, right, refused = tmp_path / "a.tif", 0, set()
    for compression, tile, order, predictor in itertools.product(
        [None, "zlib", "lzw", "packbits", "zstd", "jpeg"], [None, (16, 16)], ["<", ">"], [None, True]
    ):
        layout = (compression, tile, order, predictor)
        options = {"compression": compression, "tile": tile, "byteorder": order, "predictor": predictor}
        try:
            expected = write_tiff(path, kind, photometric, samples, planes, **options)
        except Exception:  # a combination that does not exist, such as 32 bits in JPEG
            continue
        try:
            read = read_photo(path)
        except UserError:
            refused.add((compression, predictor))
            continue
        right += 1
        if photometric == "separated":
            assert "CMYK" in "".join(read.notes), layout
            assert ("16 bits per channel reduced to 8" in read.notes) == (kind == "u2"), layout
            continue
        found = read.pixels.reshape(*read.pixels.shape[:2], -1)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype), layout
        off = np.abs(found.astype(int) - expected.astype(int)).max()
        assert off <= (8 if compression == "jpeg" else 0), layout
        if kind == "u1" and samples in (1, 3):
            try:
                for_measuring = read_image(path)
            except UserError:
                continue
            np.testing.assert_array_equal(for_measuring, read.pixels)
    usable = kind in ("u1", "u2") and photometric != "separated" and not (photometric == "miniswhite" and samples == 2)
    assert right > 0 or not usable, "everything was refused"
    assert kind in ("u1", "u2") or not right, "numbers of this kind cannot be shown"
    if kind in ("u1", "u2") and (photometric, samples) in (("minisblack", 1), ("rgb", 3)) and planes == "contig":
        rare = {("packbits", True), ("jpeg", True), *([("jpeg", None)] if kind == "u2" else [])}
        assert refused <= rare, "what most programs write"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_planes_are_turned_as_pillow_turns(tmp_path: Path, orientation: int) -> None:
    pixels = np.rint(SAMPLES[..., :3] * 255).astype(np.uint8)
    tag = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extratags=tag)
    tifffile.imwrite(
        tmp_path / "b.tif", pixels.astype(np.uint16).transpose(2, 0, 1), photometric="rgb",
        planarconfig="separate", extratags=tag,
    )  # fmt: skip
    np.testing.assert_array_equal(read_photo(tmp_path / "b.tif").pixels, read_photo(tmp_path / "a.tif").pixels)
    with pytest.raises(UserError, match=r"b\.tif"):
        read_image(tmp_path / "b.tif")


def test_a_thumbnail_is_not_the_picture(tmp_path: Path) -> None:
    pixels = np.rint(SAMPLES[..., :3] * 255).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels[::7, ::7], photometric="rgb", subfiletype=1)
        file.write(pixels, photometric="rgb")
    read = read_photo(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, pixels)
    assert read.notes == ()
    tifffile.imwrite(tmp_path / "b.tif", pixels, photometric="rgb", subfiletype=1)
    with pytest.raises(UserError, match="only thumbnails"):
        read_photo(tmp_path / "b.tif")


def test_pages_in_a_circle(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4, 5), np.uint8))
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        end = page.offset + 2 + 12 * len(page.tags)
    content = path.read_bytes()
    path.write_bytes(content[:end] + page.offset.to_bytes(4, "little") + content[end + 4 :])
    with pytest.raises(UserError, match="circle"):
        read_photo(path)


def test_a_strip_that_unpacks_to_too_much(tmp_path: Path) -> None:
    """A decompression bomb, which tifffile alone would unpack whole."""
    pixels = np.rint(SAMPLES[..., [0, 3]] * 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", extrasamples=["unassalpha"])
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = file.pages[0].tags
        bomb = zlib.compress(bytes(50_000_000), 9)
        for name, value in (("Compression", 8), ("StripOffsets", len(content)), ("StripByteCounts", len(bomb))):
            tag = tags[name]
            struct.pack_into({3: "<H", 4: "<I"}[int(tag.dtype)], content, tag.valueoffset, value)
    (tmp_path / "bomb.tif").write_bytes(content + bomb)
    with pytest.raises(UserError, match="unpacks to more than it may"):
        read_photo(tmp_path / "bomb.tif")


def png_of(bits: int, kind: int, values: np.ndarray, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of up to 8 bits by hand: ``values`` holds the samples of (H, W), packed here."""
    height, width = values.shape
    unpacked = np.unpackbits(values.astype(np.uint8)[..., None], axis=2)[..., 8 - bits :].reshape(height, -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in unpacked)
    return png(width, height, bits, kind, rows, *extra)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_png_with_a_transparent_value(tmp_path: Path, bits: int) -> None:
    values = RANDOM.integers(0, 2**bits, (5, 7))
    grey = values * 255 // (2**bits - 1)
    for key in {0, 1, 2**bits - 1}:
        (tmp_path / "a.png").write_bytes(png_of(bits, 0, values, (b"tRNS", struct.pack(">H", key))))
        read = read_photo(tmp_path / "a.png").pixels
        if not (values == key).any():
            np.testing.assert_array_equal(read, grey)
            continue
        np.testing.assert_array_equal(read[..., 0], grey)
        np.testing.assert_array_equal(read[..., 1], np.where(values == key, 0, 255))
        with pytest.raises(UserError, match="transparency"):
            read_image(tmp_path / "a.png")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_png(tmp_path: Path, bits: int) -> None:
    values = RANDOM.integers(0, 2**bits, (5, 7))
    palette = RANDOM.integers(0, 256, (2**bits, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(png_of(bits, 3, values, (b"PLTE", palette.tobytes())))
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, palette[values])


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif_of_more_than_8_bits_says_so(tmp_path: Path, bits: int) -> None:
    codecs = pytest.importorskip("imagecodecs", reason="writes AVIF of 10 and 12 bits")
    ramp = np.linspace(0, 2**bits - 1, 64).astype(np.uint16 if bits > 8 else np.uint8)
    pixels = np.broadcast_to(ramp[None, :, None], (48, 64, 3)).copy()
    options = {"bitspersample": bits} if bits > 8 else {}
    (tmp_path / "a.avif").write_bytes(codecs.avif_encode(pixels, level=95, **options))
    read = read_photo(tmp_path / "a.avif")
    assert read.notes == ((f"{bits} bits per channel reduced to 8",) if bits > 8 else ())
    assert np.abs(read.pixels - pixels / (2**bits - 1) * 255).max() <= 4


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("tag", ["ImageWidth", "ImageLength", "SamplesPerPixel", "RowsPerStrip"])
def test_a_size_of_several_values(tmp_path: Path, tag: str, big: bool) -> None:
    """Found by fuzzing: times the other side, it was a list that filled the memory."""
    path = tmp_path / "a.tif"
    for page in range(2):
        tifffile.imwrite(path, np.zeros((9, 8, 3), np.uint8), photometric="rgb", bigtiff=big, append=page > 0)
    assert read_photo(path).pixels.shape == (9, 8, 3)
    with tifffile.TiffFile(path) as file:
        place = file.pages[1].tags[tag].offset
    content = bytearray(path.read_bytes())
    content[place + 2 : place + 12] = struct.pack("<HQ" if big else "<HIHH", 3, 2, *([] if big else [9, 9]))
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"got tag \d+ with 2 values of type 3, not one whole number"):
        read_photo(path)
    content[place + 2 : place + 8] = struct.pack("<HI", 5, 1)
    path.write_bytes(content)
    with pytest.raises(UserError, match="with 1 values of type 5, not one whole number"):
        read_photo(path)


@pytest.mark.parametrize("tile", [None, (16, 16)], ids=["strips", "tiles"])
@pytest.mark.parametrize("compression", [None, "zlib", "packbits"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_strips_or_tiles_that_are_not_listed(
    tmp_path: Path, planes: str, dtype: type, compression: str | None, tile: tuple[int, int] | None
) -> None:
    """Found by fuzzing: what was missing became black, or memory for a picture of 65,535 channels."""
    path = tmp_path / "a.tif"
    pixels = np.ones((40, 48, 3) if planes == "contig" else (3, 40, 48), dtype)
    form = {"tile": tile} if tile else {"rowsperstrip": 8}
    tifffile.imwrite(path, pixels, photometric="rgb", planarconfig=planes, compression=compression, **form)
    assert (read_photo(path).pixels == 1).all()
    with tifffile.TiffFile(path) as file:
        tags = [file.pages[0].tags[f"{'Tile' if tile else 'Strip'}{what}"] for what in ("Offsets", "ByteCounts")]
    content = bytearray(path.read_bytes())
    for tag in tags:
        content[tag.offset + 4 : tag.offset + 8] = struct.pack("<I", tag.count - 1)
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"lists {tags[0].count - 1} of its {tags[0].count} strips or tiles"):
        read_photo(path)


def test_channels_count_towards_the_largest_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 500)
    for channels in (4, 5):
        path = tmp_path / f"{channels}.tif"
        pixels = np.full((channels, 25, 40), 9, np.uint16)
        tifffile.imwrite(path, pixels, photometric="rgb", planarconfig="separate", compression="zlib")
    assert (read_photo(tmp_path / "4.tif").pixels == 9).all()
    with pytest.raises(UserError, match="got 40x25 pixels of 5 channels: beyond a reasonable size"):
        read_photo(tmp_path / "5.tif")


def test_a_webp_that_claims_more_than_it_can_hold(tmp_path: Path) -> None:
    """Found by fuzzing: eight million pixels beside one another took half a minute."""
    frames = [PIL.Image.new("RGB", (8, 6), color) for color in ("red", "blue")]
    content = BytesIO()
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:])
    data = bytearray(content.getvalue())
    place = data.index(b"VP8X") + 12
    for width in (16383, 16384):
        data[place : place + 3] = (width - 1).to_bytes(3, "little")
        (tmp_path / f"{width}.webp").write_bytes(data)
    assert read_photo(tmp_path / "16383.webp").pixels.shape[:2] == (6, 16383)
    with pytest.raises(UserError, match="expected an image, got one of 16384x6 pixels"):
        read_photo(tmp_path / "16384.webp")


def test_no_pixels(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 0 5 255\n")
    (tmp_path / "a.gif").write_bytes(b"GIF89a" + bytes(7) + b"," + bytes(9) + b"\x02\x02\x4c\x01\x00;")
    for name in ("a.ppm", "a.gif"):
        for read in (read_photo, read_image):
            with pytest.raises(UserError, match=name):
                read(tmp_path / name)


def bad_files(folder: Path) -> dict[str, tuple[str, str | None]]:
    """Files that cannot be used, each with what the errors must say: for measuring, and for people (None: usable)."""
    pixels = np.rint(SAMPLES[..., :3] * 255).astype(np.uint8)
    grey, rgb = PIL.Image.fromarray(pixels[..., 0]), PIL.Image.fromarray(pixels)
    rgb.save(folder / "whole.png")
    PIL.Image.fromarray(pixels.repeat(9, 0).repeat(9, 1)).save(folder / "whole.jpg")
    whole = (folder / "whole.png").read_bytes()
    rows = np.rint(SAMPLES[..., :3] * 65535).astype(">u2")
    deep = png(35, 21, 16, 2, b"".join(b"\0" + row.tobytes() for row in rows))
    contents = {
        "text.png": b"hello, this is text",
        "empty.png": b"",
        "header.png": whole[:20],
        "half.png": whole[: len(whole) // 2],
        "flipped.png": whole[:60] + bytes([whole[60] ^ 255]) + whole[61:],
        "half.jpg": (folder / "whole.jpg").read_bytes()[:2000],
        "bomb.png": png(50000, 50000, 8, 2, b""),
        "bomb16.png": png(50000, 50000, 16, 2, b""),
        "rgb16.png": deep,
        "half16.png": deep[: len(deep) // 2],
        "rgb16.ppm": b"P6 2 1 65535\n" + bytes(12),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    PIL.Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "grey16.png")
    PIL.Image.fromarray(pixels[..., 0].astype(np.float32)).save(folder / "float.tif")
    PIL.Image.fromarray(pixels[..., 0].astype(np.int32)).save(folder / "int.tif")
    PIL.Image.new("LAB", (3, 3)).save(folder / "lab.tif")
    rgb.convert("CMYK").save(folder / "cmyk.jpg")
    grey.save(folder / "moving.gif", save_all=True, append_images=[PIL.Image.fromarray(255 - pixels[..., 0])])
    (folder / "folder.png").mkdir()
    damaged = ("header.png", "half.png", "flipped.png", "half.jpg")
    bad: dict[str, tuple[str, str | None]] = dict.fromkeys(damaged, ("damaged or truncated",) * 2)
    for name, words in {
        "missing.png": "No such file",
        "folder.png": "got a folder",
        "text.png": "begins with b'hello, this '",
        "empty.png": "empty file",
        "bomb.png": "reasonable size",
        "bomb16.png": "reasonable size",
        "float.tif": "floating point",
        "int.tif": "signed 32 bits",
        "lab.tif": "colour mode CIELAB",
    }.items():
        bad[name] = (words, words)
    return bad | {
        "half16.png": ("more than 8 bits", "damaged or truncated"),
        "rgb16.ppm": ("more than 8 bits", "16-bit colour PPM"),
        "rgb16.png": ("more than 8 bits", None),
        "grey16.png": ("more than 8 bits", None),
        "cmyk.jpg": ("colour mode CMYK", None),
        "moving.gif": ("2 frames", None),
    }


def test_every_bad_file_is_one_clear_line_naming_it(tmp_path: Path) -> None:
    for name, (for_measuring, for_people) in bad_files(tmp_path).items():
        for read, words in ((read_image, for_measuring), (read_photo, for_people)):
            if words is None:
                read(tmp_path / name)
                continue
            with pytest.raises(UserError, match=words) as caught:
                read(tmp_path / name)
            assert name in str(caught.value)
            assert "\n" not in str(caught.value)


def test_damaged_files_are_pictures_or_refused() -> None:
    """Some hundred; the same program run as a command tries for as long as it is told."""
    program = runpy.run_path(str(Path(__file__).with_name("fuzz_reading.py")))
    counts, failures = program["fuzz"](seconds=math.inf, seed=0, most=400)
    assert failures == []
    assert min(counts["picture"], counts["refused"]) > 20, "not damaged, or damaged beyond the first check"
