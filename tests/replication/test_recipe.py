import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from replication import recipe, train
from replication.errors import UserError
from replication.recipe import Recipe


@pytest.fixture
def cpu() -> Recipe:
    return recipe.load("cpu")


def edited(tmp_path: Path, old: str, new: str) -> str:
    """Path of a copy of paper.toml with one line changed."""
    text = (recipe.FOLDER / "paper.toml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "edited.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


def test_every_shipped_recipe_loads_and_has_a_digest_of_its_own() -> None:
    assert {"cpu", "paper"} <= set(recipe.names())
    digests = {recipe.load(name).digest() for name in recipe.names()}
    assert len(digests) == len(recipe.names())


def test_processes_of_every_documented_command_can_share_a_batch() -> None:
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8") + train._parser().epilog
    commands = re.findall(r"^ +(?:accelerate|torchrun) (?:.*\\\n)*.*", text, flags=re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        processes = map(int, re.findall(r"--(?:num_processes|nnodes|nproc_per_node) (\d+)", command))
        (name,) = re.findall(r"--recipe (\w+)", command)
        assert recipe.load(name).batch_size % math.prod(processes) == 0, command


def test_values_that_differ_from_a_shipped_recipe() -> None:
    changed = recipe.load("paper", {"steps": "7", "learning_rate": "0.5"}).as_dict()
    assert recipe.differing({**changed, "unknown": 1}, "paper") == {"steps": 7, "learning_rate": 0.5}
    assert recipe.optimizers_in_words(changed) == "Adam 0.5"
    soap = recipe.load("cpu", {"learning_rate": "0.5", "matrix_rate": "0.25"}).as_dict()
    assert recipe.optimizers_in_words(soap) == "SOAP 0.25 for matrices, Adam 0.5 for the rest"
    assert recipe.optimizers_in_words({**soap, "optimizer": "adam"}) == "Adam 0.5"


def test_the_paper_recipe_has_the_values_that_section_4_1_prints() -> None:
    paper = recipe.load("paper")
    assert paper.dataset == "DIV2K"
    assert paper.steps / paper.steps_per_epoch == 500
    assert paper.batch_size == 10
    assert paper.hr_patch == 256
    assert paper.learning_rate == 1e-4
    assert paper.rate(0) == 1e-4
    assert paper.flips
    assert paper.rotations
    assert 1.0 in paper.scaling
    assert len(paper.scaling) > 1


def test_the_paper_recipe_uses_none_of_the_shortcuts() -> None:
    paper = recipe.load("paper")
    assert (paper.start, paper.precision) == ("default", "fp32")
    assert (paper.gradient_clip, paper.warmup_steps) == (0, 0)
    assert (paper.fold_upsampler, paper.channels_last, paper.rate_by_fan_in) == (False, False, False)


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("holdout = 0 ", "held_out = 0 ", "unknown recipe key 'held_out'"),
        ("batch_size = 10 ", "#", "recipe key 'batch_size' is missing"),
        ("batch_size = 10 ", "batch_size = 10.0 ", "'batch_size': expected a whole number, got 10.0"),
        ("batch_size = 10 ", "batch_size = true ", "'batch_size': expected a whole number, got True"),
        ("batch_size = 10 ", "batch_size = 0 ", "'batch_size': expected a value above 0, got 0"),
        ("flips = true ", "flips = 1 ", "'flips': expected true or false, got 1"),
        ("learning_rate = 1e-4 ", "learning_rate = '1e-4' ", "'learning_rate': expected a number, got '1e-4'"),
        ("learning_rate = 1e-4 ", "learning_rate = nan ", "'learning_rate': expected a number, got nan"),
        ("learning_rate = 1e-4 ", "learning_rate = true ", "'learning_rate': expected a number, got True"),
        ("beta2 = 0.999", "beta2 = 1.0", "'beta2': expected 0 or more and less than 1, got 1.0"),
        ("gradient_clip = 0.0 ", "gradient_clip = -1 ", "'gradient_clip': expected 0 or more, got -1.0"),
        ("[1.0, 0.9, 0.8, 0.7, 0.6]", "[1.0, '0.9']", "'scaling': expected a list of numbers"),
        ("[1.0, 0.9, 0.8, 0.7, 0.6]", "[1.5]", "'scaling': expected factors above 0 and at most 1, got [1.5]"),
        ("[1.0, 0.9, 0.8, 0.7, 0.6]", "[]", "'scaling': expected factors above 0 and at most 1, got []"),
        ('schedule = "halving" ', 'schedule = "cosine" ', "'schedule': expected 'constant' or 'halving' or 'decay'"),
        ("halving_steps = 200_000 ", "halving_steps = 0 ", "'halving_steps': expected a value above 0"),
        ("decay_fraction = 0.0", "decay_fraction = 1.1", "'decay_fraction': expected at most 1, got 1.1"),
        ("flips = true ", "flips = yes ", "is no valid TOML"),
    ],
)
def test_a_bad_recipe_file_is_one_line_that_names_the_key(tmp_path: Path, old: str, new: str, names: str) -> None:
    with pytest.raises(UserError) as error:
        recipe.load(edited(tmp_path, old, new))
    assert names in str(error.value)
    assert "\n" not in str(error.value)


