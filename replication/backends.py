"""The backends: PyTorch, ONNX Runtime or OpenVINO, each made ready by one function.

Nothing here needs PyTorch until the ``torch`` backend is asked for: an ONNX file and its runtime are enough.
"""

import hashlib
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from replication import __version__
from replication.errors import UserError
from replication.files import write_bytes
from replication.network import Network, Trained, extra, torch_network, trained
from replication.runtimes import ONNX_RUNTIMES

BACKENDS = ("torch", *ONNX_RUNTIMES)
DIGEST_BYTES = 32
"""A cached network is kept behind its SHA-256, which tells one that is damaged."""


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
    agree with it. Without an .onnx file these backends export the network (some seconds) and keep it in
    $REPLICATION_CACHE, or in smsrn-replication among the user's caches, for the same weights and versions.
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
    """A trained network as ONNX: kept from an earlier time, or made now."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"the {backend} backend: expected an .onnx file as --weights, got {weights_file or 'none'}; "
            "without PyTorch none can be made"
        ) from error
    extra("onnx", "onnx")
    extra("onnxscript", "onnx")
    source = trained(model, scale, weights_file)
    cached = _cache_folder() / f"{_cache_key(source)}.onnx"
    try:
        content = cached.read_bytes()
        if content[:DIGEST_BYTES] == hashlib.sha256(content[DIGEST_BYTES:]).digest():
            return content[DIGEST_BYTES:]
    except OSError:
        pass  # not there, or not to be read: made anew
    from replication.export import onnx_bytes

    content = onnx_bytes(source)
    with suppress(UserError):  # a home that cannot be written costs time, no more
        write_bytes(cached, hashlib.sha256(content).digest() + content)
    return content


def _cache_folder() -> Path:
    """Where exported networks are kept: $REPLICATION_CACHE, or the user's folder for such things."""
    own = os.environ.get("REPLICATION_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "smsrn-replication"


def _cache_key(source: Trained) -> str:
    """What an exported network depends on: the weights, and the versions of what makes it of them."""
    packages = [f"{name} {version(name)}" for name in ("torch", "onnx", "onnxscript")]
    facts = [source.model, str(source.module.scale), source.digest, __version__, *packages]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
