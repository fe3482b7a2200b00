"""The backends: PyTorch, ONNX Runtime or OpenVINO, each made ready by one function.

Nothing here needs PyTorch until the ``torch`` backend is asked for: an ONNX file and its runtime are enough.
"""

import hashlib
import importlib.util
import os
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock

from replication import __version__, weights
from replication.errors import ArgumentError, UserError
from replication.files import write_bytes
from replication.network import (
    BYTES_PER_PIXEL,
    DEFAULT_MODEL,
    DEFAULT_SCALE,
    Batch,
    Network,
    Trained,
    extra,
    forked,
    receptive_radius,
    torch_network,
    trained,
)
from replication.runtimes import ONNX_RUNTIMES

BACKENDS = ("torch", *ONNX_RUNTIMES)
EXTRAS = {"onnxruntime": "onnx", "openvino": "openvino"}
"""The extra that installs a backend."""
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
    agree with it. Without an .onnx file these backends export the network when it first runs (some seconds) and keep it
    in $REPLICATION_CACHE, or in smsrn-replication among the user's caches, for the same weights and versions; what is
    kept needs no PyTorch either.
    ``threads``: processor threads, the backend's choice unless given. Raises UserError for an unknown backend, model or
    scale, for one that is not trained, for weights that do not fit, and for a backend that is not installed.
    """
    if backend not in BACKENDS:
        raise ArgumentError(f"unknown backend {backend!r}: expected one of {', '.join(BACKENDS)}")
    if threads is not None:
        check_threads(threads)
    if backend == "torch":
        return _load_torch(model, scale, weights_file, threads)
    extra(backend, EXTRAS[backend])  # before the work of an export
    if weights_file is not None and weights_file.suffix.lower() == ".onnx":
        content, source = _content(weights_file), str(weights_file)
    else:
        path = _cache_folder() / f"{_cache_key(model, scale, weights_file)}.onnx"
        kept, source = _kept(path), "the exported network"
        if kept is None:
            return _exported_later(backend, _to_export(backend, model, scale, weights_file), path, threads)
        content = kept
    return ONNX_RUNTIMES[backend](content, source, model=model, scale=scale, threads=threads)


def backends_in_words() -> str:
    """Which backends cannot be used here, and how to install them, for the help of commands."""
    absent = [
        f'{name} is not installed here (pip install ".[{option}]")'
        for name, option in EXTRAS.items()
        if importlib.util.find_spec(name) is None
    ]
    return "; ".join(["default: %(default)s", *absent])


def check_threads(threads: int) -> None:
    """Raise UserError for a number of threads that is not between 1 and the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not 1 <= threads <= cores:
        raise ArgumentError(f"threads: expected 1 to {cores}, the cores that may be used here, got {threads}")


def _load_torch(model: str | None, scale: int | None, weights_file: Path | None, threads: int | None) -> Network:
    if weights_file is not None and weights_file.suffix.lower() == ".onnx":
        raise UserError(f"{weights_file}: torch takes .safetensors or .pt; .onnx is for onnxruntime and openvino")
    if threads is not None and threads > 1 and forked():
        raise ArgumentError(f"threads: expected 1 in a process that was forked, where more hang; got {threads}")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    return torch_network(trained(model, scale, weights_file).module)


def _kept(path: Path) -> bytes | None:
    """A network that was exported at an earlier time; None where there is none, or a damaged one."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    network = content[DIGEST_BYTES:]
    return network if content[:DIGEST_BYTES] == hashlib.sha256(network).digest() else None


def _to_export(backend: str, model: str | None, scale: int | None, weights_file: Path | None) -> Trained:
    """What must be exported for ``backend``, once all that this needs is known to be here."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"the {backend} backend: expected an .onnx file as --weights, got {weights_file or 'none'}; "
            "without PyTorch none can be made"
        ) from error
    extra("onnx", "onnx")
    extra("onnxscript", "onnx")
    return trained(model, scale, weights_file)


class _LateRun:
    """Runs a network that is made when it first runs: what else is wrong is known before the work of an export."""

    def __init__(self, make: Callable[[], Network]) -> None:
        self._make, self._lock = make, Lock()
        self._made: Network | None = None

    def _run(self) -> Callable[[Batch], Batch]:
        with self._lock:
            self._made = self._made or self._make()
        return self._made.run

    def __call__(self, pixels: Batch) -> Batch:
        return self._run()(pixels)

    def __reduce__(self) -> tuple[object, ...]:
        return _itself, (self._run(),)


def _itself(run: Callable[[Batch], Batch]) -> Callable[[Batch], Batch]:
    return run


def _exported_later(backend: str, source: Trained, path: Path, threads: int | None) -> Network:
    """``source`` in ``backend``, exported when it first runs and kept at ``path``."""

    def exported() -> Network:
        from replication.export import onnx_bytes

        content = onnx_bytes(source)
        with suppress(UserError):  # a home that cannot be written costs time, no more
            write_bytes(path, hashlib.sha256(content).digest() + content)
        return ONNX_RUNTIMES[backend](content, "the exported network", threads=threads)

    return Network(_LateRun(exported), source.module.scale, receptive_radius(source.module), BYTES_PER_PIXEL[backend])


def _cache_folder() -> Path:
    """Where exported networks are kept: $REPLICATION_CACHE, or the user's folder for such things."""
    own = os.environ.get("REPLICATION_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "smsrn-replication"


def _cache_key(model: str | None, scale: int | None, weights_file: Path | None) -> str:
    """What an exported network depends on: what is asked for, its weights, and the versions of what makes it of them.

    Only networks that were exported have such a file, so one that was asked for wrongly has none.
    """
    path = weights_file
    if path is None:
        model = DEFAULT_MODEL if model is None else model
        scale = DEFAULT_SCALE if scale is None else scale
        path = weights.shipped(model, scale)
    digest = weights.digest(path) if path else ""
    packages = [f"{name} {_version(name)}" for name in ("torch", "onnx", "onnxscript")]
    facts = [str(model), str(scale), digest, __version__, *packages]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
