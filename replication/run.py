"""What a training run starts from: device, images, network, the facts that identify it, and an earlier state."""

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from torch import nn

from replication import checkpoint, history, kernels, recipe, records, validation, weights
from replication.checkpoint import Checkpoint
from replication.data import patches
from replication.data.patches import Source
from replication.errors import UserError
from replication.models import build_any
from replication.models.start import identity_start
from replication.recipe import Recipe


@dataclass(frozen=True)
class Options:
    """What a run needs in addition to its recipe.

    ``trunk``: a checkpoint of a run of another length to branch from. ``initial``: weights to start from.
    """

    model: str
    scale: int
    seed: int
    data: tuple[Source, ...]
    validation: Path | None
    output: Path
    cache: Path
    resume: bool
    trunk: Path | None
    initial: Path | None
    workers: int
    show_progress: bool
    command: str


def make_accelerator(plan: Recipe) -> Accelerator:
    """Device, precision and processes, as `accelerate launch` or `torchrun` set them up."""
    # Others wait while one process prepares the images: longer than the default of ten minutes for a large set.
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=6))
    precision = "bf16" if precision_here(plan) == "bf16" else "no"
    torch.backends.cudnn.allow_tf32 = False  # fp32 is single precision on a GPU, too; convolutions would take TF32
    try:
        # Without cpu=True accelerate does not join several processes on a machine that has no other device.
        cpu = not torch.accelerator.is_available()
        result = Accelerator(cpu=cpu, mixed_precision=precision, kwargs_handlers=[patience])
    except ValueError as error:
        raise UserError(f"recipe key 'precision': {plan.precision} does not work here: {error}") from error
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched != result.num_processes:  # each would train alone, all into one folder
        raise UserError(
            f"{launched} processes were launched, but this machine's device ({result.device.type}) joins "
            f"{result.num_processes}: set ACCELERATE_USE_CPU=true, or launch one"
        )
    return result


