"""The network for phones: one size, few operators, the same output; and whoever reads such a file."""

import logging
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from replication import export
from replication.backends import load_network
from replication.errors import ArgumentError, UserError
from replication.models import MODELS
from replication.models.msrn import MSRN
from replication.models.start import identity_start
from replication.network import Trained, torch_network
from replication.phone import FixedConv, depth_to_space, fold_for_phones
from replication.runtimes import ONNX_RUNTIMES, onnxruntime_network
from replication.upscale import upscale

SIZE = (48, 52)
"""Of the file for phones; the small network reaches 12 pixels far, so that 25 is the least and 48 cheap in tiles."""


def small(scale: int, *, width: int = 8, blocks: int = 2) -> MSRN:
    torch.manual_seed(scale)
    return MSRN(MODELS["smsrn"], scale=scale, width=width, blocks=blocks).eval()


def noise(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(4, 4), (7, 5)])
@pytest.mark.parametrize(("scale", "width", "cells"), [(2, 8, 1), (2, 64, 2), (3, 8, 1), (4, 8, 1), (8, 8, 1)])
def test_equal_to_the_network_border_included(scale: int, width: int, cells: int, size: tuple[int, int]) -> None:
    model = small(scale, width=width, blocks=1).double()
    folded = fold_for_phones(model)
    image = noise(*size).double()
    with torch.inference_mode():
        torch.testing.assert_close(folded(image), model(image), rtol=0, atol=1e-12)
    assert isinstance(folded.tail[-1], FixedConv)
    assert folded.tail[-1].cells == cells
    assert not [layer for layer in folded.modules() if isinstance(layer, nn.PixelShuffle)], "of the other order"


def test_depth_to_space_is_that_of_onnx() -> None:
    """Mode DCR: row, column, then colour."""
    maps = noise(5, 4).repeat(1, 4, 1, 1) + torch.arange(12).view(1, 12, 1, 1)
    found = depth_to_space(maps, 2)
    assert found.shape == (1, 3, 10, 8)
    for row, column, color in np.ndindex(2, 2, 3):
        expected = maps[0, (2 * row + column) * 3 + color]
        assert torch.equal(found[0, color, row::2, column::2], expected)


@pytest.fixture(scope="module")
def source() -> Trained:
    module = small(2)
    identity_start(module, seed=0)
    return Trained(module.eval(), "smsrn", "0" * 64)


@pytest.fixture(scope="module")
def file(source: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx", reason="needs the onnx extra")
    pytest.importorskip("onnxscript", reason="needs the onnx extra")
    path = tmp_path_factory.mktemp("phone") / "phone.onnx"
    path.write_bytes(export.onnx_bytes(source, size=SIZE))
    return path


def test_the_file_is_valid_old_and_equal_to_torch(source: Trained, file: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    found = export.check(file.read_bytes(), source, half=False, size=SIZE)
    assert 0 < max(one.difference for one in found) < 1e-5
    model = onnx.load(file)
    assert ([one.version for one in model.opset_import], model.ir_version) == ([11], 6)
    assert {node.op_type for node in model.graph.node} <= {
        "Add",
        "Concat",
        "Conv",
        "DepthToSpace",
        "Relu",
        "Slice",
        "Sub",
    }


def supported(path: Path, caplog: pytest.LogCaptureFixture) -> list[tuple[int, int]]:
    """For each kind of accelerator how many nodes ONNX Runtime's own checker thinks it runs, of how many."""
    checker = pytest.importorskip("onnxruntime.tools.mobile_helpers.usability_checker", reason="needs the onnx extra")
    logger = logging.getLogger("usability")
    with caplog.at_level(logging.INFO, logger.name):
        caplog.clear()
        checker.analyze_model(path, logger=logger)
    found = re.findall(r"total of (\d+)/(\d+) nodes can be handled by the (NNAPI|CoreML \w+) EP", caplog.text)
    return [(int(some), int(every)) for some, every, _ in found]


def test_phones_run_every_node(source: Trained, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for some, every in (found := supported(file, caplog)):
        assert some == every > 30
    assert len(found) == 3, "NNAPI and the two kinds of CoreML"
    free = tmp_path / "free.onnx"
    free.write_bytes(export.onnx_bytes(source))
    assert all(some < every / 2 for some, every in supported(free, caplog)[:1])


def test_opencv_runs_it(source: Trained, file: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs opencv-python-headless, of the test extra")
    network = cv2.dnn.readNetFromONNX(str(file))
    image = noise(*SIZE)
    network.setInput(image.numpy(), "image")
    with torch.inference_mode():
        np.testing.assert_allclose(network.forward(), source.module(image).numpy(), rtol=0, atol=3e-5)


@pytest.mark.parametrize("backend", list(ONNX_RUNTIMES))
def test_our_backends_run_it_in_tiles(source: Trained, file: Path, backend: str) -> None:
    pytest.importorskip(backend, reason="needs the extra of that backend")
    network = load_network(backend=backend, weights_file=file)
    assert (network.size, network.radius) == (SIZE, 12)
    random = np.random.default_rng(0)
    whole = torch_network(source.module)
    for shape in (SIZE, (49, 52), (115, 130), (48, 300)):
        image = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
        found = upscale(image, network).astype(int)
        assert np.abs(found - upscale(image, whole)).max() <= 1  # of 255: rounding
    with pytest.raises(ArgumentError, match=r"tile: expected none .* takes 48x52 pixels and no others, got 40"):
        upscale(image, network, tile=40)


def test_a_smaller_picture_is_continued_by_its_mirror_image(source: Trained, file: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    network = onnxruntime_network(file.read_bytes(), "it")
    image = np.random.default_rng(0).integers(1, 256, (60, 9, 4), dtype=np.uint8)
    found = upscale(image, network)
    assert found.shape == (120, 18, 4)
    mirrored = np.concatenate([image, image[:, ::-1]] * 3, axis=1)[:, : SIZE[1]]
    np.testing.assert_array_equal(found, upscale(mirrored, network)[:, :18])
    assert upscale(image[:1, :1, 0], network).shape == (2, 2)


def test_a_file_of_one_size_that_is_not_what_it_says(file: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    for key, value, words in (
        ("scale", "3", r"it: expected \(1, 3, 144, 156\) for its input of 48x52 pixels, got \(96, 104\)"),
        ("radius", "24", "it: expected a size of 49x49 or more, got 48x52"),
    ):
        model = onnx.load(file)
        facts = {one.key: one.value for one in model.metadata_props}
        onnx.helper.set_model_props(model, {**facts, key: value})
        with pytest.raises(UserError, match=words):
            onnxruntime_network(model.SerializeToString(), "it")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "72x200"], "--size: expected at least 73x73, or tiles could not overlap, got 72x200"),
        (["--size", "200x200", "--unfolded"], "--size: expected without --unfolded"),
    ],
)
def test_sizes_that_make_no_sense(arguments: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        export.main(arguments)


@pytest.mark.parametrize("text", ["200", "0x200", "ax200", "200x", "200x200x200"])
def test_what_is_no_size(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        export.main(["--size", text])
    assert "expected height and width in pixels, such as 180x320" in capsys.readouterr().err


def test_the_command_makes_it(
    source: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript", reason="needs the onnx extra")
    monkeypatch.setattr(export, "trained", lambda *_: source)
    monkeypatch.chdir(tmp_path)
    export.main(["--size", "25x40", "--half"])
    assert "smsrn_x2_25x40_half.onnx: " in capsys.readouterr().out
    assert load_network(backend="onnxruntime", weights_file=Path("smsrn_x2_25x40_half.onnx")).size == (25, 40)
