"""How long each network takes in each backend, and how much memory: measured in one run, and recorded.

Every round runs each variant once, in shuffled order, so that other load affects all of them equally. Memory is
measured in a process of its own for each variant, which loads PyTorch only where the variant needs it.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from PIL import Image
from tqdm import tqdm

from replication import records
from replication.backends import BACKENDS, check_threads, load_network
from replication.errors import MissingPackageError, Parser, UserError, at_least, run
from replication.images.photo import Pixels
from replication.network import DEFAULT_SCALE, Batch, Network, extra, torch_network, trained
from replication.records import Account, HalfPrecision, LayerTime, Memory, Speed, Timing
from replication.rounds import in_rounds, seconds_of
from replication.runtimes import ONNX_RUNTIMES
from replication.upscale import upscale

SCALE = DEFAULT_SCALE
SIZES = {"1280x720 output": (180, 320), "256x256 input": (256, 256)}
"""Height and width of the LR input."""
NETWORKS = (("msrn", False), ("msrn", True), ("smsrn", False), ("smsrn", True))
"""Name, and whether it is folded (`replication.fold`)."""
FORMATS = ("channels_last", "contiguous")
"""PyTorch's memory formats; the faster one of each network counts."""
TILE = 128
"""Side of the tiles that are tried in place of the whole picture."""
COMPILED = "compiled"
ROUNDS = 3


@dataclass(frozen=True)
class Variant:
    """What is measured: ``network`` (or "bicubic"), in ``backend``, and ``how`` where there is a choice."""

    network: str
    folded: bool
    backend: str
    how: str = ""


BICUBIC = Variant("bicubic", False, "Pillow")
Step = Callable[[Batch], object]
Files = Mapping[tuple[str, bool], Path]


# ---------------------------------------------------------------- what is run


def export_all(folder: Path) -> dict[tuple[str, bool], Path]:
    """Every network of `NETWORKS` as an ONNX file in ``folder``."""
    from replication.export import onnx_bytes

    files = {}
    for name, folded in NETWORKS:
        files[name, folded] = folder / f"{name}{'_folded' if folded else ''}.onnx"
        files[name, folded].write_bytes(onnx_bytes(trained(name, SCALE, None), folded=folded))
    return files


def step(variant: Variant, files: Files, threads: int) -> Step:
    """A function that upscales one picture, float32 RGB (1, 3, H, W) in 0..1."""
    if variant == BICUBIC:
        return _bicubic
    network = load(variant, files, threads)
    if variant.how.startswith("tiles"):
        return lambda pixels: upscale(_as_image(pixels), network, tile=TILE)
    return network.run


def load(variant: Variant, files: Files, threads: int) -> Network:
    """The network of a variant, ready to run."""
    if variant.backend != "torch":
        file = files[variant.network, variant.folded]
        return load_network(backend=variant.backend, weights_file=file, threads=threads)
    import torch

    torch.set_num_threads(threads)
    module = trained(variant.network, SCALE, None).module
    return torch_network(
        module, folded=variant.folded, channels_last=variant.how != "contiguous", compiled=variant.how == COMPILED
    )


def _as_image(pixels: Batch) -> Pixels:
    image: Pixels = np.rint(pixels[0].transpose(1, 2, 0) * 255).astype(np.uint8)
    return image


def _bicubic(pixels: Batch) -> object:
    """Pillow's bicubic interpolation of the 8-bit picture."""
    image = Image.fromarray(_as_image(pixels))
    return image.resize((image.width * SCALE, image.height * SCALE), Image.Resampling.BICUBIC)


# ---------------------------------------------------------------- time


def variants(backends: Sequence[str], formats: Mapping[tuple[str, bool], Sequence[str]]) -> list[Variant]:
    """Every network in every backend, in PyTorch in each of its ``formats``, and bicubic interpolation."""
    found = [BICUBIC]
    for network in NETWORKS:
        for backend in backends:
            found += [Variant(*network, backend, how) for how in (formats[network] if backend == "torch" else [""])]
    return found


def trials(backends: Sequence[str]) -> list[Variant]:
    """What else was tried to make the folded SMSRN faster."""
    tried = [Variant("smsrn", True, backend, f"tiles of {TILE}") for backend in backends]
    return [Variant("smsrn", True, "torch", COMPILED), *tried]


