"""Shipping: the weights of the last step become those of the package, with log, digest and record."""

from pathlib import Path

import pytest
import torch

from replication import checkpoint, dead_filters, recipe, records, runs, ship, weights
from replication.checkpoint import Live, Progress
from replication.data.benchmarks import EMBEDDED, BenchmarkImage
from replication.errors import UserError
from replication.models import build
from replication.models.msrn import MSRN
from replication.records import TrainingRun


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MSRN:
    """A network; no data set is at hand, and the embedded photographs are small."""
    load = BenchmarkImage.load
    monkeypatch.setattr(BenchmarkImage, "load", lambda image: load(image)[:32, :32])
    monkeypatch.setattr(dead_filters, "embedded_images", lambda scale: [torch.ones(1, 3, 9, 9)])
    monkeypatch.delenv("REPLICATION_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, "FOLDER", tmp_path / "weights")
    torch.manual_seed(0)
    return build("smsrn", scale=4)


def run_of(model: MSRN, folder: Path, step: int) -> Path:
    """A run of 80 steps that is at ``step``."""
    plan = recipe.load("cpu", {"steps": "80"})
    facts = {
        "model": "smsrn", "scale": 4, "seed": 3, "recipe": plan.as_dict(), "recipe_digest": plan.digest(), "steps": 80,
        "data": "3 images of a set", "data_digest": "d", "initial": None, "trunk": None, "paper_fraction": 0.5,
        "precision": "fp32", "threads": 1, "machine": "a machine", "versions": {"torch": "2", "date": "2026-01-01"},
        "command": "a command",
    }  # fmt: skip
    live = Live(model, [torch.optim.Adam(model.parameters())], {})
    checkpoint.write(checkpoint.path_for(folder, step), live, facts, Progress(step, 1800.0, 25.0, [{"step": step}]))
    (folder / "log.csv").write_text("step\n80\n")
    return folder


def test_a_finished_run_ships_in_half_precision(model: MSRN, tmp_path: Path) -> None:
    paths = ship.ship(run_of(model, tmp_path / "run", 80), None)
    assert [path.name for path in paths] == ["smsrn_x4.safetensors", "smsrn_x4.csv", weights.SUMS]
    found = weights.read(paths[0])
    for name, value in model.state_dict().items():
        assert torch.equal(found.state[name], value.half()), name
    assert found.metadata["step"] == 80
    assert found.metadata["hours"] == 0.5
    rounded = found.metadata["half_precision"]
    assert (rounded["measured_on"], rounded["used"]) == (EMBEDDED, True)
    assert 0 < abs(rounded["change_db"]) <= ship.LARGEST_CHANGE
    assert paths[1].read_text() == "step\n80\n"
    assert weights.shipped_digests() == {paths[0].name: weights.digest(paths[0])}


def test_other_weights_keep_their_digest(model: MSRN, tmp_path: Path) -> None:
    weights.write(weights.FOLDER / "msrn_x4.safetensors", model, {})
    ship.ship(run_of(model, tmp_path / "run", 80), None)
    assert list(weights.shipped_digests()) == ["msrn_x4.safetensors", "smsrn_x4.safetensors"]


def test_weights_that_half_precision_would_change_ship_in_single(
    model: MSRN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "LARGEST_CHANGE", 0.0)
    path, *_ = ship.ship(run_of(model, tmp_path / "run", 80), None)
    found = weights.read(path)
    assert all(torch.equal(found.state[name], value) for name, value in model.state_dict().items())
    assert found.metadata["half_precision"]["used"] is False


def test_the_command_records_the_run_with_what_shipped(model: MSRN, tmp_path: Path) -> None:
    """And keeps the note of the run's record."""
    folder = run_of(model, tmp_path / "run", 80)
    runs.save(tmp_path, folder, "a trial")
    ship.main([str(folder), "--results", str(tmp_path)])
    (record,) = records.load(tmp_path, TrainingRun)
    assert record.step == record.steps == 80
    assert record.weights == {"shipped": weights.digest(weights.FOLDER / "smsrn_x4.safetensors")}
    assert record.note == "a trial"


def test_what_ships_stays_where_a_run_has_no_log(model: MSRN, tmp_path: Path) -> None:
    folder = run_of(model, tmp_path / "run", 80)
    ship.ship(folder, None)
    before = {path.name: path.read_bytes() for path in weights.FOLDER.iterdir()}
    (folder / "log.csv").unlink()
    with pytest.raises(UserError, match=r"log\.csv: expected the run's log"):
        ship.ship(folder, None)
    assert {path.name: path.read_bytes() for path in weights.FOLDER.iterdir()} == before


def test_a_run_that_is_not_finished_is_refused_and_nothing_written(model: MSRN, tmp_path: Path) -> None:
    run_of(model, tmp_path / "run", 40)
    with pytest.raises(UserError, match="the run is at step 40 of 80: --resume it"):
        ship.main([str(tmp_path / "run"), "--results", str(tmp_path)])
    with pytest.raises(UserError, match="expected a training run, found no checkpoint"):
        ship.main([str(tmp_path / "nothing"), "--results", str(tmp_path)])
    assert not weights.FOLDER.exists()
