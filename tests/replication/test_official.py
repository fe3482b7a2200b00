"""A checkpoint of the public MSRN code gives the same output here, and whatever does not fit is named.

The checkpoints are made here, with the names, shapes and range (0..255) of the public code.
"""

import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from published import published_layers, published_msrn
from torch import Tensor

from replication import evaluate
from replication.errors import UserError
from replication.models import build
from replication.models.official import load_official
from replication.network import trained

MEAN_255 = torch.tensor([0.4488, 0.4371, 0.4040]) * 255
State = OrderedDict[str, Tensor]


def checkpoint(scale: int) -> State:
    """Random parameters under the public code's names; biases of the size that a range of 0..255 brings."""
    generator = torch.Generator().manual_seed(scale)
    state: State = OrderedDict()
    for kind, sign in (("sub", -1), ("add", 1)):
        state[f"{kind}_mean.weight"] = torch.eye(3).reshape(3, 3, 1, 1)
        state[f"{kind}_mean.bias"] = sign * MEAN_255
    for name, shape in published_layers("msrn", scale).items():
        size = torch.Size(shape[1:]).numel() ** -0.5 if name.endswith("weight") else 20
        state[name] = torch.randn(shape, generator=generator) * size
    return state


def saved(state: object, folder: Path, *, zipped: bool = True) -> Path:
    path = folder / "msrn.pt"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    return path


def refused(path: Path, match: str, *, model: str = "msrn", scale: int = 2) -> None:
    """Loading must fail in one line that names the file and says ``match``, and leave the model as it was."""
    module = build(model, scale=scale)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(UserError, match=match) as caught:
        load_official(module, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize(  # the published files are older than torch's zip format
    ("scale", "zipped"), [(2, True), (3, True), (4, True), (8, True), (2, False)]
)
def test_same_weights_same_output(scale: int, zipped: bool, tmp_path: Path) -> None:
    state = checkpoint(scale)
    model = build("msrn", scale=scale)
    load_official(model, saved(state, tmp_path, zipped=zipped))
    image = torch.randint(0, 256, (1, 3, 6, 7), generator=torch.Generator().manual_seed(0)).float()
    with torch.no_grad():
        shifted = F.conv2d(image, state["sub_mean.weight"], state["sub_mean.bias"])
        result = published_msrn(state, shifted, scale)
        published = F.conv2d(result, state["add_mean.weight"], state["add_mean.bias"])
        ours = model(image / 255) * 255
    assert published.std() > 20
    # Float32 with 19 layers: a few units in the last place of the largest value.
    torch.testing.assert_close(ours, published, rtol=0, atol=3e-6 * published.abs().max().item())


@pytest.fixture(scope="module")
def state_x2() -> State:
    return checkpoint(2)


@pytest.mark.parametrize("name", ["head.0.bias", "body.7.conv_5_2.weight", "tail.2.0.weight", "add_mean.bias"])
def test_missing_key(name: str, state_x2: State, tmp_path: Path) -> None:
    state = OrderedDict(state_x2)
    del state[name]
    refused(saved(state, tmp_path), rf"parameter {name!r} is missing")


def test_parameters_of_this_package_are_told_apart(state_x2: State, tmp_path: Path) -> None:
    own = OrderedDict((name, value) for name, value in state_x2.items() if "mean" not in name)
    refused(saved(own, tmp_path), r"a checkpoint of the public MSRN code, found no 'sub_mean\.weight'; .*\.safetensors")


@pytest.mark.parametrize(
    ("scale", "key", "prefix"),
    [(2, "state_dict", "module."), (3, "params_ema", ""), (4, "model", "model.module."), (8, "net", "net.")],
)
def test_wrapped_as_people_have_them(scale: int, key: str, prefix: str, tmp_path: Path) -> None:
    state = checkpoint(scale)
    expected = build("msrn", scale=scale)
    load_official(expected, saved(state, tmp_path))
    wrapped = {key: {prefix + name: value for name, value in state.items()}, "epoch": 3}
    found = trained(None, None, saved(wrapped, tmp_path))
    assert (found.model, found.module.scale) == ("msrn", scale)
    for name, value in expected.state_dict().items():
        assert torch.equal(found.module.state_dict()[name], value), name
    subject = evaluate.subject("msrn", scale, tmp_path / "msrn.pt")
    assert subject is not None
    assert subject.weights == found.digest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sub_mean.bias", MEAN_255),  # wrong sign
        ("add_mean.bias", torch.tensor([0.4488, 0.4371, 0.4040])),  # range 0..1
        ("add_mean.bias", torch.tensor([0.4690, 0.4490, 0.4036]) * 255),  # the mean of another code
        ("sub_mean.weight", torch.eye(3).reshape(3, 3, 1, 1) / 0.25),  # divided by a standard deviation
        ("sub_mean.weight", torch.eye(3)),  # shape
    ],
)
def test_other_mean_shift(name: str, value: Tensor, state_x2: State, tmp_path: Path) -> None:
    refused(saved(OrderedDict(state_x2, **{name: value}), tmp_path), f"'{name}' is not the mean shift")


def test_other_scale(state_x2: State, tmp_path: Path) -> None:
    path = saved(state_x2, tmp_path)
    refused(path, r"parameter 'tail\.2\.2\.weight' is missing", scale=4)
    refused(path, r"'tail\.2\.0\.weight' has shape \(256, 64, 3, 3\), expected \(576, 64, 3, 3\)", scale=3)


def test_other_model(state_x2: State, tmp_path: Path) -> None:
    refused(saved(state_x2, tmp_path), r"parameter 'head\.0\.depthwise\.weight' is missing", model="smsrn")


@pytest.mark.parametrize(
    "content", [[torch.zeros(1)], torch.zeros(3), {"head.0.weight": 1.5}, {0: torch.zeros(1)}, {"model": {}}, "text"]
)
def test_no_dictionary_of_tensors(content: object, tmp_path: Path) -> None:
    refused(saved(content, tmp_path), "expected a dictionary of parameters")


class Malicious:
    """What a pickle can do to whoever loads it carelessly: here, make a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_malicious_pickle(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "harm"
    path = tmp_path / "msrn.pt"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Malicious(target), protocol=2))
    else:
        saved({"head.0.weight": Malicious(target)}, tmp_path, zipped=kind == "zip")
    refused(path, "expected a checkpoint of plain tensors")
    assert not target.exists()
    if kind == "pickle":  # the file is indeed harmful
        pickle.loads(path.read_bytes())
        assert target.exists()


def test_whole_pickled_network(tmp_path: Path) -> None:
    refused(saved(build("msrn", scale=2), tmp_path), "expected a checkpoint of plain tensors")


@pytest.mark.parametrize("zipped", [True, False])
def test_truncated(zipped: bool, tmp_path: Path) -> None:
    module = build("smsrn", scale=2)
    path = saved({"head.0.bias": torch.zeros(1000)}, tmp_path, zipped=zipped)
    content = path.read_bytes()
    for length in range(0, len(content), 17):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=re.escape(str(path)) + ": expected a checkpoint of plain tensors"):
            load_official(module, path)


@pytest.mark.parametrize("content", [b"", b"hello world\n", b"\x89PNG\r\n\x1a\n" + bytes(100), b"PK\x03\x04"])
def test_other_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "msrn.pt"
    path.write_bytes(content)
    refused(path, "expected a checkpoint of plain tensors")


def test_not_a_file(tmp_path: Path) -> None:
    refused(tmp_path, "cannot read checkpoint")
    refused(tmp_path / "absent.pt", "cannot read checkpoint .* No such file")
