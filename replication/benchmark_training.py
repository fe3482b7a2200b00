"""Measure what a training step costs: against the plain PyTorch loop, shortcut by shortcut, and against its arithmetic.

All variants of both networks are measured in one run, one step of each in every round and in shuffled order, so that
other load on the machine affects all of them equally.
"""

import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from replication import kernels, optimizers, recipe, records
from replication.data import benchmarks, patches
from replication.errors import Parser, at_least, run
from replication.models import MODELS, build, build_any
from replication.models.start import identity_start
from replication.recipe import Recipe
from replication.records import StepTime, TrainingSpeed
from replication.rounds import Step, in_rounds
from replication.run import cpu_has_bf16
from replication.train import TrainingNetwork, load_batches

SCALE = 4
FLOOR_SIDE = 2048
"""Side of the matrices whose product gives the rate of this machine's single-precision arithmetic."""
FLOOR = ("", "matrix product")


@dataclass(frozen=True)
class Variant:
    """A training step: its name in the table, and which of the recipe's shortcuts it takes."""

    name: str
    fused_adam: bool = False
    channels_last: bool = False
    fold_upsampler: bool = False
    keep_memory: bool = False
    fast_depthwise: bool = False
    bf16: bool = False
    soap: bool = False


PLAIN = Variant("plain PyTorch loop")
FUSED = replace(PLAIN, name="+ fused Adam", fused_adam=True)
LAYOUT = replace(FUSED, name="+ channels_last", channels_last=True)
FOLDED = replace(LAYOUT, name="+ folded upsampler", fold_upsampler=True)
KEPT = replace(FOLDED, name="+ kept memory", keep_memory=True)
COMPILED = replace(KEPT, name="+ compiled depth-wise gradient", fast_depthwise=True)
MIXED = replace(COMPILED, name="+ bf16", bf16=True)
LOADED = "the same, images loaded"


def variants() -> list[Variant]:
    """Each with one shortcut more than the one before; bf16 where the processor has it. The last is the recipe's."""
    found = [PLAIN, FUSED, LAYOUT, FOLDED, KEPT, COMPILED, *([MIXED] if cpu_has_bf16() else [])]
    return [*found, replace(found[-1], name="+ SOAP and averaged weights", soap=True)]


def make_step(model: str, variant: Variant, plan: Recipe, batch: Callable[[], tuple[Tensor, Tensor]]) -> Step:
    """A function that makes one optimiser step of ``model`` on what ``batch`` gives: LR and HR, float in 0..1.

    It does not clip gradients.
    """
    network = build(model, scale=SCALE)
    identity_start(network, seed=0)
    if variant.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # gap in torch's stubs
    if variant.fast_depthwise:
        kernels.fast_depthwise(network)
    wrapped = TrainingNetwork(network, variant.fold_upsampler)
    found: Sequence[torch.optim.Optimizer] = (
        optimizers.build(network, plan)
        if variant.soap
        else [torch.optim.Adam(network.parameters(), 1e-4, fused=variant.fused_adam)]
    )
    average = {name: value.detach().clone() for name, value in network.named_parameters()}

    def step() -> None:
        kernels.keep_memory(variant.keep_memory)
        low, high = batch()
        for optimizer in found:
            optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=variant.bf16):
            output = wrapped(low)
        nn.functional.l1_loss(output.float(), high).backward()  # type: ignore[no-untyped-call]
        for optimizer in found:
            optimizer.step()
        if variant.soap:
            optimizers.moving_average(average, network, plan.ema_decay, 0)

    return step


@cache
def forward_macs(model: str, scale: int, batch_size: int, hr_patch: int, fold_upsampler: bool) -> int:
    """Multiply-adds of the forward pass of a training step, folding included; the values are those of a recipe."""
    side = hr_patch // scale
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        TrainingNetwork(build_any(model, scale=scale), fold_upsampler)(torch.zeros(batch_size, 3, side, side))
    return int(counter.get_total_flops()) // 2


def step_macs(model: str, plan: Recipe) -> int:
    """Multiply-adds of a step with a folded upsampler: forward, and twice as many backward."""
    return 3 * forward_macs(model, SCALE, plan.batch_size, plan.hr_patch, fold_upsampler=True)


def steps_to_measure(plan: Recipe, dataset: patches.PatchDataset, rounds: int) -> dict[tuple[str, str], Step]:
    """Every variant of every network on fixed tensors, the last one with loading, too, and the matrix product."""

    def loading(layout: torch.memory_format, count: int) -> Callable[[], tuple[Tensor, Tensor]]:
        shares = patches.batches(range(count), plan.batch_size, 0, 1)
        loaded = load_batches(dataset, shares, workers=0, device=torch.device("cpu"), layout=layout)
        return lambda: next(loaded)

    steps: dict[tuple[str, str], Step] = {}
    for model in MODELS:
        for variant in variants():
            layout = torch.channels_last if variant.channels_last else torch.contiguous_format
            fixed = loading(layout, 1)()
            steps[model, variant.name] = make_step(model, variant, plan, lambda fixed=fixed: fixed)  # type: ignore[misc]
        steps[model, LOADED] = make_step(model, variants()[-1], plan, loading(torch.channels_last, rounds + 1))
    matrix = torch.rand(FLOOR_SIDE, FLOOR_SIDE)
    steps[FLOOR] = lambda: matrix @ matrix
    return steps


