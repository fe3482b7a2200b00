"""Write a network as ONNX, for runtimes that need no PyTorch: ONNX Runtime, OpenVINO, and those of phones.

One input, ``image``: float32 RGB (1, 3, H, W) in 0..1, any H and W. One output, ``upscaled``: float32
(1, 3, scale·H, scale·W), not clipped. The network is folded (`replication.fold`) unless asked otherwise. A file of half
precision computes in float16 between the two, which stay float32, so that the same code runs both files. A file for
phones takes one size only, and is made of operators that their accelerators have (`replication.phone`). The metadata
describe what the file holds; `replication.runtimes` reads model, scale and radius from them.

No file is written that was not checked: by the ONNX checker, and against PyTorch in each runtime that is installed.
"""

import argparse
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.utils._python_dispatch import TorchDispatchMode

from replication import __version__, evaluate
from replication.errors import MissingPackageError, Parser, UserError, run
from replication.files import check_folder, check_space, write_bytes
from replication.fold import fold
from replication.models import count_parameters
from replication.network import (
    DEFAULT_MODEL,
    Batch,
    Network,
    TorchRun,
    Trained,
    extra,
    receptive_radius,
    scales_in_words,
    trained,
)
from replication.phone import fold_for_phones
from replication.runtimes import ONNX_RUNTIMES

OPSET = 20
PHONE_OPSET = 11
"""Of a file for phones: the oldest that has its operators, because converters and OpenCV know few of the newer ones."""
UNCHANGED = frozenset({"Add", "Cast", "Concat", "Conv", "DepthToSpace", "Relu", "Slice", "Sub"})
"""Operators that mean the same in every opset from `PHONE_OPSET` to `OPSET`: only types of numbers were added."""
Size = tuple[int, int]
"""Height and width in pixels."""
INPUT, OUTPUT = "image", "upscaled"
SIZES = ((24, 40), (37, 19), (1, 1))
"""Heights and widths that a file is checked on: even, odd, and the smallest picture, which is all border."""
TOLERANCE = {"single": 1e-5, "half": 1 / 255}
"""Largest difference from PyTorch in single precision, of values in 0..1, by the file's precision."""


class HalfPrecision(nn.Module):
    """``network`` in float16 between float32 pixels: (B, 3, H, W) -> (B, 3, scale·H, scale·W)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half()

    def forward(self, image: Tensor) -> Tensor:
        output: Tensor = self.network(image.half())
        return output.float()


class StoredAsFloat16(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch has no types here
    """Inside it PyTorch rounds the result of every operation to float16, and computes in float32 in between.

    As a chip does that keeps float16 in memory and adds up in float32; PyTorch's own float16 convolutions are slow on
    most processors.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run ``func`` and round what it gives, in place."""
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor) and tensor.dtype == torch.float32:
                tensor.copy_(tensor.half())
        return result


class Float16(nn.Module):
    """``network`` with weights and every result rounded to float16: (B, 3, H, W) -> (B, 3, scale·H, scale·W)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half().float()

    def forward(self, image: Tensor) -> Tensor:
        with StoredAsFloat16():  # type: ignore[no-untyped-call]
            output: Tensor = self.network(image.clone())
        return output


def onnx_bytes(source: Trained, *, folded: bool = True, half: bool = False, size: Size | None = None) -> bytes:
    """``source`` as an ONNX file, with its metadata; the same bytes for the same network and versions.

    ``size``: the only one that a file for phones takes. Raises UserError when onnx or onnxscript is not installed.
    """
    onnx = extra("onnx", "onnx")
    extra("onnxscript", "onnx")
    network = fold_for_phones(source.module) if size else inference_network(source, folded=folded)
    model = _exported(HalfPrecision(network) if half else network, size)
    if size:
        _age(model)
    _forget_origin(model)
    onnx.helper.set_model_props(model, facts(source, folded=folded, half=half))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def inference_network(source: Trained, *, folded: bool) -> nn.Module:
    """A network of its own, which may be changed without changing ``source``."""
    if folded:
        return fold(source.module)
    return deepcopy(source.module).eval().requires_grad_(False)


def facts(source: Trained, *, folded: bool, half: bool) -> dict[str, str]:
    """The metadata of the ONNX file."""
    return {
        "model": source.model,
        "scale": str(source.module.scale),
        "radius": str(receptive_radius(source.module)),
        "weights_sha256": source.digest,
        "folded": str(folded).lower(),
        "precision": precision(half),
        "value_range": "image: float32 RGB in 0..1, (1, 3, H, W); upscaled: the same, not clipped",
        "made_by": f"smsrn-replication {__version__}",
    }


