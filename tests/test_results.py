"""The committed results are what the code makes: nothing below results/ is edited by hand or left behind."""

import json
import math
import shutil
from pathlib import Path

import pytest

from analysis.artefacts import ARTEFACTS, IMAGES, Artefact
from analysis.style import same_picture
from replication import curve, model_card, weights
from replication.records import load
from replication.stages import Job

RESULTS = Path(__file__).parent.parent / "results"
MADE_ANYWHERE = [one for one in ARTEFACTS if one.needs != IMAGES]
TEXT = {".md", ".json", ".csv", ".tex", ".svg", ".html"}
"""Compared byte for byte; PNG pictures by what they show. A PDF is made by the same call as its SVG."""


@pytest.mark.parametrize("artefact", MADE_ANYWHERE, ids=lambda one: one.name)
def test_committed_results_are_fresh(artefact: Artefact, tmp_path: Path) -> None:
    if artefact.kind and not load(RESULTS, artefact.kind):
        pytest.skip(f"nothing is recorded: `{artefact.measure}` does")
    committed_only = shutil.ignore_patterns("here", "unfinished")  # what this machine measured is not committed
    shutil.copytree(RESULTS / "records", tmp_path / "records", ignore=committed_only)
    outcome = artefact.run(Job(tmp_path))
    assert outcome.failures == []
    assert any(path.suffix in TEXT for path in outcome.files)
    for path in outcome.files:
        committed = RESULTS / path.relative_to(tmp_path)
        assert committed.is_file(), f"{committed} is missing: run `tox -e replicate` and commit"
        assert same(committed, path), f"{committed} is stale: run `tox -e replicate` and commit"


def same(committed: Path, made: Path) -> bool:
    """Whether a committed file is what was made."""
    if made.suffix == ".png":
        return same_picture(committed, made)
    return made.suffix not in TEXT or made.read_bytes() == committed.read_bytes()


def test_every_figure_stands_on_a_page() -> None:
    pages = [RESULTS.parent / "README.md", *RESULTS.parent.glob("docs/*.md"), *RESULTS.glob("*.md")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    names = {path.name for path in (*RESULTS.glob("*.svg"), *RESULTS.glob("figures/*.svg"))}
    assert len(names) > 5
    assert {name for name in names if name.replace(".svg", ".png") not in text} == set()


@pytest.mark.parametrize("kind", ["crops", "int8"])
def test_experiments_are_of_the_shipped_weights(kind: str) -> None:
    shipped = {line.split()[0] for line in (weights.FOLDER / weights.SUMS).read_text(encoding="utf-8").splitlines()}
    paths = sorted((RESULTS / "records" / kind).glob("*.json"))
    assert paths
    for path in paths:
        measured = json.loads(path.read_text(encoding="utf-8"))["weights"]
        stale = set(measured.values() if isinstance(measured, dict) else [measured]) - shipped
        assert not stale, f"{path} is of other weights: measure it again, as `tox -e ship` does"


def test_committed_model_cards_are_fresh(tmp_path: Path) -> None:
    for path in model_card.write(RESULTS, tmp_path):
        assert same(weights.FOLDER / path.name, path), (
            f"{path.name} is stale: run `python -m replication.model_card` and commit"
        )


def test_curves_share_their_axes() -> None:
    one = [{"step": 100.0, "loss": 0.03, "validation_psnr": 26.0}, {"step": 500.0, "loss": 0.02, "validation_psnr": 27}]
    other = [{"step": 900.0, "loss": 0.01, "validation_psnr": math.nan}]
    limits = curve.common_limits([one, other])
    assert limits["step"] == pytest.approx((60, 940))
    assert limits["loss"] == pytest.approx((0.009, 0.031))
    assert limits["validation_psnr"] == pytest.approx((25.95, 27.05))


def test_a_curve_without_validation(tmp_path: Path) -> None:
    log = [{"step": step, "loss": 1 / step, "validation_psnr": math.nan} for step in (100.0, 200.0)]
    curve.draw_curve(tmp_path / "curve.png", log, curve.common_limits([log]))
    assert (tmp_path / "curve.png").is_file()
