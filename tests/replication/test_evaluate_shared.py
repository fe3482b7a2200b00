"""Evaluation by several processes, and after a cut: the same records as by one process at one go."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import TWO_PROCESSES

from replication import evaluate, records
from replication.data.benchmarks import Benchmark, BenchmarkImage
from replication.errors import UserError
from replication.images.io import write_image
from replication.records import Evaluation, ImageResult
from replication.sharing import Team

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("a", "b", "c")


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small Set5, and nothing else."""
    for seed, name in enumerate(NAMES):
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 36, 3), dtype=np.uint8)
        write_image(tmp_path / "pictures" / f"{name}.png", pixels)
    one = Benchmark("Set5", tuple(BenchmarkImage(name, tmp_path / "pictures" / f"{name}.png") for name in NAMES))
    monkeypatch.delenv("REPLICATION_DATA", raising=False)
    monkeypatch.setattr(evaluate.benchmarks, "find", lambda name, root=None, *, scale=4: one)


def measured(results: Path, **options: bool) -> Evaluation:
    record = evaluate.evaluate(["bicubic"], ["Set5"], scale=4, results=results, **options)[0].record
    assert record is not None
    return record


def lasting(record: Evaluation) -> Evaluation:
    return replace(record, images=tuple(replace(image, seconds=0.0) for image in record.images))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that are measured, in order; the second of the first run is cut off."""
    names: list[str] = []
    true = evaluate.measure_image

    def counted(subject: evaluate.Subject, name: str, hr: evaluate.Image) -> tuple[ImageResult, evaluate.Image]:
        names.append(name)
        if len(names) == 2:
            raise KeyboardInterrupt
        return true(subject, name, hr)

    monkeypatch.setattr(evaluate, "measure_image", counted)
    return names


@pytest.mark.usefixtures("found")
def test_only_the_rest_after_a_cut(tmp_path: Path, calls: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path / "cut")
    assert records.load_all(tmp_path / "cut") == []
    record = measured(tmp_path / "cut")
    assert calls == ["a", "b", "b", "c"]
    assert not list((tmp_path / "cut").rglob("unfinished/*"))
    assert lasting(record) == lasting(measured(tmp_path / "whole"))
    assert records.load_all(tmp_path / "cut") == [record]


@pytest.mark.usefixtures("found")
@pytest.mark.parametrize("what", ["other version", "damage", "force"])
def test_what_must_not_be_taken_over(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path)
    (part,) = tmp_path.rglob("unfinished/*/*.json")
    if what == "other version":
        here = records.environment()
        monkeypatch.setattr(records, "environment", lambda: here | {"numpy": "0.0"})
    if what == "damage":
        part.write_text(part.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    measured(tmp_path, force=what == "force")
    assert calls[2:] == list(NAMES)


@pytest.mark.usefixtures("found")
def test_processes_that_have_other_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Team, "gathered", lambda team, own: [own, ("another digest", [])])
    monkeypatch.setattr(Team, "led", lambda team, work: work())
    with pytest.raises(UserError, match="Set5: expected the same images and weights for every process"):
        evaluate.evaluate(["bicubic"], ["Set5"], scale=4, results=tmp_path / "results", team=Team(0, 2))


PROGRAM = """
import sys
from pathlib import Path
from replication import evaluate
from replication.data.benchmarks import Benchmark, BenchmarkImage
from replication.errors import run

images = tuple(BenchmarkImage(path.stem, path) for path in sorted(Path({folder!r}).iterdir()))
evaluate.benchmarks.find = lambda name, root=None, *, scale=4: Benchmark(name, images)
run(evaluate.main)
"""


@pytest.mark.usefixtures("found")
def test_two_processes_make_the_record_of_one(tmp_path: Path) -> None:
    """Of a set that is recorded they show the record; of one that is not they share the images."""
    recorded = measured(tmp_path / "two")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(folder=str(tmp_path / "pictures")), encoding="utf-8")
    options = ["--model", "bicubic", "--benchmark", "Set5", "B100", "--results", str(tmp_path / "two")]
    done = subprocess.run(
        [sys.executable, *TWO_PROCESSES, str(program), *options],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Set5") == done.stdout.count("recorded 20") == 1, done.stdout
    assert done.stdout.count("B100") == done.stdout.count("measured now") == 1, done.stdout
    shared, alone = records.load_all(tmp_path / "two")
    assert alone == recorded
    assert lasting(shared) == replace(lasting(alone), benchmark="B100", command=shared.command)
    assert not list((tmp_path / "two").rglob("unfinished/*"))
