"""The ladder: which runs make a rung, what is lost and how surely, and the pages made of it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import scipy.stats

from analysis import style
from analysis.figures import ladder as figure
from analysis.paper import BENCHMARKS
from analysis.quality import conditions, ladder, ladder_page, runs_page, table1_page
from analysis.quality.columns import AVERAGE
from analysis.report import training as report_training
from analysis.report.numbers import Number
from replication import recipe, records, weights
from replication.records import Evaluation, ImageResult, Key, StepTime, TrainingRun, TrainingSpeed

IMAGES = 40
RESULTS = Path(__file__).parents[3] / "results"


def training(model: str, steps: int, seed: int = 0, **changes: Any) -> TrainingRun:
    plan = recipe.load("cpu", {"steps": str(steps)})
    run = TrainingRun(
        model=model, scale=4, seed=seed, recipe=plan.as_dict(), recipe_digest=plan.digest(), data="9 images of a set",
        step=steps, steps=steps, hours=steps / 1000 * (4 if model == "msrn" else 1), trunk=None, initial=None,
        threads=1, precision="bf16", paper_fraction=steps / 1e6, log=({"step": steps, "validation_psnr": 25.0},),
        weights={"final": f"{model}{steps}{seed}"}, note="", environment={"machine": "m", "date": "2026-01-01"},
        command=f"train {model} {steps} {seed}",
    )  # fmt: skip
    return replace(run, **changes)


def evaluation(run: TrainingRun, benchmark: str, psnr: np.ndarray[Any, Any]) -> Evaluation:
    images = tuple(
        ImageResult(f"{index}", 8, 8, float(value), 0.5, 20.0, 0.5, 30.0, 0.5, float(value), 0.1)
        for index, value in enumerate(psnr)
    )
    key = Key(run.model, run.weights["final"], benchmark, records.protocols(4), 4)
    return Evaluation(key, benchmark, images, {}, {"machine": "m", "date": "2026-01-01"}, "evaluate")


def lay(
    results: Path, steps: int, loss: float, sets: tuple[str, ...] = BENCHMARKS, seed: int = 0,
    pair: tuple[str, str] = ladder.PAIR, changes: Mapping[str, Any] = MappingProxyType({}),
) -> None:  # fmt: skip
    """Record both networks after ``steps``, the first better by ``loss`` on average and not on every image alike."""
    random = np.random.default_rng(steps)
    for model in pair:
        run = training(model, steps, seed, **changes)
        records.save(results, run)
        for name in sets:
            base = 25 + np.arange(IMAGES) / 10 + np.log2(steps) / 10
            spread = random.normal(0, 0.1, IMAGES)
            records.save(
                results, evaluation(run, name, base + (loss + spread - spread.mean() if model == pair[0] else 0))
            )


def test_a_rung_is_a_pair_that_differs_in_the_network_alone(tmp_path: Path) -> None:
    lay(tmp_path, 2000, 0.1)
    lay(tmp_path, 4000, 0.2, sets=("Set5",))
    for other in (
        training("msrn", 8000),  # without partner
        training("smsrn", 16000, step=9000),  # not finished
        training("msrn", 16000),
        training("msrn", 32000, seed=1),
        training("smsrn", 32000, seed=2),
        training("msrn", 64000, initial="weights"),  # did not begin alike
        training("smsrn", 64000),
        training("msrn", 128000, data="other images"),
        training("smsrn", 128000),
    ):
        records.save(tmp_path, other)
    found = ladder.rungs(tmp_path)
    assert [(rung.steps, set(rung.loss)) for rung in found] == [(2000, {*BENCHMARKS, AVERAGE}), (4000, {"Set5"})]
    assert found[0].loss[AVERAGE].mean == pytest.approx(0.1)
    assert found[1].loss["Set5"].mean == pytest.approx(0.2)
    assert found[0].full.psnr[AVERAGE] - found[0].light.psnr[AVERAGE] == pytest.approx(0.1)


@pytest.mark.parametrize("sizes", [(5,), (5, 14, 60)])
def test_the_interval_covers_the_truth_as_often_as_it_says(sizes: tuple[int, ...]) -> None:
    """With few images, too, where a percentile bootstrap covers it in 84 of 100 cases."""
    random = np.random.default_rng(5)
    covered = []
    for _ in range(200):
        found = ladder.bootstrap({f"{size}": random.normal(0.3, 0.2, size) for size in sizes})
        assert found.low < found.mean < found.high
        covered.append(found.low <= 0.3 <= found.high)
    assert 0.91 <= np.mean(covered) <= 0.99


def test_the_degrees_of_freedom_are_those_of_welch() -> None:
    random = np.random.default_rng(1)
    arrays = [random.normal(0, 1, 5), random.normal(0, 3, 12)]
    assert ladder.degrees_of_freedom(arrays) == pytest.approx(scipy.stats.ttest_ind(*arrays, equal_var=False).df)
    assert ladder.degrees_of_freedom(arrays[:1]) == pytest.approx(4)


def test_sets_count_the_same_however_many_images_they_have() -> None:
    """And differences that are all alike have no interval."""
    found = ladder.bootstrap({"a": [0.0] * 90, "b": [1.0] * 10})
    assert found == ladder.Loss(0.5, 0.5, 0.5)


def test_the_best_within_a_cost(tmp_path: Path) -> None:
    for steps in (2000, 4000, 8000):
        lay(tmp_path, steps, 0.1)
    smsrn = ladder.of_one_network(tmp_path, "smsrn")
    for most, steps in ((1999, None), (4000, 4000), (7999, 4000), (1e9, 8000)):
        best = ladder.best_within(smsrn, "Set5", steps=most)
        assert (best.run.steps if best else None) == steps
    (msrn, *_) = ladder.of_one_network(tmp_path, "msrn")
    assert msrn.training_macs / smsrn[0].training_macs == pytest.approx(5_892_576 / 700_411)
    assert ladder.best_within(smsrn, "Set5", macs=smsrn[1].training_macs) == smsrn[1]


def test_losses_are_joined_over_seeds_of_the_same_length(tmp_path: Path) -> None:
    for seed, loss in enumerate((0.1, 0.2, 0.3)):
        lay(tmp_path, 4000, loss, seed=seed)
    lay(tmp_path, 2000, 0.5)
    (joined,) = ladder.over_seeds(ladder.rungs(tmp_path))
    assert (joined.first.length, joined.seeds) == ("4,000 steps, a set", "0, 1, 2")
    average = joined.loss[AVERAGE]
    half = 4.3027 * 0.1 / 3**0.5  # Student's t for two degrees of freedom, from a printed table
    assert (average.mean, average.low, average.high) == pytest.approx((0.2, 0.2 - half, 0.2 + half), abs=1e-5)
    assert joined.deviation == pytest.approx(0.1)
    page = ladder_page.markdown(tmp_path)
    assert "+0.200 (-0.048 to +0.448)" in page.partition("## Lost PSNR over the seeds")[2]
    lines = " ".join(page.split())
    assert "- 4,000 steps, a set: 3 seeds of each network." in lines
    assert "- All others: one seed of each network: how much" in lines


@pytest.mark.parametrize("other", [{"recipe": {"hr_patch": "48"}}, {"precision": "fp32"}], ids=["recipe", "precision"])
def test_only_what_differs_in_the_seed_alone_is_joined(tmp_path: Path, other: dict[str, Any]) -> None:
    changes = dict(other)
    if "recipe" in other:
        plan = recipe.load("cpu", {"steps": "4000", "steps_per_epoch": "7", **other["recipe"]})
        changes = {"recipe": plan.as_dict(), "recipe_digest": plan.digest()}
    for seed in range(3):
        lay(tmp_path, 4000, 0.1, seed=seed, changes=changes if seed == 2 else {})
    found = ladder.rungs(tmp_path)
    assert len(found) == 3
    assert ladder.over_seeds(found) == []
    assert {rung.setting for rung in found} == {"a set", "a set, hr_patch 48" if "recipe" in other else "a set"}


def test_a_recipe_that_differs_in_much_is_named_by_its_digest() -> None:
    other = {"hr_patch": "48", "flips": "false", "beta1": "0.5"}
    plan = recipe.load("cpu", {"steps": "4000", **other})
    run = training("msrn", 4000, recipe=plan.as_dict(), recipe_digest=plan.digest())
    assert ladder.setting(run) == f"a set, recipe {plan.digest()[:8]}"


def test_pairs_by_another_rate_of_soap_stand_apart(tmp_path: Path) -> None:
    """With the filters that each training killed; a longer pair by an old rate is not the one to be named first."""
    lay(tmp_path, 4000, 0.1, changes={"dead_filters": 0.125})
    old = recipe.load("cpu", {"steps": "8000", "matrix_rate": "0.5"})
    lay(tmp_path, 8000, 0.3, changes={"recipe": old.as_dict(), "recipe_digest": old.digest()})
    found = ladder.rungs(tmp_path)
    assert [one.setting for one in found] == ["a set", "a set, SOAP's rate 0.5"]
    first = ladder.headline(found)
    assert first is found[0]
    assert ladder.headline(found[1:]) is found[1]
    assert [row[4] for row in ladder_page.loss_rows(found)] == ["12.5 % / 12.5 %", "unknown / unknown"]


PLAN = {"optimizer": "adam", "learning_rate": 0.001}
STAGE = {
    "recipe": PLAN,
    "step": 8000,
    "hours": 8.0,
    "seed": 0,
    "recipe_digest": "r",
    "data": "9 images of a set",
    "initial": None,
}


def test_a_restarted_pair_is_a_rung_of_its_own(tmp_path: Path) -> None:
    """Of all its steps; not if one network went through another training before, or began with another's weights."""
    lay(tmp_path, 4000, 0.1)
    lay(tmp_path, 16000, 0.2, seed=1, changes={"earlier": (STAGE,), "initial": "first"})
    records.save(tmp_path, msrn := training("msrn", 32000, earlier=(STAGE,), initial="first"))
    for run in (msrn, training("smsrn", 32000)):
        records.save(tmp_path, evaluation(run, "Set5", np.arange(IMAGES) / 10))
    for change in ({"seed": 1}, {"step": 4000}, {"initial": "another network's"}, {"recipe_digest": "q"}):
        earlier = ({**STAGE, **change},)
        records.save(tmp_path, training("smsrn", 32000, earlier=earlier, initial="first", command=str(change)))
    short, long = ladder.rungs(tmp_path)
    assert long.name == "16,000 steps, seed 1, a set, restarted"
    assert long.full.training_macs == pytest.approx(4 * short.full.training_macs)
    assert runs_page.own_hours(long.light.run) == 16 - 8
    (row,) = (row for row in runs_page.totals([long.light.run]) if row[0] == "SMSRN")
    assert row[4] == f"{ladder.training_macs(long.light.run, 8000) / 1e12:,.0f} T"
    assert runs_page.row(long.light.run)[7] == "weights after 8,000 steps (seed 0, Adam 0.001)"
    assert runs_page.row(training("msrn", 4000, initial="another network's"))[7] == "other weights"


