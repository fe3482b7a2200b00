"""Plan a batch: which pictures, which results, and every problem that can be known before the first one is upscaled."""

import os
import string
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from replication.errors import UserError
from replication.files import check_folder
from replication.images.photo import SUFFIXES, WRITABLE, kind_of

DEFAULT_NAME = "{name}_{size}"
FIELDS = ("name", "size", "suffix")
"""What a pattern for names may hold: the source's name, ``x4`` or ``1920x1080``, the source's suffix without a dot."""
BYTES_PER_NAME = 255
"""The longest name that the usual file systems take."""


@dataclass(frozen=True)
class Naming:
    """How a result is called: ``pattern`` filled in (see `FIELDS`), ``suffix`` with its dot, ``size`` in words."""

    size: str
    pattern: str = DEFAULT_NAME
    suffix: str = ".png"

    def name_of(self, source: Path, label: str | None = None) -> str:
        """The result's name; ``label`` in place of the picture's, where another result would have the same name."""
        suffix = source.suffix.removeprefix(".").lower()
        values = {"name": source.stem if label is None else label, "size": self.size, "suffix": suffix}
        return self.pattern.format(**values) + self.suffix

    def is_result(self, path: Path) -> bool:
        """Whether a file in a folder is called as a result of an earlier run is by default."""
        return path.stem.endswith(f"_{self.size}")


@dataclass(frozen=True)
class Plan:
    """What to do: pairs of source and target; what was left out of folders, and what cannot be done, in words."""

    pairs: list[tuple[Path, Path]]
    left_out: list[str]
    problems: list[str]
    batch: bool


@dataclass
class _Found:
    """The pictures that the sources stand for: each with the folder below which it was found (None: named itself)."""

    files: dict[Path, Path | None] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def add(self, path: Path, root: Path | None) -> None:
        """Take a picture, once however it is spelled."""
        spelled = os.path.abspath(path)
        if spelled not in self.seen:
            self.seen.add(spelled)
            self.files[path] = root


def check_pattern(pattern: str, *, batch: bool) -> None:
    """Raise UserError for a pattern of names with unknown fields, with folders, or the same for all of a batch."""
    try:
        parts = list(string.Formatter().parse(pattern))
        fields = {name for _, name, _, _ in parts if name is not None}
        if fields - set(FIELDS):
            raise ValueError(f"got {{{min(fields - set(FIELDS))}}}")
        if any(width or conversion for _, _, width, conversion in parts):  # a width could ask for any length
            raise ValueError("fields take no width or conversion")
    except ValueError as error:
        names = ", ".join(f"{{{name}}}" for name in FIELDS)
        raise UserError(f"--name {pattern!r}: expected a pattern with {names} ({error})") from error
    if not pattern or any(separator in pattern for separator in "/\\\0"):
        raise UserError(f"--name {pattern!r}: expected a name without folders (--output names the folder)")
    if batch and "name" not in fields:
        raise UserError(f"--name {pattern!r}: expected {{name}} in it, or all results would have one name")


def plan(sources: Sequence[Path], output: Path | None, naming: Naming, *, recursive: bool = False) -> Plan:
    """Find the pictures in ``sources`` (files and folders) and name their targets.

    A target is ``output`` when that is a file's name and there is one source, else it is called by ``naming`` and lies
    in the folder ``output`` or beside its source; results that would have the same name get longer ones. ``recursive``
    looks into folders below and mirrors them. Of a folder, what is called as a result of an earlier run is left out,
    and so is ``output`` where it lies in that folder.
    What is wrong with one picture of several is a line in ``problems``; raises UserError for what is wrong with all of
    them, and for the only one.
    """
    batch = len(sources) > 1 or sources[0].is_dir()
    into_file = output is not None and not output.is_dir() and output.suffix.lower() in WRITABLE
    if output is not None and not output.is_dir() and output.suffix != "" and not batch:
        kind_of(output)
        into_file = True
    if into_file and batch:
        raise UserError(f"{output}: expected a folder for several pictures, got the name of a file")
    check_pattern(naming.pattern, batch=batch)
    found = _pictures(sources, naming, None if into_file else output, recursive=recursive)
    wanted: dict[Path, Path] = {}
    for file, root in found.files.items():
        folder = file.parent
        if output is not None and not into_file:
            folder = output / file.parent.relative_to(root) if root is not None else output
        wanted[file] = output if into_file and output is not None else folder / naming.name_of(file)
    pairs = _possible(_told_apart(wanted, naming), found.problems)
    if not pairs and (not batch or len(sources) == 1 or not found.files):
        raise UserError(found.problems[0])
    for folder in dict.fromkeys(target.parent for _, target in pairs):
        check_folder(folder)
    return Plan(pairs, found.left_out, found.problems, batch)