def precision(half: bool) -> str:
    """The word for it in the metadata."""
    return "half" if half else "single"


def _exported(network: nn.Module, size: Size | None) -> Any:
    """PyTorch's ONNX model, with free height and width unless ``size`` fixes them."""
    free = {2: Dim("height", min=1), 3: Dim("width", min=1)}
    example = torch.zeros(1, 3, *(size or (16, 24)))  # unequal and above 1, or the exporter would tie or fix the two
    with quiet_exporter():
        program = torch.onnx.export(
            network.eval(),
            (example,),
            dynamo=True,
            dynamic_shapes=None if size else (free,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            verbose=False,
        )
    assert program
    return program.model_proto


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without the exporter's remarks on packages that are not needed here and on its own deprecated calls."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _age(model: Any) -> None:
    """Make ``model`` one of `PHONE_OPSET`, which changes no number of what it computes."""
    changed = {node.op_type for node in model.graph.node} - UNCHANGED
    assert not changed, f"{changed} may mean something else in opset {PHONE_OPSET}"
    onnx = extra("onnx", "onnx")
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", PHONE_OPSET))
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)


def _forget_origin(model: Any) -> None:
    """Remove what the exporter notes of source lines and folders: it is nobody's business and changes the bytes."""
    model.graph.ClearField("doc_string")
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, model.graph):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for part in (*model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")


@dataclass(frozen=True)
class Check:
    """The largest difference of a runtime's output from PyTorch's in single precision, over the sizes tried."""

    runtime: str
    difference: float


def check(content: bytes, source: Trained, *, half: bool, size: Size | None = None, folded: bool = True) -> list[Check]:
    """Check an ONNX file: its form, and its output in each runtime that is installed, against ``source`` in PyTorch.

    ``size``: the only one that it takes, of a file for phones; else `SIZES` are tried. ``folded``: whether the file's
    network is. Raises UserError when the file is not valid, an output differs by more than `TOLERANCE`, or no runtime
    is there.
    """
    onnx = extra("onnx", "onnx")
    try:
        onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise UserError(f"the exported network is not valid ONNX: {error}") from error
    runtimes = dict(_installed_runtimes(content))
    if not runtimes:
        extra("onnxruntime", "onnx")
    sizes = (size,) if size else SIZES
    checks = [Check(name, largest_difference(network.run, source.module, sizes)) for name, network in runtimes.items()]
    if half:  # the runtimes may compute in float32 here; others do not
        float16 = Float16(inference_network(source, folded=folded))
        difference = largest_difference(TorchRun(float16, channels_last=False), source.module, sizes)
        checks.append(Check("float16 emulated by PyTorch", difference))
    allowed = TOLERANCE[precision(half)]
    for one in checks:
        if not one.difference <= allowed:
            raise UserError(
                f"the exported network differs from PyTorch in {one.runtime}: expected {allowed:.1g} at most, "
                f"got {one.difference:.2g}"
            )
    return checks


def _installed_runtimes(content: bytes) -> Iterator[tuple[str, Network]]:
    for name, load in ONNX_RUNTIMES.items():
        try:
            extra(name, name)  # the message is not shown
        except MissingPackageError:
            continue
        yield name, load(content, "the exported network")


def largest_difference(run_network: Callable[[Batch], Batch], module: nn.Module, sizes: Sequence[Size]) -> float:
    """How far what ``run_network`` makes of random pictures of ``sizes`` is from what ``module`` does in PyTorch."""
    generator = torch.Generator().manual_seed(0)
    differences = []
    for height, width in sizes:
        image = torch.rand(1, 3, height, width, generator=generator)
        expected = TorchRun(module, channels_last=False)(image.numpy())
        output = run_network(image.numpy())
        if output.shape != expected.shape:
            raise UserError(f"the exported network gives {output.shape} for {height}x{width}, not {expected.shape}")
        differences.append(float(np.abs(output - expected).max()))
    return max(differences)


def psnr_change(source: Trained, data: Path | None = None, *, folded: bool = True) -> tuple[str, float]:
    """How computing in float16 moves the mean luma PSNR, as `evaluate.psnr_change`.

    Measured in PyTorch with every result rounded (`Float16`), because ONNX Runtime computes such a file in float32 on a
    processor without float16 arithmetic.
    """
    single, half = (inference_network(source, folded=folded) for _ in range(2))
    return evaluate.psnr_change(single, Float16(half), source.module.scale, data)


def parser() -> Parser:
    """The command line."""
    result = Parser(
        prog="python -m replication.export",
        description=(
            "Write a trained network as ONNX, with free height and width, folded: the same output with fewer\n"
            "multiply-adds (`results/fold.md`; for SMSRN at x4 about half). The file is checked before it gets its\n"
            "name: by the ONNX checker, and against PyTorch in ONNX Runtime (and in OpenVINO where that is installed)\n"
            "on three sizes. It needs no PyTorch to run. With --size it is for phones: one height and width, and only\n"
            "operators that the accelerators of phones have."
        ),
        epilog=(
            "examples:\n"
            "  python -m replication.export                          makes smsrn_x4.onnx here\n"
            "  python -m replication.export --size 180x320           for phones: makes smsrn_x4_180x320.onnx\n"
            "  python -m replication.export --half                   half the size; says how much PSNR that costs\n"
            "  python -m replication.export --model msrn -o big.onnx\n"
            "  python -m replication.upscale photo.jpg --backend onnxruntime --weights smsrn_x4.onnx\n"
        ),
    )
    result.add_argument("--model", metavar="NAME", help=f"smsrn or msrn (default: {DEFAULT_MODEL}, or what FILE holds)")
    result.add_argument("--scale", type=int, metavar="N", help=scales_in_words())
    result.add_argument(
        "--weights", type=Path, metavar="FILE",
        help=".safetensors, or .pt of the public MSRN code (default: the shipped ones)",
    )  # fmt: skip
    result.add_argument(
        "-o", "--output", type=Path, metavar="FILE",
        help="default: <model>_x<scale>.onnx, with the size and _half added where they are asked for",
    )  # fmt: skip
    result.add_argument(
        "--size", type=_size, metavar="HxW",
        help="for phones: height and width in pixels of the only picture that the file takes; larger ones run in "
             "tiles of that size, which pays from 144x144 on",
    )  # fmt: skip
    result.add_argument("--half", action="store_true", help="store and compute in float16")
    result.add_argument("--unfolded", action="store_true", help="the network as the paper has it, layer by layer")
    result.add_argument(
        "--data", type=Path, metavar="DIR",
        help="where Set5 is looked for to measure --half (default: $REPLICATION_DATA or data/; else photographs that "
             "come along)",
    )  # fmt: skip
    result.add_argument("--force", action="store_true", help="replace a file that exists")
    return result


def _size(text: str) -> Size:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"expected height and width in pixels, such as 180x320, got {text!r}")
    return int(height), int(width)


