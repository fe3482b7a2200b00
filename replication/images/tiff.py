"""What a TIFF file holds, and which reader gets it right.

TIFF 6.0 allows nearly any layout of samples. Pillow reads the common ones well and some others wrongly without a word:
16-bit planes stored one after another, signed samples, grey with alpha in compressed planes, inverted grey in JPEG
compression; 16-bit grey with alpha it does not read. So the tags decide before anything is decoded: Pillow, tifffile,
or a refusal with the reason.
"""

import logging
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How TIFF and BigTIFF files begin."""

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED, YCBCR = 0, 1, 2, 3, 5, 6
PLAIN, DEFLATE, PACKBITS, JPEG = (1,), (8, 32946), (32773,), (6, 7)
PREDICTED = (5, 34925, 50000, *DEFLATE)
"""Compressions with a predictor: LZW, LZMA, Zstandard, deflate. With others the readers disagree on the tag."""
QUIET = logging.NullHandler()
"""Keeps tifffile's remarks on damaged tags, which nobody here configured, off standard error."""
REDUCED = 1
"""The bit of NewSubfileType that marks a smaller version of another page."""


@dataclass(frozen=True)
class Layout:
    """How the picture to read is stored: its page, whether tifffile must decode it, and what has to be said."""

    page: int
    pages: int
    by_tifffile: bool
    icc_profile: bytes | None = None
    notes: tuple[str, ...] = ()


class UnreadableTiffError(Exception):
    """A layout that no reader here gets right; the message says which, in words that follow "got"."""


def is_tiff(content: bytes) -> bool:
    """Whether a file with this content is TIFF or BigTIFF."""
    return content.startswith(MAGIC)


def layout(content: bytes) -> Layout:
    """Find the page to read: the first that is not a smaller version of another, and how to read it.

    Raises UnreadableTiffError for what cannot be read rightly, and whatever tifffile raises on damage.
    """
    logging.getLogger("tifffile").addHandler(QUIET)
    _check_single(content)
    with tifffile.TiffFile(BytesIO(content)) as file:
        kept = [index for index, page in enumerate(_pages(file)) if not _tag(page, "NewSubfileType", 0) & REDUCED]
        if not kept:
            raise UnreadableTiffError("only thumbnails (the picture itself may be raw camera data)")
        page: Any = file.pages[kept[0]]
        reason = _reason(page)
        if reason:
            raise UnreadableTiffError(reason)
        notes = []
        if _tag(page, "SamplesPerPixel", 1) > _colors(page) and page.photometric in (RGB, BLACK_IS_ZERO, WHITE_IS_ZERO):
            kinds = [int(kind) for kind in page.extrasamples]
            if 1 not in kinds and 2 not in kinds:
                notes.append("a channel that is neither colour nor alpha was left out")
        if page.photometric == SEPARATED and page.bitspersample == 16:
            notes.append("16 bits per channel reduced to 8")
        profile = page.tags.get("InterColorProfile")
        return Layout(
            kept[0], len(kept), not _pillow_reads(page), bytes(profile.value) if profile else None, tuple(notes)
        )


MOST_CHANNELS = 4
"""Channels that the largest picture may have; with more, it may have fewer pixels."""
SINGLE = (256, 257, 259, 262, 266, 277, 278, 284, 317, 322, 323, 32997, 32998)
"""Tags of one value: sizes of the image, its strips and tiles, and the kinds of compression, colour and planes."""
WHOLE = (1, 3, 4, 6, 8, 9, 13, 16, 17, 18)
"""Types of whole numbers in TIFF and BigTIFF; a fraction is two."""


def _check_single(content: bytes) -> None:
    """Raise UnreadableTiffError where one of `SINGLE` has several values, or none that is a whole number.

    tifffile multiplies with them, and several values times a large number are a list that fills the memory.
    """
    order = "<" if content.startswith(b"II") else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    number, entries, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    seen: set[int] = set()
    try:
        (place,) = struct.unpack_from(order + number, content, 8 if big else 4)
        while place and place not in seen:
            seen.add(place)
            (count,) = struct.unpack_from(order + entries, content, place)
            first = place + struct.calcsize(entries)
            for start in range(first, min(first + count * size, len(content)), size):
                tag, kind, values = struct.unpack_from(f"{order}HH{number}", content, start)
                if tag in SINGLE and (values != 1 or kind not in WHOLE):
                    raise UnreadableTiffError(f"tag {tag} with {values:,} values of type {kind}, not one whole number")
            (place,) = struct.unpack_from(order + number, content, first + count * size)
    except struct.error:
        return  # cut off: what is there is in order, and whoever reads it says the rest


