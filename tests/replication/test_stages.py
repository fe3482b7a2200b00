"""Stages: order, summary, exit status."""

from pathlib import Path

import pytest

from replication.stages import Job, Outcome, Stage, run_stages


def test_stages_run_in_order_and_are_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages = (
        Stage("first", lambda _: Outcome([tmp_path / "a.md"], ["one holds"])),
        Stage("second", lambda _: Outcome([tmp_path / "a.md", tmp_path / "b.md"], ["two holds"])),
    )
    assert run_stages(Job(tmp_path), stages) == 0
    shown = capsys.readouterr().out
    assert shown.index("[1/2] first") < shown.index("[2/2] second") < shown.index("wrote 2 files")
    assert shown.count("a.md") == 1
    assert shown.index("one holds") < shown.index("two holds")
    assert "FAILED" not in shown


def test_a_failed_verification_lets_the_rest_run_and_ends_in_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = (
        Stage("first", lambda _: Outcome(failures=["two is not three"])),
        Stage("second", lambda _: Outcome([tmp_path / "b.md"])),
    )
    assert run_stages(Job(tmp_path), stages) == 1
    shown = capsys.readouterr().out
    assert "b.md" in shown
    assert "FAILED:\n  - two is not three" in shown