def test_a_restart_says_what_each_network_gained(tmp_path: Path) -> None:
    lay(tmp_path, 16000, 0.2, seed=1, changes={"earlier": (STAGE,), "initial": "first"})
    lay(tmp_path, 16000, 0.4, seed=5, changes={"earlier": (STAGE,), "initial": "first"})  # nothing goes on from it
    stages = (STAGE, {**STAGE, "step": 16000, "seed": 1, "recipe_digest": training("msrn", 16000).recipe_digest})
    lay(tmp_path, 8000, 0.1, changes={"recipe_digest": STAGE["recipe_digest"]})
    lay(tmp_path, 24000, 0.1, seed=2, changes={"earlier": stages, "initial": "second"})
    lay(tmp_path, 20000, 0.3, seed=3, changes={"earlier": stages, "initial": "second"})
    found = ladder.rungs(tmp_path)
    said = ladder_page.restarted(found)
    assert said == ladder_page.restarted(found[::-1])
    assert said.endswith(
        "from those of the pair before: to 16,000 steps that of MSRN by +0.200 dB and that of SMSRN by +0.100 dB; "
        "to 16,000 steps that of MSRN by +0.400 dB and that of SMSRN by +0.100 dB; "
        "to 20,000 steps that of MSRN by +0.132 dB and that of SMSRN by +0.032 dB; "
        "to 24,000 steps that of MSRN by -0.042 dB and that of SMSRN by +0.058 dB. "
    )