def test_a_recipe_that_is_not_there_tells_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'papr': expected one of .*paper.* or a TOML file"):
        recipe.load("papr")
    with pytest.raises(UserError, match="TOML file"):
        recipe.load(str(tmp_path))


def test_a_file_that_is_no_text_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="no valid TOML"):
        recipe.load(str(path))


def test_command_line_values_take_the_place_of_the_files(cpu: Recipe) -> None:
    changed = recipe.load(
        "cpu", {"steps": "200", "learning_rate": "1", "flips": "false", "scaling": "[1, 0.5]", "dataset": "DIV2K"}
    )
    expected = replace(cpu, steps=200, learning_rate=1.0, flips=False, scaling=(1.0, 0.5), dataset="DIV2K")
    assert changed == expected
    assert changed.digest() == expected.digest() != cpu.digest()


@pytest.mark.parametrize(("key", "text"), [("steps", "many"), ("steps", ""), ("steps", "1e3"), ("flips", "True")])
def test_a_bad_command_line_value_names_the_key_and_the_command_line(key: str, text: str) -> None:
    with pytest.raises(UserError, match=f"command line: recipe key '{key}'"):
        recipe.load("cpu", {key: text})


def test_a_recipe_survives_the_way_through_json(cpu: Recipe) -> None:
    assert recipe.from_dict(cpu.as_dict(), source="x") == cpu


def test_the_constant_rate_rises_during_the_warm_up(cpu: Recipe) -> None:
    plan = replace(cpu, schedule="constant", learning_rate=1.0, warmup_steps=3, steps=100)
    assert [plan.rate(step) for step in (0, 1, 2, 3, 99)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_the_halving_rate_halves(cpu: Recipe) -> None:
    plan = replace(cpu, schedule="halving", learning_rate=1.0, warmup_steps=0, halving_steps=10, steps=100)
    assert [plan.rate(step) for step in (0, 9, 10, 19, 20, 99)] == [1, 1, 0.5, 0.5, 0.25, 0.5**9]


def test_the_decaying_rate_is_constant_and_then_falls_as_one_minus_the_root(cpu: Recipe) -> None:
    plan = replace(cpu, schedule="decay", learning_rate=1.0, warmup_steps=0, decay_fraction=0.4, steps=10)
    assert plan.decay_begin == 6
    expected = [1.0] * 7 + [1 - math.sqrt(part / 4) for part in (1, 2, 3)]
    assert [plan.rate(step) for step in range(10)] == pytest.approx(expected)
    assert plan.rate(9) > 0


def test_a_decay_over_no_steps_or_all_steps_has_a_rate_at_every_step(cpu: Recipe) -> None:
    for fraction in (0.0, 1.0):
        plan = replace(cpu, schedule="decay", warmup_steps=0, decay_fraction=fraction, steps=10)
        assert all(0 < plan.rate(step) <= plan.learning_rate for step in range(10))


def test_a_longer_run_is_the_same_until_the_rate_falls(cpu: Recipe) -> None:
    short = replace(cpu, schedule="decay", steps=100, decay_fraction=0.5)
    longer = replace(short, steps=200)
    assert recipe.same_but_length(longer, short, 50)
    assert recipe.same_but_length(longer, short, 51)  # step 50 is the first of the fall and still has the full rate
    assert not recipe.same_but_length(longer, short, 52)
    assert not recipe.same_but_length(replace(longer, batch_size=4), short, 50)
    for schedule in ("constant", "decay"):
        endless = replace(cpu, schedule=schedule, steps=200, decay_fraction=0.0)
        assert recipe.same_but_length(replace(endless, steps=300), endless, 150)
        assert not recipe.same_but_length(replace(endless, steps=100), endless, 150), "has gone further than it should"


def test_the_budget_counts_pixels_of_all_steps(cpu: Recipe) -> None:
    assert replace(cpu, steps=7, batch_size=3, hr_patch=8).seen_pixels == 7 * 3 * 64
