"""What runs a network: PyTorch, ONNX Runtime or OpenVINO, all behind one function from pixels to pixels.

Nothing here needs PyTorch until the ``torch`` backend is asked for: an ONNX file and its runtime are enough.
"""

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from replication.errors import UserError

if TYPE_CHECKING:
    from replication.models.msrn import MSRN

Batch = NDArray[np.float32]

DEFAULT_MODEL, DEFAULT_SCALE = "smsrn", 4

BYTES_PER_PIXEL = {"torch": 5_000, "onnxruntime": 9_000, "openvino": 12_000}
"""Memory at work per input pixel, an upper bound for the folded networks at every scale (`Network.bytes_per_pixel`).

The last part of a block holds about 800 channels in single precision at once; the rest is the backends' own copies.
"""


@dataclass(frozen=True)
class Network:
    """A network ready to run, whatever runs it.

    ``run``: float32 RGB (1, 3, H, W) in 0..1 -> float32 (1, 3, scale·H, scale·W), not clipped. ``radius``: how many
    pixels of the input around a pixel its results depend on. ``bytes_per_pixel``: memory at work per input pixel.
    """

    run: Callable[[Batch], Batch]
    scale: int
    radius: int
    bytes_per_pixel: int


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
    """Build a network with the weights of a .safetensors file, which tells model and scale, or with the shipped ones.

    ``model`` and ``scale`` as in `load_network`, which see for the errors. Needs PyTorch.
    """
    from replication import weights
    from replication.models import build

    if weights_file is None:
        model = DEFAULT_MODEL if model is None else model
        scale = DEFAULT_SCALE if scale is None else scale
        module = build(model, scale=scale, pretrained=True)
        return Trained(module, model, weights.shipped_digests()[f"{model}_x{scale}.safetensors"])
    if weights_file.suffix.lower() != ".safetensors":
        raise UserError(f"{weights_file}: expected weights as .safetensors, which this package writes")
    made_for = weights.read(weights_file).metadata
    model = made_for.get("model") if model is None else model
    scale = made_for.get("scale") if scale is None else scale
    try:
        module = build(model, scale=scale)  # type: ignore[arg-type]  # what the file says may be anything
    except UserError as error:
        raise UserError(f"{weights_file}: {error}") from error
    assert isinstance(model, str)
    assert scale is not None
    weights.load_file(module, weights_file, model=model, scale=scale)
    return Trained(module, model, weights.digest(weights_file))


def torch_network(model: "MSRN", *, folded: bool = True, channels_last: bool = True, compiled: bool = False) -> Network:
    """``model`` as a `Network` that PyTorch runs, folded (`replication.fold`) unless asked otherwise."""
    import torch

    from replication.fold import fold

    layout = torch.channels_last if channels_last else torch.contiguous_format
    module = (fold(model) if folded else model.eval()).to(memory_format=layout)  # type: ignore[call-overload]  # a gap
    if compiled:
        module = torch.compile(module)

    def run_torch(pixels: Batch) -> Batch:
        with torch.inference_mode():
            x = torch.from_numpy(pixels).contiguous(memory_format=layout)
            output: Batch = module(x).contiguous().numpy()
            return output

    return Network(run_torch, model.scale, receptive_radius(model), bytes_per_pixel=BYTES_PER_PIXEL["torch"])


def _load_torch(model: str | None, scale: int | None, weights_file: Path | None, threads: int | None) -> Network:
    if weights_file is not None and weights_file.suffix.lower() == ".onnx":
        raise UserError(f"{weights_file}: the torch backend takes .safetensors; .onnx is for onnxruntime and openvino")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    return torch_network(trained(model, scale, weights_file).module)


def onnxruntime_network(
    content: bytes, source: str, *, model: str | None = None, scale: int | None = None, threads: int | None = None
) -> Network:
    """An ONNX file's ``content`` as a `Network` that ONNX Runtime runs.

    ``source``: its name, for errors. ``model`` and ``scale``: what it is expected to hold. Raises UserError for another
    one, for what is no ONNX file, and for one without the metadata model, scale and radius.
    """
    onnxruntime = extra("onnxruntime", "onnx")
    options = onnxruntime.SessionOptions()
    options.enable_mem_pattern = False  # it keeps a plan, and its memory, for each size of tile that it has seen
    options.intra_op_num_threads = threads or 0  # 0: its own choice
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exception types are private
        raise UserError(f"cannot read {source} as an ONNX network: {_last_line(error)}") from error
    found_scale, radius = _checked_facts(session.get_modelmeta().custom_metadata_map, source, model, scale)
    name = session.get_inputs()[0].name

    def run_onnxruntime(pixels: Batch) -> Batch:
        output: Batch = session.run(None, {name: pixels})[0]
        return output

    return _tried(Network(run_onnxruntime, found_scale, radius, BYTES_PER_PIXEL["onnxruntime"]), source)


