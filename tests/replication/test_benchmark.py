import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from replication import benchmark, records
from replication.benchmark import BICUBIC, NETWORKS, Variant
from replication.errors import UserError
from replication.network import Trained, extra


def test_faster_format_by_the_median() -> None:
    seconds = {
        Variant("msrn", True, "torch", "channels_last"): [2.0, 2.0, 9.0],
        Variant("msrn", True, "torch", "contiguous"): [3.0, 3.0, 1.0],
    }
    assert benchmark.faster_format(("msrn", True), seconds) == "channels_last"


def fake_rounds(steps: dict, rounds: int, label: str) -> dict[Variant, list[float]]:
    return {one: [{"contiguous": 1.0, "channels_last": 2.0}.get(one.how, 3.0)] for one in steps}


def test_trials_and_both_formats_in_the_first_situation_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "in_rounds", fake_rounds)
    monkeypatch.setattr(benchmark, "step", lambda *_: lambda pixels: None)
    rows = benchmark.times(["torch", "onnxruntime"], {}, [1, 2], 1)
    situations: dict[tuple[int, int], list[Sequence[object]]] = {}
    for row in rows:
        situations.setdefault((row.threads, row.height), []).append((row.backend, row.how))
    assert list(situations) == [(1, 180), (1, 256), (2, 180), (2, 256)]
    first, *others = situations.values()
    assert ("torch", "compiled") in first
    assert first.count(("torch", "channels_last")) == len(NETWORKS)
    for other in others:
        assert sorted(other) == sorted(
            [("Pillow", ""), *[("torch", "contiguous"), ("onnxruntime", "")] * len(NETWORKS)]
        )


needs_proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")


class Hungry:
    """A network that takes 200 MB to run, after 400 MB to load."""

    def __init__(self) -> None:
        np.ones(50_000_000)

    @staticmethod
    def run(pixels: np.ndarray) -> None:
        np.ones(25_000_000)


@needs_proc
def test_peak_memory_is_that_of_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "load", lambda *_: Hungry())
    loaded, peak = benchmark.peak_memory(BICUBIC, {}, 1, (1, 1))
    assert 150e6 < peak - loaded < 300e6


def killed(*_: object) -> None:
    os._exit(9)


@needs_proc
def test_a_process_that_is_killed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "peak_memory", killed)
    with pytest.raises(UserError, match=r"network='msrn', folded=False, backend='torch'.* ended without an answer"):
        benchmark.memory(["torch"], {})


def test_a_variant_runs_what_its_name_says(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(benchmark, "torch_network", lambda module, **options: calls.append((module, options)))
    monkeypatch.setattr(benchmark, "load_network", lambda **options: calls.append((None, options)))
    monkeypatch.setattr(benchmark, "trained", lambda name, scale, file: Trained(name, name, ""))
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    for how in ("channels_last", "contiguous", "compiled"):
        benchmark.load(Variant("msrn", how == "contiguous", "torch", how), {}, 2)
    assert calls == [
        ("msrn", {"folded": False, "channels_last": True, "compiled": False}),
        ("msrn", {"folded": True, "channels_last": False, "compiled": False}),
        ("msrn", {"folded": False, "channels_last": True, "compiled": True}),
    ]
    assert threads == [2, 2, 2]
    calls.clear()
    file = Path("smsrn_folded.onnx")
    benchmark.load(Variant("smsrn", True, "openvino"), {("smsrn", True): file}, 3)
    assert calls == [(None, {"backend": "openvino", "weights_file": file, "threads": 3})]


def test_exported_files_are_what_their_names_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lambda source, folded: f"{source.model} {folded}".encode()  # noqa: E731
    monkeypatch.setattr("replication.export.onnx_bytes", made)
    files = benchmark.export_all(tmp_path)
    assert {key: path.read_bytes().decode() for key, path in files.items()} == {
        (name, folded): f"{name} {folded}" for name, folded in NETWORKS
    }


def test_a_variant_that_cannot_be_compiled_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(variant: Variant, files: object, threads: int) -> benchmark.Step:
        def run(pixels: np.ndarray) -> None:
            if variant.how == "compiled":
                raise RuntimeError("no compiler")

        return run

    monkeypatch.setattr(benchmark, "step", step)
    chosen = [Variant("smsrn", True, "torch", how) for how in ("compiled", "contiguous")]
    assert list(benchmark.situation(chosen, {}, 1, (1, 1), 1, "")) == chosen[1:]


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--threads", "1", "4096"], "expected 1 to"), (["--rounds", "0"], "at least 1")]
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
    (record,) = records.load(tmp_path, records.Speed)
    assert len(record.times) == 1 + 4 * (2 + 1) + 2
    assert all(len(row.seconds) == 2 and min(row.seconds) > 0 for row in record.times)
    assert record.environment["onnxruntime"] == extra("onnxruntime", "onnx").__version__
    for account in record.layers:
        assert 0 < sum(layer.seconds for layer in account.layers) < 1.5 * account.total
