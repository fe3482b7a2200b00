"""Reading and writing images: what is accepted, in which layout, and one clear line for everything else."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from helpers import png

from replication.errors import ArgumentError, UserError
from replication.images.io import read_image, read_size, write_image

RGB = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)
GREY = RGB[..., 0]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
@pytest.mark.parametrize("image", [RGB, GREY], ids=["rgb", "grey"])
def test_lossless_formats_return_the_same_pixels(tmp_path: Path, suffix: str, image: np.ndarray) -> None:
    path = tmp_path / f"new folder/image.{suffix}"
    write_image(path, image)
    read = read_image(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, image)
    assert read_size(path) == (13, 17)


def test_jpeg_is_close_and_written_bytes_repeat(tmp_path: Path) -> None:
    smooth = np.repeat(np.linspace(0, 255, 48, dtype=np.uint8)[None, :, None], 32, 0).repeat(3, 2)
    for name in ("a.jpg", "b.jpg"):
        write_image(tmp_path / name, smooth)
    assert (tmp_path / "a.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()
    assert int(np.abs(read_image(tmp_path / "a.jpg").astype(int) - smooth).max()) <= 3


def test_palette_becomes_rgb_and_bilevel_becomes_grey(tmp_path: Path) -> None:
    few = (RGB // 128 * 255).astype(np.uint8)
    PIL.Image.fromarray(few).quantize(8).save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png"), few)
    PIL.Image.fromarray(GREY > 99).save(tmp_path / "bilevel.png")
    np.testing.assert_array_equal(read_image(tmp_path / "bilevel.png"), np.where(GREY > 99, 255, 0))


@pytest.mark.parametrize(("mode", "layers"), [("RGBA", 3), ("LA", 1)])
def test_opaque_alpha_is_dropped_and_transparency_refused(tmp_path: Path, mode: str, layers: int) -> None:
    colors = [PIL.Image.fromarray(RGB[..., index]) for index in range(layers)]
    alpha = np.full(GREY.shape, 255, np.uint8)
    path = tmp_path / "alpha.png"
    PIL.Image.merge(mode, [*colors, PIL.Image.fromarray(alpha)]).save(path)
    np.testing.assert_array_equal(read_image(path), RGB if layers == 3 else GREY)
    alpha[3, 4] = 254
    PIL.Image.merge(mode, [*colors, PIL.Image.fromarray(alpha)]).save(path)
    with pytest.raises(UserError, match=r"alpha\.png: expected an opaque image, got transparency \(alpha down to 254"):
        read_image(path)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show rotated by 90 degrees clockwise
    PIL.Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), np.rot90(RGB, -1))


def test_one_pixel_image_can_be_read(tmp_path: Path) -> None:
    write_image(tmp_path / "one.png", RGB[:1, :1])
    assert read_image(tmp_path / "one.png").shape == (1, 1, 3)


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no 8-bit image, by kind, each with what the error must say."""
    write_image(folder / "whole.png", RGB)
    write_image(folder / "whole.jpg", RGB.repeat(9, 0).repeat(9, 1))
    whole = (folder / "whole.png").read_bytes()
    PIL.Image.fromarray(GREY.astype(np.uint16) * 257).save(folder / "grey16.png")
    PIL.Image.fromarray(GREY.astype(np.float32)).save(folder / "float.tif")
    PIL.Image.fromarray(RGB).convert("CMYK").save(folder / "cmyk.jpg")
    frames = [PIL.Image.fromarray(GREY), PIL.Image.fromarray(255 - GREY)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    contents = {
        "text.png": (b"hello, this is text", r"begins with b'hello, this '"),
        "empty.png": (b"", "empty file"),
        "header.png": (whole[:20], "damaged or truncated"),
        "half.png": (whole[: len(whole) // 2], "damaged or truncated"),
        "flipped.png": (whole[:60] + bytes([whole[60] ^ 255]) + whole[61:], "damaged or truncated"),
        "half.jpg": ((folder / "whole.jpg").read_bytes()[:2000], "damaged or truncated"),
        "rgb16.png": (png(2, 1, 16, 2, b"\0" + bytes(12)), "more than 8 bits"),
        "rgb16.ppm": (b"P6 2 1 65535\n" + bytes(12), "more than 8 bits"),
        "bomb.png": (png(50000, 50000, 8, 2, b""), "reasonable size"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    bad = {name: (folder / name, words) for name, (_, words) in contents.items()}
    for name, words in {
        "grey16.png": "more than 8 bits",
        "float.tif": "floating point",
        "cmyk.jpg": "colour mode CMYK",
        "moving.gif": "2 frames",
        "missing.png": "No such file",
    }.items():
        bad[name] = (folder / name, words)
    (folder / "folder.png").mkdir()
    bad["folder.png"] = (folder / "folder.png", "got a folder")
    return bad


def test_a_colour_ppm_of_8_bits(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 3 2 255\n" + bytes(range(18)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm"), np.arange(18, dtype=np.uint8).reshape(2, 3, 3))


def test_every_bad_file_is_one_clear_line_naming_it(tmp_path: Path) -> None:
    for name, (path, words) in bad_files(tmp_path).items():
        with pytest.raises(UserError, match=words) as caught:
            read_image(path)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_writing_refuses_unknown_suffix_and_wrong_arrays(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"image\.xyz: expected a name that ends in \.png"):
        write_image(tmp_path / "image.xyz", RGB)
    with pytest.raises(ArgumentError, match="float64"):
        write_image(tmp_path / "image.png", RGB / 255)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"\(13, 17, 2\)"):
        write_image(tmp_path / "image.png", RGB[..., :2])
    assert list(tmp_path.iterdir()) == []


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot write"):
        write_image(tmp_path / "blocked/image.png", RGB)
    assert (tmp_path / "blocked").read_text() == "a file where the folder should be"
