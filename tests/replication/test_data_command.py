"""``python -m replication.data`` and the downloads behind it, against a server on this machine."""

import functools
import hashlib
import io
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from helpers import listing

from replication.data import __main__ as command
from replication.data import benchmarks, download
from replication.data.benchmarks import Published, pixel_digest
from replication.data.download import Archive, Source, fetch, obtain
from replication.errors import UserError, run
from replication.images.io import write_image

PIXELS = np.random.default_rng(2).integers(0, 256, (40, 48, 3), dtype=np.uint8)
IMAGES = {"baby": PIXELS, "bird": PIXELS[::-1], "woman": PIXELS[:, ::-1]}


class Server:
    """A file server with range requests that can cut connections: ``cuts`` holds bytes to send per request."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cuts: list[int] = []
        self.ranges: list[str | None] = []
        self.supports_ranges = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=functools.partial(self.http.serve_forever, 0.05), daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{name}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        content = self.files.get(request.path[1:])
        request.close_connection = True
        if content is None:
            request.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.supports_ranges else 0
        if start >= len(content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        end = start + self.cuts.pop(0) if self.cuts else len(content)
        request.wfile.write(content[start:end])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    one = Server()
    yield one
    one.http.shutdown()
    one.http.server_close()


@pytest.fixture(autouse=True)
def small_set5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every benchmark consist of the three small images, and keep the real data folder out of the tests."""
    facts = {name: Published(40, 48, 3, {"40x48": pixel_digest(image)}) for name, image in IMAGES.items()}
    real = benchmarks.manifest()
    sets = {**dict.fromkeys(benchmarks.BENCHMARKS, facts), benchmarks.EMBEDDED: real[benchmarks.EMBEDDED]}
    monkeypatch.setattr(benchmarks, "manifest", lambda: sets)
    monkeypatch.delenv("REPLICATION_DATA", raising=False)


def image_bytes(image: np.ndarray, folder: Path) -> bytes:
    path = folder / "bytes.png"
    write_image(path, image)
    content = path.read_bytes()
    path.unlink()
    return content


def small_set(folder: Path) -> dict[str, bytes]:
    """The small images as the EDSR authors' archive names them."""
    return {f"benchmark/Set5/HR/{name}.png": image_bytes(image, folder) for name, image in IMAGES.items()}


