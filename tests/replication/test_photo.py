"""Pictures that people bring: every mode is read as what it shows, and written so that others read the same."""

import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from helpers import SRGB, png

from replication.errors import UserError
from replication.images.io import read_image
from replication.images.photo import Photo, check_writable, read_photo, write_photo

RANDOM = np.random.default_rng(0)
RGBA = RANDOM.integers(0, 256, (13, 17, 4), dtype=np.uint8)
RGBA16 = RANDOM.integers(0, 65536, (13, 17, 4), dtype=np.uint16)
CHANNELS = {"grey": 0, "grey and alpha": [0, 3], "rgb": [0, 1, 2], "rgb and alpha": [0, 1, 2, 3]}


def png_16(pixels: np.ndarray, *extra: tuple[bytes, bytes]) -> bytes:
    """A 16-bit PNG by hand, rows unfiltered, with ``extra`` chunks before the pixels."""
    height, width = pixels.shape[:2]
    color = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.shape[2] if pixels.ndim == 3 else 1]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png(width, height, 16, color, rows, *extra)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", CHANNELS)
def test_lossless_8_bit(tmp_path: Path, suffix: str, channels: str) -> None:
    pixels = RGBA[..., CHANNELS[channels]]
    write_photo(tmp_path / f"a{suffix}", Photo(pixels, SRGB))
    read = read_photo(tmp_path / f"a{suffix}")
    assert (read.pixels.dtype, read.icc_profile, read.notes) == (np.uint8, SRGB, ())
    np.testing.assert_array_equal(read.pixels, pixels)
    with PIL.Image.open(tmp_path / f"a{suffix}") as picture:  # someone else's reader
        np.testing.assert_array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize("channels", CHANNELS)
def test_16_bit_png(tmp_path: Path, channels: str) -> None:
    pixels = RGBA16[..., CHANNELS[channels]]
    (tmp_path / "by-hand.png").write_bytes(png_16(pixels))
    read = read_photo(tmp_path / "by-hand.png")
    assert read.pixels.dtype == np.uint16
    np.testing.assert_array_equal(read.pixels, pixels)
    write_photo(tmp_path / "ours.png", Photo(pixels, SRGB))
    again = read_photo(tmp_path / "ours.png")
    np.testing.assert_array_equal(again.pixels, pixels)
    assert again.icc_profile == SRGB


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", ["grey", "rgb", "rgb and alpha"])
def test_16_bit_tiff_is_read(tmp_path: Path, byteorder: str, compression: str | None, channels: str) -> None:
    pixels = RGBA16[..., CHANNELS[channels]]
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, byteorder=byteorder, compression=compression,
        photometric="minisblack" if channels == "grey" else "rgb", predictor=compression is not None,
        extrasamples=["unassalpha"] if channels == "rgb and alpha" else None,
    )  # fmt: skip
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize("channels", CHANNELS)
def test_16_bit_tiff_is_written(tmp_path: Path, channels: str) -> None:
    pixels = RGBA16[..., CHANNELS[channels]]
    write_photo(tmp_path / "a.tiff", Photo(pixels, SRGB))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tiff"), pixels)
    with tifffile.TiffFile(tmp_path / "a.tiff") as file:
        assert file.pages[0].tags["InterColorProfile"].value == SRGB


def test_white_is_zero(tmp_path: Path) -> None:
    grey = RGBA16[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", 65535 - grey, photometric="miniswhite")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, grey)


@pytest.mark.parametrize(("suffix", "off"), [(".jpg", 3), (".webp", 6)])
def test_lossy_formats_are_close_and_keep_the_profile(tmp_path: Path, suffix: str, off: int) -> None:
    ramp = np.linspace(0, 255, 48, dtype=np.uint8)[None, :, None].repeat(32, 0).repeat(3, 2)
    write_photo(tmp_path / f"a{suffix}", Photo(ramp, SRGB))
    read = read_photo(tmp_path / f"a{suffix}")
    assert read.icc_profile == SRGB
    assert np.abs(read.pixels.astype(int) - ramp).max() <= off


def test_webp_keeps_alpha(tmp_path: Path) -> None:
    pixels = np.full((16, 16, 4), 99, np.uint8)
    pixels[:, :8, 3] = 7
    write_photo(tmp_path / "a.webp", Photo(pixels))
    np.testing.assert_array_equal(read_photo(tmp_path / "a.webp").pixels[..., 3], pixels[..., 3])


def test_palette_and_bilevel(tmp_path: Path) -> None:
    few = (RGBA[..., :3] // 128 * 255).astype(np.uint8)
    palette = PIL.Image.fromarray(few).quantize(8)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "palette.png").pixels, few)
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png"), few)
    index = palette.getpixel((0, 0))
    palette.save(tmp_path / "hole.png", transparency=index)
    pixels = read_photo(tmp_path / "hole.png").pixels
    np.testing.assert_array_equal(pixels[..., :3], few)
    np.testing.assert_array_equal(pixels[..., 3], np.where(np.asarray(palette) == index, 0, 255))
    PIL.Image.fromarray(RGBA[..., 0] > 99).save(tmp_path / "bilevel.png")
    bilevel = np.where(RGBA[..., 0] > 99, 255, 0)
    np.testing.assert_array_equal(read_photo(tmp_path / "bilevel.png").pixels, bilevel)
    np.testing.assert_array_equal(read_image(tmp_path / "bilevel.png"), bilevel)


