"""Train MSRN, SMSRN or another network by a recipe.

A step takes its samples from `replication.data.patches`, which has no state, computes the L1 loss, and lets the
optimisers move the weights. Everything that decides the result is in the recipe, the seed and the images; what a run
starts from is in `replication.run`.
"""

import argparse
import copy
import csv
import io
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from replication import checkpoint, dead_filters, history, kernels, optimizers, recipe, validation, weights
from replication.checkpoint import Checkpoint, Live, Progress
from replication.curve import draw_curve
from replication.data import patches
from replication.errors import Parser, UserError, at_least, run
from replication.files import check_folder, write_text
from replication.fold import forward_folded
from replication.models import MODELS, OTHERS
from replication.models.msrn import MSRN, SCALES
from replication.recipe import Recipe
from replication.run import (
    Options,
    identifying_facts,
    inherited_facts,
    initial_network,
    make_accelerator,
    sources,
    state_to_go_on_from,
)

LOOK = 20
"""Steps between two looks at the loss: reading it makes a GPU wait."""


class TrainingNetwork(nn.Module):
    """The model as it is computed while training: plain, or with its upsampler folded."""

    def __init__(self, model: nn.Module, fold_upsampler: bool) -> None:
        super().__init__()
        self.model = model
        self.fold_upsampler = fold_upsampler

    def forward(self, x: Tensor) -> Tensor:
        if self.fold_upsampler and isinstance(self.model, MSRN):
            return forward_folded(self.model, x)
        output: Tensor = self.model(x)
        return output


def objective(restored: Tensor, original: Tensor) -> Tensor:
    """What training minimises, the mean absolute error of the paper's section 4.1; a value of no dimensions."""
    return nn.functional.l1_loss(restored, original)