def times(backends: Sequence[str], files: Files, threads: Sequence[int], rounds: int) -> list[Timing]:
    """The seconds of every variant for each number of threads and each size.

    The first of these situations has the trials, too, and both memory formats; the others each network's faster one.
    """
    rows: list[Timing] = []
    formats: dict[tuple[str, bool], Sequence[str]] = dict.fromkeys(NETWORKS, FORMATS)
    for count in threads:
        for label, size in SIZES.items():
            chosen = variants(backends, formats) + ([] if rows else trials(backends))
            seconds = situation(chosen, files, count, size, rounds, f"{label}, {count} thread(s)")
            if not rows:
                formats = {network: [faster_format(network, seconds)] for network in NETWORKS}
            rows += [
                Timing(**asdict(variant), threads=count, height=size[0], width=size[1], seconds=tuple(values))
                for variant, values in seconds.items()
            ]
    return rows


def situation(
    chosen: Sequence[Variant], files: Files, threads: int, size: tuple[int, int], rounds: int, label: str
) -> dict[Variant, list[float]]:
    """Seconds of the variants for one number of threads and one size. None stays in memory afterwards."""
    pixels = picture(*size)
    steps = {}
    for variant in chosen:
        steps[variant] = step(variant, files, threads)
        if variant.how == COMPILED:
            try:
                steps[variant](pixels)  # compiles
            except Exception as error:  # of many types, where there is no C++ compiler
                print(f"left out: torch.compile ({type(error).__name__})")
                del steps[variant]
    return in_rounds({variant: partial(one, pixels) for variant, one in steps.items()}, rounds, label)


def faster_format(network: tuple[str, bool], seconds: Mapping[Variant, Sequence[float]]) -> str:
    """PyTorch's memory format in which ``network`` took less time."""
    return min(FORMATS, key=lambda how: median(seconds[Variant(*network, "torch", how)]))


def picture(height: int, width: int) -> Batch:
    """Random pixels in 0..1: (1, 3, height, width). No network's time depends on them."""
    return np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)


# ---------------------------------------------------------------- memory


def resident(word: str) -> int:
    """Resident memory of this process in bytes: now ("VmRSS"), or at its peak ("VmHWM"). Linux only.

    From /proc, because getrusage's peak starts from the parent's.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(word))


def peak_memory(variant: Variant, files: Files, threads: int, size: tuple[int, int]) -> tuple[int, int]:
    """Resident bytes once the network is loaded, and at the peak of running it twice. For a process of its own."""
    network = load(variant, files, threads)
    pixels = picture(*size)
    loaded = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew: loading is not running
    for _ in range(2):
        network.run(pixels)
    return loaded, resident("VmHWM")


def memory(backends: Sequence[str], files: Files) -> list[Memory]:
    """Peak memory of each network in each backend, one thread, for the first size; nothing where there is no /proc.

    Raises UserError when a process ends without an answer, as when memory runs out.
    """
    if not Path("/proc/self/clear_refs").exists():
        return []
    rows = []
    size = next(iter(SIZES.values()))
    chosen = [one for one in variants(backends, dict.fromkeys(NETWORKS, FORMATS[:1])) if one != BICUBIC]
    for variant in tqdm(chosen, desc="memory", unit="process"):
        try:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                loaded, peak = pool.submit(peak_memory, variant, dict(files), 1, size).result()
        except BrokenProcessPool as error:
            raise UserError(f"the process for {variant} ended without an answer: is there enough memory?") from error
        rows.append(Memory(**asdict(variant), height=size[0], width=size[1], loaded=loaded, peak=peak))
    return rows


# ---------------------------------------------------------------- layer by layer


def layers(name: str, folded: bool, size: tuple[int, int], rounds: int) -> Account:
    """Where the time of a network goes in PyTorch (channels_last, one thread): median seconds of each convolution.

    Sizes per layer: kernel, channels, groups, output height and width, and the bytes of input, weight and
    output. What the convolutions leave of ``total`` is activations, additions, concatenation, shuffles and the border.
    """
    import torch
    from torch import nn

    from replication.fold import fold

    torch.set_num_threads(1)
    source = trained(name, SCALE, None).module.eval()
    module = (fold(source) if folded else source).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    seconds: dict[str, list[float]] = {}
    shapes: dict[str, dict[str, int]] = {}
    begin: dict[str, float] = {}

    def watch(path: str, layer: nn.Conv2d) -> None:
        def before(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            begin[path] = perf_counter()

        def after(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            seconds.setdefault(path, []).append(perf_counter() - begin[path])
            shapes[path] = {
                "kernel": layer.kernel_size[0], "in_channels": layer.in_channels, "out_channels": layer.out_channels,
                "groups": layer.groups, "height": output.shape[2], "width": output.shape[3],
                "bytes": 4 * (inputs[0].numel() + layer.weight.numel() + output.numel()),
            }  # fmt: skip

        layer.register_forward_pre_hook(before)
        layer.register_forward_hook(after)

    for path, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            watch(path, layer)
    pixels = torch.from_numpy(picture(*size)).contiguous(memory_format=torch.channels_last)
    totals = []
    with torch.inference_mode():
        for _ in tqdm(range(rounds + 1), desc=f"layers of {name}{', folded' if folded else ''}", unit="run"):
            totals.append(seconds_of(lambda: module(pixels)))
    rows = tuple(LayerTime(path, **shapes[path], seconds=median(values[1:])) for path, values in seconds.items())
    return Account(name, folded, median(totals[1:]), rows)


def copy_speed(size: tuple[int, int], rounds: int) -> float:
    """Bytes per second, read and written, of copying a map of 128 channels in PyTorch with one thread.

    What the memory of this machine can do at best for maps of the size that a depth-wise layer reads.
    """
    import torch

    torch.set_num_threads(1)
    source = torch.ones(1, 128, *size)
    target = torch.empty_like(source)
    seconds = in_rounds({"copy": lambda: target.copy_(source)}, rounds, "copying")["copy"]
    return 2 * 4 * source.numel() / median(seconds)


# ---------------------------------------------------------------- half precision


def half_precision(data: Path | None) -> list[HalfPrecision]:
    """What a half-precision ONNX file of each folded network saves in bytes, and what float16 costs in PSNR."""
    from replication.export import onnx_bytes, psnr_change

    rows = []
    for name in dict.fromkeys(name for name, _ in NETWORKS):
        source = trained(name, SCALE, None)
        single, half = (len(onnx_bytes(source, half=half)) for half in (False, True))
        benchmark, change = psnr_change(source, data)
        rows.append(HalfPrecision(name, single, half, benchmark, change))
    return rows


# ---------------------------------------------------------------- command


def installed() -> list[str]:
    """PyTorch, and the backends for ONNX that are installed. Raises UserError without ONNX Runtime or the exporter."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        extra(name, "onnx")
    found = []
    for name in BACKENDS:
        try:
            if name in ONNX_RUNTIMES:
                extra(name, name)
            found.append(name)
        except MissingPackageError as error:
            print(f"left out: {error}")
    return found


