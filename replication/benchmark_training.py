"""What a training step costs: against the plain PyTorch loop, shortcut by shortcut, and with images being loaded.

All variants of both networks are measured in one run, one step of each in every round and in shuffled order, so that
whatever else the machine does falls on all of them alike. The figures are medians.
"""

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from tqdm import tqdm

from replication import recipe, records
from replication.data import benchmarks, patches
from replication.errors import Parser, UserError, run
from replication.files import write_text
from replication.models import MODELS, build
from replication.models.start import identity_start
from replication.recipe import Recipe
from replication.train import TrainingNetwork, load_batches

SCALE = 4
REPORT = "training_speed.md"
Step = Callable[[], None]


@dataclass(frozen=True)
class Variant:
    """A training step: its name in the table, and which of the recipe's shortcuts it takes."""

    name: str
    fused_adam: bool = False
    channels_last: bool = False
    fold_upsampler: bool = False
    bf16: bool = False


PLAIN = Variant("plain PyTorch loop")
FUSED = replace(PLAIN, name="+ fused Adam", fused_adam=True)
LAYOUT = replace(FUSED, name="+ channels_last", channels_last=True)
FOLDED = replace(LAYOUT, name="+ folded upsampler", fold_upsampler=True)
MIXED = replace(FOLDED, name="+ bf16", bf16=True)
VARIANTS = (PLAIN, FUSED, LAYOUT, FOLDED, MIXED)
"""Each with one shortcut more than the one before."""
LOADED = "the same, images loaded"


def make_step(model: str, variant: Variant, batch: Callable[[], tuple[Tensor, Tensor]]) -> Step:
    """A function that makes one optimiser step of ``model`` on what ``batch`` gives: LR and HR, float in 0..1."""
    network = build(model, scale=SCALE)
    identity_start(network, seed=0)
    if variant.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # gap in torch's stubs
    wrapped = TrainingNetwork(network, variant.fold_upsampler)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=variant.fused_adam)

    def step() -> None:
        low, high = batch()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=variant.bf16):
            output = wrapped(low)
        nn.functional.l1_loss(output.float(), high).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def measure(steps: Mapping[tuple[str, str], Step], rounds: int) -> dict[tuple[str, str], float]:
    """Median seconds of each step over ``rounds``; in every round each is made once, in shuffled order."""
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in steps}
    order = list(steps)
    shuffled = random.Random(0)
    for number in tqdm(range(rounds + 1), desc="measuring", unit="round"):
        shuffled.shuffle(order)
        for key in order:
            begin = perf_counter()
            steps[key]()
            if number:  # the first round warms up
                seconds[key].append(perf_counter() - begin)
    return {key: median(values) for key, values in seconds.items()}


def steps_to_measure(plan: Recipe, dataset: patches.PatchDataset, rounds: int) -> dict[tuple[str, str], Step]:
    """The step of every variant of every network on fixed tensors, and the last variant's also with loading."""

    def loading(layout: torch.memory_format) -> Callable[[], tuple[Tensor, Tensor]]:
        shares = patches.batches(range(rounds + 1), plan.batch_size, 0, 1)
        loaded = load_batches(dataset, shares, workers=0, device=torch.device("cpu"), layout=layout)
        return lambda: next(loaded)

    steps = {}
    for model in MODELS:
        for variant in VARIANTS:
            layout = torch.channels_last if variant.channels_last else torch.contiguous_format
            fixed = loading(layout)()
            steps[model, variant.name] = make_step(model, variant, lambda fixed=fixed: fixed)  # type: ignore[misc]
        steps[model, LOADED] = make_step(model, VARIANTS[-1], loading(torch.channels_last))
    return steps


def time_by_operator(step: Step, largest: int = 8) -> dict[str, float]:
    """Shares of a step's time by PyTorch operator, forward and backward apart, for those that take most."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(3):
            step()
    seconds = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    most = sorted(seconds, key=lambda name: seconds[name], reverse=True)[:largest]
    return {name: seconds[name] / sum(seconds.values()) for name in most}


def report(
    seconds: Mapping[tuple[str, str], float], operators: Mapping[str, Mapping[str, float]], plan: Recipe, rounds: int,
    data: str,
) -> str:  # fmt: skip
    """The measurement as Markdown.

    ``operators``: shares of the last variant's time (`time_by_operator`) by network. ``data``: the images' name.
    """
    size = plan.hr_patch // SCALE
    environment = records.environment()
    lines = [
        "# What a training step costs",
        "",
        f"{environment['machine']}; {torch.get_num_threads()} thread(s); PyTorch {environment['torch']}. "
        f"{plan.batch_size} patches of {size}x{size} LR pixels, x{SCALE}. Medians of {rounds} steps, measured in one "
        "run in shuffled order. Each row has one shortcut more than the row above. Made by "
        f"`python -m replication.benchmark_training`; images: {data}.",
        "",
        "| network | step | ms | times as fast as plain |",
        "|---|---|---:|---:|",
    ]
    for (model, name), value in seconds.items():
        lines.append(f"| {model} | {name} | {1000 * value:.0f} | {seconds[model, PLAIN.name] / value:.2f} |")
    lines.append("")
    for model in MODELS:
        overhead = seconds[model, LOADED] / seconds[model, VARIANTS[-1].name] - 1
        lines.append(f"Loading makes a step of {model} {overhead:+.1%} longer than on fixed tensors.")
    for model, shares in operators.items():
        lines += [
            "",
            f"## Where the time of the fastest step of {model} goes",
            "",
            "| operator | share |",
            "|---|---:|",
        ]
        lines += [f"| `{name}` | {share:.1%} |" for name, share in shares.items()]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print and perhaps write the report."""
    parser = Parser(
        prog="python -m replication.benchmark_training",
        description=__doc__,
        epilog=f"""examples:
  python -m replication.benchmark_training
  python -m replication.benchmark_training --data BSDS400 --rounds 20 --write    # also writes results/{REPORT}""",
    )
    parser.add_argument("--recipe", default="cpu", help="for patch and batch size (default: cpu)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="training images (default: the embedded photographs)")
    parser.add_argument("--rounds", type=int, default=10, help="steps of each variant (default: %(default)s)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help=f"write {REPORT} into the results folder")
    arguments = parser.parse_args(argv)
    for name in ("rounds", "threads"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UserError(f"--{name}: expected at least 1, got {value}")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    plan = recipe.load(arguments.recipe)
    embedded = benchmarks.find(benchmarks.EMBEDDED)
    assert embedded  # always there
    paths = patches.list_images(arguments.data, "any") if arguments.data else [image.path for image in embedded.images]
    data = f"{len(paths)} of {arguments.data.name if arguments.data else 'scikit-image'}"
    with tempfile.TemporaryDirectory() as cache:
        pairs = patches.prepare(
            [patches.Source(path) for path in paths], SCALE, plan.scaling, Path(cache), show_progress=True
        )
        dataset = patches.PatchDataset(
            pairs, hr_patch=plan.hr_patch, flips=plan.flips, rotations=plan.rotations, seed=0
        )
        steps = steps_to_measure(plan, dataset, arguments.rounds)
        seconds = measure(steps, arguments.rounds)
        operators = {model: time_by_operator(steps[model, VARIANTS[-1].name]) for model in MODELS}
    text = report(seconds, operators, plan, arguments.rounds, data)
    print(text, end="")
    if arguments.write:
        write_text(arguments.results / REPORT, text)


if __name__ == "__main__":
    run(main)
