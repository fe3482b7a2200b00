"""The table of assumptions shows the values in force."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.claims import assumptions_page
from analysis.cost import designs
from analysis.paper import assumptions
from replication import recipe
from replication.data.download import SOURCES


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


def test_numbers_that_are_given_as_reasons() -> None:
    reasons = " ".join(item.reason for item in assumptions.load())
    msrn, smsrn = (designs.paper_search().found[total][0] for total in (6_078_019, 888_929))
    assert f"gives {replace(msrn, mean_shift=True).params:,}" in reasons
    assert f"{replace(smsrn, separable=smsrn.separable - {'head'}).params:,} with a standard one" in reasons
    plan, images, test_every = recipe.load("paper"), SOURCES["DIV2K_train_HR"].images, 1000
    passes = test_every // (images // plan.batch_size)  # as the public code counts
    assert f"one of its epochs is {passes * images // plan.batch_size} steps" in reasons
    assert f"each image once is {images // plan.batch_size} steps" in reasons
