"""Writing files so that a reader never sees half of one."""

import glob
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

from replication.errors import UserError

ABANDONED = 3600
"""Seconds without a change after which an unfinished file is taken to be that of a process that was killed."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path in the folder of ``path``; on success it replaces ``path``, on any failure it is removed.

    The temporary name keeps the suffix, because image and figure writers choose the format by it. What a killed
    process has left of the same file, untouched for ``ABANDONED`` seconds, is removed.
    Raises UserError, naming ``path``, when the folder cannot be written or the disk is full.
    """
    stem = path.stem[:40]  # a name at the file system's limit has no room for more
    temporary = path.with_name(f".{stem}.{secrets.token_hex(4)}.unfinished{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path.parent, f".{glob.escape(stem)}.????????.unfinished{glob.escape(path.suffix)}")
        yield temporary
        with open(temporary, "r+b") as written:  # Windows refuses to fsync what is open for reading only
            os.fsync(written.fileno())  # the content must be on disk before the name points to it
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # a folder that cannot be written has nothing to clean up
            temporary.unlink(missing_ok=True)


def _remove_abandoned(folder: Path, pattern: str) -> None:
    for file in folder.glob(pattern):
        with suppress(OSError):  # another process may have been faster, or owns it
            if time() - file.stat().st_mtime > ABANDONED:
                file.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically. Raises UserError naming ``path``."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> Path:
    """Write ``content`` to ``path`` atomically as UTF-8 with ``\\n`` line ends; return ``path``. Raises UserError."""
    write_bytes(path, content.encode("utf-8"))
    return path


def write_with(path: Path, writer: Callable[[Path], object]) -> None:
    """Let ``writer(temporary_path)`` produce the file, then move it to ``path`` atomically."""
    with atomic_path(path) as temporary:
        writer(temporary)


def check_folder(folder: Path) -> None:
    """Raise UserError when ``folder``, or the folder that it would be made in, cannot be written."""
    above = folder
    while not above.exists() and above.parent != above:
        above = above.parent
    if not above.is_dir():
        raise UserError(f"cannot write into {folder}: {above} is not a folder")
    try:
        tempfile.TemporaryFile(dir=above).close()  # permissions do not say it: the disk may be read-only or full
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror or error}") from error


def check_space(target: Path, needed: int) -> None:
    """Raise UserError when the disk of ``target`` has less than ``needed`` bytes free."""
    above = target.parent
    while not above.exists() and above.parent != above:
        above = above.parent
    try:
        free = shutil.disk_usage(above).free
    except OSError:
        return  # what cannot be asked is found out by writing
    if free < needed:
        raise UserError(f"cannot write {target}: it may take {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free")
