"""A network ready to run, whatever runs it, and the trained networks of this package in PyTorch.

Nothing here imports PyTorch until a network of its own is built: an ONNX file and its runtime are enough.
"""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from replication import weights
from replication.errors import ArgumentError, MissingPackageError, UserError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from replication.models.msrn import MSRN

Batch = NDArray[np.float32]

DEFAULT_MODEL, DEFAULT_SCALE = "smsrn", 4


def scales_in_words(default: str = f"{DEFAULT_SCALE}, or what FILE holds") -> str:
    """Which scales have weights here and which need a file, for the help of commands."""
    there = [scale for scale in (2, 3, 4, 8) if weights.shipped(DEFAULT_MODEL, scale)]
    absent = [scale for scale in (2, 3, 4, 8) if scale not in there]
    words = f"{', '.join(map(str, there)) or 'none'} (default: {default})"
    return words + (f"; {', '.join(map(str, absent))} have no weights here and need --weights" if absent else "")


CHECKPOINTS = (".pt", ".pth")
"""Endings of files that PyTorch pickled; see `replication.models.official`."""

BYTES_PER_PIXEL = {"torch": 5_000, "onnxruntime": 9_000, "openvino": 12_000}
"""Memory at work per input pixel, an upper bound for the folded networks at every scale (`Network.bytes_per_pixel`).

The last part of a block holds about 800 channels in single precision at once; the rest is the backends' own copies.
"""


@dataclass(frozen=True)
class Network:
    """A network ready to run, whatever runs it.

    ``run``: float32 RGB (1, 3, H, W) in 0..1 -> float32 (1, 3, scale·H, scale·W), not clipped. ``radius``: how many
    pixels of the input around a pixel its results depend on. ``bytes_per_pixel``: memory at work per input pixel.
    ``size``: the only H and W that it takes, or None: any.

    It serves any number of threads at once. It can be pickled, and so be sent to a process that was spawned; in a
    forked one it runs as well, PyTorch with one thread (`one_thread_after_fork`).
    """

    run: Callable[[Batch], Batch]
    scale: int
    radius: int
    bytes_per_pixel: int
    size: tuple[int, int] | None = None

    def enlarge(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """As ``run``, of one picture in the usual layout: (H, W, 3) -> (scale·H, scale·W, 3)."""
        output = self.run(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))[0]
        return np.asarray(output.transpose(1, 2, 0))


