"""Timing in rounds: each step once a round, in shuffled order, and only its own time."""

import pytest

from replication import rounds
from replication.rounds import in_rounds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that pass only where a step adds some."""
    now = [0.0]
    monkeypatch.setattr(rounds, "perf_counter", lambda: now[0])
    return now


@pytest.mark.parametrize("warm_up", [True, False])
def test_every_step_runs_once_a_round_in_an_order_of_its_own(warm_up: bool) -> None:
    runs: list[str] = []
    seconds = in_rounds({name: lambda name=name: runs.append(name) for name in "abcd"}, 5, "", warm_up=warm_up)  # type: ignore[misc]
    assert {len(values) for values in seconds.values()} == {5}
    found = [runs[index : index + 4] for index in range(0, len(runs), 4)]
    assert [sorted(one) for one in found] == [list("abcd")] * (5 + warm_up)
    assert len({tuple(one) for one in found}) > 1


def test_time_is_that_of_the_step_without_the_first_round(clock: list[float]) -> None:
    calls = 0

    def spend(seconds: float) -> None:
        nonlocal calls
        calls += 1
        clock[0] += seconds if calls > 2 else 100

    found = in_rounds({"fast": lambda: spend(1), "slow": lambda: spend(4)}, 2, "")
    assert found == {"fast": [1, 1], "slow": [4, 4]}


def test_freeing_memory_comes_after_each_run_and_is_no_part_of_its_time(clock: list[float]) -> None:
    calls: list[str] = []

    def run(name: str, seconds: float) -> None:
        calls.append(name)
        clock[0] += seconds

    found = in_rounds({"net": lambda: run("run", 2)}, 2, "", release={"net": lambda: run("release", 50)})
    assert found == {"net": [2, 2]}
    assert calls == ["run", "release"] * 3
