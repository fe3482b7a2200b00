"""Reading and writing the pictures that people bring: every mode, 8 and 16 bits, orientation, colour profile.

`replication.images.io` refuses what cannot be measured without loss; here everything that has one sensible meaning is
accepted, and what had to be changed is said in a note.

Pixels are uint8 in 0..255 or uint16 in 0..65535: (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB, (H, W, 4) RGB
and alpha (straight, not premultiplied). An alpha channel that is opaque everywhere is dropped. The EXIF orientation is
applied; other EXIF data, resolution, text and such stay (`replication.images.metadata`). An embedded colour profile is
kept with the pixels, which stay in its colours; only CMYK is converted (to sRGB, through its profile if it has one).
"""

import struct
import sys
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray
from PIL import ImageCms

from replication.errors import UserError
from replication.files import atomic_path, check_space
from replication.images import metadata, tiff
from replication.images.io import (
    DEEP,
    GREY_MODES,
    LARGEST_WEBP,
    damage_named,
    file_content,
    opened_content,
    raw_mode,
    save,
    tiff_layout,
    upright,
)
from replication.images.io import READABLE as READABLE_BENCHMARKS
from replication.images.metadata import NOTHING, Metadata
from replication.network import extra

Pixels = NDArray[np.unsignedinteger[Any]]

