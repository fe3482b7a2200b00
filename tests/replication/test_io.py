"""Reading and writing images: what is accepted, in which layout, and one clear line for everything else."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

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


def test_a_colour_ppm_of_8_bits(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 3 2 255\n" + bytes(range(18)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm"), np.arange(18, dtype=np.uint8).reshape(2, 3, 3))


def test_writing_refuses_unknown_suffix_and_wrong_arrays(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"image\.xyz: expected a name that ends in \.png"):
        write_image(tmp_path / "image.xyz", RGB)
    with pytest.raises(ArgumentError, match="float64"):
        write_image(tmp_path / "image.png", RGB / 255)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"\(13, 17, 2\)"):
        write_image(tmp_path / "image.png", RGB[..., :2])
    assert list(tmp_path.iterdir()) == []
