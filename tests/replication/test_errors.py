"""How a command ends: exit status, message, no traceback."""

import ast
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from replication import errors
from replication.errors import Parser, UserError, run


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_own_status(returned: int | None, status: int, capfd: pytest.CaptureFixture[str]) -> None:
    def main(argv: Sequence[str] | None) -> int | None:
        assert argv is None  # argparse then reads sys.argv
        print("result")
        return returned

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == status
    assert capfd.readouterr() == ("result\n", "")


@pytest.mark.parametrize(
    ("raised", "status", "message"),
    [
        (UserError("a.png: expected an image, got text"), 2, "error: a.png: expected an image, got text\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_told_in_one_line(raised: BaseException, status: int, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    def main(argv: Sequence[str] | None) -> int | None:
        raise raised

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == status
    assert capfd.readouterr() == ("", message)


@pytest.mark.skipif(os.name == "nt", reason="closed by a POSIX shell")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(closed: str) -> None:
    """As some services start their children: what is printed goes nowhere, and nothing else changes."""
    code = (
        "from tqdm import tqdm; from replication.errors import run; "
        "run(lambda argv: print('a') or [tqdm.write('b') for _ in tqdm(range(2))] and 3)"
    )
    done = subprocess.run(["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, code], capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert ("a\nb\nb\n" in done.stdout) == (">&- " not in f"{closed} ".replace("2>&-", ""))


@pytest.mark.skipif(os.name == "nt", reason="closed by a POSIX shell")
@pytest.mark.parametrize(("closed", "message"), [("<&-", "input"), (">&-", "output")])
def test_a_closed_stream_that_is_needed(closed: str, message: str) -> None:
    command = f'"$0" -m replication.upscale - {closed}'
    done = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: -: standard {message} is closed\n"


@pytest.mark.parametrize("raised", [ValueError("a bug"), SystemExit(7), FileNotFoundError(2, "a bug", "name")])
def test_other_exceptions_pass(raised: BaseException) -> None:
    """A bug must show its traceback, and argparse its own status."""

    def main(argv: Sequence[str] | None) -> int | None:
        raise raised

    with pytest.raises(type(raised)) as caught:
        run(main)
    assert caught.value is raised


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX pipe")
@pytest.mark.parametrize("lines", [1, 100_000])  # less and more than the output buffer holds
def test_reader_has_gone(lines: int) -> None:
    """``command | head -0``: status 0 and nothing on stderr, also when the output leaves only at the end."""
    program = f"""
from replication.errors import run
def main(argv):
    for line in range({lines}):
        print("line", line)
run(main)
"""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_no_room_for_the_output() -> None:
    program = "from replication.errors import run\nrun(lambda argv: print('line'))"
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        [b"error: cannot write the output: No space left on device"],
    )


def test_parser(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake on the command line is one line and status 2; ``--help`` keeps the lines of its texts."""
    parser = Parser(prog="python -m x", description="First line\n  second line.", epilog="examples:\n  python -m x\n")
    parser.add_argument("--scale", type=int, choices=(2, 3))
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--scale", "5"])
    message = capsys.readouterr().err
    assert caught.value.code == 2
    assert message.startswith("error: argument --scale: invalid choice: 5")
    assert message.endswith("(`python -m x --help` says what is expected)\n")
    assert message.count("\n") == 1
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert "First line\n  second line." in text
    assert "examples:\n  python -m x\n" in text


def test_nobody_catches_any_user_error_to_mean_one_kind() -> None:
    """Those that do report it or pass it on, whatever it is: the end of a command, batches, the name of a network."""
    root = Path(errors.__file__).parents[1]
    found = set()
    for path in (*root.glob("replication/**/*.py"), *root.glob("analysis/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and node.type and "UserError" in ast.unparse(node.type):
                found.add(path.relative_to(root).as_posix())
    assert found == {
        "replication/errors.py", "replication/upscale.py", "replication/images/io.py", "replication/sharing.py",
        "replication/demo.py",
        "analysis/networks/lightened.py", "analysis/networks/load.py",
    }  # fmt: skip
