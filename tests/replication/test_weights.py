import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from replication import weights
from replication.errors import UserError
from replication.models import build

FACTS = {"model": "smsrn", "scale": 4, "recipe": {"steps": 3}, "step": 3, "hours": 0.5}


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return build("smsrn")


@pytest.fixture
def path(tmp_path: Path, model: nn.Module) -> Path:
    file = tmp_path / "w.safetensors"
    weights.write(file, model, FACTS)
    return file


def test_single_precision_comes_back_bit_for_bit(tmp_path: Path, model: nn.Module) -> None:
    path = tmp_path / "w.safetensors"
    weights.write(path, model, FACTS, dtype=torch.float32)
    torch.manual_seed(1)
    other = build("smsrn")
    assert weights.load_file(other, path, model="smsrn", scale=4) == FACTS
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_half_precision_comes_back_rounded_to_it_as_float32(path: Path, model: nn.Module) -> None:
    found = weights.read(path)
    assert found.metadata == FACTS
    assert found.state.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert found.state[name].dtype == torch.float32
        assert torch.equal(found.state[name], value.half().float()), name


def test_the_same_parameters_make_the_same_file(tmp_path: Path, path: Path, model: nn.Module) -> None:
    for layout in (torch.channels_last, torch.contiguous_format):
        weights.write(tmp_path / "again", model.to(memory_format=layout), dict(reversed(FACTS.items())))  # type: ignore[call-overload]
        assert weights.digest(tmp_path / "again") == weights.digest(path)


def test_the_digest_is_the_files_sha256(path: Path, tmp_path: Path) -> None:
    assert weights.digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UserError, match="none: No such file"):
        weights.digest(tmp_path / "none")


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "header", "text"])
def test_a_missing_or_damaged_file_is_named_in_one_line(path: Path, damage: str) -> None:
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        spoilt = {"empty": b"", "truncated": content[:-1], "header": b"\xff" + content[1:], "text": b"no weights\n"}
        path.write_bytes(spoilt[damage])
    with pytest.raises(UserError, match=r"w\.safetensors") as error:
        weights.read(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("metadata", [None, {"other": "x"}, {"replication": "no json"}, {"replication": "[1]"}])
def test_a_file_of_someone_else_is_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata)
    with pytest.raises(UserError, match=r"w\.safetensors.* without this package's 'replication' metadata"):
        weights.read(path)


def test_a_file_for_another_model_or_scale_is_refused(path: Path) -> None:
    with pytest.raises(UserError, match=r"w\.safetensors holds smsrn x4, expected msrn x4"):
        weights.load_file(build("msrn"), path, model="msrn", scale=4)
    with pytest.raises(UserError, match="holds smsrn x4, expected smsrn x2"):
        weights.load_file(build("smsrn", scale=2), path, model="smsrn", scale=2)


def test_a_parameter_that_does_not_fit_is_named_and_nothing_is_changed(model: nn.Module) -> None:
    good = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    key = "body.3.confusion.bias"
    spoilt = [
        ({name: value for name, value in good.items() if name != key}, f"'{key}' is missing"),
        ({**good, "tail.9.bias": torch.zeros(1)}, "'tail.9.bias' does not belong to this model"),
        ({**good, key: torch.zeros(63)}, rf"'{key}' has shape \(63,\), expected \(64,\)"),
        ({**good, key: torch.full((64,), torch.nan)}, rf"'{key}' has values that are infinite or no numbers"),
    ]
    for state, message in spoilt:
        with pytest.raises(UserError, match=f"file x: parameter {message}"):
            weights.load(model, state, "file x")
        assert all(parameter.any() for parameter in model.parameters()), "still the old values"
    weights.load(model, good, "file x")
    assert not any(parameter.any() for parameter in model.parameters())
