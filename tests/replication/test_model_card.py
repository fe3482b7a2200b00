"""A card says how many filters are dead in the very weights that ship."""

from dataclasses import replace
from pathlib import Path

import pytest

from replication import records, weights
from replication.model_card import card
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
