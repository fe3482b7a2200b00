"""Train MSRN or SMSRN by a recipe.

The loop is short on purpose: a step takes its samples from `replication.data.patches`, which has no state, computes the
L1 loss, and lets Adam move the weights. Everything that decides the result is in the recipe, the seed and the images.
"""

import argparse
import csv
import io
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, broadcast_object_list
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from replication import checkpoint, recipe, records, weights
from replication.checkpoint import Checkpoint, Progress
from replication.data import patches
from replication.errors import Parser, UserError, run
from replication.files import write_text, write_with
from replication.fold import forward_folded
from replication.images.io import read_image
from replication.images.metrics import psnr, table_protocols
from replication.images.resize import imresize
from replication.models import MODELS, build
from replication.models.msrn import MSRN, SCALES
from replication.models.start import identity_start
from replication.recipe import Recipe

REFERENCE_FAN_IN = 9 * 64
"""Fan-in of a 3x3 convolution over 64 channels; see `rate_groups`."""
VALIDATION_IMAGES = 10
VALIDATION_CROP = 192
"""Validation looks at the middle of few images: it only has to tell a better epoch from a worse one."""


@dataclass(frozen=True)
class Options:
    """What a run needs beside its recipe: model, scale, seed, folders, and how to go on or start."""

    model: str
    scale: int
    seed: int
    data: Path
    validation: Path | None
    output: Path
    cache: Path
    resume: bool
    initial: Path | None
    workers: int
    show_progress: bool
    command: str


class TrainingNetwork(nn.Module):
    """The model as it is computed while training: plain, or with its upsampler folded."""

    def __init__(self, model: MSRN, fold_upsampler: bool) -> None:
        super().__init__()
        self.model = model
        self.fold_upsampler = fold_upsampler

    def forward(self, x: Tensor) -> Tensor:
        return forward_folded(self.model, x) if self.fold_upsampler else self.model(x)