def test_table1_names_pairs_that_were_trained_for_longer(tmp_path: Path) -> None:
    lay(tmp_path, 4000, 0.1)
    assert table1_page.longer_pairs(ladder.rungs(tmp_path)) == []
    lay(tmp_path, 16000, 0.2, seed=1, changes={"earlier": (STAGE,), "initial": "first"})
    (line,) = table1_page.longer_pairs(ladder.rungs(tmp_path))
    assert "16,000 steps, seed 1, a set, restarted: MSRN 28.547 dB, SMSRN 28.347 dB" in line
    assert "the pair of 4,000 steps has 28.247 and 28.147 dB" in line


def test_folders_of_any_number_are_named_in_words() -> None:
    data = "9 images of a and b and 12 images of my photographs@0.5 and 1 images of c"
    assert ladder.image_folders(training("msrn", 4000, data=data)) == "a and b, my photographs@0.5 and c"


def test_scalings_are_named_in_a_setting() -> None:
    plan = recipe.load("cpu", {"scaling": "[1.0, 0.5]"})
    run = training("msrn", 4000, recipe=plan.as_dict(), recipe_digest=plan.digest())
    assert ladder.setting(run) == "a set, scaled to 0.5 to 1.0"
    assert runs_page.samples(run) == "8 patches of 96, images scaled to 0.5 to 1.0"
    assert runs_page.samples(training("msrn", 4000)) == "8 patches of 96"


