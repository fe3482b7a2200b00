"""What a network was trained before its run counts in its steps, hours and share, and in no other network's."""

from pathlib import Path
from typing import Any

import pytest
import torch

from replication import history, weights
from replication.errors import UserError

FACTS = {
    "step": 40, "steps": 40, "hours": 0.5, "paper_fraction": 0.25, "seed": 3, "recipe": {}, "recipe_digest": "r",
    "data": "3 images of a set", "initial": None, "machine": "a machine", "command": "a command",
}  # fmt: skip


def weights_of(path: Path, **changes: Any) -> Path:
    weights.write(path, torch.nn.Linear(2, 2), {**FACTS, **changes})
    return path


def test_trainings_follow_each_other(tmp_path: Path) -> None:
    first = history.earlier(weights_of(tmp_path / "first.safetensors"))
    assert [one["command"] for one in first] == ["a command"]
    run = {"steps": 100, "paper_fraction": 0.5, "earlier": first, "machine": "another; then a machine"}
    totals = history.in_all(run, 80, 3600.0)
    machines = "a machine; then another"
    share = 0.25 + 0.5 * 0.8
    assert totals == {"step": 120, "steps": 140, "hours": 1.5, "paper_fraction": share, "machine": machines}
    second = weights_of(tmp_path / "second.safetensors", earlier=first, initial="first", seed=4, **totals)
    both = history.earlier(second)
    assert [(one["step"], one["seed"], one["initial"]) for one in both] == [(40, 3, None), (120, 4, "first")]


def test_a_first_training_counts_alone() -> None:
    assert history.earlier(None) == []
    own = {"step": 80, "steps": 100, "hours": 1.0, "paper_fraction": 0.4, "machine": "here"}
    for facts in ({}, {"earlier": []}):
        assert history.in_all({"steps": 100, "paper_fraction": 0.5, "machine": "here", **facts}, 80, 3600.0) == own


def test_what_is_not_this_networks_or_not_known_does_not_count(tmp_path: Path) -> None:
    assert history.earlier(weights_of(tmp_path / "grown.safetensors", expanded_from="smsrn")) == []
    weights.write(tmp_path / "bare.safetensors", torch.nn.Linear(2, 2), {})
    assert history.earlier(tmp_path / "bare.safetensors") == []
    with pytest.raises(UserError, match=r"none\.safetensors"):
        history.earlier(tmp_path / "none.safetensors")