class Trainer:
    """One run: its images, network, optimiser and progress."""

    def __init__(self, plan: Recipe, options: Options) -> None:
        self.plan, self.options = plan, options
        self.accelerator = _accelerator(plan)
        patches.batches(range(0), plan.batch_size, 0, self.accelerator.num_processes)  # refuses an uneven share
        if self.accelerator.is_main_process:
            _check_writable(options.output)
        self.pairs, self.validation = self._images()
        self.dataset = patches.PatchDataset(
            self.pairs, hr_patch=plan.hr_patch, flips=plan.flips, rotations=plan.rotations, seed=options.seed
        )
        self.model = self._model()
        self.optimizer = torch.optim.Adam(
            rate_groups(self.model, by_fan_in=plan.rate_by_fan_in),
            plan.learning_rate,
            betas=(plan.beta1, plan.beta2),
            eps=plan.epsilon,
            fused=True,
        )
        self.run_facts = self._facts()
        self.progress = Progress(step=0, seconds=0.0, best_psnr=None, log=[])
        if options.resume:
            self._resume()
        self.network, self.prepared_optimizer = self.accelerator.prepare(
            TrainingNetwork(self.model, plan.fold_upsampler), self.optimizer
        )

    # -- what a run starts from ---------------------------------------------------------------------------------------

    def _images(self) -> tuple[patches.Pairs, list[np.ndarray]]:
        """Training pairs and the middles of the validation images, which by default are held out of the training."""
        paths = patches.list_images(self.options.data, self.plan.dataset)
        if self.options.validation:
            held_out = patches.list_images(self.options.validation, "any")[:VALIDATION_IMAGES]
        else:
            if self.plan.holdout >= len(paths):
                raise UserError(
                    f"{self.options.data}: expected more than {self.plan.holdout} images (recipe key 'holdout'), "
                    f"got {len(paths)}"
                )
            held_out = paths[len(paths) - self.plan.holdout :]
            paths = paths[: len(paths) - self.plan.holdout]
        show_progress = self.options.show_progress and self.accelerator.is_local_main_process
        with self.accelerator.local_main_process_first():
            pairs = patches.prepare(
                paths, self.options.scale, self.plan.scaling, self.options.cache, show_progress=show_progress
            )
        return pairs, [_middle(read_image(path), path, self.options.scale) for path in held_out]

    def _model(self) -> MSRN:
        torch.manual_seed(self.options.seed)
        model = build(self.options.model, scale=self.options.scale)
        if self.options.initial:
            weights.load_file(model, self.options.initial, model=self.options.model, scale=self.options.scale)
        elif self.plan.start == "identity":
            identity_start(model, self.options.seed)
        if self.plan.channels_last:
            # Kernels only: as one of a module's buffers such a tensor cannot be sent between processes.
            for parameter in model.parameters():
                if parameter.ndim == 4:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return model.to(self.accelerator.device)

    def _facts(self) -> dict[str, Any]:
        """What identifies the run and travels inside its checkpoints and weights."""
        environment = records.environment()
        return {
            "model": self.options.model,
            "scale": self.options.scale,
            "seed": self.options.seed,
            "recipe": self.plan.as_dict(),
            "recipe_digest": self.plan.digest(),
            "steps": self.plan.steps,
            "data": f"{len({pair.name for pair in self.pairs.index})} images of {self.options.data.name}",
            "data_digest": self.pairs.digest,
            "initial": weights.digest(self.options.initial) if self.options.initial else None,
            "paper_fraction": self.plan.seen_pixels / recipe.load("paper").seen_pixels,
            "machine": environment.pop("machine"),
            "versions": environment,
            "command": self.options.command,
        }

    def _resume(self) -> None:
        """Go on from the newest saved state that this run would have reached too, or from the start without one."""
        # The main process alone reads: machines need not share the run's folder.
        found = self._newest_fitting() if self.accelerator.is_main_process else None
        (found,) = broadcast_object_list([found])
        if found is not None:
            checkpoint.restore(found, self.model, self.optimizer)
            self.progress = found.progress
        if self.accelerator.is_main_process:
            print(f"going on in {self.options.output} after step {self.progress.step}", file=sys.stderr)

    def _newest_fitting(self) -> Checkpoint | None:
        """The newest checkpoint of this run. Raises UserError when those in the folder are of other runs."""
        changed: list[str] = []
        for found in checkpoint.saved(self.options.output):
            for name in ("model", "scale", "seed", "data_digest", "initial"):
                if found.run[name] != self.run_facts[name]:
                    raise UserError(
                        f"{self.options.output} holds a run with {name} {found.run[name]}, not {self.run_facts[name]}: "
                        "choose another --output"
                    )
            before = recipe.from_dict(found.run["recipe"], source=str(self.options.output))
            if recipe.same_but_length(self.plan, before, found.progress.step):
                return found
            values = self.plan.as_dict()
            changed = changed or [
                f"{key}: {old} there, {values[key]} here" for key, old in before.as_dict().items() if values[key] != old
            ]
            if self.plan.steps <= before.steps:
                break
            # A longer run goes back to before the rate fell: an older checkpoint may fit.
        if changed:
            raise UserError(
                f"{self.options.output} holds a run of another recipe ({'; '.join(changed)}): choose another --output, "
                "or start from its weights with --initial"
            )
        return None

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
                loss = self._step(step, low, high)
                losses.append(loss)
                done, seconds = step + 1, spent + time.perf_counter() - begin
                rate = plan.batch_size * (done - first) / (seconds - spent)
                bar.set_postfix_str(f"loss {loss:.4f}, rate {plan.rate(step):.1e}, {rate:.0f} patches/s", refresh=False)
                bar.update()
                if done % plan.steps_per_epoch == 0 or done == plan.steps:
                    self._end_epoch(done, seconds, float(np.mean(losses)), rate, bar)
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

    def _step(self, step: int, low: Tensor, high: Tensor) -> float:
        """One optimiser step; returns the L1 loss over the whole batch. Raises UserError when it is not finite."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(step) * group["share"]
        self.prepared_optimizer.zero_grad()
        loss = nn.functional.l1_loss(self.network(low).float(), high)
        value = float(self.accelerator.reduce(loss.detach(), "mean"))
        if not math.isfinite(value):
            raise UserError(
                f"step {step + 1}: the loss is {value}. {self.kept()}; lower the recipe's 'learning_rate' or set "
                "'gradient_clip'"
            )
        self.accelerator.backward(loss)
        if self.plan.gradient_clip:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.plan.gradient_clip)
        self.prepared_optimizer.step()
        return value

    def _end_epoch(self, step: int, seconds: float, loss: float, rate: float, bar: "tqdm[Any]") -> None:
        """Validate, log, and save the checkpoint and, if it is the best so far, the weights."""
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.model.parameters()):
            raise UserError(f"step {step}: the weights are not finite. {self.kept()}")
        if not self.accelerator.is_main_process:
            return
        score = validate(self.model, self.validation) if self.validation else None
        best = self.progress.best_psnr
        improved = score is not None and (best is None or score > best)
        row = {
            "step": step, "loss": loss, "learning_rate": self.plan.rate(step - 1), "patches_per_second": rate,
            "seconds": seconds, "validation_psnr": score,
        }  # fmt: skip
        log = [*self.progress.log, row]
        self.progress = Progress(step, seconds, score if improved else best, log)
        if improved:
            self._write_weights(self.options.output / "best.safetensors")
        self._write_checkpoint(checkpoint.path_for(self.options.output, step))
        if self.plan.schedule == "decay" and step <= self.plan.decay_begin:
            self._write_checkpoint(self.options.output / checkpoint.BEFORE_DECAY)
        checkpoint.prune(self.options.output, step)
        write_log(self.options.output, log)
        told = f"validation {score:.2f} dB" if score is not None else "no validation images"
        bar.write(f"step {step}: loss {loss:.4f}, {told}", file=sys.stderr)

    def kept(self) -> str:
        """What is saved of this run so far, as a sentence without its full stop."""
        if not self.progress.step:
            return "No state is saved yet"
        return f"The state after step {self.progress.step} is saved in {self.options.output}"

    def _write_checkpoint(self, path: Path) -> None:
        checkpoint.write(path, self.model, self.optimizer, self.run_facts, self.progress)

    def _write_weights(self, path: Path) -> None:
        share = self.progress.step / self.plan.steps
        facts = {
            **self.run_facts,
            "step": self.progress.step,
            "hours": self.progress.seconds / 3600,
            "paper_fraction": self.run_facts["paper_fraction"] * share,
        }
        weights.write(path, self.model, facts)

    def _finish(self) -> Path:
        path = self.options.output / "final.safetensors"
        if self.accelerator.is_main_process:
            self._write_weights(path)
            draw_curve(self.options.output, self.progress.log)
            print(
                f"weights: {path}\nmeasure them: python -m replication.evaluate --model {self.options.model} "
                f"--scale {self.options.scale} --weights {path}"
            )
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()
        return path


def rate_groups(model: nn.Module, *, by_fan_in: bool) -> list[dict[str, Any]]:
    """Adam's parameter groups, each with its ``share`` of the learning rate.

    ``by_fan_in``: the share of a convolution's weight is sqrt(576 / fan-in), where fan-in is how many values one output
    sums up: 1 for a 3x3 over 64 channels. Adam moves every weight by about the rate, whatever its size, and a weight's
    size at the start is about 1 / sqrt(fan-in); so all layers change alike in proportion. Biases have the share 1.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in model.parameters():
        share = math.sqrt(REFERENCE_FAN_IN / parameter[0].numel()) if by_fan_in and parameter.dim() == 4 else 1.0
        groups.setdefault(share, []).append(parameter)
    return [{"params": parameters, "share": share} for share, parameters in groups.items()]


