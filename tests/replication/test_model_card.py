"""A card says how many filters are dead in the very weights that ship."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from replication import recipe, records, train, weights
from replication.model_card import LONGER, card, made_by
from replication.records import TrainingRun

RESULTS = Path(__file__).parents[2] / "results"


def test_dead_filters_are_those_of_the_shipped_weights() -> None:
    path = weights.shipped("smsrn", 4)
    if path is None:
        pytest.skip("no weights are shipped")
    (run, *_) = records.load(RESULTS, TrainingRun)
    own = replace(run, weights={"shipped": weights.digest(path)}, dead_filters=0.25)
    other = replace(run, weights={"shipped": "another"}, dead_filters=0.75)
    assert "| 25.0 %: behind" in card("smsrn", 4, [], [other, own])
    for runs in ([other], [replace(own, dead_filters=None)]):
        assert "| dead filters     | unknown" in card("smsrn", 4, [], runs)


def test_the_command_makes_the_same_weights_by_todays_recipes() -> None:
    """Replayed, it gives the recipe that the run had, whatever the file says by now."""
    then = recipe.load("cpu", {"matrix_rate": "0.25", "flips": "false", "scaling": "[0.5, 1.0]", "steps": "8000"})
    given = "python -m replication.train --recipe cpu --model msrn --data a --trunk b/c.safetensors --steps 8000"
    command = made_by(given, then.as_dict())
    assert "--trunk" not in command
    assert command.count("--steps") == 1
    arguments = train._parser().parse_args(shlex.split(command)[3:])
    values = {key: value for key in recipe.FIELDS if (value := getattr(arguments, key)) is not None}
    assert recipe.load(arguments.recipe, values) == then
    assert made_by("train --recipe my.toml --seed 1", {"steps": 5}) == "train --recipe my.toml --seed 1"


def test_a_card_names_all_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    path = weights.shipped("smsrn", 4)
    if path is None:
        pytest.skip("no weights are shipped")
    found = weights.read(path)
    first = {"command": "train --recipe cpu --seed 7", "recipe": found.metadata["recipe"], "seed": 7}
    first |= {"step": found.metadata["step"] - 100, "hours": found.metadata["hours"] - 1}
    last = {"earlier": [first], "initial": "5" * 64, "seed": 8, "recipe": {**first["recipe"], "matrix_rate": 0.125}}
    last["data"] = "9 images of one and 2 images of other@0.5"
    changed = replace(found, metadata={**found.metadata, **last})
    monkeypatch.setattr(weights, "read", lambda _: changed)
    (run, *_) = records.load(RESULTS, TrainingRun)
    text = card("smsrn", 4, [], [replace(run, seed=11)])
    assert "those of 2 trainings, one after the other" in text
    (row,) = (line for line in text.splitlines() if line.startswith("| made by"))
    assert row.index("--seed 7") < row.index("`, then `python -m replication.ship` (SHA-256 `5555")
    assert row.count("`, then `") + row.count("`), then `") == 2
    hours = found.metadata["step"] * LONGER / 100
    assert f"steps take {hours:,.0f} hours on that machine" in text
    (longer,) = (line.split() for line in text.splitlines() if "--output runs/longer" in line)
    assert longer[longer.index("--seed") + 1] == "12", "a seed that no recorded training had"
    assert longer[longer.index("--data") + 1 :][:2] == ["data/train/one", "data/train/other@0.5"]
    assert longer[longer.index("--matrix-rate") + 1] == "0.125"
