"""Inference time of the published networks, MSRN and SMSRN, for one 1280x720 output, each in its fastest backend.

Fresh weights for the published ones: no network's time depends on its values. One trial in each backend, on a picture
of a sixteenth of the area, chooses the fastest; then every round runs each network once in it, in shuffled order, so
that other load affects all of them equally. A large matrix product runs in each round as well: what multiply-adds take
at best. A network's buffers are freed after each of its runs, outside the timing, since those of all networks together
do not fit in memory. The record holds everything; `python -m analysis speed figure1_time` shows it.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.export import Dim
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from replication import records
from replication.backends import BACKENDS, check_threads
from replication.benchmark import environment, installed
from replication.errors import Parser, UserError, at_least, run
from replication.export import quiet_exporter
from replication.fold import fold
from replication.models.zoo import NETWORKS
from replication.network import extra, trained
from replication.records import NetworkSpeed, NetworkTime
from replication.rounds import in_rounds, seconds_of

HEIGHT, WIDTH = 720, 1280
SIDE = 1024
"""Rows and columns of the matrices whose product shows what the processor can do at best."""
TINY = 8
"""Side of a picture whose run costs next to nothing."""


class Step(NamedTuple):
    """How to run one network, and how to free the memory that a run leaves behind."""

    run: Callable[[], object]
    release: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Candidate:
    """One network to be timed: its name, whether it is folded, how to make it, and the shape of its input."""

    name: str
    folded: bool
    make: Callable[[], nn.Module]
    shape: tuple[int, int, int, int]

    @property
    def smaller(self) -> "Candidate":
        """The same for a picture of a sixteenth of the area."""
        batch, channels, height, width = self.shape
        return replace(self, shape=(batch, channels, max(height // 4, 1), max(width // 4, 1)))

    @property
    def macs(self) -> int:
        """Multiply-adds of one run, counted by torch on the meta device."""
        module = self.make().to("meta").eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(torch.empty(self.shape, device="meta"))
        return int(counter.get_total_flops()) // 2


def candidates() -> Iterator[Candidate]:
    """Every network of the zoo, and MSRN and SMSRN unfolded and folded, for a 1280x720 output at x4."""
    for name, network in NETWORKS.items():
        yield Candidate(name, False, network.factory, network.input_shape(HEIGHT, WIDTH))
    for name in ("msrn", "smsrn"):
        for folded in (False, True):
            yield Candidate(name, folded, _ours(name, folded), (1, 3, HEIGHT // 4, WIDTH // 4))


def _ours(name: str, folded: bool) -> Callable[[], nn.Module]:
    """Makes one of our networks with its trained weights, which a folded one needs to be what is shipped."""

    def make() -> nn.Module:
        module = trained(name, 4, None).module
        return fold(module) if folded else module

    return make


def step(candidate: Candidate, backend: str, folder: Path, threads: int) -> Step:
    """What runs the network once in ``backend`` on random pixels in 0..1."""
    torch.manual_seed(0)
    module = candidate.make().eval()
    pixels = np.random.default_rng(0).random(candidate.shape, dtype=np.float32)
    if backend == "torch":
        torch.set_num_threads(threads)
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        image = torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)

        def run_torch() -> object:
            with torch.inference_mode():
                return module(image)

        return Step(run_torch)
    path = folder / "network.onnx"
    export(module, candidate.shape, path)
    return (_onnxruntime if backend == "onnxruntime" else _openvino)(path, pixels, threads)


def export(module: nn.Module, shape: Sequence[int], path: Path) -> None:
    """Write ``module`` as an ONNX file for images of one channel number and any size."""
    size = {2: Dim("height", min=1), 3: Dim("width", min=1)}
    with quiet_exporter():
        program = torch.onnx.export(
            module, (torch.zeros(1, shape[1], 16, 24),), dynamo=True, dynamic_shapes=(size,), verbose=False
        )
    assert program is not None
    program.save(path)


def _onnxruntime(path: Path, pixels: np.ndarray, threads: int) -> Step:
    onnxruntime = extra("onnxruntime", "onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    # ONNX Runtime frees its buffers only at the end of a run; one on a tiny picture does it outside the timing
    shrink = onnxruntime.RunOptions()
    shrink.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    tiny = pixels[..., :TINY, :TINY]

    def release() -> object:
        return session.run(None, {name: tiny}, shrink)

    release()  # the buffer of the first run is never freed: let it be of a tiny one
    return Step(lambda: session.run(None, {name: pixels}), release)


def _openvino(path: Path, pixels: np.ndarray, threads: int) -> Step:
    openvino = extra("openvino", "openvino")
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path.read_bytes()), "CPU", settings)
    return Step(lambda: compiled(pixels), compiled.release_memory)


def fastest(
    candidate: Candidate, backends: Sequence[str], folder: Path, threads: int
) -> tuple[dict[str, float], str, Step]:
    """Seconds of one trial on a smaller picture in each backend that runs it, the fastest one, and its function."""
    trials: dict[str, float] = {}
    for backend in backends:
        try:
            function = step(candidate.smaller, backend, folder, threads)
            function.run()  # the first run prepares what the later ones have
            trials[backend] = seconds_of(function.run)
            function.release()
        except Exception as error:  # a runtime's or the exporter's own types: this network does not run there
            print(f"{candidate.name}: left out in {backend} ({type(error).__name__})")
    if not trials:
        raise UserError(f"{candidate.name}: runs in none of {', '.join(backends)}")
    best = min(trials, key=lambda backend: trials[backend])
    return trials, best, step(candidate, best, folder, threads)


def measure(threads: int, rounds: int, most_macs: float, backends: Sequence[str] | None = None) -> NetworkSpeed:
    """Time every network of at most ``most_macs`` multiply-adds."""
    backends = installed() if backends is None else backends
    torch.set_num_threads(threads)
    everything = {(one.name, one.folded): (one, one.macs) for one in candidates()}
    chosen = {key: pair for key, pair in everything.items() if pair[1] <= most_macs}
    found: dict[tuple[str, bool], tuple[dict[str, float], str, Step]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for key, (one, _) in tqdm(chosen.items(), desc="trials", unit="network"):
            found[key] = fastest(one, backends, Path(folder), threads)
    left, right = (torch.rand(SIDE, SIDE) for _ in range(2))
    steps: dict[tuple[str, bool] | None, Step] = {key: function for key, (_, _, function) in found.items()}
    steps[None] = Step(lambda: left @ right)
    seconds = in_rounds(
        {key: one.run for key, one in steps.items()}, rounds, "rounds", warm_up=False,
        release={key: one.release for key, one in steps.items()},
    )  # fmt: skip
    times = tuple(
        NetworkTime(*key, found[key][1], *chosen[key][0].shape[1:], chosen[key][1], tuple(seconds[key]), found[key][0])
        for key in found
    )
    left_out = {
        f"{name}{', folded' * folded}": macs for (name, folded), (_, macs) in everything.items() if macs > most_macs
    }
    return NetworkSpeed(environment(backends), threads, rounds, times, left_out, SIDE**3, tuple(seconds[None]))


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record."""
    parser = Parser(
        prog="python -m replication.benchmark_networks",
        description=(
            "Time the published networks, and MSRN and SMSRN unfolded and folded, for one 1280x720 output at x4, each\n"
            "in the fastest backend that is installed. Leave the machine alone meanwhile. Writes a record into the\n"
            "results folder; `python -m analysis speed figure1_time` makes the table and the figure of it."
        ),
        epilog=(
            "examples:\n"
            "  python -m replication.benchmark_networks\n"
            "  python -m replication.benchmark_networks --most-gmacs 100 --rounds 2     minutes in place of hours\n"
        ),
    )
    parser.add_argument("--threads", type=at_least(1), default=1, help="processor threads (default: %(default)s)")
    parser.add_argument("--rounds", type=at_least(1), default=3, help="runs of each network (default: %(default)s)")
    parser.add_argument(
        "--most-gmacs", type=float, default=float("inf"), help="leave out larger networks (G MACs; default: none)"
    )
    parser.add_argument(
        "--backends",
        nargs="+",
        choices=BACKENDS,
        metavar="NAME",
        help="try only these (default: all that are installed)",
    )
    parser.add_results()
    arguments = parser.parse_args(argv)
    if not arguments.most_gmacs > 0:
        raise UserError(f"--most-gmacs: expected a number above 0, got {arguments.most_gmacs:g}")
    check_threads(arguments.threads)
    records.check_writable(arguments.results)
    record = measure(arguments.threads, arguments.rounds, 1e9 * arguments.most_gmacs, arguments.backends)
    path = records.save(arguments.results, record)
    print(f"wrote {path}; next: python -m analysis speed figure1_time")


if __name__ == "__main__":
    run(main)
