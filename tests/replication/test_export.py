import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from replication import evaluate, export, runtimes, weights
from replication.backends import load_network
from replication.errors import UserError
from replication.images.photo import Photo, read_photo, write_photo
from replication.models import MODELS
from replication.models.msrn import MSRN
from replication.models.start import identity_start
from replication.network import Trained
from replication.upscale import upscale

ROOT = Path(__file__).parents[2]
RGBA = np.random.default_rng(0).integers(0, 256, (20, 17, 4), dtype=np.uint8)
WITHOUT_TORCH = (
    "import sys; sys.modules['torch'] = None; from replication.upscale import main; sys.exit(main(sys.argv[1:]))"
)

onnx = pytest.importorskip("onnx", reason="needs the onnx extra")
pytest.importorskip("onnxscript", reason="needs the onnx extra")
pytest.importorskip("onnxruntime", reason="needs the onnx extra")


def build(name: str, *, scale: int) -> MSRN:
    """A block of 32 channels in place of eight of 64: an export takes a fraction of the time."""
    return MSRN(MODELS[name], scale=scale, width=32, blocks=1)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("replication.models.build", build)
        yield


def network(seed: int = 0) -> Trained:
    module = build("smsrn", scale=2)
    identity_start(module, seed=seed)
    return Trained(module.eval(), "smsrn", "0" * 64)


@pytest.fixture(scope="module")
def source() -> Trained:
    return network()


@pytest.fixture(scope="module")
def content(source: Trained) -> bytes:
    return export.onnx_bytes(source)


@pytest.fixture(scope="module")
def half(source: Trained) -> bytes:
    return export.onnx_bytes(source, half=True)


def test_equal_to_torch_in_every_runtime(source: Trained, content: bytes) -> None:
    found = export.check(content, source, half=False)
    assert "onnxruntime" in [one.runtime for one in found]
    assert 0 < max(one.difference for one in found) < 1e-5


def test_any_size(source: Trained, content: bytes) -> None:
    run = runtimes.onnxruntime_network(content, "it").run
    generator = torch.Generator().manual_seed(1)
    for height, width in ((1, 9), (2, 2), (50, 3), (64, 64)):
        image = torch.rand(1, 3, height, width, generator=generator)
        with torch.inference_mode():
            expected = source.module(image).numpy()
        np.testing.assert_allclose(run(image.numpy()), expected, atol=1e-5, rtol=0)


def test_metadata(content: bytes, half: bytes) -> None:
    for file, precision in ((content, "single"), (half, "half")):
        model = onnx.load_from_string(file)
        found = {one.key: one.value for one in model.metadata_props}
        assert (found["model"], found["scale"], found["weights_sha256"]) == ("smsrn", "2", "0" * 64)
        assert (found["folded"], found["precision"]) == ("true", precision)
        assert "0..1" in found["value_range"]
        assert [node.name for node in model.graph.input] == ["image"]
        assert {one.type.tensor_type.elem_type for one in (*model.graph.input, *model.graph.output)} == {1}  # float32


def test_same_bytes_and_no_trace_of_the_machine(source: Trained, content: bytes) -> None:
    assert export.onnx_bytes(source) == content
    for trace in (b"stack_trace", b".py", str(Path.cwd()).encode()):
        assert trace not in content


def test_half_precision_is_half_the_size_and_nearly_the_same(source: Trained, content: bytes, half: bytes) -> None:
    assert len(half) < 0.6 * len(content)
    assert 1e-5 < max(one.difference for one in export.check(half, source, half=True)) < 1 / 255
    with pytest.raises(UserError, match=r"differs from PyTorch in \w+: expected 1e-05 at most"):
        export.check(half, source, half=False)


