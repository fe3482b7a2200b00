"""The backends: PyTorch, ONNX Runtime or OpenVINO, each made ready by one function.

Nothing here needs PyTorch until the ``torch`` backend is asked for: an ONNX file and its runtime are enough.
"""

import os
from pathlib import Path

from replication.errors import UserError
from replication.network import Network, extra, torch_network, trained
from replication.runtimes import ONNX_RUNTIMES

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
    metadata model, scale and radius), for which PyTorch is not needed; it names model and scale, and arguments must
    agree with it. Without an .onnx file these backends export the network for the occasion (some seconds).
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


def _load_torch(model: str | None, scale: int | None, weights_file: Path | None, threads: int | None) -> Network:
    if weights_file is not None and weights_file.suffix.lower() == ".onnx":
        raise UserError(f"{weights_file}: the torch backend takes .safetensors; .onnx is for onnxruntime and openvino")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    return torch_network(trained(model, scale, weights_file).module)


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