def test_bmp_of_16_bits_a_pixel(tmp_path: Path) -> None:
    """5, 6 and 5 bits: red, green, blue, white."""
    pixels = struct.pack("<4H", 0xF800, 0x07E0, 0x001F, 0xFFFF)
    header = struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, 16, 3, len(pixels), 0, 0, 0, 0)
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    start = 14 + len(header) + len(masks)
    file = b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + masks + pixels
    (tmp_path / "a.bmp").write_bytes(file)
    shown = [[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]]
    np.testing.assert_array_equal(read_photo(tmp_path / "a.bmp").pixels, shown)
    np.testing.assert_array_equal(read_image(tmp_path / "a.bmp"), shown)


def test_a_transparent_color_becomes_alpha(tmp_path: Path) -> None:
    rgb, grey = RGBA16[..., :3].copy(), RGBA16[..., 0]
    rgb[0, 0] = rgb[5, 6] = (1, 2, 3)
    rgb[1, 1] = (1, 2, 4)
    for name, pixels, key in (("rgb", rgb, (1, 2, 3)), ("grey", grey, (int(grey[4, 5]),))):
        (tmp_path / f"{name}.png").write_bytes(png_16(pixels, (b"tRNS", struct.pack(f">{len(key)}H", *key))))
        read = read_photo(tmp_path / f"{name}.png").pixels
        hidden = (pixels.reshape(13, 17, -1) == key).all(2)
        np.testing.assert_array_equal(read[..., -1], np.where(hidden, 0, 65535))
        np.testing.assert_array_equal(read[..., :-1].reshape(pixels.shape), pixels)
    assert (read_photo(tmp_path / "rgb.png").pixels[..., 3] == 0).sum() == 2
    PIL.Image.fromarray(RGBA[..., 0]).save(tmp_path / "grey8.png", transparency=int(RGBA[2, 3, 0]))
    read = read_photo(tmp_path / "grey8.png").pixels
    np.testing.assert_array_equal(read[..., 1], np.where(RGBA[..., 0] == RGBA[2, 3, 0], 0, 255))


@pytest.mark.parametrize("channels", ["grey and alpha", "rgb and alpha"])
@pytest.mark.parametrize("source", [RGBA, RGBA16], ids=["8", "16"])
def test_opaque_alpha_is_dropped(tmp_path: Path, source: np.ndarray, channels: str) -> None:
    pixels = source[..., CHANNELS[channels]].copy()
    pixels[..., -1] = np.iinfo(source.dtype).max
    write_photo(tmp_path / "a.png", Photo(pixels))
    plain = pixels[..., 0] if channels == "grey and alpha" else pixels[..., :3]
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, plain)


