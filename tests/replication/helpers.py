"""What several tests of pictures need: a network that is easily checked, a profile, and files that Pillow cannot write.

`conftest.py` lets the tests beside it import this module.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import ImageCms

from replication.network import Batch, Network

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
TWO_PROCESSES = ("-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2")
"""Arguments of Python that run the program behind them twice."""


def nearest(pixels: Batch) -> Batch:
    return pixels.repeat(2, axis=2).repeat(2, axis=3)


NEAREST = Network(nearest, scale=2, radius=1, bytes_per_pixel=100)


def enlarged(pixels: np.ndarray) -> np.ndarray:
    """What `NEAREST` makes of a picture."""
    return pixels.repeat(2, 0).repeat(2, 1)


def listing(folder: Path) -> list[str]:
    """The files below a folder, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of any depth by hand: ``rows`` with their filters, ``extra`` chunks before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)