def test_float16_is_checked_in_pytorch_too(source: Trained, half: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "float16 emulated by PyTorch" in [one.runtime for one in export.check(half, source, half=True)]
    too_large = network()
    with torch.no_grad():
        for parameter in too_large.module.head.parameters():
            parameter *= 1e6  # infinite in float16
    monkeypatch.setattr(export, "_installed_runtimes", lambda content: [])
    with pytest.raises(UserError, match="differs from PyTorch in float16 emulated by PyTorch"):
        export.check(half, too_large, half=True)


def test_emulated_float16_is_close_to_pytorchs_own(source: Trained) -> None:
    image = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        exact = source.module(image)
        emulated = export.Float16(export.inference_network(source, folded=True))(image)
        own = export.HalfPrecision(export.inference_network(source, folded=True))(image)
    assert torch.equal(emulated, emulated.half().float())
    errors = [float((one - exact).square().mean().sqrt()) for one in (emulated, own)]
    assert 1e-5 < errors[0] < 1e-3
    assert 0.5 < errors[0] / errors[1] < 2


def test_psnr_change_is_that_of_float16_arithmetic(source: Trained, tmp_path: Path) -> None:
    measured, change = export.psnr_change(source, tmp_path)
    assert (measured, 0 < abs(change) < 0.01) == ("embedded", True)


def test_a_change_of_psnr_has_the_sign_of_the_second_network(tmp_path: Path) -> None:
    bicubic, black = nn.Upsample(scale_factor=2, mode="bicubic"), nn.Upsample(scale_factor=2)
    black.register_forward_hook(lambda module, given, output: 0 * output)
    assert evaluate.psnr_change(bicubic, black, 2, tmp_path)[1] < -5
    assert evaluate.psnr_change(black, bicubic, 2, tmp_path)[1] > 5


def test_a_wrong_file_fails_the_check(source: Trained, content: bytes) -> None:
    with pytest.raises(UserError, match="differs from PyTorch"):
        export.check(content, network(seed=1), half=False)
    model = onnx.load_from_string(content)
    model.graph.node[0].op_type = "Convolution"
    with pytest.raises(UserError, match="not valid ONNX"):
        export.check(model.SerializeToString(), source, half=False)
    model = onnx.load_from_string(content)
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT32
    with pytest.raises(UserError, match="not valid ONNX"):
        export.check(model.SerializeToString(), source, half=False)


def test_a_file_that_fails_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    weights.write(tmp_path / "own.safetensors", network(seed=1).module, {"model": "smsrn", "scale": 2})
    monkeypatch.setattr(export, "onnx_bytes", lambda source, **_: content)  # of another network
    target = tmp_path / "own.onnx"
    with pytest.raises(UserError, match="differs"):
        export.main(["--weights", str(tmp_path / "own.safetensors"), "-o", str(target)])
    assert not target.exists()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights and what the command makes of them."""
    folder = tmp_path_factory.mktemp("exported")
    weights.write(folder / "own.safetensors", network().module, {"model": "smsrn", "scale": 2})
    export.main(["--weights", str(folder / "own.safetensors"), "-o", str(folder / "own.onnx")])
    return folder


def test_command_refuses_to_overwrite(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--weights", str(exported / "own.safetensors"), "-o", str(exported / "own.onnx")]
    with pytest.raises(UserError, match="exists already: --force replaces it"):
        export.main(arguments)
    with pytest.raises(UserError, match=r"expected a name that ends in \.onnx"):
        export.main([*arguments[:-1], "own.pt"])
    export.main([*arguments, "--force", "--unfolded"])
    assert "largest difference from PyTorch" in capsys.readouterr().out
    kept = {one.key: one.value for one in onnx.load(exported / "own.onnx").metadata_props}
    assert kept["folded"] == "false"
    assert kept["weights_sha256"] == weights.digest(exported / "own.safetensors")


@pytest.mark.parametrize("options", [[], ["--unfolded"]])
def test_float16_is_checked_on_the_network_of_the_file(
    exported: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    emulated = []

    def look(network: nn.Module) -> nn.Module:
        emulated.append(type(network))
        return export.HalfPrecision(network)

    monkeypatch.setattr(export, "Float16", look)
    target = exported / "half.onnx"
    export.main(["--weights", str(exported / "own.safetensors"), "-o", str(target), "--force", "--half", *options])
    assert len(emulated) == 2, "for the check, and for the change of PSNR"
    assert {kind is MSRN for kind in emulated} == {bool(options)}


@pytest.mark.parametrize("backend", list(runtimes.ONNX_RUNTIMES))
def test_backends_export_for_the_occasion(exported: Path, backend: str) -> None:
    pytest.importorskip(backend, reason="needs the extra of that backend")
    image = RGBA[..., :3]
    pictures = [
        upscale(image, load_network(weights_file=exported / "own.safetensors", backend=name)).astype(int)
        for name in ("torch", backend)
    ]
    assert abs(pictures[0] - pictures[1]).max() <= 1  # of 255: rounding


def test_the_file_gives_the_same_picture_without_torch(exported: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png", Photo(RGBA))
    arguments = [str(tmp_path / "a.png"), "--backend", "onnxruntime", "--weights", str(exported / "own.onnx")]
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = upscale(RGBA, load_network(weights_file=exported / "own.safetensors"))
    assert abs(read_photo(tmp_path / "a_x2.png").pixels.astype(int) - expected).max() <= 1


def test_a_kept_export_needs_no_torch(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATION_CACHE", str(tmp_path / "cache"))
    write_photo(tmp_path / "a.png", Photo(RGBA))
    file = str(exported / "own.safetensors")
    expected = upscale(RGBA, load_network(weights_file=Path(file), backend="onnxruntime"))
    arguments = [str(tmp_path / "a.png"), "--backend", "onnxruntime", "--weights", file]
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(read_photo(tmp_path / "a_x2.png").pixels, expected)


def test_what_cannot_be_written_is_known_before_the_export(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object, **options: object) -> bytes:
        raise AssertionError("exported")

    monkeypatch.setattr(export, "onnx_bytes", never)
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").touch()

    def refused(target: Path, words: str) -> None:
        with pytest.raises(UserError, match=words):
            export.main(["--weights", str(exported / "own.safetensors"), "-o", str(target), "--force"])

    refused(tmp_path / "folder.onnx", r"expected the name of a file, got the folder .*folder\.onnx")
    refused(tmp_path / "file" / "a.onnx", r"cannot write into .*file: .*file is not a folder")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    refused(tmp_path / "new" / "a.onnx", r"a\.onnx: it may take 0 MB, and 0 MB are free")

    def read_only(**options: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    refused(tmp_path / "a.onnx", r"cannot write into .*: Read-only file system")
    assert not (tmp_path / "new").exists()


def test_without_torch_and_without_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPLICATION_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match=r"expected an \.onnx file as --weights, got none; without PyTorch"):
        load_network(backend="onnxruntime")


def test_a_missing_exporter_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, source: Trained) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r'onnxscript cannot be used .*pip install "\.\[onnx\]"'):
        export.onnx_bytes(source)