def _check_target(target: Path, source: Trained, *, force: bool) -> None:
    """Raise UserError when ``target`` cannot be written, or must not be."""
    if target.suffix != ".onnx":
        raise UserError(f"--output: expected a name that ends in .onnx, got {target}")
    if target.is_dir():
        raise UserError(f"--output: expected the name of a file, got the folder {target}")
    if target.exists() and not force:
        raise UserError(f"{target} exists already: --force replaces it")
    check_folder(target.parent)
    check_space(target, 4 * count_parameters(source.module))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; see `parser`."""
    arguments = parser().parse_args(argv)
    size: Size | None = arguments.size
    if size and arguments.unfolded:
        raise UserError("--size: expected without --unfolded, because a file for phones is folded")
    source = trained(arguments.model, arguments.scale, arguments.weights)
    smallest = 2 * receptive_radius(source.module) + 1
    if size and min(size) < smallest:
        raise UserError(
            f"--size: expected at least {smallest}x{smallest}, or tiles could not overlap, got {size[0]}x{size[1]}"
        )
    ending = (f"_{size[0]}x{size[1]}" if size else "") + ("_half" if arguments.half else "")
    target = arguments.output or Path(f"{source.model}_x{source.module.scale}{ending}.onnx")
    _check_target(target, source, force=arguments.force)
    content = onnx_bytes(source, folded=not arguments.unfolded, half=arguments.half, size=size)
    checks = check(content, source, half=arguments.half, size=size, folded=not arguments.unfolded)
    change = psnr_change(source, arguments.data, folded=not arguments.unfolded) if arguments.half else None
    write_bytes(target, content)
    words = ", ".join(f"{one.difference:.1g} in {one.runtime}" for one in checks)
    print(f"{target}: {len(content) / 1e6:.2f} MB; largest difference from PyTorch (values in 0..1): {words}")
    if change:
        print(f"float16 in place of float32 changes the mean luma PSNR on {change[0]} by {change[1]:+.4f} dB")


if __name__ == "__main__":
    run(main)
