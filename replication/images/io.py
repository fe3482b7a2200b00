"""Reading and writing 8-bit images: one array layout for every file that a user may bring.

Arrays are uint8 in 0..255, (H, W) for grey files and (H, W, 3) RGB for colour files. Colour profiles and gamma tags are
ignored, as MATLAB's ``imread`` and the literature do. What cannot be represented without loss (16 bits per channel,
transparency, CMYK, animations) is refused, because a silent conversion would change every measured number.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL.Image import Transpose

from replication.errors import ArgumentError, DamagedFileError, UserError
from replication.files import atomic_path
from replication.images import tiff

Image = npt.NDArray[np.uint8]

DEEP = (";16B", ";16L", ";16N")
"""How Pillow's names of ways to store a pixel end for 16 bits per channel; ``BGR;16`` of a BMP is 16 bits in all."""
READABLE = ("PNG", "BMP", "JPEG", "TIFF", "WEBP", "GIF", "PPM")
WRITABLE = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}
GREY_MODES = frozenset({"1", "L", "LA"})
COLOR_MODES = frozenset({"P", "PA", "RGB", "RGBA", "RGBX"})


def read_image(path: Path) -> Image:
    """Read an image file as uint8 in 0..255: (H, W) if it is stored as grey, else (H, W, 3) RGB.

    A palette becomes RGB, an alpha channel that is opaque everywhere is dropped, and the EXIF orientation of a
    camera's file is applied. Raises DamagedFileError naming the file when it is missing, empty, damaged or no image,
    and when it has transparency, more than 8 bits per channel, several frames or another colour model.
    """
    content = file_content(path)
    stored = tiff_layout(content, path)
    if stored is not None and (stored.by_tifffile or stored.page):
        raise DamagedFileError(f"{path}: expected an 8-bit grey or RGB image, got a TIFF of planes or several pages")
    with opened_content(content, path) as picture:
        found = _unsupported(picture)
        if found is not None:
            raise DamagedFileError(f"{path}: expected an 8-bit grey or RGB image, got {found}")
        picture.load()
        return _array(upright(picture), path)


LARGEST_WEBP = 16383
"""Pixels of a side that a WebP can fill. Its header can claim more, which takes half a minute to decode."""


@contextmanager
def opened_content(
    content: bytes, path: Path, formats: Sequence[str] = READABLE, *, page: int = 0
) -> Iterator[PIL.Image.Image]:
    """Open what an image file holds with Pillow, its pixels not yet decoded; of several frames, that of index ``page``.

    Whatever goes wrong with it here or inside the ``with`` block becomes a DamagedFileError that names ``path``: empty,
    not an image, too large (Pillow's limit against decompression bombs), damaged or truncated.
    """
    with damage_named(path):
        try:
            with warnings.catch_warnings():
                # A warning is for images between one and two times the limit; above it, Pillow raises.
                warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
                picture = PIL.Image.open(BytesIO(content), formats=tuple(formats))
        except PIL.UnidentifiedImageError as error:
            if tiff.is_tiff(content):
                raise DamagedFileError(f"{path}: a TIFF that is damaged, or stored in a way not known here") from error
            kinds = ", ".join(formats)
            raise DamagedFileError(
                f"{path}: expected an image ({kinds}), got a file that begins with {content[:12]!r}"
            ) from error
        with picture:
            if page:
                picture.seek(page)
            if 0 in picture.size or (picture.format == "WEBP" and max(picture.size) > LARGEST_WEBP):
                raise DamagedFileError(f"{path}: expected an image, got one of {picture.width}x{picture.height} pixels")
            _scale_transparent_grey(picture)
            yield picture


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises inside the ``with`` block into a DamagedFileError that names the file."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except tiff.UnreadableTiffError as error:
        raise DamagedFileError(f"{path}: expected a TIFF with a layout that can be read, got {error}") from error
    except PIL.Image.DecompressionBombError as error:
        raise DamagedFileError(f"{path}: expected an image of reasonable size, got: {error}") from error
    except Exception as error:  # decoders raise many types (OSError, SyntaxError, struct.error) on damage
        raise DamagedFileError(f"{path}: expected a whole image, got a damaged or truncated file ({error})") from error


def read_size(path: Path) -> tuple[int, int]:
    """Height and width in pixels from the header alone, without decoding. Raises DamagedFileError naming it."""
    try:
        with PIL.Image.open(path, formats=READABLE) as picture:
            return picture.height, picture.width
    except Exception as error:
        raise DamagedFileError(f"cannot read the size of {path}: {error}") from error