def _told_apart(wanted: dict[Path, Path], naming: Naming) -> dict[Path, Path]:
    """``wanted`` without results of one name: all that would share one get longer names, see `_labels`.

    All of them and not the later ones alone, so that no name stands for another picture once one is added.
    """
    sharing: dict[Path, list[Path]] = {}
    for source, target in wanted.items():
        sharing.setdefault(target, []).append(source)
    taken, result = set(sharing), dict(wanted)
    for target, sources in sharing.items():
        labels = [_labels(source) for source in sources]
        for step in range(max(map(len, labels)) if len(sources) > 1 else 0):
            own = [one[min(step, len(one) - 1)] for one in labels]
            names = [target.with_name(naming.name_of(*pair)) for pair in zip(sources, own, strict=True)]
            if len(set(names)) == len(names) and taken.isdisjoint(names):
                taken.update(names)
                result.update(zip(sources, names, strict=True))
                break
    return result


def _labels(source: Path) -> list[str]:
    """Names for a picture: with its suffix, with its folder, with both, with the folder above it, too, and so on."""
    suffix = source.suffix.removeprefix(".")
    folders = Path(os.path.abspath(source)).parts[1:-1]
    names = ["_".join((*folders[len(folders) - depth :], source.stem)) for depth in range(len(folders) + 1)]
    return [label for name in names for label in (name, f"{name}_{suffix}")][1:]


def _possible(wanted: dict[Path, Path], problems: list[str]) -> list[tuple[Path, Path]]:
    """The pairs that can be done; the others become ``problems``: no result may replace an original or another."""
    originals = {source.resolve(): source for source in wanted}
    taken: dict[Path, Path] = {}
    pairs = []
    for source, target in wanted.items():
        original = originals.get(target.resolve())
        if original is not None:
            problems.append(f"{source}: its result would replace the original {original}; choose another --name")
        elif target in taken:
            problems.append(f"{source}: its result would have the name of that of {taken[target]}, {target}")
        elif len(os.fsencode(target.name)) > BYTES_PER_NAME:
            problems.append(f"{source}: the name of its result is longer than {BYTES_PER_NAME} bytes; use --name")
        else:
            taken[target] = source
            pairs.append((source, target))
    return pairs


def _pictures(sources: Sequence[Path], naming: Naming, output: Path | None, *, recursive: bool) -> _Found:
    """The picture files that ``sources`` stand for."""
    found = _Found()
    for source in dict.fromkeys(sources):
        if source.is_dir():
            _look_into(source, found, naming, output, recursive=recursive)
        elif source.exists():
            found.add(source, None)
        else:
            found.problems.append(f"{source}: no such file or folder")
    return found


def _is_below(path: Path, folder: Path) -> bool:
    return Path(os.path.abspath(folder)) in Path(os.path.abspath(path)).parents


def _look_into(source: Path, found: _Found, naming: Naming, output: Path | None, *, recursive: bool) -> None:
    try:
        inside = list(_files(source, found.problems, recursive=recursive))
    except OSError as error:
        found.problems.append(f"{source}: cannot be looked into ({error.strerror or error})")
        return
    if output is not None and _is_below(output, source):
        inside = [path for path in inside if not _is_below(path, output)]
    pictures = [path for path in inside if path.suffix.lower() in SUFFIXES]
    results = {
        result
        for path in pictures
        for label in (None, _labels(path)[0])
        if (result := path.with_name(naming.name_of(path, label))) != path
    }
    fresh = [path for path in pictures if not naming.is_result(path) and path not in results]
    if not fresh:
        advice = "" if recursive or not _has_folders(source) else "; --recursive looks into the folders below"
        wrong = f"expected a folder with pictures, found none among {len(inside)} files"
        found.problems.append(f"{source}: {wrong}{advice}")
        return
    for path in fresh:
        found.add(path, source)
    for number, what in (
        (len(inside) - len(pictures), "not named as a picture"),
        (len(pictures) - len(fresh), f"named as a result (_{naming.size})"),
    ):
        if number:
            found.left_out.append(f"{source}: left out {number} file{'s' if number > 1 else ''} {what}")


def _has_folders(folder: Path) -> bool:
    return any(path.is_dir() and not path.name.startswith(".") for path in folder.iterdir())


def _files(folder: Path, problems: list[str], *, recursive: bool) -> Iterable[Path]:
    """The files of a folder that are not hidden, by name; with those of the folders below when ``recursive``."""
    if not recursive:
        yield from sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        return

    def refused(error: OSError) -> None:
        problems.append(f"{error.filename}: cannot be looked into ({error.strerror})")

    for place, folders, names in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(place, name) for name in sorted(names) if not name.startswith("."))
        yield from (path for path in paths if path.is_file())


def printable(text: str) -> str:
    """``text`` as one line that the console can show: what it cannot is escaped."""
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return escaped.encode(encoding, "backslashreplace").decode(encoding)
