"""Checkpoints of the public MSRN code (MIVRC/MSRN-PyTorch)."""

from pathlib import Path

import torch
from torch import Tensor, nn

from replication import weights
from replication.errors import DamagedFileError
from replication.models.msrn import DIV2K_MEAN

WRAPPERS = ("state_dict", "params_ema", "params", "model_state_dict", "model", "net")
"""Keys under which training codes put the parameters, the one to prefer first."""
PREFIXES = ("module.", "model.", "net.")
"""What wrappers such as ``DataParallel`` put before every name."""


def read(path: Path) -> dict[str, Tensor]:
    """The parameters in a ``.pt`` or ``.pth`` file by their bare names: out of `WRAPPERS`, without `PREFIXES`.

    The file is unpickled as plain tensors only (``weights_only=True``). Raises DamagedFileError naming the file.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DamagedFileError(f"cannot read checkpoint {path}: {error.strerror or error}") from error
    except Exception as error:  # damage raises a dozen types here, and torch's own text advises to load unsafely
        raise DamagedFileError(
            f"{path}: expected a checkpoint of plain tensors written by torch.save, "
            f"got a file that is damaged or holds something else ({type(error).__name__})"
        ) from error
    for _ in range(len(WRAPPERS)):  # one may lie in another
        inside = next((state[key] for key in WRAPPERS if isinstance(state, dict) and key in state), None)
        if not isinstance(inside, dict):
            break
        state = inside
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items())
    ):
        raise DamagedFileError(f"{path}: expected a dictionary of parameters as the public MSRN code saves it")
    while (prefix := next((one for one in PREFIXES if all(name.startswith(one) for name in state)), None)) is not None:
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return dict(state)


def scale_of(path: Path) -> int:
    """The scale that the upsampler's shapes in a checkpoint tell. Raises DamagedFileError naming the file."""
    state = read(path)
    found = [value for name, value in state.items() if name.startswith("tail.2.") and name.endswith(".weight")]
    if not found:
        raise DamagedFileError(f"{path}: parameter 'tail.2.0.weight' is missing")
    return 3 if len(found[0]) == 9 * 64 else 2 ** len(found)


def load_official(module: nn.Module, path: Path) -> None:
    """Load a ``.pt`` checkpoint of the public MSRN code (MIVRC/MSRN-PyTorch) into ``module``.

    That code works in 0..255 and this package in 0..1. All layers are convolutions and ReLU, which commute with a
    positive factor, so the same network in 0..1 has the same kernels and biases divided by 255. The two mean-shift
    layers must hold the constant that `MSRN` has built in. The file is unpickled as plain tensors only
    (``weights_only=True``). Raises DamagedFileError naming the file and the key that does not fit.
    """
    state = read(path)
    for layer, sign in (("sub_mean", -1), ("add_mean", 1)):
        _check_mean_shift(state, layer, sign, path)
    converted = {
        name: value.float() / 255 if name.endswith(".bias") else value.float() for name, value in state.items()
    }
    weights.load(module, converted, str(path))


def _check_mean_shift(state: dict[str, Tensor], layer: str, sign: int, path: Path) -> None:
    """Take the mean-shift layer out of ``state`` and require the values that `MSRN` has built in."""
    expected = {
        f"{layer}.weight": torch.eye(3).view(3, 3, 1, 1),
        f"{layer}.bias": sign * 255 * torch.tensor(DIV2K_MEAN),
    }
    for name, value in expected.items():
        if name not in state:
            raise DamagedFileError(f"{path}: parameter {name!r} is missing")
        found = state.pop(name).float()
        if found.shape != value.shape or not torch.allclose(found, value, atol=1e-3):
            raise DamagedFileError(
                f"{path}: {name!r} is not the mean shift of the public code: expected {value.flatten()}"
            )