def parser() -> Parser:
    """The command line."""
    result = Parser(
        prog="python -m replication.benchmark",
        description=(
            "Measure time and memory of MSRN and SMSRN, unfolded and folded, in every backend that is installed\n"
            "(pip install \".[onnx,openvino]\" for all). Leave the machine alone meanwhile; it takes long.\n"
            "Writes a record into the results folder; `python -m analysis speed` makes the tables of it."
        ),
        epilog=(
            "examples:\n"
            "  python -m replication.benchmark\n"
            "  python -m replication.benchmark --rounds 1 --threads 1 --results /tmp/results     a quick look\n"
        ),
    )  # fmt: skip
    result.add_argument(
        "--rounds", type=at_least(1), default=ROUNDS, help="runs of each variant (default: %(default)s)"
    )
    result.add_argument(
        "--threads", type=at_least(1), nargs="+", default=[1, 2], metavar="N", help="processor threads (default: 1 2)"
    )
    result.add_argument("--data", type=Path, metavar="DIR", help="where Set5 is looked for (for half precision)")
    result.add_results()
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record; see `parser`."""
    arguments = parser().parse_args(argv)
    check_threads(max(arguments.threads))
    records.check_writable(arguments.results)
    backends = installed()
    size = next(iter(SIZES.values()))
    with tempfile.TemporaryDirectory() as folder:
        files = export_all(Path(folder))
        record = Speed(
            environment=environment(backends),
            rounds=arguments.rounds,
            memory=tuple(memory(backends, files)),
            times=tuple(times(backends, files, list(dict.fromkeys(arguments.threads)), arguments.rounds)),
            layers=tuple(layers(name, folded, size, arguments.rounds) for name, folded in NETWORKS),
            copy_bytes_per_second=copy_speed(size, 10 * arguments.rounds),
            half_precision=tuple(half_precision(arguments.data)),
        )
    path = records.save(arguments.results, record)
    print(f"wrote {path}; next: python -m analysis speed speed_figure")


def environment(backends: Sequence[str]) -> dict[str, str]:
    """Machine, date and versions, the backends' included."""
    return {**records.environment(), **{name: str(extra(name, name).__version__).split("-")[0] for name in backends}}


if __name__ == "__main__":
    run(main)
