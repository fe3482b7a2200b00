"""Integers of 8 bits: what is quantised, by which pictures, and what is measured."""

from pathlib import Path

import numpy as np
import pytest
import torch

from replication import measure_int8, records
from replication.errors import UserError
from replication.evaluate import Prepared
from replication.images.io import write_image
from replication.models import MODELS
from replication.models.msrn import MSRN
from replication.models.start import identity_start
from replication.network import Trained
from replication.records import Integers
from replication.runtimes import onnxruntime_network

onnx = pytest.importorskip("onnx", reason="needs the onnx extra")
pytest.importorskip("onnxscript", reason="needs the onnx extra")
pytest.importorskip("onnxruntime", reason="needs the onnx extra")

SMOOTH = np.add.outer(np.arange(48), np.arange(52)).astype(np.uint8)[..., None] + np.array([0, 40, 90], np.uint8)


@pytest.fixture(scope="module")
def source() -> Trained:
    module = MSRN(MODELS["smsrn"], scale=4, width=8, blocks=2)
    identity_start(module, seed=0)
    return Trained(module.eval(), "smsrn", "0" * 64)


@pytest.fixture(scope="module")
def content(source: Trained) -> bytes:
    from replication.export import onnx_bytes

    return onnx_bytes(source)


def count(content: bytes, kind: str) -> int:
    return sum(node.op_type == kind for node in onnx.load_from_string(content).graph.node)


def test_integers_compute_nearly_the_same(content: bytes) -> None:
    picture = measure_int8._batch(SMOOTH)
    expected = onnxruntime_network(content, "float").run(picture)
    whole, inner = (measure_int8.quantized(content, [picture], inner=inner) for inner in (False, True))
    errors = []
    for file in (whole, inner):
        network = onnxruntime_network(file, "integers")  # the facts are kept
        errors.append(float(np.abs(network.run(picture) - expected).mean()))
    assert all(1e-5 < error < 0.05 for error in errors)
    assert count(content, "QuantizeLinear") == 0 < count(inner, "QuantizeLinear") < count(whole, "QuantizeLinear")
    kept = [node.input[1] for node in onnx.load_from_string(inner).graph.node if node.op_type == "Conv"]
    names = {one.name for one in onnx.load_from_string(inner).graph.initializer}
    assert sum(name in names for name in kept) == 2 + 9, "head, folded tail and its eight corrections in float"


def test_pictures_fix_the_ranges(content: bytes) -> None:
    """By dark ones alone, a bright one comes out wrong."""
    picture = measure_int8._batch(SMOOTH)
    expected = onnxruntime_network(content, "float").run(picture)
    errors = []
    for seen in (picture, picture / 8):
        file = measure_int8.quantized(content, [seen.astype(np.float32)], inner=False)
        errors.append(float(np.abs(onnxruntime_network(file, "it").run(picture) - expected).mean()))
    assert errors[1] > 3 * errors[0]


def test_where_pictures_come_from(tmp_path: Path) -> None:
    assert {one.shape for one in measure_int8.calibration(None)} == {(1, 3, 48, 48)}
    with pytest.raises(UserError, match="expected a folder with pictures, found none"):
        measure_int8.calibration(tmp_path)
    for number in range(13):
        write_image(tmp_path / f"{number:02}.png", np.full((50, 210, 3), 10 * number, np.uint8))
    found = measure_int8.calibration(tmp_path)
    assert {one.shape for one in found} == {(1, 3, 12, 48)}
    assert [round(255 * float(one.mean())) for one in found] == [0, 10, 30, 40, 50, 70, 80, 90, 110, 120]


def test_the_command_records_what_it_measured(
    source: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    images = {"one": SMOOTH[:48, :48], "two": SMOOTH[:40, :44]}
    monkeypatch.setattr(measure_int8, "trained", lambda *_: source)
    monkeypatch.setattr(measure_int8.evaluate, "prepare", lambda *_: Prepared("Set5", images, "0"))
    monkeypatch.setattr(measure_int8, "calibration", lambda folder: [measure_int8._batch(SMOOTH)])
    monkeypatch.delenv("REPLICATION_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="--calibration: expected a folder"):
        measure_int8.main([])
    measure_int8.main(["--calibration", "images/train"])
    (record,) = records.load(Path("results"), Integers)
    assert (record.calibration, record.pictures) == ("train", 1)
    assert [one.how for one in record.files] == ["float", "all layers", "all but head and tail"]
    float_file, *others = record.files
    for one in others:
        assert len(one.psnr) == len(one.seconds) == 2
        assert one.psnr != float_file.psnr
    assert "all layers: " in capsys.readouterr().out
