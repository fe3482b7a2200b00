import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from replication import benchmark
from replication.backends import extra
from replication.benchmark import BICUBIC, NETWORKS, Variant
from replication.errors import UserError


def test_every_variant_runs_once_a_round_after_one_round_of_warming_up() -> None:
    runs: list[str] = []
    steps = {Variant(name, False, "torch"): (lambda _, name=name: runs.append(name)) for name in "abcd"}
    seconds = benchmark.measure(steps, np.zeros((1, 3, 1, 1), np.float32), 5, "")
    assert {len(values) for values in seconds.values()} == {5}
    rounds = [runs[index : index + 4] for index in range(0, len(runs), 4)]
    assert [sorted(one) for one in rounds] == [list("abcd")] * 6
    assert len({tuple(one) for one in rounds}) > 1  # shuffled


def test_time_is_that_of_the_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(benchmark, "perf_counter", lambda: clock[0])
    steps = {
        Variant(name, False, "torch"): (lambda _, seconds=seconds: clock.__setitem__(0, clock[0] + seconds))
        for name, seconds in (("fast", 1), ("slow", 4))
    }
    found = benchmark.measure(steps, np.zeros((1, 3, 1, 1), np.float32), 2, "")
    assert {one.network: values for one, values in found.items()} == {"fast": [1, 1], "slow": [4, 4]}


def test_faster_format_by_the_median() -> None:
    seconds = {
        Variant("msrn", True, "torch", "channels_last"): [2.0, 2.0, 9.0],
        Variant("msrn", True, "torch", "contiguous"): [3.0, 3.0, 1.0],
    }
    assert benchmark.faster_format(("msrn", True), seconds) == "channels_last"


def fake_measure(steps: dict, pixels: np.ndarray, rounds: int, label: str) -> dict[Variant, list[float]]:
    return {one: [{"contiguous": 1.0, "channels_last": 2.0}.get(one.how, 3.0)] for one in steps}


def test_trials_and_both_formats_in_the_first_situation_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "measure", fake_measure)
    monkeypatch.setattr(benchmark, "step", lambda *_: None)
    rows = benchmark.times(["torch", "onnxruntime"], {}, [1, 2], 1)
    situations: dict[tuple[int, int], list[Sequence[object]]] = {}
    for row in rows:
        situations.setdefault((row["threads"], row["height"]), []).append((row["backend"], row["how"]))
    assert list(situations) == [(1, 180), (1, 256), (2, 180), (2, 256)]
    first, *others = situations.values()
    assert ("torch", "compiled") in first
    assert first.count(("torch", "channels_last")) == len(NETWORKS)
    for other in others:
        assert sorted(other) == sorted(
            [("Pillow", ""), *[("torch", "contiguous"), ("onnxruntime", "")] * len(NETWORKS)]
        )


def test_peak_memory_is_that_of_running(monkeypatch: pytest.MonkeyPatch) -> None:
    if benchmark.resident() is None:
        pytest.skip("needs /proc")
    before, peak = benchmark.resident() or (0, 0)
    assert 0 < before <= peak

    class Hungry:
        @staticmethod
        def run(pixels: np.ndarray) -> None:
            np.ones((peak // 8 + 2**24,))  # larger than ever before, and let go

    monkeypatch.setattr(benchmark, "load", lambda *_: Hungry)
    loaded, highest = benchmark.peak_memory(BICUBIC, {}, 1, (1, 1)) or (0, 0)
    assert highest - loaded > 2**26


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--threads", "1", "4096"], "expected at most"), (["--rounds", "0"], "at least 1")]
)
def test_arguments_that_cannot_be(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((UserError, SystemExit)) as caught:
        benchmark.main(arguments)
    assert words in str(caught.value) + capsys.readouterr().err


def test_the_whole_benchmark_on_a_small_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but compilation and the other processes, which take long."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="needs the onnx extra")
    monkeypatch.setattr(benchmark, "SIZES", {"small": (6, 8)})
    monkeypatch.setattr(benchmark, "TILE", 80)
    monkeypatch.setattr(benchmark, "installed", lambda: ["torch", "onnxruntime"])
    monkeypatch.setattr(benchmark, "memory", lambda backends, files: [])
    monkeypatch.setattr(benchmark, "half_precision", lambda data: [])
    trials = benchmark.trials
    monkeypatch.setattr(
        benchmark, "trials", lambda backends: [one for one in trials(backends) if one.how != "compiled"]
    )
    benchmark.main(["--rounds", "2", "--threads", "1", "--results", str(tmp_path)])
    record = json.loads((tmp_path / benchmark.RECORD).read_text(encoding="utf-8"))
    assert len(record["times"]) == 1 + 4 * (2 + 1) + 2
    assert all(len(row["seconds"]) == 2 and min(row["seconds"]) > 0 for row in record["times"])
    assert record["environment"]["onnxruntime"] == extra("onnxruntime", "onnx").__version__
    for account in record["layers"]:
        assert 0 < sum(layer["seconds"] for layer in account["layers"]) < 1.5 * account["total"]
