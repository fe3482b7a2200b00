"""Calibration: published values come out, and would not with a wrong coefficient, border or rounding."""

import os
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from numpy.typing import NDArray

from replication import calibrate, evaluate, records
from replication.calibrate import PICTURES, PICTURES_SET, WEIGHTS, Reference, references
from replication.data import benchmarks
from replication.errors import DamagedFileError
from replication.evaluate import Prepared
from replication.images.io import read_image, write_image
from replication.images.metrics import Protocol, psnr, table_protocols

RESULTS = Path(__file__).parents[2] / "results"
PRINTED = 32.26
"""README of MIVRC/MSRN-PyTorch at d2c9aa4, whose pictures these are."""


@pytest.fixture(scope="session")
def pictures() -> tuple[Reference, Prepared]:
    root = Path(os.environ.get("REPLICATION_DATA", "data"))
    (reference,) = (one for one in references(root) if one.name == PICTURES)
    benchmark = benchmarks.find(PICTURES_SET, root)
    if benchmark is None or not reference.here:
        pytest.skip("needs Set5 and the public MSRN's pictures in $REPLICATION_DATA")
    return reference, evaluate.prepare(benchmark, 4)


def mean_psnr(pictures: tuple[Reference, Prepared], protocol: Protocol, *, moved: int = 0) -> float:
    reference, data = pictures
    found = []
    for name, hr in data.images.items():
        picture: NDArray[np.uint8] = np.asarray(read_image(reference.path / f"{name}_MSRN_x4.png"))
        found.append(psnr(np.roll(picture, moved, axis=1), hr, protocol))
    return fmean(found)


def test_the_public_pictures_have_the_published_psnr(pictures: tuple[Reference, Prepared]) -> None:
    record = calibrate.measure_pictures(*pictures)
    assert record.mean("psnr_public_code") == pytest.approx(32.2639, abs=0.00005)
    assert record.mean("psnr_y") == pytest.approx(32.2426, abs=0.00005)
    assert abs(record.mean("psnr_public_code") - PRINTED) < 0.005, "to the digits that are printed"


@pytest.mark.parametrize("name", WEIGHTS)
def test_networks_that_others_trained_measure_as_recorded(name: str) -> None:
    root = Path(os.environ.get("REPLICATION_DATA", "data"))
    (reference,) = (one for one in references(root) if one.name == name)
    benchmark = benchmarks.find(PICTURES_SET, root)
    if benchmark is None or not reference.here:
        pytest.skip(f"needs Set5 and the weights of {name} in $REPLICATION_DATA")
    found = calibrate.measure_network(reference, evaluate.prepare(benchmark, 4))
    recorded = calibrate.recorded(RESULTS)[name, PICTURES_SET]
    assert recorded.key == found.key
    for one, other in zip(found.images, recorded.images, strict=True):
        assert one.psnr_public_code == pytest.approx(other.psnr_public_code, abs=records.NOISE_PSNR), one.name


@pytest.mark.parametrize("mistake", ["coefficient", "border", "rounding", "pixel"])
def test_calibration_fails_with_a_wrong_protocol(pictures: tuple[Reference, Prepared], mistake: str) -> None:
    right = table_protocols(4)["public_code"]
    weights = right.luma_weights
    assert weights is not None
    wrong = {
        "coefficient": replace(right, luma_weights=(weights[0] - 1, *weights[1:])),
        "border": replace(right, shave=10),
        "rounding": replace(right, rounded_luma=True),
        "pixel": right,
    }[mistake]
    assert abs(mean_psnr(pictures, right) - PRINTED) < 0.005
    assert abs(mean_psnr(pictures, wrong, moved=int(mistake == "pixel")) - PRINTED) > 0.005


def data_folder(tmp_path: Path) -> Path:
    """Two pictures of a set of two, as if MSRN's authors had made them."""
    folder = tmp_path / "reference" / "msrn_public_x4"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        write_image(folder / f"{name}_MSRN_x4.png", np.full((32, 32, 3), 100, np.uint8))
    return tmp_path


def prepared() -> Prepared:
    return Prepared(PICTURES_SET, {name: np.full((32, 32, 3), 110, np.uint8) for name in ("one", "two")}, "digest")


def test_a_picture_that_is_missing_or_does_not_fit_is_named(tmp_path: Path) -> None:
    (reference,) = (one for one in references(data_folder(tmp_path)) if one.name == PICTURES)
    assert reference.here
    record = calibrate.measure_pictures(reference, prepared())
    assert record.mean("psnr_rgb") == pytest.approx(20 * np.log10(255 / 10))
    write_image(reference.path / "two_MSRN_x4.png", np.zeros((32, 28, 3), np.uint8))
    with pytest.raises(DamagedFileError, match=r"two_MSRN_x4\.png: expected \(32, 32, 3\), got \(32, 28, 3\)"):
        calibrate.measure_pictures(reference, prepared())
    (reference.path / "two_MSRN_x4.png").unlink()
    with pytest.raises(DamagedFileError, match="expected the picture of two, found nothing"):
        calibrate.measure_pictures(reference, prepared())


def test_what_is_recorded_is_not_measured_again_and_what_is_not_here_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = data_folder(tmp_path / "data")
    monkeypatch.setattr(benchmarks, "find", lambda name, root: name if name == PICTURES_SET else None)
    monkeypatch.setattr(evaluate, "prepare", lambda benchmark, scale: prepared())
    command = ["--data", str(root), "--results", str(tmp_path)]
    calibrate.main(command)
    told = capsys.readouterr().out
    assert told.count("wrote ") == 1
    assert "PAN: not here (looked for" in told
    (record,) = records.load(tmp_path, records.Calibration)
    assert (record.key.model, record.benchmark) == (PICTURES, PICTURES_SET)
    calibrate.main(command)
    assert "wrote" not in capsys.readouterr().out
