"""What people attach to pictures: EXIF, resolution, text, XMP, and how light and colours are coded.

Everything stays that the format of the result has a place for; what it has no place for is said. The orientation
becomes 1, because the pixels have been turned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import PIL.Image
import tifffile
from PIL import PngImagePlugin

ORIENTATION = 0x0112
TIFF_TEXT = {
    270: "ImageDescription",
    271: "Make",
    272: "Model",
    305: "Software",
    306: "DateTime",
    315: "Artist",
    33432: "Copyright",
}
"""Tags of text in a TIFF directory; EXIF has the same ones."""
XMP_TAG, EXIF_TAG, GPS_TAG = 700, 34665, 34853
XMP_KEYWORD = "XML:com.adobe.xmp"
COLOR_CHUNKS = (b"cICP", b"gAMA", b"cHRM", b"sRGB")
"""PNG's chunks on the coding of light and colours (PNG specification, third edition, 11.3.2)."""
LONGEST_SEGMENT = 65_000
"""Bytes that surely fit into a segment of a JPEG file, its identifier included."""


@dataclass(frozen=True)
class Metadata:
    """What is attached to a picture apart from its colour profile.

    ``exif``: as a file's EXIF block, without the orientation. ``dpi``: pixels per inch, horizontally and vertically.
    ``text``: keywords and values. ``color_chunks``: PNG's, by name and content. ``notes``: what could not be read.
    """

    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    xmp: bytes | None = None
    color_chunks: tuple[tuple[bytes, bytes], ...] = ()
    notes: tuple[str, ...] = ()


NOTHING = Metadata()


def of_picture(picture: PIL.Image.Image, content: bytes) -> Metadata:
    """What is attached to a decoded file (not TIFF; see `of_tiff`), whose bytes are ``content``.

    To be asked after the pixels: Pillow decodes them when it is asked for text, and the orientation is set to 1.
    """
    notes: list[str] = []
    exif = _tried(lambda: _exif_bytes(picture.getexif()), "EXIF", notes)
    info = picture.info
    text = {
        str(key): str(value)
        for key, value in (getattr(picture, "text", None) or {}).items()
        if key != XMP_KEYWORD and not key.startswith("Raw profile type")
    }
    if isinstance(info.get("comment"), bytes):
        text.setdefault("Comment", info["comment"].decode("utf-8", "replace"))
    xmp = info.get("xmp") or info.get(XMP_KEYWORD)
    dpi = _tried(lambda: _checked_dpi(*info["dpi"]) if "dpi" in info else None, "resolution", notes)
    chunks = _tried(lambda: _color_chunks(content), "colour coding", notes) if picture.format == "PNG" else ()
    return Metadata(
        exif=exif,
        dpi=dpi,
        text=tuple(text.items()),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        color_chunks=chunks or (),
        notes=tuple(notes),
    )


def of_tiff(content: bytes, page: int) -> Metadata:
    """What is attached to a page of a TIFF file: resolution, text and XMP. EXIF directories are named in a note."""
    notes: list[str] = []
    with tifffile.TiffFile(BytesIO(content)) as file:
        tags: Any = file.pages[page].tags  # type: ignore[union-attr]
        exif = PIL.Image.Exif()
        for code in TIFF_TEXT:
            value = tags.valueof(code)
            if isinstance(value, str) and value and not value.startswith('{"shape"'):  # tifffile's own
                exif[code] = _Latin(value.encode().decode("latin-1"))
        if tags.get(EXIF_TAG) or tags.get(GPS_TAG):
            notes.append("the camera's EXIF data was not kept")
        xmp = tags.valueof(XMP_TAG)
        dpi = _tried(lambda: _tiff_dpi(tags), "resolution", notes)
        return Metadata(
            exif=exif.tobytes() if len(exif) else None,
            dpi=dpi,
            xmp=bytes(xmp) if isinstance(xmp, bytes) else None,
            notes=tuple(notes),
        )


def _tried(read: Callable[[], Any], what: str, notes: list[str]) -> Any:
    """What ``read`` gives, or None and a note: a damaged attachment is no reason to refuse a picture."""
    try:
        return read()
    except MemoryError:
        raise
    except Exception:  # parsers raise many types on damage
        notes.append(f"{what} is damaged and was not kept")
        return None


class _Latin(str):
    """Text of EXIF whose bytes stay: Pillow reads them as Latin-1, and would write ``?`` for all that is not ASCII."""

    def encode(self, *_: object) -> bytes:
        return super().encode("latin-1")


def _exif_bytes(exif: PIL.Image.Exif) -> bytes | None:
    """An EXIF block with orientation 1, if there was one and it holds anything."""
    if not len(exif):
        return None
    if ORIENTATION in exif:
        exif[ORIENTATION] = 1
    for directory in (exif, *(exif.get_ifd(tag) for tag in (EXIF_TAG, GPS_TAG) if tag in exif)):
        directory.update({tag: _Latin(value) for tag, value in directory.items() if isinstance(value, str)})
    return bytes(exif.tobytes())


def _checked_dpi(across: Any, down: Any) -> tuple[float, float] | None:
    pair = float(across), float(down)
    return pair if all(0 < one < 1e6 for one in pair) else None