def test_restarted_runs_are_no_draws_of_a_seed(tmp_path: Path) -> None:
    """Several may have gone on from one training."""
    for seed in range(3):
        lay(tmp_path, 4000, 0.1, seed=seed, changes={"earlier": (STAGE,), "initial": "first"})
    found = ladder.rungs(tmp_path)
    assert len(found) == 3
    assert ladder.over_seeds(found) == ladder.seeds(tmp_path) == []


def test_a_seed_that_was_trained_again_counts_once(tmp_path: Path) -> None:
    """By the same command, or with another logging interval; of a repeated run the measured one counts."""
    for seed, loss in enumerate((0.1, 0.2, 0.3)):
        lay(tmp_path, 4000, loss, seed=seed)
    (joined,), spread = ladder.over_seeds(ladder.rungs(tmp_path)), ladder.seeds(tmp_path)
    other = recipe.load("cpu", {"steps": "4000", "steps_per_epoch": "8"})
    lay(tmp_path, 4000, 0.1, changes={"recipe": other.as_dict(), "recipe_digest": other.digest()})
    for again in range(8):
        records.save(tmp_path, training("msrn", 4000, log=({"seconds": 99.0 + again},), weights={"final": "again"}))
    found = ladder.rungs(tmp_path)
    assert len(found) == 4
    (after,) = ladder.over_seeds(found)
    assert (after.seeds, after.loss) == (joined.seeds, joined.loss)
    assert [one.count for one in ladder.seeds(tmp_path)] == [one.count for one in spread]
    assert "4,000 steps, a set: 3 seeds of each network." in ladder_page.recipe_lines(found)


