"""The page on counting: its examples are run, and print what the page says."""

import contextlib
import io
import re
from importlib import import_module
from pathlib import Path

import pytest

from analysis.text import versions

PAGE = (Path(__file__).parents[1] / "docs" / "counting.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [text for kind, text in BLOCKS if kind == "text" and text.startswith("$ ")]


def without_versions(text: str) -> str:
    """Words alone: other versions of the counting software have other names, and break lines elsewhere."""
    words = " ".join(text.split())
    return re.sub(r"(torch|fvcore) [\w.]*\d", r"\1", words)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (networks,) = [text for kind, text in BLOCKS if kind == "python" and "class Reader" in text]
    (tmp_path / "my_networks.py").write_text(networks, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_has_examples() -> None:
    assert len(COMMANDS) == 5
    assert set(versions()) == {"torch", "fvcore"}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("block", COMMANDS, ids=lambda text: text.partition("\n")[0])
def test_commands_print_what_the_page_says(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    command, _, expected = block.partition("\n")
    _, _, _, module, *arguments = command.split()
    assert not import_module(module).main(arguments)
    assert without_versions(capsys.readouterr().out) == without_versions(expected)


def test_the_python_prints_what_the_page_says() -> None:
    (at,) = [index for index, (kind, text) in enumerate(BLOCKS) if kind == "python" and "analysis.count" in text]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(BLOCKS[at][1], {})
    assert output.getvalue() == BLOCKS[at + 1][1]
