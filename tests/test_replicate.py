"""`tox -e replicate` leaves committed files alone where it confirms the records, whatever the machine's rounding."""

import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import nn

from analysis import style
from analysis.artefacts import ARTEFACTS
from analysis.figures import figures4to7
from replication import __main__ as measuring
from replication import evaluate, records
from replication.data import benchmarks
from replication.data.benchmarks import BenchmarkImage
from replication.images.io import Image
from replication.records import Repetition
from replication.stages import Job

ROOT = Path(__file__).parent.parent
SIDE = 96
"""Pixels of the photographs' crops: enough for the metrics, and quick."""
BY_NAME = {one.name: one for one in ARTEFACTS}

load = BenchmarkImage.load
make_upscaler = evaluate.network_upscaler


def cropped(image: BenchmarkImage) -> Image:
    return load(image)[:SIDE, :SIDE]


def disturbed(network: nn.Module, size: float) -> evaluate.Upscale:
    """The upscaler of a network with every weight changed by about ``size`` of itself."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 1 + size * torch.randn(parameter.shape, generator=generator)
    return make_upscaler(network)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A results folder of its own, the embedded set small, no other set."""
    monkeypatch.delenv("REPLICATION_DATA", raising=False)
    monkeypatch.setattr(BenchmarkImage, "load", cropped)
    monkeypatch.setattr(evaluate, "METHODS", ("bicubic", "smsrn"))
    monkeypatch.setattr(figures4to7, "PICTURES", {"figure_embedded": (benchmarks.EMBEDDED, "astronaut")})
    monkeypatch.setattr(figures4to7, "METHODS", ("bicubic", "smsrn"))
    (tmp_path / "data").mkdir()
    return Job(tmp_path / "results", tmp_path / "data")


def replicate(job: Job) -> list[str]:
    """The part of the command that measures, and what is made from it; the failures."""
    failures = measuring.embedded(job).failures
    for name in ("table1", "figures4to7"):
        failures += BY_NAME[name].run(job).failures
    return failures


def committed(results: Path) -> dict[Path, bytes]:
    """Every file that would be committed, with its content."""
    here = records.folder(results, Repetition)
    return {path: path.read_bytes() for path in results.rglob("*") if path.is_file() and here not in path.parents}


def with_weights(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    monkeypatch.setattr(evaluate, "network_upscaler", lambda network: disturbed(network, size))


def test_other_machines_change_no_committed_file(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    assert replicate(job) == []
    before = committed(job.results)
    assert any(path.name == "figure_embedded.png" for path in before)
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        assert replicate(job) == []
    finally:
        torch.set_num_threads(threads)
    assert committed(job.results) == before
    with_weights(monkeypatch, 3e-6)
    assert replicate(job) == []
    assert committed(job.results) == before
    found = records.confirmations(job.results)
    assert {one.record.key.model for one in found} == {"bicubic", "smsrn"}
    assert all(one.holds for one in found)
    assert max(one.psnr for one in found) > 0  # the noise is seen in the numbers, or nothing was tested


def test_a_disagreement_fails_and_is_said_on_the_page(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    assert replicate(job) == []
    before = committed(job.results)
    with_weights(monkeypatch, 3e-3)
    (failure,) = replicate(job)
    assert "smsrn on the embedded images" in failure
    after = committed(job.results)
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert "table1.md" in changed
    assert not any(name.startswith("embedded-x4") for name in changed)
    page = (job.results / "table1.md").read_text(encoding="utf-8")
    assert "**Not confirmed by the machine that made this page**: it measured SMSRN by up to" in page


def test_git_ignores_what_was_measured_again() -> None:
    path = records.folder(Path("results"), Repetition) / "embedded.json"
    assert f"/{path.parent.as_posix()}/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    try:
        ignored = subprocess.run(["git", "check-ignore", "-q", str(path)], cwd=ROOT, check=False).returncode
    except OSError:
        pytest.skip("git is not installed")
    assert ignored in (0, 128)  # 128: not in a git checkout


def test_a_picture_is_kept_while_it_shows_the_same(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 250, (8, 9, 3), np.uint8)
    there = tmp_path / "there.png"
    assert not style.same_picture(there, BytesIO())
    Pillow.fromarray(pixels).save(there)
    for change, same in ((0, True), (style.NOISE, True), (style.NOISE + 1, False)):
        other, made = pixels.copy(), BytesIO()
        other[3, 4, 1] += change
        Pillow.fromarray(other).save(made, "PNG", compress_level=1)
        assert style.same_picture(there, made) == same
    there.write_bytes(b"no picture")
    assert not style.same_picture(there, made)
