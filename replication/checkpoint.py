"""Training checkpoints: one safetensors file with parameters, their average, the optimisers' state, and the log so far.

Files are written atomically, so a crash at any moment leaves the earlier ones whole; a SHA-256 over the content finds
damage that the file format does not.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from replication.errors import DamagedFileError, UserError
from replication.files import write_bytes

PATTERN = "checkpoint-*.safetensors"
BEFORE_DECAY = "before-decay.safetensors"
"""The last state before the rate falls in the schedule "decay": where a longer run goes on from."""
KEEP = 2
"""Checkpoints kept in addition to the best: the last, and the one before in case the last gets damaged."""


@dataclass(frozen=True)
class Progress:
    """What a run has done: steps finished, seconds spent, best validation PSNR in dB (None: none yet), log rows."""

    step: int
    seconds: float
    best_psnr: float | None
    log: list[dict[str, float | None]]


@dataclass(frozen=True)
class Live:
    """What a step changes: the model, its optimisers, and the average of its parameters by name (empty without one)."""

    model: nn.Module
    optimizers: Sequence[torch.optim.Optimizer]
    average: dict[str, Tensor]


def write(path: Path, live: Live, run: Mapping[str, Any], progress: Progress) -> None:
    """Write a checkpoint. ``run`` are the facts that identify the run. Raises UserError naming ``path``."""
    state = {f"model.{name}": value for name, value in live.model.state_dict().items()}
    state |= {f"average.{name}": value for name, value in live.average.items()}
    optimizers = [
        _without_tensors(optimizer.state_dict(), f"optimizer{number}", state)
        for number, optimizer in enumerate(live.optimizers)
    ]
    state = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    metadata = {
        "run": json.dumps(dict(run), sort_keys=True),
        "progress": json.dumps(asdict(progress)),
        "optimizers": json.dumps(optimizers),
    }
    metadata["sha256"] = _digest(state, metadata)
    write_bytes(path, save(state, metadata))


def _without_tensors(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """``value`` as JSON: dictionaries become lists of pairs, since keys may be numbers; tensors go to ``tensors``.

    A tensor's strides are kept, because the order of its memory decides the last bits of what is computed from it.
    """
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name, "stride": value.stride()}
    if isinstance(value, dict):
        return {"items": [[key, _without_tensors(item, f"{name}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_without_tensors(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: Mapping[str, Tensor], device: torch.device) -> Any:
    """The inverse of `_without_tensors`, with the tensors on ``device``; tuples come back as lists."""
    if isinstance(value, list):
        return [_with_tensors(item, tensors, device) for item in value]
    if not isinstance(value, dict):
        return value
    if "items" in value:
        return {key: _with_tensors(item, tensors, device) for key, item in value["items"]}
    kept = tensors[value["tensor"]]
    return torch.empty_strided(kept.shape, value["stride"], dtype=kept.dtype, device=device).copy_(kept)


def _digest(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    total = hashlib.sha256()
    for name in sorted(state):
        total.update(name.encode())
        total.update(state[name].reshape(-1).view(torch.uint8).numpy().data)
    for name in ("run", "progress", "optimizers"):
        total.update(metadata[name].encode())
    return total.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read: tensors by name, the optimisers' other values, the run's facts, its progress."""

    state: dict[str, Tensor]
    optimizers: list[Any]
    run: dict[str, Any]
    progress: Progress

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of ``name``: "model" or "average", by parameter."""
        return {key.removeprefix(f"{name}."): value for key, value in self.state.items() if key.startswith(f"{name}.")}


def read(path: Path) -> Checkpoint:
    """Read and verify a checkpoint. Raises UserError naming ``path`` when it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if metadata["sha256"] != _digest(state, metadata):
            raise DamagedFileError(f"checkpoint {path} is damaged: its SHA-256 does not match")
        run, progress, optimizers = (json.loads(metadata[name]) for name in ("run", "progress", "optimizers"))
        return Checkpoint(state, optimizers, run, Progress(**progress))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise DamagedFileError(f"checkpoint {path} is damaged: {error}") from error


def restore(checkpoint: Checkpoint, live: Live) -> None:
    """Put parameters, average and optimisers back, bit for bit and in the memory format that they had."""
    live.model.load_state_dict(checkpoint.part("model"))
    for name, value in checkpoint.part("average").items():
        live.average[name].copy_(value)
    for optimizer, kept in zip(live.optimizers, checkpoint.optimizers, strict=True):
        (device,) = {parameter.device for group in optimizer.param_groups for parameter in group["params"]}
        state = _with_tensors(kept, checkpoint.state, device)
        own = optimizer.state_dict()
        optimizer.load_state_dict({"state": {}, "param_groups": state["param_groups"]})
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        numbers = [number for group in own["param_groups"] for number in group["params"]]
        # Past load_state_dict, which copies every tensor and changes some.
        for number, parameter in zip(numbers, parameters, strict=True):
            if number in state["state"]:
                optimizer.state[parameter] = state["state"][number]


def path_for(folder: Path, step: int) -> Path:
    """Where the checkpoint after ``step`` steps is written; names sort by step."""
    return folder / f"checkpoint-{step:08d}.safetensors"


def saved(folder: Path) -> Iterator[Checkpoint]:
    """The undamaged checkpoints of a run from the newest on, the one before the decay last; nothing if there is none.

    A damaged one is passed over with a warning. Raises UserError when all are damaged.
    """
    paths = [*sorted(folder.glob(PATTERN), reverse=True), *folder.glob(BEFORE_DECAY)]
    damaged = 0
    for path in paths:
        try:
            found = read(path)
        except DamagedFileError as error:
            damaged += 1
            print(f"warning: {error}; falling back to the one before", file=sys.stderr)
        else:
            yield found
    if paths and damaged == len(paths):
        raise UserError(f"{folder}: every checkpoint is damaged; start anew in another folder")


def newest(folder: Path) -> Checkpoint:
    """The first of `saved`. Raises UserError when there is none."""
    found = next(saved(folder), None)
    if found is None:
        raise UserError(f"{folder}: expected a training run, found no checkpoint")
    return found


def prune(folder: Path, step: int) -> None:
    """Keep the newest `KEEP` checkpoints up to ``step``, the run's present one.

    Later ones, of a run that has gone back to an earlier state, go as well, and so do the unfinished files of a writer
    that was killed.
    """
    paths = sorted(folder.glob(PATTERN))
    present = [path for path in paths if path <= path_for(folder, step)]
    for path in {*paths, *folder.glob(".*.safetensors")} - {*present[-KEEP:]}:
        path.unlink(missing_ok=True)
