"""The runtimes for ONNX files, ONNX Runtime and OpenVINO, each as a `replication.network.Network` without PyTorch."""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from replication.errors import UserError
from replication.network import BYTES_PER_PIXEL, Batch, Network, extra


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

    own = threading.local()  # a request serves one thread at a time, and answers another that it is busy

    def run_openvino(pixels: Batch) -> Batch:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        output: Batch = own.request.infer([pixels])[0]  # a copy
        return output

    return _tried(Network(run_openvino, found_scale, radius, BYTES_PER_PIXEL["openvino"]), source)


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
    """The last line of a runtime's message, which says what is wrong: the first ones name its source files."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
