"""The list of artefacts and its command: names, findings, failures, and what is said of missing records."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis import __main__ as command
from analysis import artefacts, labels
from analysis.artefacts import ARTEFACTS
from analysis.names import SCALE
from replication import evaluate, records
from replication.data import benchmarks
from replication.errors import UserError
from replication.stages import Job, Outcome

BY_NAME = {one.name: one for one in ARTEFACTS}


def test_names_are_unique_and_titles_are_lines() -> None:
    assert len(BY_NAME) == len(ARTEFACTS)
    assert len({one.title for one in ARTEFACTS}) == len(ARTEFACTS)
    assert all(one.title and "\n" not in one.title for one in ARTEFACTS)


def test_list(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert command.main(["--list", "--results", str(tmp_path / "none")]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines] == list(BY_NAME)
    assert not (tmp_path / "none").exists()


def test_unknown_name_names_close_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown artefact 'tabel1'; did you mean table1"):
        command.main(["tabel1", "--results", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_without_data_or_records_all_is_written_and_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(labels, "ROUNDS", 5)  # a good arrangement of labels is not the point here
    monkeypatch.delenv("REPLICATION_DATA", raising=False)
    results = tmp_path / "new" / "results"
    asked = ["figure1", "table1", "cost_ratio", "speed"]
    assert command.main([*asked, "--results", str(results), "--data", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    written = {path.name for path in results.rglob("*") if path.is_file()}
    assert {"cost_ratio.md", "table1.md", "table1.csv", "table1.tex", "figure1.png"} <= written
    assert "speed.md" not in written
    assert all(f"{name}\n" in shown for name in written)
    assert "cost arithmetic verified" in shown
    assert "not measured: Bicubic on Set5" in shown
    assert "time and memory of inference: nothing recorded here, `tox -e benchmark` measures it" in shown


def test_a_failure_is_status_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(BY_NAME["equation5"], write=lambda job: Outcome(failures=["not equal"]))
    monkeypatch.setattr(command, "ARTEFACTS", (broken,))
    assert command.main(["--results", str(tmp_path)]) == 1


def test_bicubic_that_misses_the_published_values_is_a_failure(tmp_path: Path) -> None:
    found = benchmarks.find(benchmarks.EMBEDDED)
    assert found
    method = evaluate.subject("bicubic", SCALE)
    assert method
    record = evaluate.measure(method, evaluate.prepare(benchmarks.Benchmark(found.name, found.images[:1]), SCALE))
    off = tuple(replace(image, psnr_y=28.42 - 0.02, ssim_y=0.8104) for image in record.images)
    records.save(tmp_path, replace(record, benchmark="Set5", images=off))
    assert "0.0200 dB" in artefacts.table1(Job(tmp_path)).failures[0]
    close = tuple(replace(image, psnr_y=28.42 - 0.009, ssim_y=0.8104 + 0.0004) for image in record.images)
    records.save(tmp_path, replace(record, benchmark="Set5", images=close))
    assert artefacts.table1(Job(tmp_path)).failures == []
