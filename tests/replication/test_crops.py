"""Details of pictures: the window, what is recorded, and that the committed ones are of the shipped weights."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from replication import crops, evaluate, records
from replication.crops import ORIGINAL, SIZE, SMALL, VERSIONS
from replication.data import benchmarks
from replication.data.benchmarks import EMBEDDED, EMBEDDED_FILES, BenchmarkImage
from replication.errors import DamagedFileError
from replication.evaluate import METHODS, Image, Subject
from replication.images.io import read_image, write_image
from replication.images.metrics import psnr, table_protocols
from replication.images.resize import imresize
from replication.models import MODELS
from replication.network import DEFAULT_SCALE as SCALE
from replication.records import NOISE_PSNR, Detail

RESULTS = Path(__file__).resolve().parents[2] / "results"


def bicubic(lr: Image) -> Image:
    return imresize(lr, SCALE).astype(np.uint8)


def spotted(lr: Image) -> Image:
    """Bicubic with a wrong patch at rows 200.. and columns 180.."""
    image = bicubic(lr)
    image[200:220, 180:200] = 255 - image[200:220, 180:200]
    return image


@pytest.fixture
def picture(tmp_path: Path) -> BenchmarkImage:
    pixels = np.random.default_rng(0).integers(0, 200, (320, 400, 3), dtype=np.uint8)
    write_image(tmp_path / "noise.png", imresize(imresize(pixels, 1 / 8), 8).astype(np.uint8))
    return BenchmarkImage("noise", tmp_path / "noise.png")


@pytest.fixture
def made(picture: BenchmarkImage) -> crops.Cut:
    ways = {"bicubic": bicubic, "smsrn": bicubic, "msrn": spotted}
    ready = [Subject(one, SCALE, crops.shipped().get(one), None, ways[one]) for one in METHODS]
    return crops.cut("Set5", picture, ready)


def test_the_detail_lies_where_the_networks_differ(made: crops.Cut) -> None:
    record = made.record
    assert record.top <= 200
    assert record.left <= 180
    assert record.top + SIZE >= 220
    assert record.left + SIZE >= 200
    assert set(made.images) == {*VERSIONS, *(f"{one}-error" for one in METHODS), SMALL}
    assert all(made.images[one].shape == (SIZE, SIZE, 3) for one in VERSIONS)
    assert max(made.images[SMALL].shape) == crops.WHOLE


def test_scores_and_errors_are_those_of_the_pictures(made: crops.Cut) -> None:
    inside = table_protocols(0)["public_code"]
    for method in METHODS:
        assert made.record.psnr_inside[method] == psnr(made.images[method], made.images[ORIGINAL], inside)
        difference = made.images[method].astype(float) - made.images[ORIGINAL]
        expected = np.clip((difference**2).mean(axis=2) / made.record.white, 0, 1)
        assert np.abs(made.images[f"{method}-error"] / 255 - expected).max() <= 0.5 / 255 + 1e-9
    assert made.record.scores["msrn"].psnr_y < made.record.scores["smsrn"].psnr_y


def test_what_is_saved_is_read_again(made: crops.Cut, tmp_path: Path) -> None:
    written = crops.save(tmp_path, made)
    assert len(written) == len(made.images) + 1
    (found,) = crops.current(tmp_path)
    assert found == replace(made.record, files=found.files)
    target = records.folder(tmp_path, Detail) / "Set5-noise-x4-msrn.png"
    write_image(target, 255 - read_image(target))
    with pytest.raises(DamagedFileError, match=r"Set5-noise-x4-msrn\.png: expected the pixels of the record"):
        crops.current(tmp_path)
    target.unlink()
    assert crops.current(tmp_path) == []


def test_a_run_that_is_cut_off_leaves_no_record(
    made: crops.Cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops.save(tmp_path, made)

    def full(path: Path, image: Image) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(crops, "write_image", full)
    with pytest.raises(KeyboardInterrupt):
        crops.save(tmp_path, made)
    assert crops.current(tmp_path) == []


def test_other_weights_are_made_again(made: crops.Cut, tmp_path: Path) -> None:
    crops.save(tmp_path, replace(made, record=replace(made.record, weights={"msrn": "0", "smsrn": "0"})))
    assert crops.current(tmp_path) == []


def test_details_of_benchmarks_go_where_nothing_is_committed(
    made: crops.Cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = BenchmarkImage("baby", tmp_path / "baby.png")
    monkeypatch.setattr(benchmarks, "find", lambda name, *_, **__: SimpleNamespace(images=[image]))
    monkeypatch.setattr(crops, "_embedded", list)
    monkeypatch.setattr(crops, "cut", lambda *arguments: made)
    monkeypatch.setattr(evaluate, "subject", lambda *arguments: None)
    written = crops.update(tmp_path, tmp_path)
    assert written
    assert {path.parent for path in written} == {records.folder(crops.local(tmp_path), Detail)}


def test_nothing_is_made_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = records.folder(tmp_path, Detail)
    target.mkdir(parents=True)
    for path in records.folder(RESULTS, Detail).iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    monkeypatch.delenv("REPLICATION_DATA", raising=False)
    monkeypatch.setattr(evaluate, "subject", lambda *arguments: pytest.fail("a network was loaded"))
    assert crops.update(tmp_path, tmp_path) == []


def test_the_committed_details_are_of_the_shipped_weights() -> None:
    found = crops.current(RESULTS)
    assert [one.name for one in found] == [Path(name).stem for name in EMBEDDED_FILES]
    evaluations = records.load_all(RESULTS)
    for model in MODELS:
        row = evaluate.recorded_row(evaluations, EMBEDDED, model, SCALE).record
        assert row
        for one in found:
            recorded = next(image for image in row.images if image.name == one.name)
            assert one.scores[model].psnr_y == pytest.approx(recorded.psnr_y, abs=NOISE_PSNR)


def test_a_committed_detail_is_what_the_network_makes() -> None:
    image = next(one for one in benchmarks.embedded().images if one.name == "chelsea")
    ready = [subject for one in METHODS if (subject := evaluate.subject(one, SCALE))]
    made = crops.cut(EMBEDDED, image, ready)
    recorded = next(one for one in crops.current(RESULTS) if one.name == "chelsea")
    assert (made.record.top, made.record.left) == (recorded.top, recorded.left)
    for version in VERSIONS:
        there = read_image(records.folder(RESULTS, Detail) / f"embedded-chelsea-x4-{version}.png")
        assert np.abs(there.astype(int) - made.images[version]).max() <= 1  # float noise rounds some pixels otherwise
