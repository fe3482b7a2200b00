"""A file is there whole or not at all, and the old one stays until the new one is."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from time import time

import pytest

from replication import files
from replication.errors import UserError
from replication.files import atomic_path, write_bytes, write_text, write_with


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_write_and_replace(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "out.md"
    write_text(path, "first\nsecond µ\n")
    assert path.read_bytes() == b"first\nsecond \xc2\xb5\n"
    write_bytes(path, b"\x00\r\n")
    assert path.read_bytes() == b"\x00\r\n"
    write_with(path, lambda temporary: temporary.write_text("third"))
    assert path.read_text(encoding="utf-8") == "third"
    assert names(path.parent) == ["out.md"]


def test_temporary_is_beside_and_keeps_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    path.write_text("old", encoding="utf-8")
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        assert temporary.name.startswith(".")
        assert temporary != path
        temporary.write_text("new", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
    assert path.read_text(encoding="utf-8") == "new"


def test_two_writers_do_not_share_a_temporary(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_path(path) as one, atomic_path(path) as two:
        assert one != two
        one.write_text("one", encoding="utf-8")
        two.write_text("two", encoding="utf-8")
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("failure", [ValueError("bad value"), KeyboardInterrupt(), UserError("no")])
def test_failure_leaves_the_old_file(failure: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old", encoding="utf-8")

    def fail(temporary: Path) -> None:
        temporary.write_text("half of", encoding="utf-8")
        raise failure

    with pytest.raises(type(failure)) as caught:
        write_with(path, fail)
    assert caught.value is failure
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("place", ["write", "fsync", "replace"])
def test_full_disk(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old", encoding="utf-8")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(*_: object) -> None:
        raise full

    if place != "write":
        monkeypatch.setattr(files.os, place, fail)

    def writer(temporary: Path) -> None:
        temporary.write_text("half of", encoding="utf-8")
        if place == "write":
            fail()

    with pytest.raises(UserError) as caught:
        write_with(path, writer)
    assert str(caught.value) == f"cannot write {path}: {os.strerror(errno.ENOSPC)}"
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["out.txt"]


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    path, old = tmp_path / "a [1].txt", time() - files.ABANDONED - 60
    killed = "import os, sys; from pathlib import Path; from replication.files import atomic_path\n"
    killed += "with atomic_path(Path(sys.argv[1])) as new: new.write_text('half of'); os.kill(os.getpid(), 9)"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", killed, path], check=False)
    first, second = sorted(tmp_path.iterdir())
    assert first.read_text(encoding="utf-8") == "half of"
    os.utime(first, (old, old))
    for name in (".b.0123abcd.unfinished.txt", ".a [1].unfinished.txt", "a [1].0123abcd.txt"):
        (tmp_path / name).write_text("not ours", encoding="utf-8")
        os.utime(tmp_path / name, (old, old))
    before = set(tmp_path.iterdir())
    write_text(path, "whole")
    assert set(tmp_path.iterdir()) == before - {first} | {path}, "one that another process may be writing stays"
    assert second.exists()


def test_content_is_on_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda number: (steps.append("fsync"), fsync(number))[1])
    monkeypatch.setattr(files.os, "replace", lambda old, new: (steps.append("replace"), replace(old, new))[1])
    write_text(tmp_path / "out.txt", "new")
    assert steps == ["fsync", "replace"]


def test_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file", encoding="utf-8")
    for path in (tmp_path / "results" / "out.txt", tmp_path / "results" / "deep" / "out.txt"):
        with pytest.raises(UserError) as caught:
            write_text(path, "new")
        assert str(caught.value).startswith(f"cannot write {path}: ")
        assert "\n" not in str(caught.value)
    assert (tmp_path / "results").read_text(encoding="utf-8") == "a file"


def test_target_is_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.mkdir()
    with pytest.raises(UserError, match="cannot write"):
        write_text(path, "new")
    assert names(tmp_path) == ["out.txt"]
    assert names(path) == []


def test_writer_that_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with pytest.raises(UserError, match=f"cannot write {path}"):
        write_with(path, lambda _: None)
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Permission denied"):
        write_text(tmp_path / "out.txt", "new")
