"""What integers of 8 bits in place of floating point cost in PSNR, and what they save: the folded SMSRN at x4.

Quantisation after training by ONNX Runtime: static, so the range of each map is fixed beforehand by pictures that are
not measured; weights have a range for each channel. The file keeps its operators, with QuantizeLinear and
DequantizeLinear around them (QDQ), which the runtime fuses into integer ones.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from time import process_time
from typing import Any

import numpy as np

from replication import evaluate, records
from replication.data import benchmarks
from replication.data.benchmarks import EMBEDDED, data_root
from replication.errors import Parser, UserError, run
from replication.export import INPUT, onnx_bytes
from replication.fold import SIDES
from replication.images.io import read_image
from replication.images.metrics import psnr, table_protocols
from replication.images.photo import SUFFIXES
from replication.images.resize import imresize
from replication.network import DEFAULT_MODEL, DEFAULT_SCALE, Batch, extra, trained
from replication.records import IntegerFile, Integers
from replication.runtimes import onnxruntime_network

SCALE = DEFAULT_SCALE
PICTURES = 10
"""How many pictures of a folder fix the ranges, at most: evenly taken from its sorted files."""
SIDE = 192
"""Height and width of the part of each that is reduced and run."""
ROUNDS = 3
FLOAT, WHOLE, INNER = "float", "all layers", "all but head and tail"
OPERATORS = ["Conv", "Concat", "Add", "Relu"]
"""Quantised together, or the maps between two convolutions would go back to floating point."""


def calibration(folder: Path | None) -> list[Batch]:
    """Reduced pictures that fix the ranges: of ``folder``, or the embedded photographs. Raises UserError for none."""
    if folder is None:
        pictures = [image.load() for image in benchmarks.embedded().images]
    else:
        files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
        if not files:
            raise UserError(f"{folder}: expected a folder with pictures, found none")
        chosen = np.linspace(0, len(files) - 1, min(PICTURES, len(files)))
        pictures = [read_image(files[round(index)]) for index in chosen]
    return [_batch(imresize(_middle(one), 1 / SCALE).astype(np.uint8)) for one in pictures if one.ndim == 3]


def _middle(picture: evaluate.Image) -> evaluate.Image:
    height, width = (min(SIDE, length // SCALE * SCALE) for length in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _batch(image: evaluate.Image) -> Batch:
    return np.ascontiguousarray((image / np.float32(255)).astype(np.float32).transpose(2, 0, 1)[None])


def quantized(content: bytes, pictures: Sequence[Batch], *, inner: bool) -> bytes:
    """An exported network with integers; ``inner``: the first layer, and those that make pixels, stay as they are."""
    onnx = extra("onnx", "onnx")
    extra("onnxruntime", "onnx")
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # no types
        def __init__(self) -> None:
            self.pictures: Iterator[Batch] = iter(pictures)

        def get_next(self) -> dict[str, Batch] | None:
            picture = next(self.pictures, None)
            return None if picture is None else {INPUT: picture}

    with tempfile.TemporaryDirectory() as folder:
        given, prepared, result = (Path(folder, f"{name}.onnx") for name in ("given", "prepared", "integers"))
        given.write_bytes(content)
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            result,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=OPERATORS,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=_ends(onnx.load(prepared)) if inner else [],
        )
        return result.read_bytes()


def _ends(model: Any) -> list[str]:
    """Names of the first layer's two convolutions, and of all from the folded one on, which its corrections follow."""
    nodes = list(model.graph.node)
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    folded = nodes.index(convolutions[-1 - len(SIDES)])
    return [node.name for node in [*convolutions[:2], *nodes[folded:]]]


def measure(files: dict[str, bytes], data: evaluate.Prepared, rounds: int) -> tuple[IntegerFile, ...]:
    """PSNR on luma and processor seconds of each file on each image, one thread, in turns; the least of ``rounds``."""
    networks = {how: onnxruntime_network(content, how, threads=1) for how, content in files.items()}
    found: dict[str, dict[str, list[float]]] = {how: {"psnr": [], "seconds": []} for how in files}
    protocol = table_protocols(SCALE)["luma"]
    for hr in data.images.values():
        pixels = _batch(imresize(hr, 1 / SCALE).astype(np.uint8))
        seconds: dict[str, list[float]] = {how: [] for how in files}
        for _ in range(rounds + 1):  # the first one warms up
            for how, network in networks.items():
                begin = process_time()
                output = network.run(pixels)[0].transpose(1, 2, 0)
                seconds[how].append(process_time() - begin)
                image = np.clip(np.rint(255 * output), 0, 255).astype(np.uint8)
                if len(seconds[how]) == 1:
                    found[how]["psnr"].append(psnr(image, hr, protocol))
        for how, values in seconds.items():
            found[how]["seconds"].append(min(values[1:]))
    return tuple(
        IntegerFile(how, len(files[how]), tuple(one["psnr"]), tuple(one["seconds"])) for how, one in found.items()
    )


def parser() -> Parser:
    """The command line."""
    result = Parser(
        prog="python -m replication.measure_int8",
        description=(
            "Measure what 8-bit integers cost in PSNR and save in time, for SMSRN in ONNX Runtime on one thread.\n"
            "Ranges come from the photographs that are embedded here, or from a folder of training images; PSNR is\n"
            "that on Set5. Times are those of the processor, so that other programs hardly change them."
        ),
        epilog="example:\n  python -m replication.measure_int8 --calibration data/train/BSDS400\n",
    )
    result.add_argument(
        "--calibration", type=Path, metavar="DIR",
        help=f"folder of training images, of which {PICTURES} are taken (default: the embedded photographs)",
    )  # fmt: skip
    result.add_data()
    result.add_results()
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; see `parser`."""
    arguments = parser().parse_args(argv)
    records.check_writable(arguments.results)
    benchmark = benchmarks.at_hand("Set5", data_root(arguments.data), scale=SCALE)
    if benchmark.name == EMBEDDED and arguments.calibration is None:
        raise UserError("--calibration: expected a folder, because without Set5 the embedded photographs are measured")
    pictures = calibration(arguments.calibration)
    source = trained(DEFAULT_MODEL, SCALE, None)
    content = onnx_bytes(source)
    files = {FLOAT: content} | {
        how: quantized(content, pictures, inner=inner) for how, inner in ((WHOLE, False), (INNER, True))
    }
    record = Integers(
        model=source.model,
        scale=SCALE,
        weights=source.digest,
        benchmark=benchmark.name,
        calibration="embedded" if arguments.calibration is None else arguments.calibration.name,
        pictures=len(pictures),
        files=measure(files, evaluate.prepare(benchmark, SCALE), ROUNDS),
        environment={**records.environment(), "onnxruntime": str(extra("onnxruntime", "onnx").__version__)},
        command="python -m replication.measure_int8",
    )
    path = records.save(arguments.results, record)
    for one in record.files:
        words = f"{fmean(one.psnr):.2f} dB, {sum(one.seconds):.3f} s, {one.size / 1e6:.2f} MB"
        print(f"{one.how}: {words} on {benchmark.name}")
    print(f"wrote {path}; next: python -m analysis speed")


if __name__ == "__main__":
    run(main)