def test_a_pair_that_is_measured_in_part_is_no_part_of_a_mean(tmp_path: Path) -> None:
    for seed, loss in enumerate((0.1, 0.2, 0.3)):
        lay(tmp_path, 4000, loss, seed=seed, changes={"dead_filters": 0.1})
    for run in [training(model, 4000, seed=3, dead_filters=0.5) for model in ladder.PAIR]:
        records.save(tmp_path, run)
        records.save(tmp_path, evaluation(run, "Set5", np.arange(IMAGES) / 10))
    found = ladder.rungs(tmp_path)
    assert len(found) == 4
    table = report_training.joined_losses(found)
    assert table
    ((_, seeds, average, *_),) = table.rows
    assert seeds == "0, 1, 2"
    assert isinstance(average, Number)
    assert len(average.records) == 3 * 2 * (1 + len(BENCHMARKS))
    heading, *_, dead = table1_page.equally_trained_table(found)
    assert heading[2:] == ["4,000 steps, a set, mean of 3 seeds"]
    assert dead[2:] == ["10.0 %"]


def test_the_pair_that_ships_is_named_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = recipe.load("cpu", {"steps": "4000", "matrix_rate": "0.5"})
    lay(tmp_path, 4000, 0.1, changes={"recipe": old.as_dict(), "recipe_digest": old.digest()})
    lay(tmp_path, 8000, 0.2)
    found = {rung.steps: rung for rung in ladder.rungs(tmp_path)}
    for shipped, first in (("msrn40000", 8000), ("smsrn40000", 8000), ("msrn40000 smsrn40000", 4000)):
        monkeypatch.setattr(weights, "shipped_digests", lambda shipped=shipped: {one: one for one in shipped.split()})
        assert ladder.headline([*found.values()]) is found[first]


@pytest.mark.parametrize(("log", "expected"), [(({"validation_psnr": 24.5},), "+0.500"), ((), "unknown")])
def test_the_validation_images_have_a_column(log: tuple[dict[str, float], ...], expected: str, tmp_path: Path) -> None:
    lay(tmp_path, 4000, 0.1)
    (pair,) = ladder.rungs(tmp_path)
    light = replace(pair.light, run=replace(pair.light.run, log=log))
    (row,) = ladder_page.loss_rows([replace(pair, light=light)])
    assert row[5] == expected


def test_the_tendency_is_that_of_one_setting(tmp_path: Path) -> None:
    """The one with most lengths of training; today's where as many have others."""
    lay(tmp_path, 2000, 0.4)
    said = ladder_page.tendency(ladder.rungs(tmp_path))
    assert "Lengths of training with the same images and seed: 1. Those are too few" in said
    for steps, loss in ((1000, 0.1), (4000, 0.2), (8000, 0.3)):
        old = recipe.load("cpu", {"steps": str(steps), "matrix_rate": "0.5"})
        lay(tmp_path, steps, loss, changes={"recipe": old.as_dict(), "recipe_digest": old.digest(), "data": "a"})
    said = ladder_page.tendency(ladder.rungs(tmp_path))
    assert "seed alone" not in said
    assert "From 1,000 to 8,000 steps (a, SOAP's rate 0.5, seed 0)" in said
    assert "changes by +0.100, +0.100 dB" in said
    lay(tmp_path, 4000, 0.5)
    lay(tmp_path, 8000, 0.7)
    lay(tmp_path, 16000, 0.1, seed=1)
    said = ladder_page.tendency(ladder.rungs(tmp_path))
    assert "From 2,000 to 8,000 steps (a set, seed 0)" in said
    assert "changes by +0.100, +0.200 dB" in said
    for seed, loss in ((2, 0.3), (3, 0.5)):
        lay(tmp_path, 16000, loss, seed=seed)
    said = ladder_page.tendency(ladder.rungs(tmp_path))
    assert "By the seed alone such a change would vary by 0.283 dB" in said