def time_by_operator(step: Step, largest: int = 8) -> dict[str, float]:
    """Shares of a step's time by PyTorch operator, forward and backward apart, for those that take most."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(3):
            step()
    seconds = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    most = sorted(seconds, key=lambda name: seconds[name], reverse=True)[:largest]
    return {name: seconds[name] / sum(seconds.values()) for name in most}


def record(
    seconds: Mapping[tuple[str, str], Sequence[float]], operators: dict[str, dict[str, float]], plan: Recipe,
    images: str, command: str,
) -> TrainingSpeed:  # fmt: skip
    """What was measured. ``operators``: by network, `time_by_operator`. ``images``: their number and name."""
    middle = {key: median(values) for key, values in seconds.items()}
    rate = FLOOR_SIDE**3 / middle[FLOOR]
    last = variants()[-1].name
    return TrainingSpeed(
        recipe=plan.digest(),
        hr_patch=plan.hr_patch,
        batch_size=plan.batch_size,
        scale=SCALE,
        images=images,
        threads=torch.get_num_threads(),
        rounds=len(seconds[FLOOR]),
        steps=tuple(
            StepTime(*key, middle[key], max(abs(value / middle[key] - 1) for value in values))
            for key, values in seconds.items()
            if key != FLOOR
        ),
        floor={model: step_macs(model, plan) / rate for model in MODELS},
        loading={model: middle[model, LOADED] / middle[model, last] - 1 for model in MODELS},
        operators=operators,
        environment={**records.environment(), "instructions": instructions()},
        command=command,
    )


def instructions() -> str:
    """The vector instructions that PyTorch uses here, and whether the processor multiplies bf16 (in AMX: matrices)."""
    bf16 = " with bf16" if cpu_has_bf16() else ""
    amx = " in AMX" if torch.cpu.get_capabilities().get("amx_bf16", False) else ""
    return torch.backends.cpu.get_cpu_capability() + bf16 + amx


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, and write the record."""
    parser = Parser(
        prog="python -m replication.benchmark_training",
        description=f"{__doc__}\nLeave the machine alone meanwhile. Writes a record into the results folder;\n"
        "`python -m analysis training_speed` makes the page of it.",
        epilog="""examples:
  python -m replication.benchmark_training
  python -m replication.benchmark_training --threads 1 --rounds 40 --data data/train/BSDS400
  python -m replication.benchmark_training --rounds 1 --results /tmp/results     # a quick look""",
    )
    parser.add_argument("--recipe", default="cpu", help="for patch size, batch size and optimiser (default: cpu)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="training images (default: the embedded photographs)")
    parser.add_argument("--rounds", type=at_least(1), default=20, help="steps of each variant (default: %(default)s)")
    parser.add_argument("--threads", type=at_least(1), metavar="N", help="CPU threads (default: all cores)")
    parser.add_results()
    arguments = parser.parse_args(argv)
    records.check_writable(arguments.results)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    plan = recipe.load(arguments.recipe)
    paths = (
        patches.list_images(arguments.data, "any")
        if arguments.data
        else [image.path for image in benchmarks.embedded().images]
    )
    images = f"{len(paths)} of {patches.Source(arguments.data) if arguments.data else 'scikit-image'}"
    with tempfile.TemporaryDirectory() as cache:
        sources = [patches.Source(path) for path in paths]
        pairs = patches.prepare(sources, SCALE, plan.scaling, Path(cache), show_progress=True)
        dataset = patches.PatchDataset(
            pairs, hr_patch=plan.hr_patch, flips=plan.flips, rotations=plan.rotations, seed=0, sampling=plan.sampling
        )
        steps = steps_to_measure(plan, dataset, arguments.rounds)
        seconds = in_rounds(steps, arguments.rounds, "measuring")
        operators = {model: time_by_operator(steps[model, variants()[-1].name]) for model in MODELS}
    command = shlex.join(["python", "-m", "replication.benchmark_training", "--threads", str(torch.get_num_threads())])
    found = record(seconds, operators, plan, images, f"{command} --rounds {arguments.rounds}")
    for one in found.steps:
        floor = found.floor[one.network]
        print(f"{one.network:6} {one.variant:32} {1000 * one.median:7.0f} ms {one.median / floor:5.2f} times the floor")
    path = records.save(arguments.results, found)
    print(f"wrote {path}; next: python -m analysis training_speed", file=sys.stderr)


if __name__ == "__main__":
    run(main)
