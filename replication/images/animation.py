"""Animated GIF, WebP and PNG, frame by frame, each as it is shown: frames that change only a part are completed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from replication.errors import DamagedFileError
from replication.files import atomic_path
from replication.images import metadata
from replication.images.io import file_content, opened_content, raw_mode, save, upright
from replication.images.metadata import NOTHING, Metadata
from replication.images.photo import WRITABLE, without_opaque_alpha

ANIMATED = ("GIF", "PNG", "WEBP")
"""What is read and written as an animation (Pillow's names)."""


@dataclass(frozen=True)
class Animation:
    """How long each frame shows in milliseconds, how often all are repeated (0: for ever), their size.

    And what is attached; ``notes``: what reading changes, in words.
    """

    durations: tuple[float, ...]
    repeats: int
    height: int
    width: int
    icc_profile: bytes | None = None
    metadata: Metadata = NOTHING
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.durations)


def animation(path: Path) -> Animation | None:
    """What an animated file holds; None for a still picture.

    Raises DamagedFileError naming the file, also for 16 bits per channel with one colour that is transparent.
    """
    content = file_content(path)
    if not content.startswith((b"GIF8", b"\x89PNG", b"RIFF")):
        return None
    with opened_content(content, path, ANIMATED) as picture:
        if getattr(picture, "n_frames", 1) - _first(picture) < 2:
            return None
        deep = ";16" in raw_mode(picture)  # Pillow keeps 8 bits, and compares all 16 with the transparent colour
        if deep and "transparency" in picture.info:
            raise DamagedFileError(f"{path}: expected 8 bits per channel, got frames of 16 with a transparent colour")
        durations = []
        repeats = int(picture.info.get("loop", 0 if picture.format != "GIF" else 1))
        for index in range(_first(picture), picture.n_frames):  # type: ignore[attr-defined]
            picture.seek(index)
            picture.load()  # WebP knows the duration of a frame only after decoding it
            durations.append(float(picture.info.get("duration", 100) or 100))
        turned = upright(picture)
        return Animation(
            tuple(durations),
            repeats,
            turned.height,
            turned.width,
            picture.info.get("icc_profile") or None,
            metadata.of_picture(picture, content),
            ("16 bits per channel reduced to 8",) if deep else (),
        )


def frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of an animated file: (H, W, 4) straight RGBA, whole and upright. Raises DamagedFileError naming it."""
    with opened_content(file_content(path), path, ANIMATED) as picture:
        for index in range(_first(picture), picture.n_frames):  # type: ignore[attr-defined]
            picture.seek(index)
            frame = upright(picture)
            if frame.mode == "I;16":  # what Pillow converts is cut off at 255
                frame = PIL.Image.fromarray((np.array(frame) >> 8).astype(np.uint8))
            yield np.array(frame.convert("RGBA"))


def _first(picture: PIL.Image.Image) -> int:
    """The index of the first frame: an animated PNG may begin with a still picture for programs that know no others."""
    return int(bool(picture.info.get("default_image")))


def can_hold_frames(path: Path) -> bool:
    """Whether a file with this name may be an animation."""
    return WRITABLE.get(path.suffix.lower(), "").upper() in ANIMATED


def write_frames(
    path: Path, shown: Iterable[NDArray[np.uint8]], info: Animation, *, quality: int = 95
) -> tuple[str, ...]:
    """Write RGBA frames, and all that is attached, in the format of ``path``'s suffix, atomically; all in memory.

    Returns what the format could not keep, in words. Raises UserError when the file cannot be written.
    """
    kind = WRITABLE[path.suffix.lower()]
    pictures = [PIL.Image.fromarray(without_opaque_alpha(one)) for one in shown]
    if len({picture.mode for picture in pictures}) > 1:
        pictures = [picture.convert("RGBA") for picture in pictures]
    transparent = pictures[0].mode == "RGBA"
    options = metadata.pillow_options(info.metadata, kind) | {"duration": list(info.durations)}
    options["icc_profile"] = info.icc_profile
    if kind != "GIF" or info.repeats != 1:
        options["loop"] = info.repeats
    if kind == "WebP":
        # Pillow loses the alpha of lossy frames.
        options |= {"lossless": True} if transparent else {"quality": quality}
    if kind == "GIF":
        options |= {"disposal": 2 if transparent else 0, "optimize": False}
    with atomic_path(path) as temporary:
        save(pictures[0], temporary, kind, save_all=True, append_images=pictures[1:], **options)
    notes = metadata.left_out(info.metadata, kind, info.icc_profile)
    if kind == "GIF":
        notes += ("colours reduced to 256 a frame" + (", transparency to yes or no" if transparent else ""),)
    return notes