class Trainer:
    """One run: its images, network, optimisers and progress."""

    def __init__(self, plan: Recipe, options: Options) -> None:
        self.plan, self.options = plan, options
        self.accelerator = make_accelerator(plan)
        patches.batches(range(0), plan.batch_size, 0, self.accelerator.num_processes)  # refuses an uneven share
        if self.accelerator.is_main_process:
            check_folder(options.output)
        if plan.keep_memory:
            kernels.keep_memory()
        images, held_out = sources(plan, options)
        with self.accelerator.local_main_process_first():
            show_progress = options.show_progress and self.accelerator.is_local_main_process
            pairs = patches.prepare(images, options.scale, plan.scaling, options.cache, show_progress=show_progress)
        self.crops = [crop for path in held_out for crop in validation.crops(path, options.scale)]
        self.dataset = patches.PatchDataset(
            pairs, hr_patch=plan.hr_patch, flips=plan.flips, rotations=plan.rotations, seed=options.seed,
            sampling=plan.sampling,
        )  # fmt: skip
        self.model = initial_network(plan, options, self.accelerator.device)
        average = {name: value.detach().clone() for name, value in self.model.named_parameters()}
        self.live = Live(self.model, optimizers.build(self.model, plan), average if plan.ema_decay else {})
        self.run_facts = identifying_facts(plan, options, images, pairs)
        self.progress = self._begin()
        network: nn.Module = TrainingNetwork(self.model, plan.fold_upsampler)
        if plan.compile:
            network = torch.compile(network)  # type: ignore[assignment]
        self.network, *self.prepared = self.accelerator.prepare(network, *self.live.optimizers)

    def _begin(self) -> Progress:
        """Put back the state that the run goes on from, if there is one."""
        # The main process alone reads: machines need not share the run's folder.
        found: Checkpoint | None = None
        if self.accelerator.is_main_process:
            found = state_to_go_on_from(self.plan, self.options, self.run_facts)
        found = broadcast_object_list([found])[0]
        if found is None:
            return Progress(step=0, seconds=0.0, best_psnr=None, log=[])
        checkpoint.restore(found, self.live)
        self.run_facts |= inherited_facts(found, self.run_facts)
        return found.progress

    # -- the loop -----------------------------------------------------------------------------------------------------

    def train(self) -> Path:
        """Run to the recipe's last step; return the path of the final weights."""
        plan, first = self.plan, self.progress.step
        bar = tqdm(
            total=plan.steps, initial=first, unit="step", desc=self.options.model, smoothing=0.05,
            disable=not (self.options.show_progress and self.accelerator.is_main_process),
        )  # fmt: skip
        begin, spent, losses = time.perf_counter(), self.progress.seconds, []
        with bar:
            for step, (low, high) in zip(range(first, plan.steps), self._batches(first), strict=True):
                losses.append(self._step(step, low, high))
                done, epoch_ends = step + 1, (step + 1) % plan.steps_per_epoch == 0 or step + 1 == plan.steps
                bar.update()
                if epoch_ends or done % LOOK == 0:
                    seconds = spent + time.perf_counter() - begin
                    pace = plan.batch_size * (done - first) / (seconds - spent)
                    loss = self._mean_loss(done, losses)
                    bar.set_postfix_str(f"loss {loss:.4f}, rate {plan.rate(step):.1e}, {pace:.0f} patches/s", False)
                if epoch_ends:
                    self._end_epoch(done, seconds, loss, pace, bar)
                    losses = []
        return self._finish()

    def _batches(self, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        shares = patches.batches(
            range(first, self.plan.steps), self.plan.batch_size, self.accelerator.process_index,
            self.accelerator.num_processes,
        )  # fmt: skip
        layout = torch.channels_last if self.plan.channels_last else torch.contiguous_format
        return load_batches(
            self.dataset, shares, workers=self.options.workers, device=self.accelerator.device, layout=layout
        )

    def _step(self, step: int, low: Tensor, high: Tensor) -> Tensor:
        """One optimiser step; returns this process's L1 loss, which stays on its device."""
        optimizers.set_rate(self.live.optimizers, self.plan.rate(step))
        for optimizer in self.prepared:
            optimizer.zero_grad()
        loss = objective(self.network(low).float(), high)
        self.accelerator.backward(loss)
        if self.plan.gradient_clip:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.plan.gradient_clip)
        for optimizer in self.prepared:
            optimizer.step()
        if self.live.average:
            optimizers.moving_average(self.live.average, self.model, self.plan.ema_decay, step)
        return loss.detach()

    def _mean_loss(self, step: int, losses: Sequence[Tensor]) -> float:
        """Mean loss of all processes. Raises UserError when one is not finite."""
        values: Tensor = self.accelerator.reduce(torch.stack(list(losses)), "mean")
        if not bool(torch.isfinite(values).all()):
            raise UserError(
                f"step {step}: a loss since step {step - len(losses)} is not finite. {self.kept()}; lower the recipe's "
                "'learning_rate' or set 'gradient_clip'"
            )
        return float(values.mean())

    def _end_epoch(self, step: int, seconds: float, loss: float, pace: float, bar: "tqdm[Any]") -> None:
        """Validate, log, and save the checkpoint and, if it is the best so far, the weights."""
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.model.parameters()):
            raise UserError(f"step {step}: the weights are not finite. {self.kept()}")
        if not self.accelerator.is_main_process:
            self.progress = Progress(step, seconds, None, [])  # for what it says if it ends here
            return
        score = self._validate(self.model)
        averaged = self._validate(self._averaged()) if self.live.average else None
        dead = self._dead_filters()
        best = self.progress.best_psnr
        improved = score is not None and (best is None or score > best)
        row = {
            "step": step, "loss": loss, "learning_rate": self.plan.rate(step - 1), "patches_per_second": pace,
            "seconds": seconds, "validation_psnr": score, "validation_psnr_ema": averaged, "dead_filters": dead,
        }  # fmt: skip
        log = [*self.progress.log, row]
        progress = Progress(step, seconds, score if improved else best, log)
        if improved:
            self._write_weights(self.options.output / "best.safetensors", self.model, progress)
        paths = [checkpoint.path_for(self.options.output, step)]
        if self.plan.schedule == "decay" and step <= self.plan.decay_begin:
            paths.append(self.options.output / checkpoint.BEFORE_DECAY)
        for path in paths:
            checkpoint.write(path, self.live, self.run_facts, progress)
        self.progress = progress
        checkpoint.prune(self.options.output, step)
        write_log(self.options.output, log)
        result = f"validation {score:.3f} dB" if score is not None else "no validation images"
        result += f", averaged weights (EMA) {averaged:.3f} dB" if averaged is not None else ""
        result += f", {dead:.1%} of the filters dead" if dead is not None else ""
        bar.write(f"step {step}: loss {loss:.4f}, {result}", file=sys.stderr)

    def _validate(self, model: nn.Module) -> float | None:
        return validation.validate(model, self.options.scale, self.crops) if self.crops else None

    def _dead_filters(self) -> float | None:
        device = self.accelerator.device
        lows = (validation.low(crop, self.options.scale).to(device) for crop in self.crops)
        return dead_filters.share(self.model, lows) if self.crops else None

    def kept(self) -> str:
        """What is saved of this run so far, as a sentence without its full stop."""
        if not self.progress.step:
            return "No state is saved yet"
        return f"The state after step {self.progress.step} is saved in {self.options.output}"

    def _averaged(self) -> nn.Module:
        """A copy of the model with the average of its parameters."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.live.average, strict=True)
        return model

    def _write_weights(self, path: Path, model: nn.Module, progress: Progress, **more: Any) -> None:
        totals = history.in_all(self.run_facts, progress.step, progress.seconds)
        weights.write(path, model, {**self.run_facts, **totals, **more})

    def _finish(self) -> Path:
        path = self.options.output / "final.safetensors"
        if self.accelerator.is_main_process:
            self._write_weights(path, self.model, self.progress)
            if self.live.average:
                averaged = self.options.output / "final-ema.safetensors"
                self._write_weights(averaged, self._averaged(), self.progress, ema_decay=self.plan.ema_decay)
            write_log(self.options.output, self.progress.log)  # a run that was killed may lack its last row
            draw_curve(self.options.output / "curve.png", self.progress.log)
            print(
                f"weights: {path}\nmeasure them: python -m replication.evaluate --model {self.options.model} "
                f"--scale {self.options.scale} --weights {path}"
            )
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()
        return path


def load_batches(
    dataset: patches.PatchDataset, indices: Iterable[Sequence[int]], *, workers: int, device: torch.device,
    layout: torch.memory_format,
) -> Iterator[tuple[Tensor, Tensor]]:  # fmt: skip
    """Low-resolution and original batches, float in 0..1 on ``device``, one for each list of sample ``indices``.

    A GPU holds all images, where they fit, and gathers the samples itself; else ``workers`` processes read them.
    """
    batches: Iterable[Sequence[Tensor]]
    if device.type == "cpu" or not patches.fits(dataset.pairs, device):
        lists = (list(batch) for batch in indices)
        batches = DataLoader(dataset, batch_sampler=lists, num_workers=workers)
    else:
        resident = patches.ResidentPatches(dataset, device)
        batches = (resident.batch(batch) for batch in indices)
    for pair in batches:
        low, high = (batch.to(device).float().div_(255).contiguous(memory_format=layout) for batch in pair)
        yield low, high


def write_log(folder: Path, log: Sequence[dict[str, float | None]]) -> None:
    """Write ``log.csv``: one row an epoch. Written whole, so a resumed run's log has no row twice."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(log[-1]), lineterminator="\n")  # the first rows may be of an older version
    table.writeheader()
    table.writerows(log)
    write_text(folder / "log.csv", text.getvalue())