def write_image(path: Path, image: Image) -> None:
    """Write a uint8 image, (H, W) grey or (H, W, 3) RGB, in the format of ``path``'s suffix, atomically.

    JPEG is written at quality 95 without chroma subsampling; the other formats are lossless. Raises ArgumentError when
    the suffix is unknown or the array is no such image, UserError when the file cannot be written.
    """
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ArgumentError(f"write_image: expected uint8 (H, W) or (H, W, 3), got {image.dtype} {image.shape}")
    kind = WRITABLE.get(path.suffix.lower())
    if kind is None:
        raise ArgumentError(f"cannot write {path}: expected a name that ends in {', '.join(WRITABLE)}")
    picture = PIL.Image.fromarray(np.ascontiguousarray(image))
    with atomic_path(path) as temporary:
        save(picture, temporary, kind, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}))


class _Stream(io.BufferedRandom):
    """A file that hides its descriptor.

    Through a descriptor Pillow writes by itself, and takes what a full disk had room for as all of it.
    """

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def save(picture: PIL.Image.Image, path: Path, kind: str, **options: Any) -> None:
    """Pillow's ``save`` into a file, whole. Raises OSError when it cannot be written to its end."""
    with _Stream(io.FileIO(path, "w+")) as file:
        picture.save(file, kind, **options)


def file_content(path: Path) -> bytes:
    """All bytes of a file that should be an image."""
    if path.is_dir():
        raise DamagedFileError(f"{path}: expected an image file, got a folder")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedFileError(f"cannot read the image {path}: {error.strerror or error}") from error
    if not content:
        raise DamagedFileError(f"{path}: expected an image, got an empty file")
    return content


def _scale_transparent_grey(picture: PIL.Image.Image) -> None:
    """Bring the grey that a PNG of 1, 2 or 4 bits marks as transparent to 0..255, as Pillow does with its pixels."""
    bits = {"1": 1, "L;2": 2, "L;4": 4}.get(raw_mode(picture))
    key = picture.info.get("transparency")
    if picture.format == "PNG" and bits and isinstance(key, int):
        picture.info["transparency"] = (key & (2**bits - 1)) * 255 // (2**bits - 1)


TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""EXIF's orientations, by what makes the picture upright."""


def upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    """The picture turned as its EXIF orientation says; as it is when its EXIF data are damaged.

    Unlike Pillow's ``exif_transpose`` it does not write the EXIF data anew, which fails on damage that matters little.
    """
    try:
        orientation = picture.getexif().get(0x0112, 1)
    except Exception:  # the parser raises many types on damage
        return picture
    turn = TURNS.get(orientation) if isinstance(orientation, int) else None
    return picture if turn is None else picture.transpose(turn)


def raw_mode(picture: PIL.Image.Image) -> str:
    """How the file stores a pixel, in Pillow's words (``RGB;16B``): Pillow's own mode hides that it is 16 bits."""
    arguments = [tile[3] for tile in getattr(picture, "tile", [])]
    names = [one if isinstance(one, str) else one[0] for one in arguments if one]
    return names[0] if names and isinstance(names[0], str) else ""


def tiff_layout(content: bytes, path: Path) -> tiff.Layout | None:
    """How the picture in a TIFF file is stored; None for other files. Raises DamagedFileError naming the file."""
    if not tiff.is_tiff(content):
        return None
    with damage_named(path):
        return tiff.layout(content)


def _unsupported(picture: PIL.Image.Image) -> str | None:
    """What makes a picture unusable, in words, or None. Must be asked before its pixels are decoded."""
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # MPO: a camera's JPEG with a preview behind the photograph
        return f"{frames} frames"
    # Pillow decodes 16-bit RGB to 8 bits silently: only how the not yet decoded tiles are stored tells (of PPM the
    # largest value).
    stored = [tile[3] for tile in getattr(picture, "tile", [])]
    deep_ppm = picture.format == "PPM" and any(isinstance(one, tuple) and one[-1] > 255 for one in stored)
    if picture.mode.startswith(("I", "F")) or any(name in str(stored) for name in DEEP) or deep_ppm:
        return "more than 8 bits per channel"
    if picture.mode not in GREY_MODES | COLOR_MODES:
        return f"colour mode {picture.mode}"
    return None


def _array(picture: PIL.Image.Image, path: Path) -> Image:
    """The pixels of a decoded picture in a supported mode."""
    if picture.has_transparency_data:
        lowest = int(np.asarray(picture.convert("RGBA"))[..., 3].min())
        if lowest < 255:
            raise DamagedFileError(
                f"{path}: expected an opaque image, got transparency (alpha down to {lowest} of 255)"
            )
    return np.array(picture.convert("L" if picture.mode in GREY_MODES else "RGB"), dtype=np.uint8)
