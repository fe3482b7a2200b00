from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_optimizer import SOAP
from torch import Tensor, nn

from replication import checkpoint
from replication.checkpoint import Live, Progress
from replication.errors import UserError

RUN = {"model": "tiny", "recipe": {"steps": 4}}


def network(layout: torch.memory_format = torch.contiguous_format) -> Live:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 3, 3, padding=1))
    model = model.to(memory_format=layout)  # type: ignore[call-overload]  # gap in torch's stubs
    weights = [parameter for parameter in model.parameters() if parameter.dim() == 4]
    biases = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    adam = torch.optim.Adam(biases, 1e-2, fused=True)
    soap = SOAP(weights, 1e-2, precondition_frequency=2, max_precondition_dim=100, merge_dims=True)
    return Live(model, [adam, soap], {name: value.detach().clone() for name, value in model.named_parameters()})


def train(live: Live, steps: range) -> None:
    for step in steps:
        x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        live.model.zero_grad()
        (live.model(x) - x).abs().mean().backward()
        for optimizer in live.optimizers:
            optimizer.step()
        for name, value in live.model.named_parameters():
            live.average[name].lerp_(value.detach(), 0.5)


def progress(step: int) -> Progress:
    return Progress(step, step / 3, 20 + step / 7, [{"step": step, "loss": 0.1, "validation_psnr": None}])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the checkpoints after 2 and 4 steps."""
    live = network()
    for step in (2, 4):
        train(live, range(step - 2, step))
        checkpoint.write(checkpoint.path_for(tmp_path, step), live, RUN, progress(step))
    return tmp_path


def flip(path: Path, position: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_going_on_from_a_checkpoint_is_bit_identical(tmp_path: Path, layout: torch.memory_format) -> None:
    live = network(layout)
    train(live, range(5))
    checkpoint.write(tmp_path / "c.safetensors", live, RUN, progress(5))
    train(live, range(5, 9))

    again = network(layout)
    found = checkpoint.read(tmp_path / "c.safetensors")
    checkpoint.restore(found, again)
    assert (found.run, found.progress) == (RUN, progress(5))
    train(again, range(5, 9))

    assert_same(live.average, again.average)
    assert_same(dict(live.model.named_parameters()), dict(again.model.named_parameters()))
    for one, two in zip(live.optimizers, again.optimizers, strict=True):
        assert_same(tensors(one.state_dict()), tensors(two.state_dict()))


def tensors(value: Any, name: str = "") -> dict[str, Tensor]:
    """All tensors in nested dictionaries and lists, by their place."""
    if isinstance(value, Tensor):
        return {name: value}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {key: found for index, item in items for key, found in tensors(item, f"{name}.{index}").items()}


def assert_same(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    assert one
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
        assert value.stride() == two[name].stride(), name


def test_a_checkpoint_before_the_first_step_has_no_optimizer_state(tmp_path: Path) -> None:
    live = network()
    checkpoint.write(tmp_path / "c.safetensors", live, RUN, progress(0))
    checkpoint.restore(checkpoint.read(tmp_path / "c.safetensors"), live)
    assert not any(optimizer.state for optimizer in live.optimizers)


def test_the_newest_comes_first_and_the_one_before_the_decay_last(folder: Path) -> None:
    (folder / checkpoint.BEFORE_DECAY).write_bytes(checkpoint.path_for(folder, 2).read_bytes())
    assert [found.progress.step for found in checkpoint.saved(folder)] == [4, 2, 2]


def test_an_empty_or_missing_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert list(checkpoint.saved(tmp_path)) == []
    assert list(checkpoint.saved(tmp_path / "none")) == []


@pytest.mark.parametrize("damage", ["empty", "truncated", "first byte", "header", "tensor", "last byte"])
def test_a_damaged_last_checkpoint_falls_back_to_the_one_before_with_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    last = checkpoint.path_for(folder, 4)
    size = last.stat().st_size
    if damage in ("empty", "truncated"):
        last.write_bytes(last.read_bytes()[: 0 if damage == "empty" else size // 2])
    else:
        flip(last, {"first byte": 0, "header": 100, "tensor": size - 500, "last byte": size - 1}[damage])
    assert next(checkpoint.saved(folder)).progress.step == 2
    warning = capsys.readouterr().err
    assert warning.startswith("warning: checkpoint ")
    assert last.name in warning
    assert warning.count("\n") == 1


def test_one_flipped_bit_anywhere_is_found_or_harmless(folder: Path) -> None:
    path = checkpoint.path_for(folder, 4)
    whole, content = checkpoint.read(path), path.read_bytes()
    random = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        path.write_bytes(content)
        flip(path, int(random.integers(len(content))), int(random.integers(8)))
        try:
            spoilt = checkpoint.read(path)
        except UserError:
            found += 1
            continue
        # What remains: a key of the header that is not ours, or white space.
        assert (spoilt.run, spoilt.progress) == (whole.run, whole.progress)
        assert all(torch.equal(value, whole.state[name]) for name, value in spoilt.state.items())
        assert spoilt.state.keys() == whole.state.keys()
        assert spoilt.optimizers == whole.optimizers
    assert found > 190


def test_all_damaged_is_an_error_and_not_a_new_start(folder: Path) -> None:
    for step in (2, 4):
        flip(checkpoint.path_for(folder, step), -1)
    with pytest.raises(UserError, match="every checkpoint is damaged"):
        list(checkpoint.saved(folder))


def test_old_later_and_unfinished_files_are_removed(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8, 100):
        checkpoint.path_for(tmp_path, step).touch()
    others = ("best.safetensors", checkpoint.BEFORE_DECAY, "log.csv")
    for name in (*others, ".checkpoint-00000006.0a1b2c3d.safetensors", ".best.00000000.safetensors"):
        (tmp_path / name).touch()
    checkpoint.prune(tmp_path, 6)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*others, "checkpoint-00000004.safetensors", "checkpoint-00000006.safetensors"}