def test_another_recipe_than_the_papers_is_named() -> None:
    text = conditions.other_recipe(recipe.load("cpu").as_dict())
    assert "SOAP (Adam), 8 patches a step (10), patches of 96 HR pixels a side (256), no scaling" in text
    assert "scaling" not in conditions.other_recipe(recipe.load("cpu", {"scaling": "[0.5, 1.0]"}).as_dict())
    assert conditions.other_recipe(recipe.load("paper").as_dict()) == ""


def test_equal_time_is_that_of_the_recorded_steps(tmp_path: Path) -> None:
    for steps in (2000, 4000, 8000):
        lay(tmp_path, steps, 0.1)
    assert ladder.step_ratios(tmp_path) == {}
    (speed,) = records.load(RESULTS, TrainingSpeed)[:1]
    times = [
        StepTime("msrn", "plain", 9.0, 0.1),
        StepTime("msrn", "fast", 3.0, 0.1),
        StepTime("msrn", "loaded", 3.3, 0.1),
        StepTime("smsrn", "plain", 9.0, 0.1),
        StepTime("smsrn", "fast", 1.5, 0.1),
        StepTime("smsrn", "loaded", 1.5, 0.1),
    ]
    records.save(tmp_path, replace(speed, steps=tuple(times), environment=speed.environment | {"machine": "M"}))
    assert ladder.step_ratios(tmp_path) == {"M": (2.0, pytest.approx(2.2))}
    page = " ".join(ladder_page.markdown(tmp_path).split())
    share = f"{100 * 8000 / 2000 * 700_411 / 5_892_576:.0f} %"
    assert f"| a set | 2,000 | 0 | multiply-adds | 8,000 | {share} | +" in page
    assert "| a set | 2,000 | 0 | time on M | 4,000 | 100 % |" in page
    assert "| a set | 4,000 | 0 | time on M | 8,000 | 100 % |" in page
    assert "| a set | 8,000 | 0 | time on M |" not in page, "no longer SMSRN is recorded"
    assert "as long as 2.0 to 2.2 of SMSRN: the lower number counts" in page
    faster = [replace(one, median=one.median / (2 if one.network == "smsrn" else 1)) for one in times]
    records.save(tmp_path, replace(speed, steps=tuple(faster), threads=2, environment={"machine": "M"}))
    assert ladder.step_ratios(tmp_path) == {"M": (2.0, pytest.approx(4.4))}


def test_page_and_figure(tmp_path: Path) -> None:
    for steps, loss in ((2000, 0.1), (4000, 0.2), (8000, 0.25)):
        lay(tmp_path, steps, loss)
    (path,) = ladder_page.write(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("|") and " 4,000 " in line and "+0.200 (" in line]
    assert "+0.200 (+0." in text
    assert "+0.100, +0.050 dB from rung to rung" in " ".join(text.split())
    assert "| the paper: DIV2K |" in text
    assert "one seed of each network" in text
    assert "| +0.000 |" in " ".join(text.split()), "the validation images, on which both are level"
    assert "| a set" in text.partition("## At equal cost")[2]
    with style.settings():
        drawn = figure.draw({model: ladder.of_one_network(tmp_path, model) for model in figure.LINES})
    assert {*BENCHMARKS, AVERAGE, "MSRN", "SMSRN", "a set"} <= set(style.words(drawn))
    assert len(figure.write(tmp_path)) == 3


def test_seeds_lie_apart_as_their_runs_do(tmp_path: Path) -> None:
    for seed, loss in ((0, 0.1), (1, 0.25), (2, 0.2)):
        lay(tmp_path, 4000, loss, seed=seed)
    lay(tmp_path, 2000, 0.1)
    spread = {one.model: one for one in ladder.seeds(tmp_path)}
    assert set(spread) == set(ladder.PAIR)
    assert spread["msrn"].average == pytest.approx(0.15)
    assert spread["smsrn"].average == pytest.approx(0.0)
    assert spread["msrn"].count == 3
    assert "## Seeds" in ladder_page.markdown(tmp_path)


