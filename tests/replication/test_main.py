"""The whole job: stages, summary, exit status, and the comparison of a new measurement with its record."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import analysis.table1  # noqa: F401  (must read the list of methods before a test shortens it)
from replication import __main__ as job
from replication import evaluate, records
from replication.errors import UserError


@pytest.fixture
def only_bicubic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "METHODS", ("bicubic",))
    monkeypatch.delenv("REPLICATION_DATA", raising=False)


def test_stages_run_in_order_and_are_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages = (
        ("first", lambda _: job.Outcome([tmp_path / "a.md"], ["one holds"])),
        ("second", lambda _: job.Outcome([tmp_path / "a.md", tmp_path / "b.md"], ["two holds"])),
    )
    assert job.run_stages(job.Job(tmp_path, None), stages) == 0
    shown = capsys.readouterr().out
    assert shown.index("[1/2] first") < shown.index("[2/2] second") < shown.index("wrote 2 files")
    assert shown.count("a.md") == 1
    assert shown.index("one holds") < shown.index("two holds")
    assert "FAILED" not in shown


def test_a_failed_verification_lets_the_rest_run_and_ends_in_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = (
        ("first", lambda _: job.Outcome(failures=["two is not three"])),
        ("second", lambda _: job.Outcome([tmp_path / "b.md"])),
    )
    assert job.run_stages(job.Job(tmp_path, None), stages) == 1
    shown = capsys.readouterr().out
    assert "b.md" in shown
    assert "FAILED:\n  - two is not three" in shown


def test_the_embedded_images_are_measured_and_compared(only_bicubic: None, tmp_path: Path) -> None:
    first = job.embedded(job.Job(tmp_path, None))
    assert [path.parent for path in first.files] == [tmp_path / "records"]
    assert "nothing recorded to compare with" in first.findings[0]
    path, content = first.files[0], first.files[0].read_bytes()

    again = job.embedded(job.Job(tmp_path, None))
    assert (again.files, again.failures) == ([], [])
    assert "reproduced here" in again.findings[0]
    assert path.read_bytes() == content

    # A record that this machine does not reproduce is reported and kept, not silently replaced.
    made = records.load_all(tmp_path)[0]
    image = replace(made.images[2], ssim_rgb=made.images[2].ssim_rgb + 0.0006)
    records.save(tmp_path, replace(made, images=(*made.images[:2], image, *made.images[3:])))
    content = path.read_bytes()
    wrong = job.embedded(job.Job(tmp_path, None))
    assert (wrong.files, wrong.findings) == ([], [])
    assert "0.000600 (SSIM)" in wrong.failures[0]
    assert path.read_bytes() == content


def test_the_job_without_data_or_records_writes_all_and_says_what_is_missing(
    only_bicubic: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from analysis import style

    monkeypatch.setattr(style, "ROUNDS", 5)  # a good arrangement of labels is not the point here
    # The stages up to Figure 1: the others have tests of their own, and take minutes together.
    last = next(number for number, (title, _) in enumerate(job.STAGES) if title.startswith("Figure 1"))
    assert job.run_stages(job.Job(tmp_path / "new" / "results", tmp_path), job.STAGES[: last + 1]) == 0
    shown = capsys.readouterr().out
    written = {path.name for path in (tmp_path / "new" / "results").rglob("*") if path.is_file()}
    assert {"cost_ratio.md", "table1.md", "table1.csv", "table1.tex", "figure1.png"} <= written
    assert all(f"{name}\n" in shown for name in written)
    assert "cost arithmetic verified" in shown
    assert "not measured: Bicubic on Set5" in shown


def test_wrong_arithmetic_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis import cost_model, verify

    def one_layer_less(scale: int, width: int, blocks: int) -> list[cost_model.Layer]:
        return right(scale, width, blocks)[:-1]

    right = cost_model.smsrn
    monkeypatch.setattr(verify.cost_model, "smsrn", one_layer_less)
    outcome = job.cost(job.Job(tmp_path, None))
    assert "does not agree" in outcome.failures[0]
    assert outcome.findings == []


def test_bicubic_that_misses_the_published_values_is_a_failure(only_bicubic: None, tmp_path: Path) -> None:
    made = job.embedded(job.Job(tmp_path, None)).files[0]
    record = records.load_all(tmp_path)[0]
    made.unlink()
    off = tuple(replace(image, psnr_y=28.42 - 0.02, ssim_y=0.8104) for image in record.images)
    records.save(tmp_path, replace(record, benchmark="Set5", images=off))
    assert "0.0200 dB" in job.table1(job.Job(tmp_path, None)).failures[0]
    close = tuple(replace(image, psnr_y=28.42 - 0.009, ssim_y=0.8104 + 0.0004) for image in record.images)
    records.save(tmp_path, replace(record, benchmark="Set5", images=close))
    assert job.table1(job.Job(tmp_path, None)).failures == []


def test_wrong_data_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        job.benchmark_sets(job.Job(tmp_path / "results", tmp_path / "nowhere"))


def test_a_results_folder_that_is_a_file_is_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("mine")
    command = [sys.executable, "-m", "replication", "--results", str(tmp_path / "results")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: cannot write")
    assert ended.stderr.count("\n") == 1
    assert (tmp_path / "results").read_text() == "mine"


def test_the_experiment_does_not_import_the_analysis() -> None:
    program = "import sys, replication.__main__, replication.evaluate; sys.exit('analysis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
