from dataclasses import replace
from pathlib import Path

import pytest
import torch

from replication import checkpoint, dead_filters, recipe, records, runs, weights
from replication.checkpoint import Live, Progress
from replication.errors import UserError
from replication.models import build
from replication.records import TrainingRun


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run stopped at step 40 of 80."""
    plan = recipe.load("cpu", {"steps": "80"})
    facts = {
        "model": "smsrn", "scale": 4, "seed": 3, "recipe": plan.as_dict(), "recipe_digest": plan.digest(), "steps": 80,
        "data": "3 images of a set", "data_digest": "d", "initial": None, "trunk": {"step": 20, "hours": 0.25},
        "paper_fraction": 0.5, "precision": "fp32", "threads": 1, "machine": "a machine",
        "versions": {"torch": "2", "date": "2026-01-01"}, "command": "a command",
    }  # fmt: skip
    monkeypatch.setattr(dead_filters, "embedded_images", lambda scale: [torch.ones(1, 3, 9, 9)])
    torch.manual_seed(0)
    model = build("smsrn")
    live = Live(model, [torch.optim.Adam(model.parameters())], {})
    run = tmp_path / "run"
    checkpoint.write(checkpoint.path_for(run, 40), live, facts, Progress(40, 1800.0, 25.0, [{"step": 40, "loss": 0.1}]))
    return run


def test_a_run_is_recorded_with_what_it_reached_and_cost(folder: Path, tmp_path: Path) -> None:
    runs.main([str(folder), "--note", "stopped for the night", "--results", str(tmp_path)])
    (found,) = records.load(tmp_path, TrainingRun)
    assert (found.model, found.seed, found.step, found.steps, found.hours) == ("smsrn", 3, 40, 80, 0.5)
    assert found.paper_fraction == 0.25
    assert found.trunk == {"step": 20, "hours": 0.25}
    assert found.weights == {}
    assert found.dead_filters is not None
    assert 0 < found.dead_filters < 0.5, "as many as are closed at the start"
    assert (found.note, found.log[0]["loss"]) == ("stopped for the night", 0.1)
    assert found.environment == {"machine": "a machine", "torch": "2", "date": "2026-01-01"}


def test_final_weights_are_those_of_the_run_itself(folder: Path) -> None:
    """And not of a shorter one in the same folder, from which it goes on."""
    facts, path = checkpoint.newest(folder).run, folder / "final.safetensors"
    for change, own in ({}, True), ({"step": 20}, False), ({"recipe_digest": "another"}, False):
        weights.write(path, build("smsrn"), {**facts, "step": 40, **change})
        assert runs.read(folder, "").weights == ({"final": weights.digest(path)} if own else {})


def test_a_note_stays_unless_another_is_given(folder: Path, tmp_path: Path) -> None:
    for options, note in ((["--note", "a trial"], "a trial"), ([], "a trial"), (["--note", ""], "")):
        runs.main([str(folder), *options, "--results", str(tmp_path)])
        assert [one.note for one in records.load(tmp_path, TrainingRun)] == [note]


def test_a_run_that_went_on_replaces_its_record(folder: Path, tmp_path: Path) -> None:
    before = runs.read(folder, "")
    later = replace(before, step=80, hours=1.0, environment={**before.environment, "date": "2026-02-02"})
    again = replace(before, log=({**before.log[0], "seconds": 1.0},))
    for run, steps in ((before, [40]), (later, [80]), (again, [40, 80])):
        records.save(tmp_path, run)
        assert sorted(one.step for one in records.load(tmp_path, TrainingRun)) == steps


def test_a_run_goes_on_from_where_its_first_weights_were(folder: Path) -> None:
    (path,) = (path for path in folder.glob("*.safetensors") if "final" not in path.name)
    found = checkpoint.read(path)
    before = {"step": 100, "hours": 2.0, "paper_fraction": 0.25, "initial": None, "machine": "another"}
    facts = {**found.run, "initial": "first", "earlier": [before], "trunk": None}
    model = build("smsrn")
    live = Live(model, [torch.optim.Adam(model.parameters())], {})
    progress = Progress(40, 1800.0, 25.0, [{"step": 40, "seconds": 1700.0}])
    checkpoint.write(path, live, facts, progress)
    run = runs.read(folder, "")
    assert (run.step, run.steps, run.hours, run.paper_fraction) == (140, 180, 2.5, 0.5)
    assert run.log == ({"step": 140, "seconds": 8900.0},)
    assert run.before == {"step": 100, "hours": 2.0}
    assert run.begins_at_random
    assert replace(run, earlier=(before, {**before, "initial": "first"})).begins_at_random
    assert not replace(run, earlier=()).begins_at_random
    assert not replace(run, earlier=({**before, "initial": "another network's"},)).begins_at_random


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing: expected a training run, found no checkpoint"):
        runs.main([str(tmp_path / "nothing")])


def test_weights_that_ship_are_known_to_be_the_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = next(checkpoint.saved(folder)).run
    shipped = folder / "shipped.safetensors"
    monkeypatch.setattr(weights, "shipped", lambda model, scale: shipped)
    weights.write(shipped, torch.nn.Linear(2, 2), {**facts, "step": 40})
    assert runs.read(folder, "").weights["shipped"] == weights.digest(shipped)
    for change in ({"step": 20}, {"seed": 4}, {"recipe_digest": "another"}, {"data_digest": "another"}):
        weights.write(shipped, torch.nn.Linear(2, 2), {**facts, "step": 40, **change})
        assert "shipped" not in runs.read(folder, "").weights