def test_another_pair_has_a_table_of_its_own(tmp_path: Path) -> None:
    lay(tmp_path, 4000, 0.2)
    assert "## Another network" not in ladder_page.markdown(tmp_path)
    lay(tmp_path, 4000, 0.3, pair=ladder.OTHER_PAIR)
    (rung,) = ladder.rungs(tmp_path, ladder.OTHER_PAIR)
    assert rung.loss[AVERAGE].mean == pytest.approx(0.3)
    page = ladder_page.markdown(tmp_path)
    assert "+0.300 (" in page.partition("## Another network")[2].partition("##")[0]
    assert "+0.300 (" not in page.partition("## Another network")[0]


def test_multiply_adds_of_other_networks_are_counted() -> None:
    for model, low, high in (("edsr-baseline", 113.5e9, 114.5e9), ("edsr-baseline-separable", 0, 20e9)):
        per_position = ladder.training_macs(training(model, 1), 1) / (8 * 24 * 24)
        assert low < per_position * 320 * 180 < high  # SAFMN's table has 114 G for the first


def test_runs_are_listed_with_the_cost_that_is_their_own(tmp_path: Path) -> None:
    records.save(tmp_path, training("smsrn", 4000, log=({"step": 1600, "seconds": 1.5 * 3600},)))
    records.save(tmp_path, training("smsrn", 8000, trunk={"step": 1600, "hours": 1.5}))
    records.save(tmp_path, training("msrn", 2000, step=700, hours=0.5, note="dropped: too slow"))
    (path,) = runs_page.write(tmp_path)
    text = path.read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert rows[1][:4] == ["MSRN", "1", "0", "0.5"]
    assert rows[2][:4] == ["SMSRN", "2", "2", "10.5"]  # 4 + (8 - 1.5)
    assert rows[3][:4] == ["all", "3", "2", "11.0"]
    steps = 4000 + 8000 - 1600
    assert rows[2][4] == f"{ladder.training_macs(training('smsrn', steps), steps) / 1e12:,.0f} T"
    assert "step 1,600 of another run" in text
    assert "stopped at 700" in text
    assert "dropped: too slow" in text


def test_what_a_run_that_is_not_recorded_shares_counts_once() -> None:
    """Two of three runs branched off from one that is not here; the third is in the log of a recorded one."""
    log = tuple({"step": steps, "seconds": 3.6 * steps} for steps in (400.0, 800.0, 1600.0))
    whole = training("msrn", 8000, log=log, hours=8.0)
    early = training("smsrn", 2000, trunk={"step": 400.0, "hours": 0.4}, hours=2.0)
    late = training("smsrn", 4000, trunk={"step": 800.0, "hours": 0.8}, hours=3.0, log=log)
    branch = training("msrn", 4000, trunk={"step": 800.0, "hours": 0.8}, hours=4.0)
    assert runs_page.unrecorded([whole, early, late, branch]) == [late]
    rows = {row[0]: row[3] for row in runs_page.totals([whole, early, late, branch])}
    assert rows == {"MSRN": f"{8 + 3.2:.1f}", "SMSRN": f"{1.6 + 2.2 + 0.8:.1f}", "all": f"{11.2 + 4.6:.1f}"}
    trunk = {"step": 1600, "hours": 1.6}
    stage = {"earlier": (STAGE,), "initial": "first"}
    log = ({"step": 9600, "seconds": 3600 * 9.6},)
    parent, child = (
        training("msrn", 16000, log=rows, trunk=part, **stage) for rows, part in ((log, None), ((), trunk))
    )
    assert runs_page.unrecorded([parent, child]) == []
    assert runs_page.unrecorded([child]) == [child]
    assert "branched (800 of SMSRN)" in " ".join(runs_page.markdown([whole, early, late, branch]).split())