def openvino_network(
    content: bytes, source: str, *, model: str | None = None, scale: int | None = None, threads: int | None = None
) -> Network:
    """An ONNX file's ``content`` as a `Network` that OpenVINO runs; see `onnxruntime_network`."""
    openvino = extra("openvino", "openvino")
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors would take bfloat16
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    core = openvino.Core()
    try:
        network = core.read_model(content)
    except Exception as error:  # a RuntimeError of several lines
        raise UserError(f"cannot read {source} as an ONNX network: {_last_line(error)}") from error
    stored = dict(network.get_rt_info().items()).get("framework", {})  # where ONNX metadata is kept
    facts = {key: str(value.astype(str)) for key, value in stored.items()}
    found_scale, radius = _checked_facts(facts, source, model, scale)
    compiled = core.compile_model(network, "CPU", settings)

    def run_openvino(pixels: Batch) -> Batch:
        output: Batch = compiled(pixels)[0]
        return output

    return _tried(Network(run_openvino, found_scale, radius, BYTES_PER_PIXEL["openvino"]), source)


ONNX_RUNTIMES = {"onnxruntime": onnxruntime_network, "openvino": openvino_network}
"""Functions from an ONNX file's content to a network."""

BACKENDS = ("torch", *ONNX_RUNTIMES)


def load_network(
    model: str | None = None,
    *,
    scale: int | None = None,
    weights_file: Path | None = None,
    backend: str = "torch",
    threads: int | None = None,
) -> Network:
    """Make a network ready: ``model`` (smsrn unless given) for ``scale`` (4 unless given) with its shipped weights.

    ``weights_file`` in place of those: .safetensors, or for the backends onnxruntime and openvino also .onnx (with the
    metadata model, scale and radius), for which PyTorch is not needed; it tells model and scale, and what is given
    besides must agree. Without an .onnx file these backends export the network for the occasion (some seconds).
    ``threads``: processor threads, the backend's choice unless given. Raises UserError for an unknown backend, model or
    scale, for one that is not trained, for weights that do not fit, and for a backend that is not installed.
    """
    if backend not in BACKENDS:
        raise UserError(f"unknown backend {backend!r}: expected one of {', '.join(BACKENDS)}")
    if threads is not None:
        check_threads(threads)
    if backend == "torch":
        return _load_torch(model, scale, weights_file, threads)
    extra(backend, {"onnxruntime": "onnx"}.get(backend, backend))  # before the work of an export
    if weights_file is not None and weights_file.suffix.lower() == ".onnx":
        content, source = _content(weights_file), str(weights_file)
    else:
        content, source = _exported(backend, model, scale, weights_file), "the exported network"
    return ONNX_RUNTIMES[backend](content, source, model=model, scale=scale, threads=threads)


def check_threads(threads: int) -> None:
    """Raise UserError for a number of threads that is not between 1 and the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not 1 <= threads <= cores:
        raise UserError(f"threads: expected 1 to {cores}, the cores that may be used here, got {threads}")


def extra(module: str, name: str) -> Any:
    """An optional package, of the extra ``name``. Raises UserError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        advice = f'install it with: python -m pip install ".[{name}]"'
        raise UserError(f"{module} cannot be used ({error}); {advice}") from error


def _exported(backend: str, model: str | None, scale: int | None, weights_file: Path | None) -> bytes:
    """A trained network as ONNX, made for the occasion."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"the {backend} backend: expected an .onnx file as --weights, got {weights_file or 'none'}; "
            "without PyTorch none can be made"
        ) from error
    from replication.export import onnx_bytes

    return onnx_bytes(trained(model, scale, weights_file))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _checked_facts(facts: Mapping[str, str], source: str, model: str | None, scale: int | None) -> tuple[int, int]:
    """Scale and radius from an ONNX file's metadata, after comparing it with what the user asked for."""
    try:
        made_for, found_scale, radius = facts["model"], int(facts["scale"]), int(facts["radius"])
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{source}: expected an ONNX file with the metadata model, scale and radius, got one without"
        ) from error
    if found_scale < 1 or radius < 1:
        raise UserError(f"{source}: expected a scale and a radius above 0 in the metadata, got {found_scale}, {radius}")
    wanted = (made_for if model is None else model, found_scale if scale is None else scale)
    if wanted != (made_for, found_scale):
        raise UserError(f"{source} holds {made_for} x{found_scale}, expected {wanted[0]} x{wanted[1]}")
    return found_scale, radius


def _tried(network: Network, source: str) -> Network:
    """``network``, if it takes and gives what its metadata say. Raises UserError naming ``source``."""
    height, width = 8, 9
    expected = (1, 3, height * network.scale, width * network.scale)
    try:
        shape = network.run(np.zeros((1, 3, height, width), np.float32)).shape
    except Exception as error:  # each runtime has types of its own
        raise UserError(
            f"{source}: expected a network from float32 (1, 3, H, W) to (1, 3, {network.scale}H, {network.scale}W), "
            f"which this one does not run as ({_last_line(error)})"
        ) from error
    if shape != expected:
        raise UserError(f"{source}: expected {expected} for an input of {height}x{width} pixels, got {shape}")
    return network


def _last_line(error: Exception) -> str:
    """The line of a runtime's message that tells what is wrong: the first ones name its source files."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
