"""The measuring job: the comparison of a new measurement with its record, folded networks, bad input."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from replication import __main__ as job
from replication import evaluate, records
from replication.data.benchmarks import BenchmarkImage
from replication.errors import UserError
from replication.fold import fold
from replication.models.msrn import MSRN
from replication.stages import Job


@pytest.fixture
def only_bicubic(monkeypatch: pytest.MonkeyPatch) -> None:
    load = BenchmarkImage.load
    monkeypatch.setattr(BenchmarkImage, "load", lambda image: load(image)[:96, :96])
    monkeypatch.setattr(evaluate, "METHODS", ("bicubic",))
    monkeypatch.delenv("REPLICATION_DATA", raising=False)


def test_the_embedded_images_are_measured_and_compared(only_bicubic: None, tmp_path: Path) -> None:
    first = job.embedded(Job(tmp_path, None))
    assert [path.parent for path in first.files] == [tmp_path / "records"]
    assert "nothing recorded to compare with" in first.findings[0]
    path, content = first.files[0], first.files[0].read_bytes()

    again = job.embedded(Job(tmp_path, None))
    assert [path.parent for path in again.files] == [tmp_path / "records" / "here"]
    assert again.failures == []
    assert "confirmed here, bicubic on the embedded images: 0.000000 dB and 0.00000000 (SSIM)" in again.findings[0]
    assert path.read_bytes() == content

    # A record that this machine does not reproduce is reported and kept, not silently replaced.
    made = records.load_all(tmp_path)[0]
    image = replace(made.images[2], ssim_rgb=made.images[2].ssim_rgb + 0.0006)
    records.save(tmp_path, replace(made, images=(*made.images[:2], image, *made.images[3:])))
    content = path.read_bytes()
    wrong = job.embedded(Job(tmp_path, None))
    assert (wrong.files, wrong.findings) == ([], [])
    assert "0.00060000 (SSIM)" in wrong.failures[0]
    assert path.read_bytes() == content


def test_wrong_data_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        job.benchmark_sets(Job(tmp_path / "results", tmp_path / "nowhere"))


def test_a_results_folder_that_is_a_file_is_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("mine")
    command = [sys.executable, "-m", "replication", "--results", str(tmp_path / "results")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: cannot write")
    assert ended.stderr.count("\n") == 1
    assert (tmp_path / "results").read_text() == "mine"


def test_folded_networks_are_compared_with_the_trained_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    right = job.arithmetic(Job(tmp_path))
    assert (len(right.findings), right.failures) == (2, [])

    def not_exact(network: MSRN) -> nn.Module:
        return fold(network, exact_border=False)

    monkeypatch.setattr(job, "fold", not_exact)
    wrong = job.arithmetic(Job(tmp_path))
    assert wrong.findings == []
    assert "expected 1e-05" in wrong.failures[0]