def _accelerator(plan: Recipe) -> Accelerator:
    """Device, precision and processes, as `accelerate launch` or `torchrun` set them up."""
    # Others wait while one process prepares the images: longer than the default of ten minutes for a large set.
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=6))
    precision = "bf16" if plan.precision == "bf16" else "no"
    try:
        # Without cpu=True accelerate does not join several processes on a machine that has no other device.
        cpu = not torch.accelerator.is_available()
        accelerator = Accelerator(cpu=cpu, mixed_precision=precision, kwargs_handlers=[patience])
    except ValueError as error:
        raise UserError(f"recipe key 'precision': {plan.precision} does not work here: {error}") from error
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched != accelerator.num_processes:  # each would train alone, all into one folder
        raise UserError(
            f"{launched} processes were launched, but this machine's device ({accelerator.device.type}) joins "
            f"{accelerator.num_processes}: set ACCELERATE_USE_CPU=true, or launch one"
        )
    return accelerator


def _check_writable(folder: Path) -> None:
    """Raise UserError when a run's folder cannot be written: before the first step, not at the first checkpoint."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write into --output {folder}: {error.strerror or error}") from error


def load_batches(
    dataset: Dataset[tuple[Tensor, Tensor]], indices: Iterable[Sequence[int]], *, workers: int, device: torch.device,
    layout: torch.memory_format,
) -> Iterator[tuple[Tensor, Tensor]]:  # fmt: skip
    """Low-resolution and original batches, float in 0..1 on ``device``, one for each list of sample ``indices``."""
    pin_memory = device.type == "cuda"
    batches = (list(batch) for batch in indices)
    for pair in DataLoader(dataset, batch_sampler=batches, num_workers=workers, pin_memory=pin_memory):
        on_device = (batch.to(device, non_blocking=True) for batch in pair)
        low, high = (batch.float().div_(255).contiguous(memory_format=layout) for batch in on_device)
        yield low, high


def _middle(image: np.ndarray, path: Path, scale: int) -> np.ndarray:
    """The middle of a validation image, RGB, sides a multiple of the scale and at most `VALIDATION_CROP`."""
    sides = [min(length, VALIDATION_CROP) // scale * scale for length in image.shape[:2]]
    if min(sides) < 16 + 2 * scale:
        raise UserError(f"validation image {path}: {image.shape[0]}x{image.shape[1]} pixels is too small")
    top, left = ((length - side) // 2 for length, side in zip(image.shape[:2], sides, strict=True))
    middle = image[top : top + sides[0], left : left + sides[1]]
    return middle if middle.ndim == 3 else np.repeat(middle[:, :, None], 3, axis=2)


@torch.no_grad()
def validate(model: MSRN, originals: Sequence[np.ndarray]) -> float:
    """Mean luma PSNR in dB of ``model`` on ``originals`` ((H, W, 3) uint8), in single precision."""
    device = next(model.parameters()).device
    scores = []
    for original in originals:
        low = torch.from_numpy(imresize(original, 1 / model.scale)).permute(2, 0, 1)[None].float() / 255
        output = model(low.to(device))[0].permute(1, 2, 0).mul(255).round().clamp(0, 255)
        scores.append(psnr(output.cpu().numpy().astype(np.uint8), original, table_protocols(model.scale)["luma"]))
    return float(np.mean(scores))


def write_log(folder: Path, log: Sequence[dict[str, float | None]]) -> None:
    """Write ``log.csv``: one row an epoch. Written whole, so a resumed run's log has no row twice."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(log[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(log)
    write_text(folder / "log.csv", text.getvalue())