def receptive_radius(model: "MSRN") -> int:
    """Pixels of the input to each side of a pixel that the output there can depend on; 36 for MSRN and SMSRN x4.

    Layers in sequence add their kernels' radii, branches side by side count by the larger, and behind a pixel shuffle
    a radius counts by the finer pixels.
    """
    from torch import nn

    def radius(module: nn.Module) -> int:
        return sum(layer.kernel_size[0] // 2 for layer in module.modules() if isinstance(layer, nn.Conv2d))

    reach = Fraction(radius(model.head))
    for block in model.body:
        reach += max(radius(block.conv_3_1), radius(block.conv_5_1))  # type: ignore[arg-type]
        reach += max(radius(block.conv_3_2), radius(block.conv_5_2))  # type: ignore[arg-type]
        reach += radius(block.confusion)  # type: ignore[arg-type]
    finer = 1
    for layer in model.tail.modules():
        if isinstance(layer, nn.Conv2d):
            reach += Fraction(layer.kernel_size[0] // 2, finer)
        elif isinstance(layer, nn.PixelShuffle):
            finer *= layer.upscale_factor
    return ceil(reach)


@dataclass(frozen=True)
class Trained:
    """A network with trained weights: its module, its name, and the SHA-256 of the weights file."""

    module: "MSRN"
    model: str
    digest: str


def trained(model: str | None, scale: int | None, weights_file: Path | None) -> Trained:
    """Build a network with the weights of a file (.safetensors names model and scale), or the shipped ones.

    ``model`` and ``scale`` as in `load_network`, which see for the errors. Needs PyTorch.
    """
    from replication.models import build

    if weights_file is None:
        model = DEFAULT_MODEL if model is None else model
        scale = DEFAULT_SCALE if scale is None else scale
        module = build(model, scale=scale, pretrained=True)
        return Trained(module, model, weights.shipped_digests()[f"{model}_x{scale}.safetensors"])
    if weights_file.suffix.lower() in CHECKPOINTS:
        return _public(model, scale, weights_file)
    if weights_file.suffix.lower() != ".safetensors":
        raise UserError(
            f"{weights_file}: expected weights as .safetensors, which this package writes, "
            f"or {' or '.join(CHECKPOINTS)} of the public MSRN code"
        )
    made_for = weights.read(weights_file).metadata
    model = made_for.get("model") if model is None else model
    scale = made_for.get("scale") if scale is None else scale
    try:
        module = build(model, scale=scale)  # type: ignore[arg-type]  # what the file says may be anything
    except ArgumentError as error:
        raise UserError(f"{weights_file}: {error}") from error
    assert isinstance(model, str)
    assert scale is not None
    weights.load_file(module, weights_file, model=model, scale=scale)
    return Trained(module, model, weights.digest(weights_file))


def _public(model: str | None, scale: int | None, weights_file: Path) -> Trained:
    """A checkpoint of the public MSRN code, which names neither model nor scale: its shapes tell."""
    from replication.models import build
    from replication.models.official import load_official, scale_of

    model = "msrn" if model is None else model
    module = build(model, scale=scale_of(weights_file) if scale is None else scale)
    load_official(module, weights_file)
    return Trained(module, model, weights.digest(weights_file))


class TorchRun:
    """A module that PyTorch runs: float32 (1, 3, H, W) -> float32 (1, 3, scale·H, scale·W).

    ``channels_last``: the layout that the module has, not as torch's own constant, because that is pickled as a name
    in whichever module of the sending process has it, and the receiving one may not know that module.
    """

    def __init__(self, module: "nn.Module", channels_last: bool) -> None:
        self.module, self.channels_last = module, channels_last
        one_thread_after_fork()

    def __reduce__(self) -> tuple[object, ...]:
        return TorchRun, (self.module, self.channels_last)  # made anew where it arrives

    def __call__(self, pixels: Batch) -> Batch:
        import torch

        with torch.inference_mode():
            x = torch.from_numpy(pixels).contiguous(memory_format=_layout(self.channels_last))
            output: Batch = self.module(x).contiguous().numpy()
            return output


def _layout(channels_last: bool) -> "torch.memory_format":
    import torch

    return torch.channels_last if channels_last else torch.contiguous_format


@cache
def one_thread_after_fork() -> None:
    """Let PyTorch use one thread in processes that are forked from now on.

    Its threads do not exist there, and to wait for them, as it would, takes forever. See `forked`.
    """
    import torch

    def in_child() -> None:
        global _forked
        _forked = True
        torch.set_num_threads(1)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_child)


_forked = False


def forked() -> bool:
    """Whether this process was forked from one that had a network in PyTorch, so that more than one thread hangs."""
    return _forked


def torch_network(model: "MSRN", *, folded: bool = True, channels_last: bool = True, compiled: bool = False) -> Network:
    """``model`` as a `Network` that PyTorch runs, folded (`replication.fold`) unless asked otherwise."""
    import torch

    from replication.fold import fold

    layout = _layout(channels_last)
    module = (fold(model) if folded else model.eval()).to(memory_format=layout)  # type: ignore[call-overload]  # a gap
    if compiled:
        module = torch.compile(module)
    run = TorchRun(module, channels_last)
    return Network(run, model.scale, receptive_radius(model), bytes_per_pixel=BYTES_PER_PIXEL["torch"])


def extra(module: str, name: str) -> Any:
    """An optional package, of the extra ``name``. Raises MissingPackageError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        advice = f'install it with: python -m pip install ".[{name}]"'
        raise MissingPackageError(f"{module} cannot be used ({error}); {advice}") from error
