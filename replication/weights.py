"""Weights files: safetensors that carry how they were made.

A weights file holds the parameters of one network (half or single precision) and one JSON text, ``replication``, with
the model, scale, recipe, seed, data, steps, hours, machine and package versions. To name files and take their digests
needs no PyTorch.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from replication.errors import DamagedFileError, UserError
from replication.files import write_bytes

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

FOLDER = Path(__file__).parent / "weights"
METADATA_KEY = "replication"
SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Weights:
    """Parameters by name (float32) and the facts that travel with them."""

    state: "dict[str, Tensor]"
    metadata: dict[str, Any]


def digest(path: Path) -> str:
    """SHA-256 of the file, in hexadecimal. Raises UserError when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DamagedFileError(f"cannot read weights {path}: {error.strerror}") from error


def shipped(model: str, scale: int) -> Path | None:
    """The weights file that ships with the package for ``model`` at ``scale``, or None: not trained."""
    path = FOLDER / f"{model}_x{scale}.safetensors"
    return path if path.is_file() else None


def shipped_digest(model: str, scale: int) -> str | None:
    """The `digest` of the file of `shipped`; None where there is none."""
    path = shipped(model, scale)
    return digest(path) if path else None


def read(path: Path) -> Weights:
    """Read a weights file. Raises UserError, naming the file, when it is missing, damaged or not one of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(json.loads((file.metadata() or {})[METADATA_KEY]))
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise DamagedFileError(f"cannot read weights {path}: {error}") from error
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedFileError(
            f"{path} is a safetensors file without this package's {METADATA_KEY!r} metadata"
        ) from error
    return Weights(state, metadata)


def write(path: Path, module: "nn.Module", metadata: Mapping[str, Any], *, dtype: "torch.dtype | None" = None) -> None:
    """Write ``module``'s parameters as ``dtype`` (float16 unless given) with ``metadata``, atomically.

    Raises UserError naming ``path``.
    """
    import torch
    from safetensors.torch import save

    dtype = dtype or torch.float16
    state = {name: value.detach().to("cpu", dtype).contiguous() for name, value in module.state_dict().items()}
    text = {METADATA_KEY: json.dumps(metadata, sort_keys=True)}
    write_bytes(path, save(state, text))


def load(module: "nn.Module", state: "Mapping[str, Tensor]", source: str) -> None:
    """Copy ``state`` into ``module``, all or nothing. Raises UserError naming ``source`` and the key at fault."""
    own = module.state_dict()
    for name in own:
        if name not in state:
            raise DamagedFileError(f"{source}: parameter {name!r} is missing")
    for name in state:
        if name not in own:
            raise DamagedFileError(f"{source}: parameter {name!r} does not belong to this model")
    for name, value in own.items():
        if state[name].shape != value.shape:
            raise DamagedFileError(
                f"{source}: parameter {name!r} has shape {tuple(state[name].shape)}, expected {tuple(value.shape)}"
            )
        if not bool(state[name].isfinite().all()):
            raise DamagedFileError(f"{source}: parameter {name!r} has values that are infinite or no numbers")
    module.load_state_dict(dict(state))


def load_file(module: "nn.Module", path: Path, *, model: str, scale: int) -> dict[str, Any]:
    """Load a weights file into ``module`` and return its metadata.

    Raises UserError when the file was made for another model or scale, or a parameter does not fit.
    """
    found = read(path)
    made_for = (found.metadata.get("model"), found.metadata.get("scale"))
    if made_for != (model, scale):
        raise UserError(f"{path} holds {made_for[0]} x{made_for[1]}, expected {model} x{scale}")
    load(module, found.state, str(path))
    return found.metadata


def load_shipped(module: "nn.Module", model: str, scale: int) -> dict[str, Any]:
    """Load the shipped weights after checking their digest against ``weights/SHA256SUMS``; return their metadata."""
    path = shipped(model, scale)
    if path is None:
        raise UserError(f"{model} x{scale} is not trained: no weights ship with this package")
    expected, found = shipped_digests().get(path.name), digest(path)
    if found != expected:
        raise DamagedFileError(f"{path} is damaged: expected SHA-256 {expected}, got {found}")
    return load_file(module, path, model=model, scale=scale)


def shipped_digests() -> dict[str, str]:
    """File name -> SHA-256 of every shipped weights file, from ``weights/SHA256SUMS`` (format of ``sha256sum``)."""
    lines = (FOLDER / SUMS).read_text(encoding="utf-8").splitlines()
    return {name: value for value, name in (line.split() for line in lines)}
