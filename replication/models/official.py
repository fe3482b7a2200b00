"""Checkpoints as the authors of networks publish them: MSRN (MIVRC/MSRN-PyTorch), CARN-M, IMDN and PAN.

All are unpickled as plain tensors only (``weights_only=True``).
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from replication import weights
from replication.errors import DamagedFileError
from replication.models.msrn import DIV2K_MEAN
from replication.models.zoo import NETWORKS

WRAPPERS = ("state_dict", "params_ema", "params", "model_state_dict", "model", "net")
"""Keys under which training codes put the parameters, the one to prefer first."""
PREFIXES = ("module.", "model.", "net.")
"""What wrappers such as ``DataParallel`` put before every name."""


def read(path: Path) -> dict[str, Tensor]:
    """The parameters in a ``.pt`` or ``.pth`` file by their bare names: out of `WRAPPERS`, without `PREFIXES`.

    The file is unpickled as plain tensors only (``weights_only=True``). Raises DamagedFileError naming the file.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        raise DamagedFileError(f"cannot read checkpoint {path}: {error.strerror or error}") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage raises a dozen types, and torch advises to load unsafely
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
        raise DamagedFileError(f"{path}: expected a dictionary of parameters by name")
    while (prefix := next((one for one in PREFIXES if all(name.startswith(one) for name in state)), None)) is not None:
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return dict(state)


def scale_of(path: Path) -> int:
    """The scale of a checkpoint, from the shapes of its upsampler. Raises DamagedFileError naming the file."""
    state = read(path)
    found = [value for name, value in state.items() if name.startswith("tail.2.") and name.endswith(".weight")]
    if not found:
        raise DamagedFileError(f"{path}: parameter 'tail.2.0.weight' is missing")
    return 3 if len(found[0]) == 9 * 64 else 2 ** len(found)


def load_official(module: nn.Module, path: Path) -> None:
    """Load a ``.pt`` checkpoint of the public MSRN code (MIVRC/MSRN-PyTorch) into ``module``.

    That code works in 0..255 and this package in 0..1. All layers are convolutions and ReLU, which commute with a
    positive factor, so the same network in 0..1 has the same kernels and biases divided by 255. The two mean-shift
    layers must hold the constant that `MSRN` has built in. Raises DamagedFileError naming file and key.
    """
    state = read(path)
    if "sub_mean.weight" not in state:
        raise DamagedFileError(
            f"{path}: expected a checkpoint of the public MSRN code, found no 'sub_mean.weight'; trainings of this "
            "package end with weights as .safetensors"
        )
    _check_mean_shift(state, path, layer="{}_mean", full=255)
    converted = {
        name: value.float() / 255 if name.endswith(".bias") else value.float() for name, value in state.items()
    }
    weights.load(module, converted, str(path))


def _check_mean_shift(state: dict[str, Tensor], path: Path, *, layer: str, full: int) -> None:
    """Take the two mean-shift layers out of ``state`` and require the constant that our networks have built in.

    ``layer``: their name, {} in place of "sub" and "add". ``full``: the value of white in that code.
    """
    for kind, sign in (("sub", -1), ("add", 1)):
        expected = {
            f"{layer.format(kind)}.weight": torch.eye(3).view(3, 3, 1, 1),
            f"{layer.format(kind)}.bias": sign * full * torch.tensor(DIV2K_MEAN),
        }
        for name, value in expected.items():
            if name not in state:
                raise DamagedFileError(f"{path}: parameter {name!r} is missing")
            found = state.pop(name).float()
            if found.shape != value.shape or not torch.allclose(found, value, atol=1e-3 * full / 255):
                raise DamagedFileError(
                    f"{path}: {name!r} is not the mean shift of the public code: expected {value.flatten()}"
                )


def _pan() -> Iterator[tuple[str, str]]:
    """Layers of `replication.models.zoo.PAN` with their names in zhaohengyuan1/PAN."""
    parts = {"enter.0": "conv1_a", "enter.1": "conv1_b", "upper": "k1.0", "join": "conv3"}
    parts |= {"gate": "PAConv.k2", "lower.0": "PAConv.k3", "lower.1": "PAConv.k4"}
    yield from {"head": "conv_first", "body.16": "trunk_conv", "last": "conv_last"}.items()
    for block in range(16):
        yield from ((f"body.{block}.{own}", f"SCPA_trunk.{block}.{name}") for own, name in parts.items())
    for stage in (0, 1):
        names = {"1": f"upconv{stage + 1}", "2.gate": f"att{stage + 1}.conv", "4": f"HRconv{stage + 1}"}
        yield from ((f"stages.{stage}.{own}", name) for own, name in names.items())


def _imdn() -> Iterator[tuple[str, str]]:
    """Layers of `replication.models.zoo.IMDN` with their names in Zheng222/IMDN."""
    ends = {"head": "fea_conv", "fuse.0": "c.0", "fuse.2": "LR_conv", "tail.0": "upsampler.0"}
    parts = {**{f"layers.{layer}": f"c{layer + 1}" for layer in range(4)}, "fuse": "c5"}
    parts |= {f"attention.gate.{layer}": f"cca.conv_du.{layer}" for layer in (0, 2)}
    yield from ends.items()
    for block in range(6):
        yield from ((f"blocks.{block}.{own}", f"IMDB{block + 1}.{name}") for own, name in parts.items())


def _carn_m() -> Iterator[tuple[str, str]]:
    """Layers of `replication.models.zoo.carn_m` with their names in nmhkahn/CARN-pytorch."""
    yield from {"head": "entry", "last": "exit"}.items()
    for block in range(3):
        for use in range(3):  # one residual block, used three times
            for layer in (0, 2, 4):
                yield f"body.parts.{block}.parts.{use}.0.{layer}", f"b{block + 1}.b1.body.{layer}"
        for fuse in range(3):
            yield f"body.parts.{block}.fuse.{fuse}", f"b{block + 1}.c{fuse + 1}.body.0"
        yield f"body.fuse.{block}", f"c{block + 1}.body.0"
    for scale, own, name in ((2, 0, 0), (3, 0, 0), (4, 0, 0), (4, 2, 3)):
        yield f"upsamplers.{scale}.{own}", f"upsample.up{scale}.body.{name}"


PUBLISHED = {"CARN-M": _carn_m, "IMDN": _imdn, "PAN": _pan}
"""Names in `replication.models.zoo.NETWORKS` whose authors' x4 checkpoints `load_published` reads."""


def load_published(name: str, path: Path) -> nn.Module:
    """The network ``name`` of the zoo with the parameters of its authors' checkpoint, ready to run on RGB in 0..1.

    Raises DamagedFileError naming the file and the parameter that is missing, does not belong or does not fit.
    """
    module = NETWORKS[name].factory()
    state = read(path)
    if name == "CARN-M":
        _check_mean_shift(state, path, layer="{}_mean.shifter", full=1)
    layers = dict(PUBLISHED[name]())
    theirs = {own: f"{layers[own.rpartition('.')[0]]}.{own.rpartition('.')[2]}" for own in module.state_dict()}
    for found in sorted(state.keys() - set(theirs.values())):
        raise DamagedFileError(f"{path}: parameter {found!r} does not belong to {name}")
    for wanted in theirs.values():
        if wanted not in state:
            raise DamagedFileError(f"{path}: parameter {wanted!r} is missing")
    weights.load(module, {own: state[found].float() for own, found in theirs.items()}, str(path))
    return module.eval()
