"""The protocol study: measured once, shown without data, and a conclusion that follows."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from analysis import paper
from analysis.quality import protocol, protocol_page
from analysis.quality.protocol import LITERATURE, Measured
from analysis.quality.spread import Spread
from replication import measure_protocol, records, weights
from replication.data.benchmarks import Benchmark, BenchmarkImage
from replication.errors import UserError
from replication.images.io import write_image
from replication.measure_protocol import CHANNELS, SHAVES, WINDOWS


def test_expected_ssim_is_what_published_networks_have() -> None:
    for name in paper.BENCHMARKS:
        for model in ("PAN", "IMDN", "CARN", "EDSR-baseline", "MSRN (repo, 2019-06 retrain)"):
            row = paper.published_row(model)
            assert protocol.expected_ssim(name, row.psnr[name]) == pytest.approx(row.ssim[name], abs=0.004)
            assert abs(protocol.paper_ssim_moves(name, "msrn")) > 4 * 0.004


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder whose Set5 is two small pictures; no other set is there."""
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.default_rng(3)
    for name, size in {"one": (52, 48), "two": (60, 44)}.items():
        write_image(folder / f"{name}.png", random.integers(256, size=(*size, 3), dtype=np.uint8))
    images = tuple(BenchmarkImage(name, folder / f"{name}.png") for name in ("one", "two"))
    sets = {"Set5": Benchmark("Set5", images), "embedded": Benchmark("embedded", images[:1])}
    monkeypatch.setattr(
        measure_protocol.benchmarks,
        "find",
        lambda name, root: sets.get(name) if (root / "one.png").exists() or name == "embedded" else None,
    )
    monkeypatch.setattr(weights, "shipped", lambda model, scale: None)
    return folder


