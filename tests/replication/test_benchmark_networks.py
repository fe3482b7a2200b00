"""Timing of other networks: every network once a round in its fastest backend, and all of it in the record."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from replication import benchmark_networks as benchmark
from replication import records
from replication.benchmark_networks import Candidate, main
from replication.errors import UserError
from replication.models.zoo import NETWORKS
from replication.records import NetworkSpeed

SMALL = Candidate("ESPCN", False, lambda: nn.Conv2d(1, 4, 3, padding=1), (1, 1, 12, 10))
LARGE = Candidate("EDSR", False, lambda: nn.Conv2d(3, 64, 3, padding=1), (1, 3, 12, 10))


ROOT = Path(__file__).resolve().parents[2]
MEMORY = """
import sys, tempfile
from pathlib import Path
from torch import nn
from replication import benchmark_networks as benchmark

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e9

def make():
    return nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 3, 3))

candidate = benchmark.Candidate("ESPCN", False, make, (1, 3, 720, 1280))
with tempfile.TemporaryDirectory() as folder:
    run, release = benchmark.step(candidate, sys.argv[1], Path(folder), 1)
    before = resident()
    run()
    held = resident() - before
    release()
    print(held, resident() - before)
"""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "candidates", lambda: iter([SMALL, LARGE]))
    monkeypatch.setattr(benchmark, "installed", lambda: ["torch"])
    monkeypatch.setattr(benchmark, "SIDE", 8)
    monkeypatch.setattr(benchmark, "environment", lambda backends: {"date": "2026-01-01", "machine": "one"})


def test_candidates_are_the_zoo_and_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = {(one.name, one.folded): one for one in benchmark.candidates()}
    ours = {(name, folded) for name in ("msrn", "smsrn") for folded in (False, True)}
    assert set(found) == {(name, False) for name in NETWORKS} | ours
    assert found["SRCNN", False].shape == (1, 1, 720, 1280)
    assert found["IMDN", False].macs == 40_885_865_472
    assert found["smsrn", False].macs == 1_349_851 * 57_600
    assert found["smsrn", True].macs < found["smsrn", False].macs / 2


def test_everything_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[bool] = []
    right = benchmark.step
    monkeypatch.setattr(benchmark, "step", lambda *given: right(*given)._replace(release=lambda: released.append(True)))
    main(["--rounds", "2", "--most-gmacs", "0.00001", "--results", str(tmp_path)])
    (record,) = records.load(tmp_path, NetworkSpeed)
    (row,) = record.times
    assert (row.network, row.folded, row.backend, row.macs) == ("ESPCN", False, "torch", 4 * 9 * 120)
    assert (row.channels, row.height, row.width) == (1, 12, 10)
    assert len(row.seconds) == len(record.product_seconds) == record.rounds == 2
    assert min(*row.seconds, *record.product_seconds) > 0
    assert set(row.trials) == {"torch"}
    assert record.left_out == {"EDSR": LARGE.macs}
    assert record.product_macs == 8**3
    assert len(released) == 1 + record.rounds, "memory is freed after the trial and after every round"


def test_the_fastest_backend_is_chosen_and_one_that_fails_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = {"torch": 3.0, "onnxruntime": 1.0, "openvino": 2.0}
    sizes: list[tuple[int, ...]] = []

    steps = {name: benchmark.Step(name.upper) for name in seconds}

    def step(candidate: Candidate, backend: str, folder: Path, threads: int) -> benchmark.Step:
        if backend == "openvino":
            raise ValueError("not this one")
        sizes.append(candidate.shape)
        return steps[backend]

    monkeypatch.setattr(benchmark, "step", step)
    monkeypatch.setattr(benchmark, "seconds_of", lambda run: seconds[run().lower()])
    trials, chosen, function = benchmark.fastest(SMALL, list(seconds), tmp_path, 1)
    assert (trials, chosen, function) == ({"torch": 3.0, "onnxruntime": 1.0}, "onnxruntime", steps["onnxruntime"])
    assert sizes == [(1, 1, 3, 2), (1, 1, 3, 2), SMALL.shape], "tried on a smaller picture"
    assert "ESPCN: left out in openvino (ValueError)" in capsys.readouterr().out
    with pytest.raises(UserError, match="ESPCN: runs in none of openvino"):
        benchmark.fastest(SMALL, ["openvino"], tmp_path, 1)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_runtimes_compute_what_torch_does(backend: str, tmp_path: Path) -> None:
    """Of one channel, and any size."""
    pytest.importorskip(backend)
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)  # as `step` does
    module = SMALL.make().eval()
    run, release = benchmark.step(SMALL, backend, tmp_path, 1)
    release()  # what is freed is there again for the next run
    output = run()
    found = torch.as_tensor(output[0])  # type: ignore[index]
    expected = benchmark.step(Candidate("ESPCN", False, lambda: module, SMALL.shape), "torch", tmp_path, 1).run()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_memory_is_freed_after_each_run(backend: str) -> None:
    """In a process of its own, whose memory nothing else changes."""
    pytest.importorskip(backend)
    pytest.importorskip("onnxscript")
    done = subprocess.run([sys.executable, "-c", MEMORY, backend], cwd=ROOT, capture_output=True, text=True, check=True)
    held, freed = map(float, done.stdout.split()[-2:])
    assert held > 0.1, "the run left nothing to be freed: nothing was tested"
    assert freed < held / 4


@pytest.mark.parametrize("number", ["0", "-1", "nan"])
def test_bad_numbers_are_refused(number: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"--most-gmacs: expected a number above 0, got {number}"):
        main(["--most-gmacs", number, "--results", str(tmp_path)])
    assert not list(tmp_path.iterdir())
