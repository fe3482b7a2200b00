"""Training checkpoints: one safetensors file with parameters, Adam's state, and the story so far.

Files are written atomically, so a crash at any moment leaves the earlier ones whole; a SHA-256 over the content finds
damage that the file format does not.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
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
"""Checkpoints kept beside the best: the last, and the one before in case the last gets damaged."""


@dataclass(frozen=True)
class Progress:
    """What a run has done: steps finished, seconds spent, best validation PSNR in dB (None: none yet), log rows."""

    step: int
    seconds: float
    best_psnr: float | None
    log: list[dict[str, float | None]]


def write(
    path: Path, model: nn.Module, optimizer: torch.optim.Adam, run: Mapping[str, Any], progress: Progress
) -> None:
    """Write a checkpoint. ``run`` are the facts that identify the run. Raises UserError naming ``path``."""
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            state[f"adam.{name}.{key}"] = value
    state = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    metadata = {"run": json.dumps(dict(run), sort_keys=True), "progress": json.dumps(asdict(progress))}
    metadata["sha256"] = _digest(state, metadata)
    write_bytes(path, save(state, metadata))


def _digest(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    total = hashlib.sha256()
    for name in sorted(state):
        total.update(name.encode())
        total.update(state[name].reshape(-1).view(torch.uint8).numpy().data)
    for name in ("run", "progress"):
        total.update(metadata[name].encode())
    return total.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read: tensors by name, the run's identifying facts, and its progress."""

    state: dict[str, Tensor]
    run: dict[str, Any]
    progress: Progress


def read(path: Path) -> Checkpoint:
    """Read and verify a checkpoint. Raises UserError naming ``path`` when it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if metadata["sha256"] != _digest(state, metadata):
            raise DamagedFileError(f"checkpoint {path} is damaged: its SHA-256 does not match")
        return Checkpoint(state, json.loads(metadata["run"]), Progress(**json.loads(metadata["progress"])))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise DamagedFileError(f"checkpoint {path} is damaged: {error}") from error


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Adam) -> None:
    """Put parameters and Adam's state back, bit for bit and in the memory format that each parameter has."""
    model.load_state_dict({name[6:]: value for name, value in checkpoint.state.items() if name.startswith("model.")})
    for name, parameter in model.named_parameters():
        prefix = f"adam.{name}."
        entries = {key[len(prefix) :]: value for key, value in checkpoint.state.items() if key.startswith(prefix)}
        if entries:
            optimizer.state[parameter] = {
                key: value.to(parameter.device) if key == "step" else torch.empty_like(parameter).copy_(value)
                for key, value in entries.items()
            }


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


def prune(folder: Path, step: int) -> None:
    """Keep the newest `KEEP` checkpoints up to ``step``, the run's present one.

    Later ones, of a run that has gone back to an earlier state, go as well, and so do the unfinished files of a writer
    that was killed.
    """
    paths = sorted(folder.glob(PATTERN))
    present = [path for path in paths if path <= path_for(folder, step)]
    for path in {*paths, *folder.glob(".*.safetensors")} - {*present[-KEEP:]}:
        path.unlink(missing_ok=True)
