"""How far trainings of one network end apart, and how far the paper's budget depends on how it is read."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis import paper
from analysis.quality import spread, training
from analysis.quality.calibration import calibrated
from analysis.quality.ladder import Member
from analysis.quality.spread import largest_by_seed, ssim_line
from replication import recipe
from replication.records import TrainingRun

RUN = TrainingRun(
    model="smsrn", scale=4, seed=0, recipe={}, recipe_digest="ab", data="images", step=9, steps=9, hours=1.0,
    trunk=None, initial=None, threads=1, precision="bf16", paper_fraction=0.001, log=(), weights={}, note="",
    environment={}, command="",
)  # fmt: skip


def member(psnr: float, **differing: object) -> Member:
    return Member(replace(RUN, **differing), {"Set5": psnr, "Set14": psnr - 1})  # type: ignore[arg-type]


def test_seeds_are_compared_only_where_nothing_else_differs() -> None:
    assert largest_by_seed([]) is None
    assert largest_by_seed([member(31.0), member(31.5, seed=1, steps=10), member(31.5, seed=1, model="msrn")]) is None
    assert largest_by_seed([member(31.0), member(31.5, seed=1, recipe_digest="cd")]) is None
    found = largest_by_seed([member(31.0), member(31.03, seed=1), member(30.99, seed=2)])
    assert found == pytest.approx(0.04)


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