def _tiff_dpi(tags: Any) -> tuple[float, float] | None:
    unit = {2: 1.0, 3: 2.54}.get(int(tags.valueof(296, 2)))
    across, down = tags.valueof(282), tags.valueof(283)
    if unit is None or across is None or down is None:
        return None
    return _checked_dpi(unit * across[0] / across[1], unit * down[0] / down[1])


def _color_chunks(content: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The `COLOR_CHUNKS` before the pixels of a PNG file."""
    found, place = [], 8
    while place + 8 <= len(content):
        length, name = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        if name == b"IDAT":
            break
        if name in COLOR_CHUNKS:
            found.append((name, content[place + 8 : place + 8 + length]))
        place += length + 12
    return tuple(found)


# ---------------------------------------------------------------- writing


def left_out(metadata: Metadata, kind: str, icc_profile: bytes | None) -> tuple[str, ...]:
    """What has no place in a file of that kind, in words, the colour profile included."""
    others = [key for key, _ in metadata.text if not (kind == "JPEG" and key == "Comment")]
    words = [*metadata.notes]
    if others and kind != "PNG":
        words.append(f"text not kept in {kind}: {', '.join(others)}")
    if metadata.color_chunks and kind != "PNG" and any(name != b"sRGB" for name, _ in metadata.color_chunks):
        names = ", ".join(name.decode() for name, _ in metadata.color_chunks)
        words.append(f"coding of light and colours not kept in {kind}: {names}")
    if metadata.dpi and kind in ("WebP", "GIF"):
        words.append(f"resolution not kept in {kind}")
    if metadata.exif and kind == "TIFF" and _beyond_tiff(metadata.exif):
        words.append("the camera's EXIF data was not kept in TIFF, but for its texts")
    if kind == "GIF" and icc_profile:
        words.append("colour profile not kept in GIF")
    if kind == "GIF":
        words += [f"{name} not kept in GIF" for name in ("exif", "xmp") if getattr(metadata, name)]
    if kind == "JPEG":
        for name in ("exif", "xmp"):
            if len(getattr(metadata, name) or b"") > LONGEST_SEGMENT:
                words.append(f"{name.upper()} does not fit into JPEG and was not kept")
    return tuple(words)


def _beyond_tiff(exif: bytes) -> bool:
    return any(tag not in {*TIFF_TEXT, ORIENTATION, 282, 283, 296} for tag in _loaded(exif))


def _loaded(exif: bytes) -> PIL.Image.Exif:
    loaded = PIL.Image.Exif()
    loaded.load(exif)
    return loaded


def pillow_options(metadata: Metadata, kind: str) -> dict[str, Any]:
    """Arguments of Pillow's ``save`` for PNG, JPEG and WebP."""
    options: dict[str, Any] = {}
    for name in ("exif", "xmp"):
        value = getattr(metadata, name)
        if value and (kind in ("PNG", "WebP") or (kind == "JPEG" and len(value) <= LONGEST_SEGMENT)):
            options[name] = value
    if metadata.dpi and kind in ("PNG", "JPEG"):
        options["dpi"] = metadata.dpi
    if kind == "JPEG":
        options |= {"comment": value for key, value in metadata.text if key == "Comment"}  # noqa: B035
    if kind == "PNG":
        options.pop("xmp", None)
        info = PngImagePlugin.PngInfo()
        for chunk, content in png_chunks(metadata):
            if chunk not in (b"eXIf", b"pHYs"):  # Pillow writes these from the options
                info.add(chunk, content)
        options["pnginfo"] = info
    return options


def png_chunks(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Everything as chunks of a PNG file, in an order that the specification allows before the pixels."""
    chunks = list(metadata.color_chunks)
    if metadata.dpi:
        per_metre = (round(one / 0.0254).to_bytes(4, "big") for one in metadata.dpi)
        chunks.append((b"pHYs", b"".join(per_metre) + b"\1"))
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif.removeprefix(b"Exif\0\0")))
    for key, value in metadata.text:
        keyword = key.encode("latin-1", "replace")[:79]
        try:
            chunks.append((b"tEXt", keyword + b"\0" + value.encode("latin-1")))
        except UnicodeEncodeError:
            chunks.append((b"iTXt", keyword + b"\0\0\0\0\0" + value.encode()))
    if metadata.xmp:
        chunks.append((b"iTXt", XMP_KEYWORD.encode() + b"\0\0\0\0\0" + metadata.xmp))
    return chunks


def tiff_options(metadata: Metadata) -> dict[str, Any]:
    """Arguments of tifffile's ``imwrite``."""
    options: dict[str, Any] = {"extratags": []}
    if metadata.dpi:
        options |= {"resolution": metadata.dpi, "resolutionunit": 2}
    exif = _loaded(metadata.exif) if metadata.exif else {}
    for code in TIFF_TEXT:
        value = exif.get(code)
        if isinstance(value, str) and value:
            options["extratags"].append((code, 2, None, value.encode("latin-1"), True))  # the bytes; see _Latin
    if metadata.xmp:
        options["extratags"].append((XMP_TAG, 1, len(metadata.xmp), metadata.xmp, True))
    return options