def tar(members: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as bundle:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    return memory.getvalue()


@pytest.fixture
def set5(server: Server, tmp_path: Path) -> Source:
    """A source whose archive holds the small set in EDSR's layout, low-resolution images included."""
    members = small_set(tmp_path)
    members["benchmark/Set5/LR_bicubic/X4/babyx4.png"] = b"?"
    members["benchmark/Set5/HR/Thumbs.db"] = b"?"
    server.files["benchmark.tar"] = tar(members)
    archive = Archive(server.url("benchmark.tar"), 1)
    return Source("Set5", "here", 3, archive, ("benchmark/Set5/HR",), "benchmark/Set5/HR")


def test_download_installs_a_verified_set(set5: Source, server: Server, tmp_path: Path) -> None:
    root = tmp_path / "new/data"
    assert obtain(set5, root) == root / "benchmark/Set5/HR"
    found = benchmarks.find("Set5", root)
    assert found is not None
    assert benchmarks.verify(found) == []
    assert listing(root) == [*(f"benchmark/Set5/HR/{name}.png" for name in IMAGES), "downloads/benchmark.tar"]
    obtain(set5, root)
    assert len(server.ranges) == 1  # the second call found the set and asked nobody


def test_interrupted_download_is_continued(set5: Source, server: Server, tmp_path: Path) -> None:
    server.cuts = [5000, 3000]
    obtain(set5, tmp_path / "data")
    assert server.ranges == [None, "bytes=5000-", "bytes=8000-"]
    assert (tmp_path / "data/downloads/benchmark.tar").read_bytes() == server.files["benchmark.tar"]


def test_download_that_stops_is_kept_and_continued_by_the_next_run(
    set5: Source, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    server.cuts = [6000, 0, 0]
    with pytest.raises(
        UserError, match=r"ended after 6000 of \d+ bytes; 6000 bytes are kept in .*benchmark\.tar\.part"
    ):
        obtain(set5, tmp_path / "data")
    assert listing(tmp_path / "data") == ["downloads/benchmark.tar.part"]
    obtain(set5, tmp_path / "data")
    assert server.ranges[-1] == "bytes=6000-"
    assert (tmp_path / "data/downloads/benchmark.tar").read_bytes() == server.files["benchmark.tar"]


def test_server_without_ranges_starts_again(set5: Source, server: Server, tmp_path: Path) -> None:
    server.supports_ranges = False
    server.cuts = [5000]
    path = fetch(set5.archive, tmp_path)
    assert path.read_bytes() == server.files["benchmark.tar"]


def test_complete_and_stale_parts(set5: Source, server: Server, tmp_path: Path) -> None:
    content = server.files["benchmark.tar"]
    for part in (content, content + b"older and longer"):
        (tmp_path / "benchmark.tar.part").write_bytes(part)
        path = fetch(set5.archive, tmp_path)
        assert path.read_bytes() == content
        path.unlink()
    assert listing(tmp_path) == []


def test_wrong_checksum_keeps_nothing(server: Server, tmp_path: Path) -> None:
    server.files["images.zip"] = b"not what was published"
    expected = hashlib.sha256(b"what was published").hexdigest()
    with pytest.raises(UserError, match=f"expected a file with SHA-256 {expected}, got another one"):
        fetch(Archive(server.url("images.zip"), 1, expected), tmp_path / "downloads")
    assert list(tmp_path.iterdir()) == []


def test_right_checksum_is_accepted_and_not_fetched_again(server: Server, tmp_path: Path) -> None:
    server.files["images.zip"] = b"what was published"
    archive = Archive(server.url("images.zip"), 1, hashlib.sha256(b"what was published").hexdigest())
    for _ in range(2):
        assert fetch(archive, tmp_path).read_bytes() == b"what was published"
    assert len(server.ranges) == 1


def test_not_found_and_no_network_leave_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="HTTP status 404 Not Found; nothing was written"):
        fetch(Archive(server.url("gone.tar"), 1), tmp_path / "data/downloads")
    server.http.server_close()
    with pytest.raises(UserError, match=r"cannot download http://127\.0\.0\.1:9/.*refused; nothing was written"):
        fetch(Archive("http://127.0.0.1:9/benchmark.tar", 1), tmp_path / "data/downloads")
    assert list(tmp_path.iterdir()) == []


def test_wrong_pixels_are_not_installed(set5: Source, server: Server, tmp_path: Path) -> None:
    other = PIXELS.copy()
    other[0, 0, 0] ^= 1
    members = small_set(tmp_path)
    members["benchmark/Set5/HR/baby.png"] = image_bytes(other, tmp_path)
    server.files["benchmark.tar"] = tar(members)
    with pytest.raises(UserError, match=r"does not hold Set5 as published: benchmark/Set5/HR/baby\.png: its pixels"):
        obtain(set5, tmp_path / "data")
    assert listing(tmp_path / "data") == ["downloads/benchmark.tar"]


def test_incomplete_archive_is_not_installed(set5: Source, server: Server, tmp_path: Path) -> None:
    server.files["benchmark.tar"] = tar({"benchmark/Set5/HR/baby.png": image_bytes(PIXELS, tmp_path)})
    with pytest.raises(UserError, match="missing: bird, woman"):
        obtain(set5, tmp_path / "data")
    server.files["other.tar"] = tar({"readme.txt": b"nothing here"})
    with pytest.raises(UserError, match="no image of the set in it"):
        obtain(Source("Set5", "", 3, Archive(server.url("other.tar"), 1), set5.folders, set5.destination), tmp_path)
    assert [name for name in listing(tmp_path) if name.endswith(".png")] == []


def test_damaged_archive_is_removed(set5: Source, server: Server, tmp_path: Path) -> None:
    for content in (b"no archive at all", server.files["benchmark.tar"][:9000]):
        server.files["benchmark.tar"] = content
        with pytest.raises(UserError, match="expected an archive, got a damaged file"):
            obtain(set5, tmp_path / "data")
        assert listing(tmp_path / "data") == []


def test_archive_cannot_write_outside(set5: Source, server: Server, tmp_path: Path) -> None:
    members = small_set(tmp_path)
    members |= {"../evil.png": b"1", "/evil.png": b"2", "benchmark/Set5/HR/../../../evil.png": b"3"}
    members |= {"benchmark/Set5/HR/..\\evil.png": b"4"}
    server.files["benchmark.tar"] = tar(members)
    obtain(set5, tmp_path / "data")
    assert not [name for name in listing(tmp_path) if "evil" in name]


def test_training_images_come_from_a_zip_and_are_counted(server: Server, tmp_path: Path) -> None:
    def source(images: int) -> Source:
        archive = Archive(server.url("HR.zip"), 1)
        return Source("train", "here", images, archive, ("HR",), "DIV2K/HR")

    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as bundle:
        for name in ("HR/0001.png", "HR/0002.png", "LR/0001.png", "../evil.png"):
            bundle.writestr(name, b"content")
    server.files["HR.zip"] = memory.getvalue()
    with pytest.raises(UserError, match="expected 3 images, got 2"):
        obtain(source(3), tmp_path)
    assert listing(tmp_path) == ["downloads/HR.zip"]
    assert obtain(source(2), tmp_path) == tmp_path / "DIV2K/HR"
    assert listing(tmp_path / "DIV2K") == ["HR/0001.png", "HR/0002.png"]


def test_existing_folder_is_never_replaced(set5: Source, tmp_path: Path) -> None:
    write_image(tmp_path / "benchmark/Set5/HR/baby.png", PIXELS)
    with pytest.raises(UserError, match="missing: bird, woman"):
        obtain(set5, tmp_path)
    (tmp_path / "benchmark/Set5/HR/baby.png").rename(tmp_path / "benchmark/Set5/HR/babyx4.png")
    with pytest.raises(UserError, match="got something else: move it away first"):
        obtain(set5, tmp_path)
    assert listing(tmp_path) == ["benchmark/Set5/HR/babyx4.png"]


def test_status_of_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--data", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if line and not line.startswith(" ")}
    assert lines["embedded"][1:3] == ["5", "verified"]
    for name in (*benchmarks.BENCHMARKS, "BSDS400", "DIV2K_train_HR", "DIV2K_valid_HR"):
        assert lines[name][1:] == ["absent"]
        assert download.SOURCES[name].archive.url in shown
    assert f"--data {tmp_path} --download NAME" in shown


def test_status_names_wrong_images_and_counts_training_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, image in IMAGES.items():
        write_image(tmp_path / f"benchmarks/Set5/{name}.png", image)
        write_image(tmp_path / f"Set14/image_SRF_4/{name}_SRF_4_HR.png", image)
    write_image(tmp_path / "benchmarks/Set5/bird.png", PIXELS)
    (tmp_path / "benchmarks/Urban100").mkdir()
    (tmp_path / "benchmarks/Urban100/baby.png").write_text("text")
    write_image(tmp_path / "train/BSDS400/1.jpg", PIXELS)
    assert command.main(["--data", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line}
    assert lines["Set5"][0] == "WRONG"
    assert lines["Set14"][:2] == ["3", "verified"]
    assert lines["Urban100"][0] == "WRONG"
    assert lines["BSDS400"][:4] == ["1", "of", "400", "incomplete"]
    assert "wrong: " + str(tmp_path / "benchmarks/Set5/bird.png") + ": its pixels differ" in shown
    assert "Urban100; missing: bird, woman" in shown


def exit_status(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["replication.data", *arguments])
    with pytest.raises(SystemExit) as stopped:
        run(lambda _: command.main(arguments))
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_bad_input_is_one_line_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("a file")
    unreachable = Source("Set5", "here", 3, Archive("http://127.0.0.1:9/a.tar", 1), ("a",), "a")
    monkeypatch.setattr(command, "SOURCES", {"Set5": unreachable})
    new = str(tmp_path / "new")
    for arguments, words in {
        ("--data", str(tmp_path / "file")): "expected the data folder, got a file",
        ("--data", new): "it does not exist",
        ("--data", new, "--download", "Set6"): "unknown set 'Set6': expected Set5",
        ("--data", new, "--download", "Set5"): "cannot download http://127.0.0.1:9/a.tar",
        ("--data", str(tmp_path), "--make-manifest", str(tmp_path / "new.json")): "expected 5 images of Set5, got 0",
    }.items():
        assert exit_status(monkeypatch, *arguments) == 2
        captured = capsys.readouterr().err
        assert captured.startswith("error: ")
        assert words in captured
        assert captured.count("\n") == 1
    assert listing(tmp_path) == ["file"]


def test_sources_are_complete() -> None:
    assert set(benchmarks.BENCHMARKS) < set(download.SOURCES)
    for name in benchmarks.BENCHMARKS:
        assert download.SOURCES[name].images == benchmarks.SIZES[name]
    for source in download.SOURCES.values():
        assert source.archive.url.startswith("https://")
        assert source.name in benchmarks.BENCHMARKS or source.archive.sha256  # something proves what came
