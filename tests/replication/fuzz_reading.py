"""Damage valid pictures at random and read them: `python tests/replication/fuzz_reading.py SECONDS [SEED]`.

SECONDS and `LONGEST` are those of the processor; Ctrl-C ends it earlier, with the same report.

Whatever comes must be a picture or a UserError of one line, within `LONGEST` seconds and `MOST_MEMORY` bytes of address
space above what the process had. The damaged bytes of a failure are written to the folder ``fuzz-failures``.
"""

import hashlib
import logging
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import tifffile

from replication.errors import UserError
from replication.images.photo import read_photo

LONGEST = 20
MOST_MEMORY = 4 * 2**30


def valid_files() -> dict[str, bytes]:
    """Small pictures of every format and many layouts, by name."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (19, 23, 4), dtype=np.uint8)
    deep = pixels.astype(np.uint16) * 257
    files: dict[str, bytes] = {}
    picture = PIL.Image.fromarray(pixels)
    for kind, modes in {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), "BMP": ("1", "L", "P", "RGB", "RGBA"),
        "JPEG": ("L", "RGB", "CMYK"), "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"),
        "WEBP": ("RGB", "RGBA"), "GIF": ("L", "P"), "PPM": ("1", "L", "RGB", "I"), "AVIF": ("RGB", "RGBA"),
    }.items():  # fmt: skip
        for mode in modes:
            one = PIL.Image.fromarray(deep[..., 0].copy()) if mode == "I;16" else picture.convert(mode)
            buffer = BytesIO()
            one.save(buffer, kind)
            files[f"{kind}-{mode}"] = buffer.getvalue()
    for kind in ("GIF", "PNG", "WEBP"):
        buffer = BytesIO()
        picture.save(buffer, kind, save_all=True, append_images=[picture.rotate(90), picture.rotate(180)], duration=50)
        files[f"{kind}-frames"] = buffer.getvalue()
    for planes in ("contig", "separate"):
        for compression in (None, "zlib", "packbits"):
            for channels, photometric in ((2, "minisblack"), (3, "rgb"), (4, "rgb")):
                for array in (pixels, deep):
                    stored = array[..., :channels]
                    buffer = BytesIO()
                    tifffile.imwrite(
                        buffer, stored.transpose(2, 0, 1) if planes == "separate" else stored,
                        photometric=photometric, planarconfig=planes, compression=compression,
                        extrasamples=None if channels == 3 else ["unassalpha"],
                    )  # fmt: skip
                    files[f"{planes}-{compression}-{channels}-{array.dtype}"] = buffer.getvalue()
    return files


def damaged(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """One to six changes: bits, bytes, extreme numbers, cuts, repeats, and pieces of another file."""
    data = bytearray(content)
    for _ in range(random.integers(1, 7)):
        if not data:
            break
        # Headers and tags lie at the ends of most files: half of the changes go there.
        near = int(random.integers(0, min(len(data), 200)))
        place = (near, len(data) - 1 - near, *random.integers(0, len(data), 2).tolist())[int(random.integers(4))]
        length = int(random.integers(1, 9))
        match int(random.integers(7)):
            case 0:
                data[place] ^= 1 << int(random.integers(8))
            case 1:
                data[place] = int(random.integers(256))
            case 2:
                number = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)[int(random.integers(9))]
                data[place : place + 4] = number.to_bytes(4, "little" if random.integers(2) else "big")
            case 3:
                del data[place:]
            case 4:
                del data[place : place + length]
            case 5:
                data[place:place] = data[place : place + 8 * length]
            case _:
                start = int(random.integers(0, len(other)))
                data[place : place + 8 * length] = other[start : start + 8 * length]
    return bytes(data)


def attempt(path: Path) -> str:
    """Read a file; "picture", "refused", or a traceback."""
    try:
        read_photo(path)
    except UserError as error:
        return "refused" if "\n" not in str(error) else f"more than one line: {error!r}"
    except (Exception, Hang):
        return traceback.format_exc()
    return "picture"


def fuzz(seconds: float, seed: int, most: int | None = None) -> tuple[Counter[str], list[tuple[bytes, str]]]:
    """Read damaged pictures for that long, or ``most`` of them: how often which outcome, and what failed."""
    random, files = np.random.default_rng(seed), list(valid_files().values())
    counts: Counter[str] = Counter()
    failures: list[tuple[bytes, str]] = []
    start = time.process_time()
    before = signal.signal(signal.SIGPROF, hang)
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        path = Path(folder, "damaged")
        while time.process_time() - start < seconds and (most is None or counts.total() < most):
            first, second = random.integers(0, len(files), 2)
            content = damaged(files[first], files[second], random)
            path.write_bytes(content)
            signal.setitimer(signal.ITIMER_PROF, LONGEST)
            outcome = attempt(path)
            signal.setitimer(signal.ITIMER_PROF, 0)
            counts[outcome if outcome in ("picture", "refused") else "failed"] += 1
            if outcome not in ("picture", "refused"):
                failures.append((content, outcome))
    signal.signal(signal.SIGPROF, before)
    return counts, failures


class Hang(BaseException):
    """Not an Exception, which the reader would take for damage."""


def hang(number: int, frame: object) -> None:
    raise Hang(f"longer than {LONGEST} seconds")


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MOST_MEMORY, now + MOST_MEMORY))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    found, failed = fuzz(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(dict(found), f"peak resident memory {peak:.0f} MiB")
    for one, words in failed:
        target = Path("fuzz-failures", hashlib.sha256(one).hexdigest()[:12])
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(one)
        print(target, words)
    sys.exit(bool(failed))
