"""How far trainings of one network end apart, and how far the paper's budget depends on how it is read."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis import paper
from analysis.quality import spread, training
from analysis.quality.calibration import calibrated
from analysis.quality.ladder import Seeds
from analysis.quality.spread import ssim_line
from replication import recipe


def test_seeds_are_those_of_the_two_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = [
        Seeds("smsrn", 4000, "images", 2, 0.5, 0.03), Seeds("msrn", 4000, "images", 2, 0.1, 0.04),
        Seeds("msrn", 8000, "images", 2, 0.1, None), Seeds("edsr-baseline", 4000, "images", 2, 0.1, 0.2),
    ]  # fmt: skip
    monkeypatch.setattr(spread, "seeds", lambda results: found)
    assert spread.spread(tmp_path).seeds == 0.04


def test_published_trainings(tmp_path: Path) -> None:
    found = spread.spread(tmp_path)
    assert found.authors == pytest.approx(0.01)
    assert (found.seeds, found.repeated) == (None, found.authors)
    assert "no two seeds" in found.words()
    assert set(found.others) == set(paper.BENCHMARKS)
    assert found.others["Set5"] == pytest.approx(0.12)
    assert replace(found, seeds=0.03).repeated == 0.03
    assert "0.030 dB" in replace(found, seeds=0.03).words()


def test_ssim_goes_with_psnr() -> None:
    facts = calibrated(Path(__file__).parents[3] / "results")
    for name in paper.BENCHMARKS:
        line = ssim_line(facts, name)
        assert line
        for one in facts.comparisons:
            on_line = line[0] * one.psnr["public_code"] + line[1]
            assert one.benchmark != name or on_line == pytest.approx(one.ssim["public_code"], abs=0.001)
    assert ssim_line(replace(facts, comparisons=()), "Set5") is None


def test_readings_of_the_budget() -> None:
    plan = recipe.load("paper")
    low, high = training.other_readings()
    assert low == (plan.hr_patch / (4 * plan.hr_patch)) ** 2  # 256 LR pixels instead of 256 HR pixels
    assert high == plan.steps_per_epoch / (800 / plan.batch_size)  # each of DIV2K's images once an epoch
    assert training.share_with_range(0.0016) == "0.16 % (0.01 to 2 %)"
    assert training.share_with_range(1.0) == "100 % (6.2 to 1200 %)"
    assert training.training_share({}) == "unknown"
    assert "0.0625 to 12.5 times" in training.readings_note()