def test_measured_once_and_shown_without_data(data: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    written, missing = measure_protocol.update(results, data)
    assert [path.name.rpartition("-")[0] for path in written] == ["Set5-x4-bicubic"]
    assert missing == ["smsrn: not trained", "msrn: not trained"]
    assert measure_protocol.update(results, data)[0] == []
    assert measure_protocol.update(results, data, force=True)[0] == []  # the same values: the file is kept
    (page,) = protocol_page.write(results)
    before = page.read_bytes()
    assert written[0].name.encode() in before
    assert b"SMSRN, MSRN: not trained, so not measured." in before
    empty = tmp_path / "empty"
    empty.mkdir()
    assert measure_protocol.update(results, empty)[0] == []  # Set5 is recorded, so nothing else stands in for it
    protocol_page.write(results)
    assert page.read_bytes() == before
    assert records.load_all(results) == []  # these records are not measurements of Table 1


def test_the_embedded_set_stands_in(data: Path, tmp_path: Path) -> None:
    results, empty = tmp_path / "results", tmp_path / "empty"
    empty.mkdir()
    written, _ = measure_protocol.update(results, empty)
    assert [path.name.rpartition("-")[0] for path in written] == ["embedded-x4-bicubic"]
    _, missing = measure_protocol.update(results, empty, ["Set14"])
    assert "Set14: not in the data folder and not recorded" in missing
    (page,) = protocol_page.write(results)
    assert "nothing is concluded" in page.read_text(encoding="utf-8")


def test_other_weights_are_not_shown(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results"
    (path,), _ = measure_protocol.update(results, data)
    (record,) = measure_protocol.load(results)
    for digest in ("ab" * 32, weights.digest(path)):
        record = replace(record, key=replace(record.key, model="smsrn", weights=digest))
        records.save(results, record)
    assert [one.model for one in protocol.current(results)] == ["bicubic"]
    monkeypatch.setattr(weights, "shipped", lambda model, scale: path if model == "smsrn" else None)
    bicubic, smsrn = protocol.current(results)
    assert (bicubic.model, smsrn.model) == ("bicubic", "smsrn")
    assert smsrn.file_name == record.file_name


def test_damaged_record(data: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    (path,), _ = measure_protocol.update(results, data)
    text = path.read_text(encoding="utf-8")
    for damaged in (
        text[:-20],
        "[]",
        text.replace('"RGB/4/Gaussian"', '"RGB/4/Gauss"'),
        text.replace('"scale": 4', '"scale": 2'),
    ):
        assert damaged != text
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(UserError, match=f"{path.name} is damaged"):
            protocol_page.write(results)
    assert not (results / "protocol.md").exists()


def moving(psnr_like: str, ssim_like: tuple[str, str], benchmark: str = "Set5") -> Measured:
    """Measurements in which the named choices move numbers as far as the paper's are away, and no other choice does."""
    psnr_to, ssim_to = protocol.paper_psnr_moves(benchmark), protocol.paper_ssim_moves(benchmark, "msrn")
    base = 0.0 if psnr_like == LITERATURE[0] else -1.5
    by_psnr = {
        (channel, shave): 30 + (psnr_to if channel == psnr_like else base or -1.5)
        for channel, shave in product(CHANNELS, SHAVES)
    }
    by_psnr[LITERATURE[:2]] = 30.0
    by_ssim = {
        (channel, shave, window): 0.9 + (ssim_to if (channel, window) == ssim_like else 0.02)
        for channel, shave, window in product(CHANNELS, SHAVES, WINDOWS)
    }
    by_ssim[LITERATURE] = 0.9
    return Measured(benchmark, "bicubic", 5, by_psnr, by_ssim, None, {}, "a file")


@pytest.mark.parametrize("psnr_like", ["luma, rounded", "RGB", "luma, full range"])
@pytest.mark.parametrize("ssim_like", [("RGB", "Gaussian"), ("luma, full range", "uniform"), ("luma", "Gaussian")])
def test_the_conclusion_follows_from_the_measurements(psnr_like: str, ssim_like: tuple[str, str]) -> None:
    measured = [moving(psnr_like, ssim_like)]
    assert protocol.ssim_candidates(measured)[0].combination[::2] == ssim_like
    text = protocol_page.conclusion(protocol.ranking(measured, Spread(0.01, {}, None)))
    assert text.endswith(f"and its SSIM fits {protocol_page.title(ssim_like[0])}.")
    fits = text[text.index("So the paper's PSNR fits") :]
    assert protocol_page.title(psnr_like) in fits
    assert len([channel for channel in CHANNELS if f"{protocol_page.title(channel)} (at least" in text]) >= 2


def test_distance_is_a_root_mean_square() -> None:
    measured = [moving("luma, rounded", ("RGB", "Gaussian")), moving("luma, rounded", ("RGB", "Gaussian"), "Set14")]
    ranked = {one.combination: one for one in protocol.ssim_candidates(measured)}
    wanted = [protocol.paper_ssim_moves(name, "msrn") for name in ("Set5", "Set14")]
    assert ranked[LITERATURE].distance == pytest.approx((sum(value**2 for value in wanted) / 2) ** 0.5)
    assert ranked["RGB", 0, "Gaussian"].distance == pytest.approx(0, abs=1e-12)
    assert ranked["RGB", 0, "Gaussian"].mean("bicubic") == pytest.approx(sum(wanted) / 2)
    assert ranked["RGB", 0, "Gaussian"].mean("msrn") is None


def test_what_counts_as_equal_is_a_repeated_training_and_not_the_papers_distance() -> None:
    near, far = (
        protocol.Candidate((channel, 4), {}, distance) for channel, distance in (("luma, rounded", 0.07), ("RGB", 0.09))
    )
    for seeds, channels in ((None, ["luma, rounded"]), (0.03, ["luma, rounded", "RGB"])):
        ranked = protocol.Ranking((), (near, far), (), Spread(0.01, {}, seeds))
        assert ranked.fitting == channels
    unrounded = protocol.Candidate(("luma", 4), {}, 0.5)
    assert protocol.Ranking((), (near, far, unrounded), (), Spread(0.01, {}, None)).fitting == ["luma, rounded", "luma"]


def test_command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results"
    measure_protocol.main(["--data", str(data), "--results", str(results)])
    (path,) = (results / "records" / "protocol").iterdir()
    output = capsys.readouterr().out
    assert f"wrote {path}" in output
    assert "msrn: not trained" in output
    (page,) = protocol_page.write(results)
    assert "So the paper's PSNR fits" in " ".join(page.read_text(encoding="utf-8").split())