def decode(content: bytes, page: int) -> NDArray[Any]:
    """Pixels of a page that `layout` gave to tifffile, as they are shown: (H, W, C), unsigned, C of 1 to 4.

    Raises ValueError on damage.
    """
    with tifffile.TiffFile(BytesIO(content)) as file:
        one: Any = file.pages[page]
        _check_segments(content, one)
        stored = one.asarray(maxworkers=1).reshape(one.shaped)  # planes, depth, height, width, samples
        pixels = np.moveaxis(stored[:, 0, :, :, 0], 0, 2) if _planar(one) else stored[0, 0]
        kept = _colors(one) + any(int(kind) == 2 for kind in one.extrasamples)
        return np.ascontiguousarray(_turned(pixels[..., :kept], _tag(one, "Orientation", 1)))


def _pages(file: tifffile.TiffFile) -> Iterator[Any]:
    """The pages of a file. Raises ValueError where one is followed by an earlier one, which would have no end."""
    seen: set[int] = set()
    for page in file.pages:
        if page.offset in seen:
            raise ValueError("its pages follow each other in a circle")
        seen.add(page.offset)
        yield page


def _tag(page: Any, name: str, default: int) -> int:
    tag = page.tags.get(name) if hasattr(page, "tags") else None
    return int(tag.value) if tag is not None and isinstance(tag.value, int) else default


def _colors(page: Any) -> int:
    return 3 if page.photometric == RGB else 4 if page.photometric == SEPARATED else 1


def _planar(page: Any) -> bool:
    return bool(page.planarconfig == 2 and page.samplesperpixel > 1)


def _pillow_reads(page: Any) -> bool:
    """Whether Pillow gets this right. Of planes: colours of 8 bits; of 16 bits it keeps the first 8."""
    if page.photometric == BLACK_IS_ZERO and page.samplesperpixel > 1:
        return not _planar(page) and page.bitspersample == 8
    if not _planar(page):
        return True
    return page.photometric in (RGB, YCBCR) and page.bitspersample == 8


def _reason(page: Any) -> str | None:
    """What makes a page unreadable, in words, or None."""
    bits, form, samples = page.bitspersample, page.sampleformat, page.samplesperpixel
    if form == 3:
        return "floating point"
    if form != 1:
        return f"signed {bits} bits per channel" if form == 2 else f"numbers of kind {form}"
    if bits not in (1, 2, 4, 8, 16):
        return f"{bits} bits per channel"
    if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED, YCBCR):
        return f"colour mode {getattr(page.photometric, 'name', page.photometric)}"
    if samples < _colors(page) and page.photometric != YCBCR:
        return f"{samples} channels"
    if not (page.imagelength and page.imagewidth):
        return "no pixels"
    if page.imagedepth > 1:
        return "a volume"
    associated = any(int(kind) == 1 for kind in page.extrasamples)
    if bits == 16 and associated:
        return "16 bits with premultiplied alpha"
    if page.photometric == WHITE_IS_ZERO and (page.compression in JPEG or samples > 1):
        return "inverted grey with alpha or in JPEG compression"
    if page.photometric == YCBCR and page.compression not in JPEG:
        return "YCbCr without JPEG compression"
    if _tag(page, "Predictor", 1) != 1 and page.compression not in PREDICTED:
        return "differences of neighbours in a compression that has none"
    if not _pillow_reads(page):
        planes = ", one plane per channel" if _planar(page) else ""
        if bits not in (8, 16) or page.photometric not in (BLACK_IS_ZERO, RGB) or associated:
            return f"{bits}-bit {getattr(page.photometric, 'name', '')}{planes}"
        if page.compression not in PLAIN + DEFLATE + PACKBITS:
            compression = getattr(page.compression, "name", page.compression)
            return f"{bits} bits per channel, {samples} channels{planes}, in {compression} compression"
    largest = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 2**62)
    if page.imagelength * page.imagewidth * max(samples, MOST_CHANNELS) > MOST_CHANNELS * largest:
        return f"{page.imagewidth}x{page.imagelength} pixels of {samples:,} channels: beyond a reasonable size"
    listed, segments = len(page.dataoffsets), prod(page.chunked)
    if listed < segments:  # the rest would be black
        return f"a damaged one that lists {listed:,} of its {segments:,} strips or tiles"
    return None


def _check_segments(content: bytes, page: Any) -> None:
    """Raise ValueError when a strip or tile is cut off, or unpacks to more than it may (a decompression bomb)."""
    expected = prod(page.chunks) * page.bitspersample // 8
    if len(page.databytecounts) != len(page.dataoffsets):
        raise ValueError("strips or tiles without their sizes")
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        segment = content[offset : offset + count]
        if len(segment) != count or not count:
            raise ValueError("a strip or tile is cut off")
        if page.compression in DEFLATE:
            unpacker, size = zlib.decompressobj(), 0
            while not unpacker.eof:
                part = unpacker.decompress(segment, 2**20)
                segment, size = unpacker.unconsumed_tail, size + len(part)
                if size > expected:
                    raise ValueError("a strip or tile unpacks to more than it may")
                if not part and not segment:
                    raise ValueError("a strip or tile is cut off")
    if page.compression in PLAIN and sum(page.databytecounts) < page.nbytes:
        raise ValueError("less data than pixels")


def _turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply TIFF's Orientation, 1 to 8: which row and column of the picture the first ones of the data are."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
