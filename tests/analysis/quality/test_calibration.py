"""The page on calibration follows from the records: what agrees, what does not, what is missing."""

from pathlib import Path

import pytest

from analysis import paper
from analysis.quality import calibration_page
from analysis.quality.calibration import calibrated
from replication import records
from replication.records import Calibration, ImageResult, Key


def save(results: Path, name: str, benchmark: str, psnr: float) -> None:
    image = ImageResult("one", 40, 40, psnr - 0.02, 0.89, psnr - 2, 0.86, psnr - 0.1, 0.9, psnr, 0.1)
    key = Key(name, "ab" * 32, "cd", records.protocols(4), 4)
    records.save(results, Calibration(key, benchmark, (image,), None, {"machine": "m", "date": "2026-01-01"}, "c"))


@pytest.mark.parametrize(("off", "agrees"), [(0.0, True), (0.0004, True), (0.0006, False), (-0.0006, False)])
def test_four_printed_decimals_are_held_to_four(tmp_path: Path, off: float, agrees: bool) -> None:
    save(tmp_path, "PAN", "Set5", 32.1311 + off)
    facts = calibrated(tmp_path)
    (one,) = facts.comparisons
    assert (one.printed, one.agrees) == ("32.1311", agrees)
    assert one.difference == pytest.approx(off)
    text = " ".join(calibration_page.markdown(facts).split())
    assert f"{int(agrees)} of 1 published values come out" in text
    assert ("Not so: PAN on Set5" in text) == (not agrees)


@pytest.mark.parametrize(("off", "agrees"), [(0.009, True), (0.011, False)])
def test_two_printed_decimals_are_held_to_a_hundredth(tmp_path: Path, off: float, agrees: bool) -> None:
    save(tmp_path, "IMDN", "Set14", 28.58 - off)
    assert calibrated(tmp_path).comparisons[0].agrees == agrees


def test_protocols_are_told_apart_on_set14(tmp_path: Path) -> None:
    save(tmp_path, "IMDN", "Set14", 28.58)
    facts = calibrated(tmp_path)
    assert {name: distance["Set14"] for name, distance in facts.distance.items()} == pytest.approx(
        {"public_code": 0.0, "matlab": 0.02, "unrounded": 0.1}
    )
    assert "CARN-M on Set14" in facts.missing


def test_a_note_claims_only_sets_that_are_recorded(tmp_path: Path) -> None:
    save(tmp_path, "PAN", "B100", 27.5977)
    assert "agrees: none (of 0 recorded)" in " ".join(calibration_page.markdown(calibrated(tmp_path)).split())
    save(tmp_path, "PAN", "Set5", 32.1311)
    save(tmp_path, "PAN", "Set14", 28.6)
    text = " ".join(calibration_page.markdown(calibrated(tmp_path)).split())
    assert "agrees: Set5 (of 2 recorded)" in text
    assert "PAN on Urban100" in text.partition("Published and not recorded")[2]


def test_nothing_recorded_concludes_nothing(tmp_path: Path) -> None:
    (path,) = calibration_page.write(tmp_path)
    assert "so nothing is concluded" in path.read_text(encoding="utf-8")


def test_every_reference_names_its_source() -> None:
    for one in paper.references():
        assert "@" in one.source
        assert all(len(value.partition(".")[2]) in (2, 4) for value in one.psnr.values())