def precision_here(plan: Recipe) -> str:
    """The recipe's precision, "auto" resolved for this machine: "bf16" or "fp32".

    A processor without bf16 instructions computes bf16 many times more slowly than fp32.
    """
    if plan.precision != "auto":
        return plan.precision
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if cpu_has_bf16() else "fp32"


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bf16 values by instructions of its own (AVX512-BF16, AMX, or Arm's BF16)."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))


def sources(plan: Recipe, options: Options) -> tuple[list[Source], list[Path]]:
    """Training images and validation images: the latter by default held out of the first folder.

    An image that validates trains in none of the folders, at no size.
    """
    given = [(folder.path.resolve(), folder.factor) for folder in options.data]
    if twice := [folder for folder, facts in zip(options.data, given, strict=True) if given.count(facts) > 1]:
        raise UserError(
            f"--data names {twice[0].path} twice: expected each folder once, or at other sizes (DIR@FACTOR)"
        )
    found = {folder: patches.list_images(folder.path, plan.dataset) for folder in options.data}
    first = found[options.data[0]]
    if options.validation:
        held_out = patches.list_images(options.validation, "any")[: validation.IMAGES]
    elif plan.holdout >= len(first):
        raise UserError(
            f"{options.data[0].path}: expected more than {plan.holdout} images (recipe key 'holdout'), got {len(first)}"
        )
    else:
        held_out = first[len(first) - plan.holdout :]
    never = {path.resolve() for path in held_out}
    images = [
        Source(path, folder.factor) for folder, paths in found.items() for path in paths if path.resolve() not in never
    ]
    if not images:
        raise UserError(f"{options.data[0].path}: every image validates, so no image is left to train on")
    return images, held_out


def initial_network(plan: Recipe, options: Options, device: torch.device) -> nn.Module:
    """The network before its first step."""
    torch.manual_seed(options.seed)
    model = build_any(options.model, scale=options.scale)
    if options.initial:
        weights.load_file(model, options.initial, model=options.model, scale=options.scale)
    elif plan.start == "identity":
        identity_start(model, options.seed)
    if plan.channels_last:
        # Kernels only: as one of a module's buffers such a tensor cannot be sent between processes.
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    if plan.fast_depthwise and device.type == "cpu":
        kernels.fast_depthwise(model)
    return model.to(device)


def identifying_facts(plan: Recipe, options: Options, images: Sequence[Source], pairs: patches.Pairs) -> dict[str, Any]:
    """What identifies the run and travels inside its checkpoints and weights; ``images``: those that it trains on."""
    environment = records.environment()
    counts = Counter(Source(image.path.parent, image.factor) for image in images)
    data = " and ".join(f"{counts[folder]} images of {folder}" for folder in options.data)
    return {
        "model": options.model,
        "scale": options.scale,
        "seed": options.seed,
        "recipe": plan.as_dict(),
        "recipe_digest": plan.digest(),
        "steps": plan.steps,
        "data": data,
        "data_digest": pairs.digest,
        "initial": weights.digest(options.initial) if options.initial else None,
        "earlier": history.earlier(options.initial),
        "trunk": None,
        "paper_fraction": plan.seen_pixels / recipe.load("paper").seen_pixels,
        "precision": precision_here(plan),
        "threads": torch.get_num_threads(),
        "machine": environment.pop("machine"),
        "versions": environment,
        "command": options.command,
    }


def inherited_facts(found: Checkpoint, own: dict[str, Any]) -> dict[str, Any]:
    """What a run takes over from the state that it goes on from.

    The machines that it ran on. Of itself also when it started, and its trunk. Of a run of another length also the
    steps and hours that it shares with it, its trunk.
    """
    before, machine = found.run, history.machines(found.run, own)
    if before["recipe_digest"] != own["recipe_digest"]:
        return {"trunk": {"step": found.progress.step, "hours": found.progress.seconds / 3600}, "machine": machine}
    versions = own["versions"] | {"date": before["versions"]["date"]}
    return {"trunk": before.get("trunk"), "machine": machine, "versions": versions}


SAME = {
    "model": "--model", "scale": "--scale", "seed": "--seed", "data_digest": "--data", "initial": "--initial",
    "precision": "--precision",
}  # fmt: skip
"""Facts in which a run and the state it goes on from must agree, and the options that decide them."""


def state_to_go_on_from(plan: Recipe, options: Options, own: dict[str, Any]) -> Checkpoint | None:
    """The newest state of this run, or else the one to branch from; None for the start."""
    found = (
        newest_fitting(plan, options.output, own, list(checkpoint.saved(options.output))) if options.resume else None
    )
    if found is None and options.trunk:
        found = newest_fitting(plan, options.trunk, own, [checkpoint.read(options.trunk)])
    if options.resume or found:
        step = found.progress.step if found else 0
        print(f"going on in {options.output} after step {step}", file=sys.stderr)
    return found


def _in_words(name: str, facts: Mapping[str, Any]) -> str:
    """One of the facts `SAME` as a message says it; of images their folders, too, because a digest tells nothing."""
    return f"{facts['data']} ({facts[name][:8]})" if name == "data_digest" else f"{name} {facts[name]}"


def newest_fitting(plan: Recipe, place: Path, own: dict[str, Any], saved: Sequence[Checkpoint]) -> Checkpoint | None:
    """The first of ``saved`` that this run would have reached, too. Raises UserError when all are of other runs."""
    changed: list[str] = []
    for found in saved:
        for name in SAME:
            if found.run[name] != own[name]:
                there, here = (_in_words(name, facts) for facts in (found.run, own))
                raise UserError(
                    f"{place} holds a run with {there}, not {here}: choose another one, or the same {SAME[name]}"
                )
        before = recipe.from_dict(found.run["recipe"], source=str(place))
        if recipe.same_but_length(plan, before, found.progress.step):
            return found
        values = plan.as_dict()
        changed = changed or [
            f"{key}: {old} there, {values[key]} here" for key, old in before.as_dict().items() if values[key] != old
        ]
        if plan.steps <= before.steps:
            break
        # A longer run goes back to before the rate fell: an older checkpoint may fit.
    if changed:
        raise UserError(
            f"{place} holds a run of another recipe ({'; '.join(changed)}): choose another --output, "
            "or start from its weights with --initial"
        )
    return None
