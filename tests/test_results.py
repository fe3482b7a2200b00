"""The committed results are what the code makes: nothing below results/ is edited by hand or left behind."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import (
    assumptions,
    claims,
    cost_ratio,
    figure1,
    figure1_macs,
    fold,
    identify,
    lighten,
    networks,
    protocol,
    speed,
    table1,
)
from analysis.figures import equation5, figure2, figure3, macs_by_group, summary
from replication import model_card, weights

RESULTS = Path(__file__).parent.parent / "results"
WRITERS: dict[str, Callable[[Path], list[Path]]] = {
    "assumptions": assumptions.write,
    "claims": claims.write,
    "cost_ratio": cost_ratio.write,
    "equation5": equation5.write,
    "figure1": figure1.write,
    "figure1_macs": figure1_macs.write,
    "figure2": figure2.write,
    "figure3": figure3.write,
    "fold": fold.write,
    "identify": identify.write,
    "lighten": lighten.write,
    "macs_by_group": macs_by_group.write,
    "networks": networks.write,
    "protocol": protocol.write,
    "speed": speed.write,
    "summary": summary.write,
    "table1": table1.write,
}
TEXT = {".md", ".json", ".csv", ".tex", ".svg"}
"""Compared byte for byte. The pictures' other formats are made by the same call as their SVG."""


@pytest.mark.parametrize("name", WRITERS)
def test_committed_results_are_fresh(name: str, tmp_path: Path) -> None:
    shutil.copytree(RESULTS / "records", tmp_path / "records")
    written = WRITERS[name](tmp_path)
    compared = [path for path in written if path.suffix in TEXT]
    assert compared
    for path in compared:
        committed = RESULTS / path.relative_to(tmp_path)
        assert committed.is_file(), f"{committed} is missing: run `tox -e replicate` and commit"
        assert path.read_bytes() == committed.read_bytes(), f"{committed} is stale: run `tox -e replicate` and commit"


def test_committed_model_cards_are_fresh(tmp_path: Path) -> None:
    for path in model_card.write(RESULTS, tmp_path):
        assert path.read_bytes() == (weights.FOLDER / path.name).read_bytes(), f"{path.name} is stale"
