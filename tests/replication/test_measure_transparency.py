"""The benchmark of transparency: what is drawn, what is compared, and that a worse way has a larger error."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import NEAREST

from replication import measure_transparency as benchmark
from replication.network import Network


def test_drawing_has_the_area_of_the_disc() -> None:
    assert benchmark.drawn("disc", 2).mean() == pytest.approx(np.pi * 0.31**2, abs=1e-3)


def test_reduced_is_straight_and_black_where_nothing_shows() -> None:
    coverage = benchmark.drawn("disc", 2)
    image = benchmark.reduced(benchmark.inks(80)["red"], coverage, 2)
    shown = image[..., 3] > 0
    assert np.abs(image[shown][:, :3] - 255 * np.array([0.9, 0.1, 0.15])).max() <= 0.51
    assert (image[~shown] == 0).all()


def test_errors_tell_ways_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def inverted(image: np.ndarray, network: Network) -> np.ndarray:
        return np.dstack([benchmark.here(image, network)[..., :3], 1 - benchmark.here(image, network)[..., 3]])

    monkeypatch.setitem(benchmark.METHODS, "inverted", inverted)
    errors = benchmark.measure(NEAREST)
    assert set(errors["here"]) == {"alpha", *benchmark.BACKGROUNDS}
    for key, value in errors["here"].items():
        assert 0 < value < 30 < errors["inverted"][key]


def test_a_perfect_result_has_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a picture that is its own enlargement: nothing but rounding to 255 levels is left."""
    monkeypatch.setattr(benchmark, "SHAPES", {"all": lambda y, x: np.ones_like(y)})
    monkeypatch.setattr(benchmark, "inks", lambda size: {"grey": np.full((size, size, 3), 0.8)})
    assert max(benchmark.measure(NEAREST)["here"].values()) < 0.6


def test_command_writes_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "torch_network", lambda module: NEAREST)
    benchmark.main(["--results", str(tmp_path)])
    record = json.loads((tmp_path / "records/transparency/smsrn.json").read_text())
    assert set(record["errors"]) == set(benchmark.METHODS)
    assert len(record["weights"]) == 64
