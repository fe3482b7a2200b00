"""What others published stands with its source, and once."""

import re
import tomllib

import pytest

from analysis import paper

ENTRIES = tomllib.loads((paper.FOLDER / "literature.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_says_where_it_is_from(name: str) -> None:
    source = paper.literature(name)["source"]
    assert re.search(r"[\w-]+/[\w-]+@[0-9a-f]{7} \S+|arXiv:\d{4}\.\d{5}", source), source


def test_one_value_has_one_home() -> None:
    table = paper.literature("msrn-at-scales")["Set5"]
    assert float(table["4"]) == paper.published_row("MSRN (repo, 2019-06 retrain)").psnr["Set5"]
    again = paper.literature("other-people")
    assert set(again["psnr"]) == set(paper.BENCHMARKS)
    assert again["psnr"]["Set5"] in paper_note(again["network"])


def paper_note(model: str) -> str:
    """The row of sota_x4.csv with its note, as it stands in the file."""
    lines = (paper.FOLDER / "sota_x4.csv").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{model},"))
