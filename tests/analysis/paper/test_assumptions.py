"""The table of assumptions shows the values in force."""

from pathlib import Path

import pytest

from analysis import paper
from analysis.claims import assumptions_page
from analysis.paper import assumptions
from replication import recipe


def test_values_come_from_the_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (recipe.FOLDER / "paper.toml").read_text(encoding="utf-8")
    (tmp_path / "paper.toml").write_text(text.replace("hr_patch = 256", "hr_patch = 192"), encoding="utf-8")
    assert "`hr_patch = 256`" in assumptions_page.markdown(assumptions.load())
    monkeypatch.setattr(recipe, "FOLDER", tmp_path)
    assert "`hr_patch = 192`" in assumptions_page.markdown(assumptions.load())


def test_every_assumption_has_a_reason_and_stands_once() -> None:
    found = assumptions.load()
    assert all(item.topic and item.paper and item.value and item.reason for item in found)
    assert len({item.topic for item in found}) == len(found)


def test_write_is_repeatable(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in assumptions_page.write(tmp_path)]
    assert [path.read_bytes() for path in assumptions_page.write(tmp_path)] == first
    assert (paper.FOLDER / "assumptions.toml").is_file()