def test_orientation_is_applied(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show rotated by 90 degrees clockwise
    for name, pixels in (("rgb", RGBA[..., :3]), ("alpha", RGBA), ("grey16", RGBA16[..., 0])):
        PIL.Image.fromarray(pixels).save(tmp_path / f"{name}.png", exif=exif)
        np.testing.assert_array_equal(read_photo(tmp_path / f"{name}.png").pixels, np.rot90(pixels, -1))
    np.testing.assert_array_equal(read_image(tmp_path / "rgb.png"), np.rot90(RGBA[..., :3], -1))
    PIL.Image.fromarray(RGBA, "CMYK").save(tmp_path / "cmyk.jpg", exif=exif)
    assert read_photo(tmp_path / "cmyk.jpg").pixels.shape == (17, 13, 3)
    content = (b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    for channels in ("grey and alpha", "rgb", "rgb and alpha"):
        pixels = RGBA16[..., CHANNELS[channels]]
        (tmp_path / "a.png").write_bytes(png_16(pixels, content))
        np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, np.rot90(pixels, -1))


def cmyk_profile(white: int) -> bytes:
    """The smallest CMYK profile: Lab lightness ``white`` (of 255) without ink, none with any ink at all."""
    ramp = bytes(range(256))
    grid = bytes([white, 128, 128]) + bytes([0, 128, 128]) * 15  # 2 x 2 x 2 x 2 corners: no ink, and all others
    table = (
        b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + struct.pack(">9i", *(65536 * n for n in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    )
    table += ramp * 4 + grid + ramp * 3
    white_point = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    start = 128 + 4 + 2 * 12
    tags = struct.pack(">I", 2) + b"wtpt" + struct.pack(">II", start, len(white_point))
    tags += b"A2B0" + struct.pack(">II", start + len(white_point), len(table))
    body = tags + white_point + table
    header = struct.pack(
        ">I4sI4s4s4s12s4s", 128 + len(body), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ", bytes(12), b"acsp"
    )
    return header + bytes(68 - len(header)) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48) + body


def test_cmyk_is_converted_through_its_profile(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, 4:, 3] = 255
    picture = PIL.Image.fromarray(pixels, "CMYK")
    for name, profile, paper, words in (
        ("plain", None, 255, "no colour profile"),
        ("bright", cmyk_profile(255), 255, "through its colour profile"),
        ("damaged", b"not a profile", 255, "cannot be used"),
        ("not CMYK", SRGB, 255, "cannot be used"),
    ):
        picture.save(tmp_path / f"{name}.tif", icc_profile=profile)
        read = read_photo(tmp_path / f"{name}.tif")
        assert read.icc_profile is None
        assert words in "".join(read.notes), name
        assert np.abs(read.pixels[:, :4].astype(int) - paper).max() <= 2, name
        assert read.pixels[:, 4:].max() <= 2, name
    # A profile whose ink gives something else than plain arithmetic: half the cyan is not half the light.
    pixels[..., 0], pixels[..., 3] = 128, 0
    PIL.Image.fromarray(pixels, "CMYK").save(tmp_path / "cyan.tif", icc_profile=cmyk_profile(255))
    read = read_photo(tmp_path / "cyan.tif")
    assert np.ptp(read.pixels[0, 0].astype(int)) <= 2, "grey by this profile, cyan without"


def test_of_an_animation_the_first_frame(tmp_path: Path) -> None:
    frames = [PIL.Image.fromarray(np.full((4, 5), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    read = read_photo(tmp_path / "a.gif")
    assert read.notes == ("first of 2 frames",)
    assert (read.pixels == 10).all()


def test_portable_greymap_of_16_bits(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 65535\n" + struct.pack(">2H", 300, 65535))
    pixels = read_photo(tmp_path / "a.pgm").pixels
    assert (pixels.dtype, pixels.tolist()) == (np.uint16, [[300, 65535]])


@pytest.mark.parametrize(
    ("name", "photo", "words"),
    [
        ("a.xyz", Photo(RGBA), r"expected a name that ends in \.png"),
        ("a.jpg", Photo(RGBA), "no transparency"),
        ("a.jpeg", Photo(RGBA16[..., :3]), "8 bits per channel and the picture 16"),
        ("a.webp", Photo(RGBA16[..., 0]), "8 bits per channel and the picture 16"),
        ("a.webp", Photo(np.zeros((1, 16384), np.uint8)), "up to 16383 pixels, not 16384x1"),
        ("a.jpg", Photo(np.zeros((65501, 1), np.uint8)), "up to 65500 pixels"),
    ],
)
def test_what_does_not_fit_a_format(tmp_path: Path, name: str, photo: Photo, words: str) -> None:
    for refuse in (check_writable, write_photo):
        with pytest.raises(UserError, match=words):
            refuse(tmp_path / name, photo)
    assert list(tmp_path.iterdir()) == []


def test_the_largest_sides(tmp_path: Path) -> None:
    check_writable(tmp_path / "a.webp", Photo(np.zeros((1, 16383), np.uint8)))
    check_writable(tmp_path / "a.png", Photo(np.zeros((65536, 1), np.uint16)))
