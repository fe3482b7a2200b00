"""Batches go on, lose nothing, say what is wrong before the work, and are shared among processes."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import numpy as np
import PIL.Image
import pytest
from helpers import NEAREST, TWO_PROCESSES, enlarged, listing, nearest

from replication import upscale
from replication.errors import UserError
from replication.images.io import read_image
from replication.images.photo import Photo, read_photo, write_photo
from replication.images.resize import imresize_to
from replication.network import Batch, Network
from replication.sharing import Team, join

ROOT = Path(__file__).resolve().parents[2]
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)


Run = Callable[[Batch], Batch]


@pytest.fixture(autouse=True)
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """The command's network is nearest neighbour; a test may call this with something else for it to compute."""

    def computes(run: Run) -> None:
        monkeypatch.setattr(upscale, "load_network", lambda *args, **options: replace(NEAREST, run=run))

    computes(nearest)
    return computes


def fill(folder: Path, *names: str) -> list[str]:
    for name in names:
        write_photo(folder / name, Photo(PIXELS))
    return [str(folder / name) for name in names]


def test_names_of_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = fill(tmp_path, "a.jpg", "b.c.png")
    assert upscale.main([first]) is None
    assert upscale.main([first, "-o", str(tmp_path / "large.tif")]) is None
    assert upscale.main([second, "-o", str(tmp_path / "new")]) is None
    assert upscale.main([first, second, "-o", str(tmp_path / "both")]) is None
    assert "2 of 2 pictures upscaled" in capsys.readouterr().out
    expected = ["a.jpg", "a_x2.png", "b.c.png", "both/a_x2.png", "both/b.c_x2.png", "large.tif", "new/b.c_x2.png"]
    assert listing(tmp_path) == expected
    np.testing.assert_array_equal(read_photo(tmp_path / "new/b.c_x2.png").pixels, enlarged(PIXELS))


def test_folder_leaves_out_results_and_other_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, "a.png", "b.TIF", "old_x2.png")
    (tmp_path / "notes.txt").write_text("no picture")
    for expected in ("2 of 2 pictures upscaled\n", "0 of 2 pictures upscaled; 2 had a result already"):
        assert upscale.main([str(tmp_path)]) is None
        output = capsys.readouterr().out
        assert expected in output
        assert "left out 1 file not named as a picture" in output
        assert "named as a result (_x2)" in output
    assert listing(tmp_path) == ["a.png", "a_x2.png", "b.TIF", "b_x2.png", "notes.txt", "old_x2.png"]


def test_a_batch_goes_on_after_a_bad_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, "a.png", "z.png")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "half.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    assert upscale.main([str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert "2 of 4 pictures upscaled; 2 failed, see above" in output.out
    errors = [line for line in output.err.splitlines() if line.startswith("error: ")]
    assert [name in line for name, line in zip(("empty.png", "half.jpg"), errors, strict=True)] == [True, True]
    assert [name for name in listing(tmp_path) if "x2" in name] == ["a_x2.png", "z_x2.png"]
    with pytest.raises(UserError, match=r"empty\.png: expected an image, got an empty file"):
        upscale.main([str(tmp_path / "empty.png")])


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    (source,) = fill(tmp_path, "a.png")
    (tmp_path / "a_x2.png").write_bytes(b"dear to me")
    with pytest.raises(UserError, match=r"a_x2\.png exists already: --force replaces it"):
        upscale.main([source])
    assert (tmp_path / "a_x2.png").read_bytes() == b"dear to me"
    assert upscale.main([source, "--force"]) is None
    assert read_photo(tmp_path / "a_x2.png").pixels.shape == (24, 40, 3)