READABLE = (*READABLE_BENCHMARKS, "AVIF")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""How the file type box of HEIF files begins that hold HEVC pictures, as phones write them."""
SUFFIXES = frozenset(
    f".{name}"
    for name in "avif bmp gif heic heif jfif jpe jpeg jpg pbm pgm png pnm ppm tif tiff webp".split()  # noqa: SIM905
)
"""What is taken for a picture in a folder."""

WRITABLE = {
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WebP",
    ".gif": "GIF",
}
LARGEST = {"JPEG": 65500, "WebP": LARGEST_WEBP, "GIF": 65535}
"""Longest side in pixels that the encoders accept (libjpeg's ``JPEG_MAX_DIMENSION``, libwebp's limit)."""

OTHER_BYTE_ORDER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


@dataclass(frozen=True)
class Photo:
    """A picture: pixels (see the module's text), ICC profile or None, what reading changed, and what is attached."""

    pixels: Pixels
    icc_profile: bytes | None = None
    notes: tuple[str, ...] = ()
    metadata: Metadata = NOTHING

    @property
    def has_alpha(self) -> bool:
        return has_alpha(self.pixels)


def has_alpha(pixels: NDArray[np.generic]) -> bool:
    """Whether the last channel of (H, W) or (H, W, C) pixels is an alpha channel: C is 2 or 4."""
    return pixels.ndim == 3 and pixels.shape[2] in (2, 4)


def read_photo(path: Path) -> Photo:
    """Read a picture. Of an animation, the first frame.

    Raises UserError naming the file when it is missing, empty, damaged, truncated, not an image or beyond Pillow's
    limit against decompression bombs, and for what has no single meaning as a picture (floating point, Lab colours).
    """
    content = file_content(path)
    layout = tiff_layout(content, path)
    if layout is not None and layout.by_tifffile:
        notes, profile = _first_of(layout.pages), layout.icc_profile
        with damage_named(path):
            planes = tiff.decode(content, layout.page)
            attached = metadata.of_tiff(content, layout.page)
        pixels: Pixels = planes[..., 0] if planes.shape[2] == 1 else planes
    else:
        page = layout.page if layout else 0
        with opened_content(content, path, _formats(content), page=page) as picture:
            # MPO: a camera's JPEG with a preview behind the photograph
            frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
            notes = _first_of(layout.pages if layout else frames)
            bits = bit_depth(content, picture)
            notes += [f"{bits} bits per channel reduced to 8"] if bits > 8 else []
            profile = picture.info.get("icc_profile") or None
            pixels, change = _decoded(content, path, picture, page)
            if change is not None:
                profile = None  # it described what was converted
                notes.append(change)
            attached = metadata.of_tiff(content, page) if layout else metadata.of_picture(picture, content)
    return Photo(without_opaque_alpha(pixels), profile, (*notes, *(layout.notes if layout else ())), attached)


def _formats(content: bytes) -> tuple[str, ...]:
    """`READABLE`, and HEIF for a file that is one, if pillow-heif is there. Raises MissingPackageError if not."""
    if content[4:8] != b"ftyp" or content[8:12] not in HEIF_BRANDS:
        return READABLE
    extra("pillow_heif", "heif").register_heif_opener()
    return (*READABLE, "HEIF")


def _first_of(frames: int) -> list[str]:
    return [f"first of {frames} frames"] if frames > 1 else []


def bit_depth(content: bytes, picture: PIL.Image.Image) -> int:
    """Bits per channel of an AVIF or HEIF file, which are decoded to 8; 8 for every other file.

    Of HEIF, pillow-heif says it. Of AVIF, the codec configuration (AV1 Codec ISO Media File Format Binding, 2.3.3): its
    third byte holds, from the second bit, ``high_bitdepth`` and ``twelve_bit``.
    """
    if picture.format == "HEIF":
        return int(picture.info.get("bit_depth", 8))
    start = content.find(b"av1C") if picture.format == "AVIF" else -1
    if start < 0 or len(content) < start + 7:
        return 8
    return {0: 8, 1: 8, 2: 10, 3: 12}[content[start + 6] >> 5 & 3]


def _decoded(content: bytes, path: Path, picture: PIL.Image.Image, page: int) -> tuple[Pixels, str | None]:
    """The pixels of an opened picture as Pillow reads them, orientation applied, and what was converted, in words."""
    stored = raw_mode(picture)
    kind = _unsupported(picture, stored)
    if kind is not None:
        raise UserError(f"{path}: expected a grey, RGB or CMYK picture of 8 or 16 bits per channel, got {kind}")
    if stored.endswith(DEEP) and picture.mode in ("RGB", "RGBA"):
        return _color_16(content, path, picture, stored, page), None
    if picture.mode.startswith("I"):
        return _grey_16(picture), None
    picture.load()
    turned = upright(picture)
    if picture.mode == "CMYK":
        converted, how = _cmyk_to_srgb(turned, picture.info.get("icc_profile") or None)
        return np.array(converted), how
    mode = "L" if turned.mode in {*GREY_MODES, "La"} else "RGB"
    if turned.has_transparency_data:
        mode = {"L": "LA", "RGB": "RGBA"}[mode]
    return np.array(turned.convert(mode)), None


def _unsupported(picture: PIL.Image.Image, stored: str) -> str | None:
    """What makes a picture unusable, in words, or None. Must be asked before its pixels are decoded."""
    if picture.mode == "F":
        return "floating point"
    if picture.mode == "I" and picture.format != "PPM":  # a 16-bit PGM is read into 32 bits
        return "32 or signed 16 bits per channel"
    if ";12" in stored:
        return "12 bits per channel"
    if stored.startswith("RGBa;16"):
        return "16 bits with premultiplied alpha"
    if picture.format == "PPM" and picture.mode == "RGB" and _ppm_maximum(picture) > 255:
        return "a 16-bit colour PPM (PNG or TIFF can be read)"
    if picture.mode not in {*GREY_MODES, "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "YCbCr", "CMYK"} and not (
        picture.mode.startswith("I")
    ):
        return f"colour mode {picture.mode}"
    return None


def _ppm_maximum(picture: PIL.Image.Image) -> int:
    """A portable pixmap's maxval from Pillow's decoder arguments, else 255."""
    arguments = picture.tile[0][3] if isinstance(picture, PIL.ImageFile.ImageFile) and picture.tile else None
    return next((one for one in arguments if isinstance(one, int)), 255) if isinstance(arguments, tuple) else 255


def _color_16(content: bytes, path: Path, picture: PIL.Image.Image, stored: str, page: int) -> NDArray[np.uint16]:
    """16-bit RGB, RGBA, or grey with alpha.

    Pillow has no such modes and keeps the first byte of each sample. Decoded again as if the bytes were in the other
    order, the same file gives the second.
    """
    if stored == "LA;16B":  # only in PNG; two samples of two bytes are read as four channels of one
        both = _decoded_as(content, path, "RGBA", page).astype(np.uint16)
        return both[..., 0::2] * 256 + both[..., 1::2]
    picture.load()
    high = np.array(upright(picture), dtype=np.uint16)
    low = _decoded_as(content, path, stored[:-1] + OTHER_BYTE_ORDER[stored[-1]], page)
    pixels = high * 256 + low
    key = picture.info.get("transparency")
    if picture.mode == "RGB" and isinstance(key, tuple):
        pixels = np.dstack([pixels, _alpha_of_key(pixels == np.array(key, np.uint16))])
    return pixels


def _decoded_as(content: bytes, path: Path, stored: str, page: int) -> NDArray[np.uint8]:
    """The pixels of a file, read as if each were stored as ``stored``; orientation applied."""
    with opened_content(content, path, READABLE, page=page) as picture:
        assert isinstance(picture, PIL.ImageFile.ImageFile)
        picture.tile = [
            tile._replace(args=stored if isinstance(tile.args, str) else (stored, *(tile.args or ())[1:]))
            for tile in picture.tile
        ]
        picture.load()
        return np.array(upright(picture))


def _grey_16(picture: PIL.Image.Image) -> NDArray[np.uint16]:
    """16-bit grey, with alpha when one value is marked as transparent."""
    picture.load()
    pixels = np.array(upright(picture)).astype(np.uint16)
    if picture.format == "TIFF" and getattr(picture, "tag_v2", {}).get(262) == 0:  # white is zero: Pillow leaves it so
        pixels = 65535 - pixels
    key = picture.info.get("transparency")
    if isinstance(key, int):
        pixels = np.dstack([pixels, _alpha_of_key((pixels == key)[..., None])])
    return pixels


def _alpha_of_key(equal: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Alpha (H, W) of a picture in which one colour is transparent: ``equal``: where each channel has it."""
    return np.where(equal.all(axis=2), 0, 65535).astype(np.uint16)


def _cmyk_to_srgb(picture: PIL.Image.Image, profile: bytes | None) -> tuple[PIL.Image.Image, str]:
    """The picture in sRGB, and how it came there: through its profile, or by Pillow's plain formula without one."""
    if profile is not None:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(
                picture,
                source,
                srgb,
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if converted is not None:
                return converted, "CMYK converted to sRGB through its colour profile"
        except (ImageCms.PyCMSError, OSError):  # a damaged profile, or one that is not for CMYK
            return picture.convert("RGB"), "CMYK converted to RGB without its colour profile, which cannot be used"
    return picture.convert("RGB"), "CMYK converted to RGB; it has no colour profile"


def without_opaque_alpha(pixels: Pixels) -> Pixels:
    """Pixels without an alpha channel that is opaque everywhere."""
    if not has_alpha(pixels) or pixels[..., -1].min() < np.iinfo(pixels.dtype).max:
        return pixels
    return np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :3])


def kind_of(path: Path) -> str:
    """The format that ``path``'s suffix stands for. Raises UserError for one that cannot be written."""
    kind = WRITABLE.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"cannot write {path}: expected a name that ends in {', '.join(WRITABLE)}")
    return kind