def draw_curve(folder: Path, log: Sequence[dict[str, float | None]]) -> None:
    """Draw ``curve.png``: loss and validation PSNR over steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot()
    values = {key: np.array([row[key] for row in log], float) for key in ("step", "loss", "validation_psnr")}
    axes.plot(values["step"], values["loss"], color="0.6", label="L1 loss (left)")
    axes.set(xlabel="step", ylabel="L1 loss, values in 0..1")
    scores = axes.twinx()
    scores.plot(values["step"], values["validation_psnr"], color="black", label="validation PSNR (right)")
    scores.set_ylabel("PSNR in dB, luma")
    figure.legend(loc="outside upper center", ncols=2)
    write_with(folder / "curve.png", lambda path: figure.savefig(path, dpi=120, metadata={"Software": None}))


def _parser() -> Parser:
    parser = Parser(
        prog="python -m replication.train",
        description="Train MSRN or SMSRN by a recipe and write weights that `python -m replication.evaluate` takes.",
        epilog="""examples:
  python -m replication.train --recipe cpu --model smsrn --data BSDS400
  python -m replication.train --recipe cpu --model smsrn --data BSDS400 --steps 200
  python -m replication.train --recipe cpu --model smsrn --data BSDS400 --steps 20000 --resume
  accelerate launch --num_processes 4 -m replication.train --recipe paper --model msrn \\
      --data DIV2K/DIV2K_train_HR --validation DIV2K/DIV2K_valid_HR