@pytest.mark.parametrize("where", ["network", "encoder"])
def test_interruption_leaves_nothing_half_written(
    tmp_path: Path, use: Callable[[Run], None], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (source,) = fill(tmp_path, "a.png")
    (tmp_path / "a_x2.png").write_bytes(b"dear to me")

    def interrupt(pixels: Batch) -> Batch:
        raise KeyboardInterrupt

    def begin_and_interrupt(picture: PIL.Image.Image, file: BinaryIO, *args: object, **options: object) -> None:
        file.write(b"half a pic")
        raise KeyboardInterrupt

    if where == "network":
        use(interrupt)
    else:
        monkeypatch.setattr(PIL.Image.Image, "save", begin_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        upscale.main([source, "--force"])
    assert listing(tmp_path) == ["a.png", "a_x2.png"]
    assert (tmp_path / "a_x2.png").read_bytes() == b"dear to me"


def test_memory_that_does_not_suffice_is_one_line(tmp_path: Path, use: Callable[[Run], None]) -> None:
    def exhausted(pixels: Batch) -> Batch:
        raise MemoryError

    use(exhausted)
    with pytest.raises(UserError, match=r"a\.png: 20x12 pixels at x2 do not fit into memory"):
        upscale.main(fill(tmp_path, "a.png"))


def test_memory_that_does_not_suffice_for_an_animation_is_one_line(tmp_path: Path, use: Callable[[Run], None]) -> None:
    def exhausted(pixels: Batch) -> Batch:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    use(exhausted)
    frames = [PIL.Image.fromarray(np.full((4, 5), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match=r"a\.gif: 2 frames of 10x8 do not fit into memory"):
        upscale.main([str(tmp_path / "a.gif")])


def test_notes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [PIL.Image.fromarray(np.full((4, 5), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    upscale.main([str(tmp_path / "a.gif")])
    assert capsys.readouterr().out.endswith("a_x2.png (2 frames)\n")


def test_every_problem_is_a_line_and_the_others_are_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, "one/a.png", "one/a.jpg", "two/a.png", "two/b.png")
    (tmp_path / "empty").mkdir()
    sources = [str(tmp_path / name) for name in ("one", "empty", "two", "missing.png")]
    assert upscale.main([*sources, "-o", str(tmp_path / "out")]) == 1
    output = capsys.readouterr()
    assert listing(tmp_path / "out") == ["b_x2.png", "one_a_jpg_x2.png", "one_a_png_x2.png", "two_a_png_x2.png"]
    errors = [line for line in output.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    for words in ("empty: expected a folder with pictures", "missing.png: no such file"):
        assert any(words in line for line in errors), words
    assert "4 of 6 pictures upscaled; 2 failed" in output.out


@pytest.mark.parametrize(
    ("sources", "pictures", "results"),
    [
        (["."], ["a.jpg", "a.png", "b.png"], ["a_jpg_x2.png", "a_png_x2.png", "b_x2.png"]),
        (["."], ["a.JPG", "a.jpg"], ["a_JPG_x2.png", "a_jpg_x2.png"]),
        (["one", "two"], ["one/1.png", "two/1.png"], ["one_1_x2.png", "two_1_x2.png"]),
        (["x/in", "y/in"], ["x/in/1.png", "y/in/1.png"], ["x_in_1_x2.png", "y_in_1_x2.png"]),
        (["1", "2"], ["1/a.png", "2/1_a.png", "2/a.png"], ["1_a_png_x2.png", "1_a_x2.png", "2_a_png_x2.png"]),
        (["one", "one/../one/1.png"], ["one/1.png"], ["1_x2.png"]),
    ],
)  # fmt: skip
def test_results_of_one_name_are_told_apart(
    tmp_path: Path, sources: list[str], pictures: list[str], results: list[str]
) -> None:
    """Every picture is done, whatever the names; a second run has nothing to do."""
    for level, name in enumerate(pictures):
        fill(tmp_path / "in", name)
        write_photo(tmp_path / "in" / name, Photo(np.full((12, 20, 3), 40 * level, np.uint8)))
    arguments = [*(str(tmp_path / "in" / source) for source in sources), "-o", str(tmp_path / "out")]
    for done in (len(pictures), 0):
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*")}
        assert upscale.main(arguments) is None
        assert listing(tmp_path / "out") == results
        assert len({path for path in (tmp_path / "out").iterdir() if path not in before}) == done
    levels = sorted(int(read_photo(tmp_path / "out" / name).pixels.mean().round()) for name in results)
    assert levels == [40 * level for level in range(len(pictures))]


def test_results_of_another_name_are_known_in_a_second_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, "a.jpg", "a.png", "b.png")
    for words in ("3 of 3 pictures upscaled\n", "0 of 3 pictures upscaled; 3 had a result already"):
        assert upscale.main([str(tmp_path), "--name", "{size}-{name}"]) is None
        assert words in capsys.readouterr().out


def test_pictures_below_a_folder_without_any(tmp_path: Path) -> None:
    fill(tmp_path, "deep/in/a.png")
    with pytest.raises(UserError, match="found none among 0 files; --recursive looks into the folders below"):
        upscale.main([str(tmp_path / "deep")])


def test_recursive_mirrors_folders(tmp_path: Path) -> None:
    fill(tmp_path, "in/a.png", "in/deep/a.png", "in/deep/er/a.png", "in/.hidden/a.png")
    assert upscale.main([str(tmp_path / "in"), "-r", "-o", str(tmp_path / "out")]) is None
    assert listing(tmp_path / "out") == ["a_x2.png", "deep/a_x2.png", "deep/er/a_x2.png"]


def test_a_target_folder_inside_the_source_is_not_looked_into(tmp_path: Path) -> None:
    fill(tmp_path, "in/a.png", "in/deep/a.png", "in/large/old.png")
    source, target = tmp_path / "in", tmp_path / "in" / "large"
    for _ in range(2):
        upscale.main([str(source), "-r", "-o", str(target), "--name", "{name}", "--force"])
        assert listing(target) == ["a.png", "deep/a.png", "old.png"]
    upscale.main([str(source / "deep"), "-r", "-o", str(source)])  # a target above the source changes nothing
    assert (source / "a_x2.png").is_file()
    upscale.main([str(source / "deep"), "-r", "-o", str(source / "deep")])
    assert (source / "deep" / "a_x2.png").is_file()


def test_format_quality_and_names(tmp_path: Path) -> None:
    fill(tmp_path, "in/a.png", "in/a.jpg")
    pattern = ["--name", "{name}-{suffix}-{size}"]
    sizes = []
    for quality in ("30", "95"):
        out = tmp_path / quality
        options = ["-o", str(out), "--format", "jpg", "--quality", quality]
        assert upscale.main([str(tmp_path / "in"), *options, *pattern]) is None
        assert listing(out) == ["a-jpg-x2.jpg", "a-png-x2.jpg"]
        sizes.append((out / "a-png-x2.jpg").stat().st_size)
    assert sizes[0] < sizes[1]
    for wrong in (
        "{what}",
        "{name",
        "a/{name}",
        "same",
        "{name.x}",
        "{name[x]}",
        "{name.__class__}",
        "{name:99999999999}",
        "{name!r}",
    ):
        with pytest.raises(UserError, match="--name"):
            upscale.main([str(tmp_path / "in"), "--name", wrong])
        if wrong != "same":  # the name of one result may be
            with pytest.raises(UserError, match="--name"):
                upscale.main(["-", "-o", str(tmp_path), "--name", wrong])


@pytest.mark.parametrize(
    ("options", "size", "name"),
    [
        (["--factor", "3"], (60, 36), "a_x3.png"),
        (["--factor", "1.5"], (30, 18), "a_x1.5.png"),
        (["--to", "50x50"], (50, 30), "a_50x50.png"),
        (["--to", "10x50"], (10, 6), "a_10x50.png"),
    ],
)
def test_any_size(tmp_path: Path, options: list[str], size: tuple[int, int], name: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    write_photo(tmp_path / "a.png", Photo(image))
    assert upscale.main([str(tmp_path / "a.png"), *options]) is None
    made = read_image(tmp_path / name)
    before = enlarged(image) if size[0] > 20 else image
    expected = np.clip(np.rint(imresize_to(before.astype(np.float64), size[1], size[0])), 0, 255)
    assert np.abs(made - expected).max() <= 1, "float32 may round halves otherwise"


@pytest.mark.parametrize("options", [["--to", "50"], ["--to", "0x5"], ["--factor", "nan"], ["--factor", "-1"]])
def test_sizes_that_make_no_sense(options: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        upscale.main(["a.png", *options])
    assert caught.value.code == 2


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_an_original_is_never_replaced(tmp_path: Path, force: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, "a.png")
    before = (tmp_path / "a.png").read_bytes()
    for options in (["--name", "{name}"], ["-o", str(tmp_path / "a.png")]):
        with pytest.raises(UserError, match="would replace the original"):
            upscale.main([str(tmp_path / "a.png"), *options, *force])
    assert (tmp_path / "a.png").read_bytes() == before


def encoded(picture: PIL.Image.Image, kind: str) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind)
    return content.getvalue()


PNG = encoded(PIL.Image.fromarray(PIXELS), "PNG")


def give(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let standard input hold that."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def test_standard_input_and_output(monkeypatch: pytest.MonkeyPatch) -> None:
    result = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=result))
    give(monkeypatch, PNG)
    assert upscale.main(["-", "-q"]) is None
    np.testing.assert_array_equal(np.array(PIL.Image.open(result)), enlarged(PIXELS))
    give(monkeypatch, b"nothing")
    with pytest.raises(UserError, match=r"^standard input: expected an image"):
        upscale.main(["-"])


def test_a_result_of_standard_input_is_named_as_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, name in (([], "standard_input_x2.png"), (["--name", "my_{size}", "--format", "jpg"], "my_x2.jpg")):
        give(monkeypatch, PNG)
        upscale.main(["-", "-o", str(tmp_path), "-q", *options])
        assert (tmp_path / name).is_file()


def test_notes_on_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in ([], ["-q"]):
        give(monkeypatch, encoded(PIL.Image.fromarray(PIXELS).convert("CMYK"), "JPEG"))
        assert upscale.main(["-", "-o", str(tmp_path / f"{len(options)}.png"), *options]) is None
        assert ("standard input: CMYK converted" in capsys.readouterr().err) == (not options)


def test_format_of_standard_input_contradicts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.tif: its ending contradicts --format jpg"):
        upscale.main(["-", "-o", str(tmp_path / "a.tif"), "--format", "jpg"])


def test_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, "a.png", "b.png")
    assert upscale.main([str(tmp_path), "-q"]) is None
    assert capsys.readouterr() == ("", "")
    (tmp_path / "c.png").write_bytes(b"")
    assert upscale.main([str(tmp_path), "-q"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert [line.split(":")[0] for line in output.err.splitlines()] == ["error"]


def test_names_that_cannot_be_printed_and_names_at_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, "new\nline.png", "n" * 248 + ".png", "n" * 250 + ".png")
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes((tmp_path / "new\nline.png").read_bytes())
    assert upscale.main([str(tmp_path)]) == 1  # 253 + "_x2.png" is too long
    output = capsys.readouterr()
    assert r"new\nline_x2.png" in output.out
    assert r"\udcff_x2.png" in output.out
    assert "longer than 255 bytes" in output.err
    assert (tmp_path / ("n" * 248 + "_x2.png")).is_file()


def test_errors_before_the_work(tmp_path: Path, use: Callable[[Run], None], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, **options: object) -> Network:
        raise AssertionError("the network was loaded")

    (source,) = fill(tmp_path, "a.png")
    write_photo(tmp_path / "alpha.png", Photo(np.full((4, 5, 4), 9, np.uint8)))
    with monkeypatch.context() as patch:
        patch.setattr(upscale, "load_network", never)
        for arguments, words in (
            ([str(tmp_path / "missing.png")], "no such file"),
            ([source, "-o", f"{source}/out.png"], "is not a folder"),
            ([source, "-o", "/proc/none/out.png"], "cannot write into"),
            ([source, "--quality", "0"], "--quality: expected 1 to 100"),
        ):
            with pytest.raises(UserError, match=words):
                upscale.main(arguments)

    def run(pixels: Batch) -> Batch:
        raise AssertionError("the network ran")

    use(run)
    for arguments, words in (
        ([source, str(tmp_path / "alpha.png"), "-o", str(tmp_path / "b.png")], "a folder for several pictures"),
        ([str(tmp_path / "alpha.png"), "-o", str(tmp_path / "b.jpg")], "no transparency"),
        ([source, "-o", str(tmp_path / "b.xyz")], r"ends in \.png"),
    ):
        with pytest.raises(UserError, match=words):
            upscale.main(arguments)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match=r"it may take .* MB are free"):
        upscale.main([source])


def test_unexpected_errors_do_not_stop_a_batch(
    tmp_path: Path, use: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[int] = []

    def run(pixels: Batch) -> Batch:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("the runtime\nfailed")
        return nearest(pixels)

    use(run)
    fill(tmp_path, "a.png", "b.png")
    assert upscale.main([str(tmp_path)]) == 1
    assert r"a.png: RuntimeError: the runtime\nfailed" in capsys.readouterr().err
    assert (tmp_path / "b_x2.png").is_file()


PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test in the background inherits that it is ignored
from replication import upscale
from replication.errors import run
from replication.network import Network

def nearest(pixels):
    time.sleep({pause})
    return pixels.repeat(2, axis=2).repeat(2, axis=3)

upscale.load_network = lambda *args, **options: Network(nearest, 2, 1, 100)
run(upscale.main)
"""


def started(
    folder: Path, *arguments: str, pause: float = 0.0, launcher: tuple[str, ...] = (), before: str = ""
) -> subprocess.Popen[str]:
    program = folder / "program.py"
    program.write_text(before + PROGRAM.format(pause=pause), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(program), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit here")
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp", "gif"])
def test_disk_that_is_full_while_writing(tmp_path: Path, suffix: str) -> None:
    """A limit on the size of files stands for it: the picture that meets it is a line, and leaves nothing."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    for name, pixels in (("a", noise[:4, :4]), ("b", noise), ("c", noise[:4, :4])):
        write_photo(tmp_path / "in" / f"{name}.png", Photo(pixels))
    frames = [PIL.Image.fromarray(one) for one in (noise, noise[::-1])]
    frames[0].save(tmp_path / "in" / "d.gif", save_all=True, append_images=frames[1:])
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    options = ("-o", str(tmp_path / "out"), "--format", suffix)
    output, _ = started(tmp_path, str(tmp_path / "in"), *options, before=limit).communicate(timeout=120)
    assert "2 of 4 pictures upscaled; 2 failed" in output, output
    for name in ("b", "d"):
        assert f"error: cannot write {tmp_path}/out/{name}_x2.{suffix}: File too large" in output, output
    assert listing(tmp_path / "out") == [f"a_x2.{suffix}", f"c_x2.{suffix}"]
    assert not list((tmp_path / "out").glob(".*"))


def test_two_processes_share_a_batch(tmp_path: Path) -> None:
    names = [f"{index}.png" for index in range(5)]
    fill(tmp_path / "in", *names)
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    arguments = (str(tmp_path / "in"), "-o", str(tmp_path / "out"))
    upscale.main([*(str(tmp_path / "in" / name) for name in names[1:4]), *arguments[1:]])
    process = started(tmp_path, *arguments, launcher=TWO_PROCESSES)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert output.count(" -> ") == 2, output
    assert "2 of 6 pictures upscaled; 3 had a result already (--force replaces it); 1 failed" in output
    assert listing(tmp_path / "out") == [f"{index}_x2.png" for index in range(5)]
    for path in (tmp_path / "out").iterdir():
        np.testing.assert_array_equal(read_photo(path).pixels, enlarged(PIXELS))


def test_two_processes_say_an_error_once(tmp_path: Path) -> None:
    process = started(tmp_path, str(tmp_path / "missing.png"), launcher=TWO_PROCESSES)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert output.count("error: cannot read the image") == 1, output


def test_shares_are_whole_and_apart() -> None:
    items = list(range(11))
    shares = [Team(rank, 3).share(items) for rank in range(3)]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("rank", "size"), [("2", "2"), ("-1", "2"), ("x", "2"), ("0", "0")])
def test_environment_that_makes_no_sense(monkeypatch: pytest.MonkeyPatch, rank: str, size: str) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(UserError, match="expected RANK below WORLD_SIZE"):
        join()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_at_work(tmp_path: Path, number: signal.Signals) -> None:
    """Whatever is there under its name is whole, the originals are as they were, and the next run does the rest."""
    names = [f"{index:02}.png" for index in range(40)]
    fill(tmp_path / "in", *names)
    before = (tmp_path / "in" / names[0]).read_bytes()
    arguments = (str(tmp_path / "in"), "-o", str(tmp_path / "out"))
    process = started(tmp_path, *arguments, pause=0.05)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / "01_x2.png").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number), output
    results = [path for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")]
    assert 0 < len(results) < 40
    for path in results:
        assert read_photo(path).pixels.shape == (24, 40, 3)
    if number == signal.SIGINT:
        assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
    assert all((tmp_path / "in" / name).read_bytes() == before for name in names)
    process = started(tmp_path, *arguments)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert f"{40 - len(results)} of 40 pictures upscaled; {len(results)} had a result" in output