def _parser() -> Parser:
    parser = Parser(
        prog="python -m replication.train",
        description="Train a network by a recipe and write weights that `python -m replication.evaluate` takes.",
        epilog="""examples:
  python -m replication.train --recipe cpu --model smsrn --data data/train/BSDS400
  python -m replication.train --recipe cpu --model smsrn --data data/train/BSDS400 --steps 200
  python -m replication.train --recipe cpu --model smsrn --data data/train/BSDS400 photographs@0.5 --seed 1
  python -m replication.train --recipe cpu --model smsrn --data data/train/BSDS400 --steps 20000 --resume
  accelerate launch --num_processes 2 -m replication.train --recipe paper --model msrn \\
      --data DIV2K/DIV2K_train_HR --validation DIV2K/DIV2K_valid_HR

A run's folder holds the two newest checkpoints, the best and the final weights, log.csv and curve.png. With the
schedule "decay" it also keeps the state before the rate falls, before-decay.safetensors: a longer run (more --steps)
goes on from there, in the same folder with --resume, or in another one with --trunk.
torchrun takes --start as an option of its own: with it, set that value in a recipe file.""",
    )
    parser.add_argument("--recipe", default="cpu", help=f"{', '.join(recipe.names())}, or a TOML file (default: cpu)")
    parser.add_argument("--model", required=True, choices=[*MODELS, *OTHERS], help="the network to train")
    parser.add_argument("--scale", type=int, default=4, choices=SCALES, help="upscaling factor (default: 4)")
    parser.add_argument("--data", type=patches.Source.parse, required=True, nargs="+", metavar="DIR",
                        help="folders of training images; DIR@0.5 shrinks its images to half beforehand")  # fmt: skip
    parser.add_argument("--validation", type=Path, metavar="DIR",
                        help=f"folder of validation images, the first {validation.IMAGES} are used "
                             "(default: the recipe's holdout)")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="run folder (default: runs/MODEL_xSCALE-RECIPE)")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), metavar="DIR",
                        help="where prepared training images are kept (default: runs/cache)")  # fmt: skip
    parser.add_argument("--seed", type=at_least(0), default=0, help="seed of start and samples (default: 0)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output, if there is one")
    parser.add_argument("--trunk", type=Path, metavar="FILE",
                        help="branch from this checkpoint of a run that differs in length alone")  # fmt: skip
    parser.add_argument("--initial", type=Path, metavar="FILE", help="start from these weights")
    parser.add_argument(
        "--workers",
        type=at_least(0),
        default=0,
        help="loader processes (default: 0, the training loads); a GPU that holds all images needs none",
    )
    parser.add_argument("--threads", type=at_least(1), metavar="N", help="CPU threads (default: all cores)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    group = parser.add_argument_group("recipe values", "each takes the place of the recipe's own")
    for key, kind in recipe.FIELDS.items():
        text = f"{recipe.MEANINGS[key]} ({recipe.expected(kind)})"
        group.add_argument(f"--{key.replace('_', '-')}", metavar="VALUE", help=text)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and train."""
    arguments = _parser().parse_args(argv)
    values = {key: getattr(arguments, key) for key in recipe.FIELDS if getattr(arguments, key) is not None}
    plan = recipe.load(arguments.recipe, values)
    name = Path(arguments.recipe).stem
    output = arguments.output or Path("runs") / f"{arguments.model}_x{arguments.scale}-{name}"
    if not arguments.resume and output.is_dir() and any(output.iterdir()):
        raise UserError(f"{output} already holds a run: add --resume to go on with it, or choose another --output")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    options = Options(
        model=arguments.model, scale=arguments.scale, seed=arguments.seed, data=tuple(arguments.data),
        validation=arguments.validation, output=output, cache=arguments.cache, resume=arguments.resume,
        trunk=arguments.trunk, initial=arguments.initial, workers=arguments.workers,
        show_progress=not arguments.quiet, command=_command(name, arguments, values),
    )  # fmt: skip
    with kernels.denormals_flushed():
        trainer = Trainer(plan, options)
        first = trainer.progress
        try:
            trainer.train()
        except KeyboardInterrupt:
            print(f"\n{trainer.kept()}; the same command with --resume goes on", file=sys.stderr)
            raise
    whole = recipe.load(arguments.recipe, {key: value for key, value in values.items() if key != "steps"})
    done = trainer.progress
    if trainer.accelerator.is_main_process and done.step > first.step and whole.steps != plan.steps:
        hours = whole.steps * (done.seconds - first.seconds) / (done.step - first.step) / 3600
        print(f"at this pace the {whole.steps:,} steps of the recipe take {hours:,.1f} hours", file=sys.stderr)
    return 0


def _command(name: str, arguments: argparse.Namespace, values: dict[str, str]) -> str:
    """The command that makes the same weights, without the machine's folders."""
    parts = ["python -m replication.train", f"--recipe {name}", f"--model {arguments.model}"]
    folders = " ".join(shlex.quote(str(folder)) for folder in arguments.data)
    parts += [f"--scale {arguments.scale}", f"--data {folders}", f"--seed {arguments.seed}"]
    if arguments.validation:
        parts.append(f"--validation {shlex.quote(arguments.validation.name)}")
    if arguments.trunk:
        parts.append(f"--trunk {shlex.quote(f'{arguments.trunk.parent.name}/{arguments.trunk.name}')}")
    if arguments.initial:
        parts.append(f"--initial {shlex.quote(arguments.initial.name)}")
    return " ".join([*parts, *(f"--{key.replace('_', '-')} {shlex.quote(value)}" for key, value in values.items())])


if __name__ == "__main__":
    run(main)