def check_writable(path: Path, photo: Photo) -> None:
    """Raise UserError when ``photo`` does not fit the format of ``path``'s suffix.

    JPEG has no alpha; JPEG, WebP and GIF have 8 bits and a largest size. Nothing is dropped silently to make it fit.
    """
    kind = kind_of(path)
    if kind == "JPEG" and photo.has_alpha:
        raise UserError(f"cannot write {path}: JPEG has no transparency and the picture has; use .png, .webp or .tif")
    if kind in LARGEST and photo.pixels.dtype == np.uint16:
        raise UserError(f"cannot write {path}: {kind} has 8 bits per channel and the picture 16; use .png or .tif")
    _check_sides(path, *photo.pixels.shape[:2])


def check_room(path: Path, pixels: Pixels, height: int, width: int) -> None:
    """Raise UserError when ``height`` x ``width`` of such pixels do not fit the format of ``path`` or its disk."""
    _check_sides(path, height, width)
    size = height * width * pixels[0, 0].nbytes
    check_space(path, size // 4 if kind_of(path) in LARGEST else size)


def _check_sides(path: Path, height: int, width: int) -> None:
    kind = kind_of(path)
    if max(height, width) > LARGEST.get(kind, max(height, width)):
        raise UserError(
            f"cannot write {path}: {kind} takes sides of up to {LARGEST[kind]} pixels, not {width}x{height}"
        )


def write_photo(path: Path, photo: Photo, *, quality: int = 95) -> tuple[str, ...]:
    """Write a picture in the format of ``path``'s suffix, with all that is attached, atomically.

    Returns what the format has no place for, in words. PNG and TIFF are lossless (TIFF with deflate compression); JPEG
    and WebP are written at ``quality``, JPEG without chroma subsampling. Raises UserError as `check_writable` does, and
    when the file cannot be written.
    """
    check_writable(path, photo)
    kind, pixels, profile = kind_of(path), np.ascontiguousarray(photo.pixels), photo.icc_profile
    gif: tuple[str, ...] = ()
    with atomic_path(path) as temporary:
        if kind == "TIFF":
            _write_tiff(temporary, pixels, profile, photo.metadata)
        elif pixels.dtype == np.uint16:
            _write_png_16(temporary, pixels, profile, photo.metadata)
        else:
            options = metadata.pillow_options(photo.metadata, kind)
            if kind == "GIF" and pixels.ndim == 3:
                gif = ("colours reduced to 256" + (", transparency to yes or no" if photo.has_alpha else ""),)
            if kind in ("JPEG", "WebP"):
                options |= {"quality": quality, "subsampling": 0}
            save(PIL.Image.fromarray(pixels), temporary, kind, icc_profile=profile, **options)
    return (*metadata.left_out(photo.metadata, kind, profile), *gif)


def _write_tiff(path: Path, pixels: Pixels, profile: bytes | None, attached: Metadata) -> None:
    color = pixels.ndim == 3 and pixels.shape[2] >= 3
    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb" if color else "minisblack",
        planarconfig="contig" if pixels.ndim == 3 else None,
        extrasamples=["unassalpha"] if has_alpha(pixels) else None,
        iccprofile=profile,
        compression="zlib",
        metadata=None,
        software=False,
        **metadata.tiff_options(attached),
    )


def _write_png_16(path: Path, pixels: Pixels, profile: bytes | None, attached: Metadata) -> None:
    """PNG of 16 bits per channel, which Pillow cannot write in colour (W3C PNG specification, third edition).

    Every row is stored as the difference to the row above (filter 2).
    """
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    with path.open("wb") as file:

        def chunk(name: bytes, content: bytes) -> None:
            file.write(struct.pack(">I", len(content)) + name + content)
            file.write(struct.pack(">I", zlib.crc32(name + content)))

        file.write(b"\x89PNG\r\n\x1a\n")
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0))
        if profile is not None:
            chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
        for name, value in metadata.png_chunks(attached):
            chunk(name, value)
        compressor, above = zlib.compressobj(), np.zeros(width * channels * 2, np.uint8)
        for row in pixels:
            samples = np.frombuffer(row.astype(">u2").tobytes(), np.uint8)
            packed = compressor.compress(b"\2" + (samples - above).tobytes())
            above = samples
            if packed:
                chunk(b"IDAT", packed)
        chunk(b"IDAT", compressor.flush())
        chunk(b"IEND", b"")