A run's folder holds the two newest checkpoints, the best and the final weights, log.csv and curve.png. With the
schedule "decay" it also keeps the state before the rate falls, from which a longer run (more --steps) goes on.
torchrun takes --start as an option of its own: with it, set that value in a recipe file.""",
    )
    parser.add_argument("--recipe", default="cpu", help=f"{', '.join(recipe.names())}, or a TOML file (default: cpu)")
    parser.add_argument("--model", required=True, choices=list(MODELS), help="the network to train")
    parser.add_argument("--scale", type=int, default=4, choices=SCALES, help="upscaling factor (default: 4)")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of training images")
    parser.add_argument("--validation", type=Path, metavar="DIR",
                        help=f"folder of validation images, the first {VALIDATION_IMAGES} are used "
                             "(default: the recipe's holdout)")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="run folder (default: runs/MODEL_xSCALE-RECIPE)")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), metavar="DIR",
                        help="where prepared training images are kept (default: runs/cache)")  # fmt: skip
    parser.add_argument("--seed", type=_whole(0), default=0, help="seed of start and samples (default: 0)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output, if there is one")
    parser.add_argument("--initial", type=Path, metavar="FILE", help="start from these weights")
    parser.add_argument(
        "--workers", type=_whole(0), default=0, help="loader processes (default: 0, none beside the training)"
    )
    parser.add_argument("--threads", type=_whole(1), metavar="N", help="CPU threads (default: all cores)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    group = parser.add_argument_group("recipe values", "each takes the place of the recipe's own")
    for key, kind in recipe.FIELDS.items():
        group.add_argument(f"--{key.replace('_', '-')}", metavar="VALUE", help=recipe.expected(kind))
    return parser


def _whole(smallest: int) -> Callable[[str], int]:
    """An argparse type: a whole number of at least ``smallest``."""

    def number(text: str) -> int:
        if int(text) < smallest:
            raise argparse.ArgumentTypeError(f"expected {smallest} or more, got {text}")
        return int(text)

    return number


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
        model=arguments.model, scale=arguments.scale, seed=arguments.seed, data=arguments.data,
        validation=arguments.validation, output=output, cache=arguments.cache, resume=arguments.resume,
        initial=arguments.initial, workers=arguments.workers, show_progress=not arguments.quiet,
        command=_command(name, arguments, values),
    )  # fmt: skip
    trainer = Trainer(plan, options)
    try:
        trainer.train()
    except KeyboardInterrupt:
        print(f"\n{trainer.kept()}; the same command with --resume goes on", file=sys.stderr)
        raise
    return 0


def _command(name: str, arguments: argparse.Namespace, values: dict[str, str]) -> str:
    """The command that makes the same weights, without the machine's folders."""
    parts = ["python -m replication.train", f"--recipe {name}", f"--model {arguments.model}"]
    parts += [f"--scale {arguments.scale}", f"--data {arguments.data.name}", f"--seed {arguments.seed}"]
    if arguments.validation:
        parts.append(f"--validation {arguments.validation.name}")
    if arguments.initial:
        parts.append(f"--initial {arguments.initial.name}")
    return " ".join([*parts, *(f"--{key.replace('_', '-')} {value}" for key, value in values.items())])


if __name__ == "__main__":
    run(main)
