"""The runtimes for ONNX files, ONNX Runtime and OpenVINO, each as a `replication.network.Network` without PyTorch."""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from replication.errors import MissingPackageError, UserError
from replication.network import BYTES_PER_PIXEL, Batch, Network, extra

_ABANDONED: list[object] = []
"""What a forked process does not use and must keep: to free it would wait forever for threads that are not there."""


class _Run:
    """An ONNX file's content, ready to run: float32 (1, 3, H, W) -> float32 (1, 3, scale·H, scale·W).

    What a runtime makes of the content serves one process. A process that got this object by fork makes its own when it
    first runs, and one that got it pickled when it arrives.
    """

    def __init__(self, content: bytes, threads: int | None) -> None:
        self.content, self.threads = content, threads
        self._start()

    def _start(self) -> None:
        """Make what runs in this process."""
        self._process = os.getpid()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.content, self.threads)

    def __call__(self, pixels: Batch) -> Batch:
        if self._process != os.getpid():
            _ABANDONED.append(vars(self).copy())
            self._start()
        return self._infer(pixels)

    def _infer(self, pixels: Batch) -> Batch:
        raise NotImplementedError


class OnnxRuntimeRun(_Run):
    """A network that ONNX Runtime runs; a session serves any number of threads."""

    def _start(self) -> None:
        super()._start()
        onnxruntime = extra("onnxruntime", "onnx")
        options = onnxruntime.SessionOptions()
        options.enable_mem_pattern = False  # it keeps a plan, and its memory, for each size of tile that it has seen
        options.intra_op_num_threads = self.threads or 0  # 0: its own choice
        self.session = onnxruntime.InferenceSession(self.content, options, providers=["CPUExecutionProvider"])
        self._name = self.session.get_inputs()[0].name

    def _infer(self, pixels: Batch) -> Batch:
        output: Batch = self.session.run(None, {self._name: pixels})[0]
        return output


class _SignalStack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


@contextmanager
def _signal_stack_kept() -> Iterator[None]:
    """Give this thread its stack for signals back at the end.

    On processors with AMX OpenVINO gives the thread that compiles a network another one, and unmaps it when the network
    goes (its pull request 11894): where that is in another thread, the next signal, such as Ctrl-C, would be a crash.
    """
    if sys.platform != "linux":
        yield
        return
    libc, before = ctypes.CDLL(None), _SignalStack()
    known = libc.sigaltstack(None, ctypes.byref(before)) == 0
    try:
        yield
    finally:
        if known:
            libc.sigaltstack(ctypes.byref(before), None)


class OpenVinoRun(_Run):
    """A network that OpenVINO runs; a request serves one thread at a time, and answers another that it is busy."""

    def _start(self) -> None:
        super()._start()
        openvino = extra("openvino", "openvino")
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors would take bfloat16
        if self.threads is not None:
            settings["INFERENCE_NUM_THREADS"] = self.threads
        core = openvino.Core()
        self.network = core.read_model(self.content)
        with _signal_stack_kept():
            self._compiled = core.compile_model(self.network, "CPU", settings)
        self._own = threading.local()

    def _infer(self, pixels: Batch) -> Batch:
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        output: Batch = self._own.request.infer([pixels])[0]  # a copy
        return output


def onnxruntime_network(
    content: bytes, source: str, *, model: str | None = None, scale: int | None = None, threads: int | None = None
) -> Network:
    """An ONNX file's ``content`` as a `Network` that ONNX Runtime runs.

    ``source``: its name, for errors. ``model`` and ``scale``: what it is expected to hold. Raises UserError for another
    one, for what is no ONNX file, and for one without the metadata model, scale and radius.
    """
    run = _started(OnnxRuntimeRun, content, source, threads)
    facts = run.session.get_modelmeta().custom_metadata_map
    found_scale, radius = _checked_facts(facts, source, model, scale)
    sides = [_sides(one.shape) for one in (run.session.get_inputs()[0], run.session.get_outputs()[0])]
    return _tried(Network(run, found_scale, radius, BYTES_PER_PIXEL["onnxruntime"], sides[0]), source, sides[1])


def openvino_network(
    content: bytes, source: str, *, model: str | None = None, scale: int | None = None, threads: int | None = None
) -> Network:
    """An ONNX file's ``content`` as a `Network` that OpenVINO runs; see `onnxruntime_network`."""
    run = _started(OpenVinoRun, content, source, threads)
    stored = dict(run.network.get_rt_info().items()).get("framework", {})  # where ONNX metadata is kept
    facts = {key: str(value.astype(str)) for key, value in stored.items()}
    found_scale, radius = _checked_facts(facts, source, model, scale)
    shapes = [one.get_partial_shape() for one in (run.network.input(0), run.network.output(0))]
    sides = [
        _sides([axis.get_length() if axis.is_static else None for axis in shape] if shape.rank.is_static else [])
        for shape in shapes
    ]
    return _tried(Network(run, found_scale, radius, BYTES_PER_PIXEL["openvino"], sides[0]), source, sides[1])


Started = TypeVar("Started", bound=_Run)


def _started(kind: type[Started], content: bytes, source: str, threads: int | None) -> Started:
    try:
        return kind(content, threads)
    except MissingPackageError:
        raise
    except Exception as error:  # each runtime has types of its own
        raise UserError(f"cannot read {source} as an ONNX network: {_last_line(error)}") from error


def _sides(shape: Sequence[object]) -> tuple[int, int] | None:
    """Height and width of (1, channels, H, W), or None where they are not fixed."""
    match list(shape):
        case [_, _, int(height), int(width)]:
            return height, width
    return None


ONNX_RUNTIMES = {"onnxruntime": onnxruntime_network, "openvino": openvino_network}
"""Functions from an ONNX file's content to a network."""


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


def _tried(network: Network, source: str, declared: tuple[int, int] | None) -> Network:
    """``network``, if it takes and gives what its metadata say. Raises UserError naming ``source``.

    ``declared``: height and width of its output as the file states them, which suffices if it takes one size only.
    """
    height, width = network.size or (8, 9)
    expected = (1, 3, height * network.scale, width * network.scale)
    if network.size is not None:
        smallest = 2 * network.radius + 1
        if min(network.size) < smallest:
            raise UserError(f"{source}: expected a size of {smallest}x{smallest} or more, got {height}x{width}")
        if declared != expected[2:]:
            raise UserError(f"{source}: expected {expected} for its input of {height}x{width} pixels, got {declared}")
        return network
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
    """The last line of a runtime's message, which says what is wrong: the first ones name its source files."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
