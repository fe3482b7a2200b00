import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from replication import checkpoint, evaluate, files, optimizers, recipe, records, run, train, validation, weights
from replication.checkpoint import Checkpoint
from replication.data import patches
from replication.errors import UserError
from replication.images.io import write_image
from replication.images.metrics import psnr, table_protocols
from replication.models import MODELS, OTHERS, build, build_any
from replication.models.msrn import MSRN
from replication.models.start import identity_start
from replication.recipe import Recipe
from replication.train import Trainer, main

CHANGES = {
    "dataset": "any", "holdout": 1, "hr_patch": 32, "batch_size": 2, "flips": "true", "rotations": "true",
    "scaling": "[1.0]", "steps": 6, "steps_per_epoch": 2, "learning_rate": 5e-4, "gradient_clip": 1.0,
    "warmup_steps": 1, "schedule": "decay", "decay_fraction": 0.5, "fold_upsampler": "true", "channels_last": "true",
    "precision": "fp32", "rate_by_fan_in": "true", "sampling": "image", "matrix_rate": 1e-3,
}  # fmt: skip
"""A recipe of seconds."""


def noise(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Coarse noise, so that there is something to learn."""
    image = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def small(name: str, *, scale: int) -> MSRN:
    return MSRN(MODELS[name], scale=scale, width=8, blocks=1)


@pytest.fixture(autouse=True)
def _quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A small network and no curve, but for tests that ask for the ``real_network``; one thread for equal bits."""
    if "real_network" not in request.fixturenames:
        monkeypatch.setattr(run, "build_any", small)
        monkeypatch.setattr(optimizers, "NARROWEST_MATRIX", 8)  # SOAP gets some of the small network, too
        monkeypatch.setattr(optimizers, "SOAP_LARGEST_SIDE", 60)
    monkeypatch.setattr(train, "draw_curve", lambda *arguments: None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    AcceleratorState._reset_state(True)  # it keeps the precision of a process's first run


@pytest.fixture
def real_network() -> None:
    """See `_quick`."""


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three training images and, last, one for validation."""
    folder = tmp_path_factory.mktemp("train") / "images"
    folder.mkdir()
    for index in range(4):
        write_image(folder / f"{index}.png", noise(40 + 4 * index, 52, index))
    return folder


def arguments(images: Path, output: Path, *more: str, **changes: Any) -> list[str]:
    values = {**CHANGES, **changes}
    options = ["--recipe", "cpu", "--data", str(images), "--output", str(output)]
    options += ["--cache", str(images.parent / "cache"), "--quiet"]
    if "--model" not in more:
        options += ["--model", "smsrn"]
    return (
        options
        + [part for key, value in values.items() for part in (f"--{key.replace('_', '-')}", str(value))]
        + [*more]
    )


def newest(folder: Path) -> Checkpoint:
    return next(checkpoint.saved(folder))


def assert_same_state(one: Path, two: Path) -> None:
    """Parameters and optimisers of two runs are bit-identical, and so are the parameters they ended with."""
    first, second = newest(one), newest(two)
    assert first.progress.step == second.progress.step
    for kind in ("optimizer0.", "optimizer1.", "average.", "model."):
        assert any(name.startswith(kind) for name in first.state)
    assert first.optimizers == second.optimizers
    for name, value in first.state.items():
        assert torch.equal(value, second.state[name]), name
    first_final, second_final = (weights.read(folder / "final.safetensors") for folder in (one, two))
    for name, value in first_final.state.items():
        assert torch.equal(value, second_final.state[name]), name


def stop_in_step(monkeypatch: pytest.MonkeyPatch, number: int, reason: BaseException) -> None:
    """Let training end with ``reason`` in the middle of its optimiser step ``number``, counted from 1."""
    step = Trainer._step

    def stopped(self: Trainer, index: int, low: Tensor, high: Tensor) -> Tensor:
        if index + 1 == number:
            with torch.no_grad():
                next(self.model.parameters()).zero_()
            raise reason
        return step(self, index, low, high)

    monkeypatch.setattr(Trainer, "_step", stopped)


def interrupted_run(options: list[str], number: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_in_step(patch, number, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            main(options)


@pytest.fixture(scope="session")
def real_run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of 6 steps of the real SMSRN; tests only read it."""
    output = tmp_path_factory.mktemp("real") / "run"
    main(arguments(images, output, "--threads", "1"))
    return output


@pytest.fixture
def finished(images: Path) -> Path:
    """The folder of an uninterrupted run of 6 steps of the small network, made once; tests only read it."""
    output = images.parent / "finished"
    if not output.exists():
        main(arguments(images, output))
    return output


# -- one run -----------------------------------------------------------------------------------------------------------


def test_a_run_leaves_checkpoints_weights_a_log_and_a_curve(real_run: Path) -> None:
    assert {path.name for path in real_run.iterdir()} == {
        "checkpoint-00000004.safetensors", "checkpoint-00000006.safetensors", "before-decay.safetensors",
        "best.safetensors", "final.safetensors", "final-ema.safetensors", "log.csv", "curve.png",
    }  # fmt: skip
    with (real_run / "log.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [2, 4, 6]
    assert all(0 < float(row["loss"]) < 1 and 5 < float(row["validation_psnr"]) < 60 for row in rows)
    plan = recipe.load("cpu", {key: str(value) for key, value in CHANGES.items()})
    assert all(0 <= float(row["dead_filters"]) < 0.5 for row in rows)
    assert [float(row["learning_rate"]) for row in rows] == [plan.rate(step) for step in (1, 3, 5)]
    with Image.open(real_run / "curve.png") as picture:
        picture.load()
    assert newest(real_run).progress.best_psnr == max(float(row["validation_psnr"]) for row in rows)


def test_denormal_numbers_are_flushed_while_training(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[float] = []
    monkeypatch.setattr(train.Trainer, "train", lambda self: found.append(float(torch.tensor(1e-30) * 1e-9)))
    main(arguments(images, tmp_path / "run"))
    assert found == [0.0]


def test_the_final_weights_are_those_of_the_last_step_and_evaluate_accepts_them(real_run: Path) -> None:
    found = weights.read(real_run / "final.safetensors")
    state = newest(real_run).state
    assert {f"model.{name}" for name in found.state} == {name for name in state if name.startswith("model.")}
    for name, value in found.state.items():
        assert torch.equal(value, state[f"model.{name}"].half().float()), name
    subject = evaluate.subject("smsrn", 4, real_run / "final.safetensors")
    assert subject is not None
    result, restored = evaluate.measure_image(subject, "noise", noise(40, 40, 9))
    assert restored.shape == (40, 40, 3)
    assert result.psnr_y > 12
    again = build("smsrn")
    assert weights.load_file(again, real_run / "best.safetensors", model="smsrn", scale=4)["step"] in (2, 4, 6)


def test_recipe_digest_seed_and_versions_travel_with_the_weights_and_no_path_does(real_run: Path, images: Path) -> None:
    plan = recipe.load("cpu", {key: str(value) for key, value in CHANGES.items()})
    for facts in (weights.read(real_run / "final.safetensors").metadata, newest(real_run).run):
        assert recipe.from_dict(facts["recipe"], "x") == plan
        assert facts["recipe_digest"] == plan.digest()
        assert (facts["model"], facts["scale"], facts["seed"], facts["steps"]) == ("smsrn", 4, 0, 6)
        assert facts["data"] == "3 images of images"
        assert facts["versions"]["torch"] == torch.__version__
        assert facts["machine"]
        assert facts["paper_fraction"] == pytest.approx(6 * 2 * 32**2 / (500_000 * 10 * 256**2))
        assert facts["command"].startswith("python -m replication.train --recipe cpu --model smsrn ")
        assert "--steps 6" in facts["command"]
        assert str(images.parent) not in json.dumps(facts)


def test_training_lowers_the_loss(images: Path, tmp_path: Path) -> None:
    main(arguments(images, tmp_path, steps=60, steps_per_epoch=20, learning_rate=2e-3))
    losses = [row["loss"] for row in newest(tmp_path).progress.log]
    assert losses[2] is not None
    assert losses[0] is not None
    assert losses[2] < 0.8 * losses[0]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    images: Path, finished: Path, tmp_path: Path
) -> None:
    main(arguments(images, tmp_path / "same"))
    assert_same_state(tmp_path / "same", finished)
    main(arguments(images, tmp_path / "other", "--seed", "1", steps=2))
    assert newest(tmp_path / "other").progress.log[0]["loss"] != newest(finished).progress.log[0]["loss"]


def test_a_run_is_the_loop_that_its_recipe_describes(images: Path, tmp_path: Path) -> None:
    """Start, samples, clipping, Adam and averages written out; the seed decides start and samples."""
    changes = {
        "optimizer": "adam", "learning_rate": 0.01, "rate_by_fan_in": "false", "beta1": 0.8, "beta2": 0.5,
        "epsilon": 1e-3, "gradient_clip": 0.01, "ema_decay": 0.2, "warmup_steps": 0, "schedule": "constant",
        "scaling": "[1.0, 0.9]", "sampling": "area", "flips": "false", "fold_upsampler": "false",
        "fast_depthwise": "false", "steps": 4,
    }  # fmt: skip
    main(arguments(images, tmp_path / "run", "--seed", "3", **changes))
    found = newest(tmp_path / "run")

    sources = [patches.Source(images / f"{index}.png") for index in range(3)]
    pairs = patches.prepare(sources, 4, (1.0, 0.9), tmp_path / "cache")
    data = patches.PatchDataset(pairs, hr_patch=32, flips=False, rotations=True, seed=3, sampling="area")
    torch.manual_seed(3)
    model = small("smsrn", scale=4)
    identity_start(model, 3)
    adam = torch.optim.Adam(model.parameters(), 0.01, betas=(0.8, 0.5), eps=1e-3)
    average = {name: value.detach().clone() for name, value in model.named_parameters()}
    for step in range(4):
        low, high = (torch.stack(part) / 255 for part in zip(*(data[2 * step + row] for row in (0, 1)), strict=True))
        adam.zero_grad()
        (model(low) - high).abs().mean().backward()
        norm = torch.stack([value.grad.norm() for value in model.parameters() if value.grad is not None]).norm()
        assert norm > 0.01
        for value in model.parameters():
            assert value.grad is not None
            value.grad *= 0.01 / norm
        adam.step()
        decay = min(0.2, (1 + step) / (10 + step))
        for name, value in model.named_parameters():
            average[name] = decay * average[name] + (1 - decay) * value.detach()
    for kind, expected in ("model", dict(model.named_parameters())), ("average", average):
        for name, value in expected.items():
            torch.testing.assert_close(found.state[f"{kind}.{name}"], value.detach(), rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("real_network")
def test_the_shortcuts_compute_what_the_plain_loop_computes(images: Path, tmp_path: Path) -> None:
    runs = {
        "plain": {"fold_upsampler": "false", "channels_last": "false"},
        "layout": {"fold_upsampler": "false", "channels_last": "true"},
        "folded": {"fold_upsampler": "true", "channels_last": "true"},
        "bf16": {"fold_upsampler": "true", "channels_last": "true", "precision": "bf16"},
    }
    losses = {}
    for name, changes in runs.items():
        AcceleratorState._reset_state(True)
        main(arguments(images, tmp_path / name, steps=2, **changes))
        losses[name] = newest(tmp_path / name).progress.log[0]["loss"]
    plain = losses.pop("plain")
    assert losses["layout"] == pytest.approx(plain, rel=1e-5)
    assert losses["folded"] == pytest.approx(plain, rel=5e-2)  # other values along the border of the tiny patches
    assert losses["bf16"] == pytest.approx(losses["folded"], rel=2e-2)
    assert losses["bf16"] != losses["folded"]


@pytest.mark.usefixtures("real_network")
@pytest.mark.parametrize("name", OTHERS)
def test_another_network_is_trained_and_measured(images: Path, tmp_path: Path, name: str) -> None:
    main(arguments(images, tmp_path / "run", "--model", name, steps=2))
    final = tmp_path / "run" / "final.safetensors"
    start = identity_started(name)
    moved = [not torch.equal(weights.read(final).state[key], value) for key, value in start.items()]
    assert np.mean(moved) > 0.9  # in half precision, a few of the biases are as they were
    method = evaluate.subject(name, 4, final)
    assert method
    assert method.upscale(noise(12, 16, 0)).shape == (48, 64, 3)
    assert evaluate.subject(name, 4) is None, "no weights ship for it"


def identity_started(name: str) -> dict[str, Tensor]:
    """The parameters that a run of seed 0 starts from, as a weights file holds them."""
    model = build_any(name)
    identity_start(model, seed=0)
    return {key: value.half().float() for key, value in model.state_dict().items()}


def test_weights_to_start_from(images: Path, finished: Path, tmp_path: Path) -> None:
    start = finished / "final.safetensors"
    main(arguments(images, tmp_path / "run", "--initial", str(start), steps=2, learning_rate=1e-12, matrix_rate=1e-12))
    assert newest(tmp_path / "run").run["initial"] == weights.digest(start)
    before, after = (weights.read(folder / "final.safetensors").metadata for folder in (finished, tmp_path / "run"))
    assert after["step"] == after["steps"] == before["step"] + 2
    assert after["paper_fraction"] > before["paper_fraction"]
    assert [one["command"] for one in after["earlier"]] == [before["command"]]
    for name, value in weights.read(start).state.items():
        torch.testing.assert_close(newest(tmp_path / "run").state[f"model.{name}"], value, rtol=0, atol=1e-9)
    with pytest.raises(UserError, match="holds smsrn x4, expected msrn x4"):
        main(arguments(images, tmp_path / "wrong", "--initial", str(start), "--model", "msrn"))
    with pytest.raises(UserError, match=r"none\.safetensors"):
        main(arguments(images, tmp_path / "wrong", "--initial", str(tmp_path / "none.safetensors"), "--resume"))


def test_images_held_out_for_validation_are_not_trained_on(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(self: Trainer) -> Path:
        seen.append(({pair.name for pair in self.dataset.pairs.index}, [crop.shape for crop in self.crops]))
        return self.options.output

    monkeypatch.setattr(Trainer, "train", look)
    main(arguments(images, tmp_path / "a"))
    main(arguments(images, tmp_path / "b", "--validation", str(shutil.copytree(images, tmp_path / "copy"))))
    main(arguments(images, tmp_path / "c", holdout=0))
    names = {f"images/{index}.png" for index in range(4)}
    last = [(24, 24, 3)] * 4  # quarters of 52x52
    assert seen[0] == (names - {"images/3.png"}, last)
    assert seen[1] == (names, [*[(20, 24, 3)] * 8, *[(24, 24, 3)] * 8])
    assert seen[2] == (names, [])


def test_validation_is_the_mean_luma_psnr_of_the_rounded_output() -> None:
    class Nearest(nn.Module):
        scale = 4

        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.tensor(1.013))

        def forward(self, x: Tensor) -> Tensor:
            return x.repeat_interleave(4, 2).repeat_interleave(4, 3) * self.gain

    originals = [noise(40, 40, 1), noise(32, 48, 2)]
    expected = []
    for original in originals:
        low = np.rint(validation.imresize(original, 1 / 4) * 1.013).clip(0, 255).astype(np.uint8)
        expected.append(psnr(low.repeat(4, 0).repeat(4, 1), original, table_protocols(4)["luma"]))
    assert validation.validate(Nearest(), 4, originals) == pytest.approx(np.mean(expected), abs=1e-6)


def test_the_best_weights_are_those_with_the_highest_validation(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([20.0, 22.0, 21.0])
    monkeypatch.setattr(validation, "validate", lambda *arguments: next(scores))
    main(arguments(images, tmp_path, ema_decay=0))
    assert weights.read(tmp_path / "best.safetensors").metadata["step"] == 4
    assert newest(tmp_path).progress.best_psnr == 22.0


# -- going on ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule": "halving", "halving_steps": 2},
        {"schedule": "constant", "fold_upsampler": "false", "channels_last": "false", "start": "default"},
        {"precision": "bf16"},
        {"fast_depthwise": "false", "sampling": "area"},
    ],
    ids=["decay", "halving", "constant and plain", "bf16", "plain gradient, by area"],
)
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(
    images: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    main(arguments(images, tmp_path / "whole", **changes))
    for stop in (4, 6):  # before and after the rate falls
        interrupted_run(arguments(images, tmp_path / f"parts{stop}", **changes), stop)
        main(arguments(images, tmp_path / f"parts{stop}", "--resume", **changes))
        assert_same_state(tmp_path / f"parts{stop}", tmp_path / "whole")
    log = newest(tmp_path / "parts4").progress.log
    assert [row["step"] for row in log] == [2, 4, 6]
    assert [row["loss"] for row in log] == [row["loss"] for row in newest(tmp_path / "whole").progress.log]


def test_a_resumed_run_keeps_its_start_and_names_every_machine(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_run(arguments(images, tmp_path / "run"), 3)
    here = records.environment()
    for machine in ("another", "another", here["machine"]):
        later = {**here, "machine": machine, "date": "2099-01-01", "torch": "99"}
        monkeypatch.setattr(records, "environment", lambda later=later: dict(later))
        interrupted_run(arguments(images, tmp_path / "run", "--resume"), 5)
    facts = newest(tmp_path / "run").run
    assert facts["machine"] == f"{here['machine']}; then another"
    assert (facts["versions"]["date"], facts["versions"]["torch"]) == (here["date"], "99")


def test_the_seconds_of_a_resumed_run_go_on(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted_run(arguments(images, tmp_path), 4)
    found = newest(tmp_path)
    long_ago = replace(found, progress=replace(found.progress, seconds=1000.0))
    monkeypatch.setattr(train, "state_to_go_on_from", lambda *arguments: long_ago)
    main(arguments(images, tmp_path, "--resume"))
    assert newest(tmp_path).progress.seconds > 1000


def test_what_is_said_to_be_saved_is_saved(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write", interrupted)
    trainers: list[Trainer] = []
    begin = Trainer._begin
    monkeypatch.setattr(Trainer, "_begin", lambda self: (trainers.append(self), begin(self))[1])
    with pytest.raises(KeyboardInterrupt):
        main(arguments(images, tmp_path))
    assert trainers[0].kept() == "No state is saved yet"


def test_msrn_resumes_as_well(images: Path, tmp_path: Path) -> None:
    options = {"steps": 2, "steps_per_epoch": 1}
    main(arguments(images, tmp_path / "whole", "--model", "msrn", **options))
    interrupted_run(arguments(images, tmp_path / "parts", "--model", "msrn", **options), 2)
    main(arguments(images, tmp_path / "parts", "--model", "msrn", "--resume", **options))
    assert_same_state(tmp_path / "parts", tmp_path / "whole")


def test_a_run_becomes_longer_before_and_after_its_decay(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments(images, tmp_path / "long", steps=12))  # the rate falls from step 6 on
    interrupted_run(arguments(images, tmp_path / "before", steps=8), 4)
    main(arguments(images, tmp_path / "before", "--resume", steps=12))
    assert_same_state(tmp_path / "before", tmp_path / "long")

    main(arguments(images, tmp_path / "after", steps=8))  # falls from 4 on, and is done
    capsys.readouterr()
    main(arguments(images, tmp_path / "after", "--resume", steps=12))
    assert "after step 4" in capsys.readouterr().err
    assert_same_state(tmp_path / "after", tmp_path / "long")
    assert sorted(path.name for path in (tmp_path / "after").glob("checkpoint-*")) == [
        "checkpoint-00000010.safetensors", "checkpoint-00000012.safetensors",
    ]  # fmt: skip


def test_a_longer_run_that_is_killed_after_going_back_still_goes_on(images: Path, tmp_path: Path) -> None:
    main(arguments(images, tmp_path / "long", steps=12))
    main(arguments(images, tmp_path / "run", steps=8))
    interrupted_run(arguments(images, tmp_path / "run", "--resume", steps=12), 6)
    interrupted_run(arguments(images, tmp_path / "run", "--resume", steps=12), 7)
    main(arguments(images, tmp_path / "run", "--resume", steps=12))
    assert_same_state(tmp_path / "run", tmp_path / "long")


def test_resuming_a_finished_run_changes_nothing(images: Path, finished: Path, tmp_path: Path) -> None:
    main(arguments(images, tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    main(arguments(images, tmp_path, "--resume"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert_same_state(tmp_path, finished)


def test_resuming_nothing_starts_and_says_so(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(images, tmp_path / "new", "--resume", steps=2))
    assert f"going on in {tmp_path / 'new'} after step 0" in capsys.readouterr().err
    assert newest(tmp_path / "new").progress.step == 2


def test_a_used_folder_is_refused_without_resume(images: Path, finished: Path) -> None:
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    with pytest.raises(UserError, match=r"already holds a run: add --resume to go on with it"):
        main(arguments(images, finished))
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


@pytest.mark.parametrize(
    ("more", "changes", "names"),
    [
        ([], {"batch_size": 4}, r"another recipe \(batch_size: 2 there, 4 here\)"),
        ([], {"steps": 4}, r"another recipe \(steps: 6 there, 4 here\)"),
        ([], {"learning_rate": 1, "flips": "false"}, "flips: True there, False here; learning_rate: "),
        (["--seed", "3"], {}, "a run with seed 0, not seed 3"),
        (["--model", "msrn"], {}, "a run with model smsrn, not model msrn"),
        (["--scale", "2"], {}, "a run with scale 4, not scale 2"),
        ([], {"holdout": 2}, "a run with 3 images of images .*, not 2 images of images .* the same --data"),
    ],
)
def test_a_folder_of_another_run_is_refused(
    images: Path, finished: Path, more: list[str], changes: dict[str, Any], names: str
) -> None:
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    with pytest.raises(UserError, match=names):
        main(arguments(images, finished, "--resume", *more, **changes))
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


def test_a_damaged_last_checkpoint_costs_an_epoch_and_no_bit(
    images: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments(images, tmp_path))
    last = checkpoint.path_for(tmp_path, 6)
    last.write_bytes(last.read_bytes()[:-1000])
    capsys.readouterr()
    main(arguments(images, tmp_path, "--resume"))
    told = capsys.readouterr().err
    assert "warning: checkpoint" in told
    assert "after step 4" in told
    assert_same_state(tmp_path, finished)


KILLED = """
import os, signal, sys
from pathlib import Path
import replication.checkpoint
import replication.optimizers
import replication.run
from replication import train
from replication.models import MODELS
from replication.models.msrn import MSRN

replication.run.build_any = lambda name, scale: MSRN(MODELS[name], scale=scale, width=8, blocks=1)
replication.optimizers.NARROWEST_MATRIX = 8
replication.optimizers.SOAP_LARGEST_SIDE = 60
train.draw_curve = lambda *arguments: None

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def half_written(self, content, write=Path.write_bytes):
    if "checkpoint" in self.name:
        write(self, content[: len(content) // 2])
        die()
    return write(self, content)

def dying(function, when):
    def run(*arguments):
        if when == "before":
            die()
        function(*arguments)
        die()
    return run

moments = {
    "half of a checkpoint is written": lambda: setattr(Path, "write_bytes", half_written),
    "a checkpoint is written and not yet named": lambda: setattr(os, "replace", dying(os.replace, "before")),
    "a checkpoint is named": lambda: setattr(os, "replace", dying(os.replace, "after")),
    "old checkpoints are about to go": lambda: setattr(replication.checkpoint, "prune", dying(None, "before")),
    "nothing": lambda: None,
}
folder = Path(sys.argv[sys.argv.index("--output") + 1])
for moment, prepare in moments.items():
    child = os.fork()
    if not child:
        try:
            prepare()
            train.main(sys.argv[1:])
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(f"{moment}: {status},", *sorted(path.name for path in folder.glob("*")), flush=True)
"""


def test_a_run_killed_while_it_writes_resumes_to_the_same_bits(images: Path, finished: Path, tmp_path: Path) -> None:
    # A run without validation writes nothing but checkpoints before its log, so that the patched moments are theirs.
    options = {"holdout": 0, "steps": 12, "steps_per_epoch": 1, "decay_fraction": 0.25}
    output = tmp_path / "killed"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments(images, output, "--resume", "--threads", "1", **options)],
        env=environment(), capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    killed = [line for line in done.stdout.splitlines() if ": 9, " in line]
    assert len(killed) == 4, done.stdout
    assert all(".checkpoint-" in line for line in killed[:2]), "in the middle of a write"
    assert "nothing: 0, " in done.stdout
    assert "warning" not in done.stderr, "no checkpoint that has its name may be damaged"
    AcceleratorState._reset_state(True)
    main(arguments(images, tmp_path / "whole", **options))
    assert_same_state(output, tmp_path / "whole")
    assert not list(output.glob(".*.safetensors")), "unfinished files are removed"


# -- several processes -------------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    """For child processes: CPU only, one thread, this package."""
    settings = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    if torch.backends.mps.is_available():
        settings["ACCELERATE_USE_CPU"] = "true"
    return {**os.environ, **settings, "PYTHONPATH": str(Path(train.__file__).parents[1])}


@pytest.mark.usefixtures("real_network")
def test_two_processes_with_half_the_batch_give_the_weights_of_one(images: Path, tmp_path: Path) -> None:
    # The optimisers make a whole step of the rounding of a gradient near zero, SOAP in every direction that the few
    # gradients have not had: small steps keep it out of the weights. What SOAP goes by is compared, too.
    changes = {"batch_size": 4, "steps": 4, "learning_rate": 5e-5, "matrix_rate": 1e-7}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    command += ["--nproc-per-node", "2", "-m", "replication.train"]
    done = subprocess.run(
        [*command, *arguments(images, tmp_path / "two", **changes)],
        env=environment(), capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("weights: ") == 1, "only one process reports"
    main(arguments(images, tmp_path / "one", **changes))
    one, two = newest(tmp_path / "one"), newest(tmp_path / "two")
    assert one.progress.step == two.progress.step == 4
    for name in ("model", "average"):
        for key, value in one.part(name).items():
            torch.testing.assert_close(
                two.part(name)[key], value, rtol=1e-4, atol=1e-6, msg=lambda text, key=key: f"{key}: {text}"
            )
    compared = [
        key for key in one.state if key.startswith("optimizer1.") and (key.endswith(".exp_avg") or ".GG." in key)
    ]
    assert len(compared) > 100
    for key in compared:
        assert (two.state[key] - one.state[key]).norm() <= 1e-2 * one.state[key].norm(), key
    losses = [[row["loss"] for row in run.progress.log] for run in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_processes_that_do_not_join_are_refused(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    AcceleratorState._reset_state(True)
    with pytest.raises(UserError, match=r"2 processes were launched, but .* joins 1"):
        main(arguments(images, tmp_path))


# -- what stops a run --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoilt", "message"), [(4, "step 6: a loss since step 4 is not finite"), (5, "step 6: the weights are not finite")]
)
def test_a_loss_or_weights_that_are_not_finite_stop_the_run_and_keep_the_last_good_state(
    images: Path, finished: Path, tmp_path: Path, spoilt: int, message: str
) -> None:
    rate = Recipe.rate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recipe, "rate", lambda self, step: float("nan") if step == spoilt else rate(self, step))
        with pytest.raises(UserError, match=rf"^{message}\. The state after step 4 is saved in .*"):
            main(arguments(images, tmp_path))
    assert newest(tmp_path).progress.step == 4
    assert not (tmp_path / "final.safetensors").exists()
    main(arguments(images, tmp_path, "--resume"))
    assert_same_state(tmp_path, finished)


def test_a_loss_that_is_not_finite_in_the_first_epoch_says_that_nothing_is_saved(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recipe, "rate", lambda self, step: float("inf"))
    with pytest.raises(
        UserError, match=r"step 2: a loss since step 0 is not finite\. No state is saved yet; lower .*'learning_rate'"
    ):
        main(arguments(images, tmp_path))


def test_ctrl_c_tells_how_to_go_on(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_in_step(monkeypatch, 4, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        main(arguments(images, tmp_path))
    told = capsys.readouterr().err
    assert f"The state after step 2 is saved in {tmp_path}; the same command with --resume goes on" in told


def test_a_disk_that_gets_full_is_one_clear_line_and_keeps_the_last_state(
    images: Path, finished: Path, tmp_path: Path
) -> None:
    write = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        if "checkpoint-00000004" in self.name:
            write(self, content[:1000])
            raise OSError(28, "No space left on device")
        return write(self, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(
            UserError, match=r"^cannot write .*checkpoint-00000004\.safetensors: No space left on device$"
        ):
            main(arguments(images, tmp_path))
    assert newest(tmp_path).progress.step == 2
    main(arguments(images, tmp_path, "--resume"))
    assert_same_state(tmp_path, finished)


# -- what is told before the first step --------------------------------------------------------------------------------


@pytest.fixture
def _no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_in_step(monkeypatch, 1, AssertionError("a step was made"))


def with_file(images: Path, folder: Path, name: str, content: bytes | NDArray[np.uint8]) -> Path:
    """A copy of the training images in ``folder`` with one file more."""
    (folder / "images").mkdir()
    for path in images.iterdir():
        (folder / "images" / path.name).write_bytes(path.read_bytes())
    if isinstance(content, bytes):
        (folder / "images" / name).write_bytes(content)
    else:
        write_image(folder / "images" / name, content)
    return folder / "images"


@pytest.mark.usefixtures("_no_step")
def test_a_corrupt_training_image_is_named(images: Path, tmp_path: Path) -> None:
    truncated = (images / "0.png").read_bytes()[:900]
    with pytest.raises(UserError, match=r"1 training image\(s\) cannot be used: .*00\.png"):
        main(arguments(with_file(images, tmp_path, "00.png", truncated), tmp_path / "run"))


@pytest.mark.usefixtures("_no_step")
def test_a_corrupt_or_small_validation_image_is_named(images: Path, tmp_path: Path) -> None:
    folder = with_file(images, tmp_path, "9.png", b"no image")
    with pytest.raises(UserError, match=r"9\.png"):
        main(arguments(folder, tmp_path / "run"))
    write_image(folder / "9.png", noise(20, 60, 0))
    with pytest.raises(UserError, match=r"validation image .*9\.png: 20x60 pixels is too small"):
        main(arguments(folder, tmp_path / "run"))


@pytest.mark.usefixtures("_no_step")
def test_too_few_images_are_named(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a folder at .*none, found nothing"):
        main(arguments(images, tmp_path / "run", "--validation", str(tmp_path / "none")))
    with pytest.raises(UserError, match=r"expected more than 4 images \(recipe key 'holdout'\), got 4"):
        main(arguments(images, tmp_path / "run", holdout=4))
    with pytest.raises(UserError, match=r"expected DIV2K's 800 training images, 800 missing: 0001\.png, "):
        main(arguments(images, tmp_path / "run", dataset="DIV2K"))


@pytest.mark.usefixtures("_no_step")
def test_a_folder_that_cannot_be_written_is_named(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write into .*file/run: .*file is not a folder"):
        main(arguments(images, tmp_path / "file" / "run"))

    def denied(**arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", denied)
    with pytest.raises(UserError, match=r"cannot write into .*run: Permission denied"):
        main(arguments(images, tmp_path / "run"))


@pytest.mark.usefixtures("_no_step")
@pytest.mark.parametrize("option", ["--threads=0", "--workers=-1", "--seed=-1", "--seed=x", "--scale=5", "--unknown=1"])
def test_a_bad_option_exits_with_2(
    images: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments(images, tmp_path, option))
    assert stopped.value.code == 2
    assert option.split("=")[0] in capsys.readouterr().err


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_the_progress_bar_shows_loss_rate_speed_and_time_left_and_quiet_hides_it(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments(images, tmp_path / "quiet", steps=2))
    quiet = capsys.readouterr()
    assert "step/s" not in quiet.err
    assert "s/step" not in quiet.err
    assert "step 2: loss 0." in quiet.err
    assert f"weights: {tmp_path / 'quiet' / 'final.safetensors'}" in quiet.out
    loud = [option for option in arguments(images, tmp_path / "loud", steps=2) if option != "--quiet"]
    main(loud)
    shown = capsys.readouterr().err
    assert "step/s" in shown or "s/step" in shown  # as fast or as slow as the machine is
    for part in ("smsrn: 100%", "loss 0.", "e-04, ", "patches/s", "<"):
        assert part in shown


def test_loading_moves_samples_to_floats_between_0_and_1_in_the_layout_asked_for(images: Path) -> None:
    sources = [patches.Source(path) for path in patches.list_images(images, "any")]
    pairs = patches.prepare(sources, 4, (1.0,), images.parent / "cache")
    data = patches.PatchDataset(pairs, hr_patch=32, flips=True, rotations=True, seed=0)
    shares = patches.batches(range(2), 3, 0, 1)
    loaded = list(train.load_batches(data, shares, workers=0, device=torch.device("cpu"), layout=torch.channels_last))
    assert len(loaded) == 2
    for step, (low, high) in enumerate(loaded):
        assert (low.shape, high.shape) == ((3, 3, 8, 8), (3, 3, 32, 32))
        assert high.is_contiguous(memory_format=torch.channels_last)
        for row in range(3):
            torch.testing.assert_close(high[row], data[3 * step + row][1] / 255)
            torch.testing.assert_close(low[row], data[3 * step + row][0] / 255)


# -- branches, folders, precision, compilation -------------------------------------------------------------------------


def test_a_run_that_branches_from_a_trunk_is_the_run_made_whole(images: Path, tmp_path: Path) -> None:
    main(arguments(images, tmp_path / "short", steps=8))  # the rate falls from step 4 on
    main(arguments(images, tmp_path / "whole", steps=12))
    before_decay = tmp_path / "short" / checkpoint.BEFORE_DECAY
    main(arguments(images, tmp_path / "branch", "--trunk", str(before_decay), steps=12))
    assert_same_state(tmp_path / "branch", tmp_path / "whole")
    facts = newest(tmp_path / "branch").run
    assert facts["trunk"]["step"] == 4
    assert facts["trunk"]["hours"] > 0
    assert "--trunk short/before-decay.safetensors" in facts["command"]
    assert newest(tmp_path / "whole").run["trunk"] is None


def test_a_branch_names_the_machine_of_its_trunk_too(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(arguments(images, tmp_path / "short", steps=4))
    here = records.environment()
    monkeypatch.setattr(records, "environment", lambda: {**here, "machine": "another"})
    before_decay = tmp_path / "short" / checkpoint.BEFORE_DECAY
    main(arguments(images, tmp_path / "branch", "--trunk", str(before_decay), steps=6))
    assert newest(tmp_path / "branch").run["machine"] == f"{here['machine']}; then another"


def test_an_interrupted_branch_goes_on_in_its_own_folder_and_remembers_its_trunk(images: Path, tmp_path: Path) -> None:
    main(arguments(images, tmp_path / "short", steps=8))
    options = ["--trunk", str(tmp_path / "short" / checkpoint.BEFORE_DECAY), "--resume"]
    interrupted_run(arguments(images, tmp_path / "branch", *options, steps=12), 9)
    assert newest(tmp_path / "branch").progress.step == 8
    main(arguments(images, tmp_path / "branch", *options, steps=12))
    main(arguments(images, tmp_path / "whole", steps=12))
    assert_same_state(tmp_path / "branch", tmp_path / "whole")
    assert newest(tmp_path / "branch").run["trunk"]["step"] == 4


def test_a_log_that_lacks_rows_is_whole_again_after_resuming(images: Path, tmp_path: Path) -> None:
    """As that of a run which was killed between its last state and its log."""
    options = arguments(images, tmp_path / "run", steps=2)
    main(options)
    log = tmp_path / "run" / "log.csv"
    whole = log.read_bytes()
    log.write_bytes(whole.splitlines(keepends=True)[0])
    main([*options, "--resume"])
    assert log.read_bytes() == whole


def test_a_trunk_whose_rate_has_fallen_or_that_is_missing_is_refused(
    images: Path, finished: Path, tmp_path: Path
) -> None:
    last = checkpoint.path_for(finished, 6)
    with pytest.raises(UserError, match=r"another recipe \(steps: 6 there, 12 here\)"):
        main(arguments(images, tmp_path / "run", "--trunk", str(last), steps=12))
    with pytest.raises(UserError, match="no-such"):
        main(arguments(images, tmp_path / "run", "--trunk", str(tmp_path / "no-such"), steps=12))


def test_several_folders_each_with_its_size(images: Path, tmp_path: Path) -> None:
    """And the recorded command is one that a shell takes."""
    more = tmp_path / "my photographs"
    more.mkdir()
    write_image(more / "0.png", noise(80, 96, 7))
    options = arguments(images, tmp_path / "run", "--scaling", "[1.0, 0.9]", steps=2)
    options[options.index(str(images)) + 1 : options.index(str(images)) + 1] = [f"{more}@0.5"]
    main(options)
    facts = newest(tmp_path / "run").run
    assert facts["data"] == "3 images of images and 1 images of my photographs@0.5"
    command = shlex.split(facts["command"])
    assert command[command.index("--data") + 1 :][:2] == ["images", "my photographs@0.5"]
    assert command[command.index("--scaling") + 1] == "[1.0, 0.9]"


def test_what_validates_trains_at_no_size(images: Path, tmp_path: Path) -> None:
    options = arguments(images, tmp_path / "run", steps=2)
    place = options.index(str(images)) + 1
    main([*options[:place], f"{images}@0.9", *options[place:]])
    assert newest(tmp_path / "run").run["data"] == "3 images of images and 3 images of images@0.9"
    with pytest.raises(UserError, match="is smaller than a patch"):
        main([*options[:place], f"{images}@0.5", *options[place:], "--output", str(tmp_path / "other")])
    with pytest.raises(UserError, match=r"--data names .*images twice"):
        main([*options[:place], str(images), *options[place:], "--output", str(tmp_path / "other")])
    with pytest.raises(UserError, match="no image is left to train on"):
        main(arguments(images, tmp_path / "other", "--validation", str(images)))


@pytest.mark.parametrize("factor", ["0", "2", "x"])
def test_a_bad_factor_of_a_folder_exits_with_2(
    images: Path, tmp_path: Path, factor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--model", "smsrn", "--data", f"{images}@{factor}", "--output", str(tmp_path / "run")])
    assert stopped.value.code == 2
    assert f"expected after {images}@ a factor above 0, at most 1, got '{factor}'" in capsys.readouterr().err


@pytest.mark.parametrize("has_bf16", [True, False])
def test_automatic_precision_is_bf16_where_the_processor_has_it(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_bf16: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": has_bf16})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    main(arguments(images, tmp_path / "auto", steps=2, precision="auto"))
    assert not torch.backends.cudnn.allow_tf32
    AcceleratorState._reset_state(True)
    expected = "bf16" if has_bf16 else "fp32"
    main(arguments(images, tmp_path / "named", steps=2, precision=expected))
    assert newest(tmp_path / "auto").run["precision"] == expected
    assert_same_state(tmp_path / "auto", tmp_path / "named")


def test_a_short_run_says_how_long_the_recipe_takes(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments(images, tmp_path / "run", steps=2))
    line = capsys.readouterr().err.splitlines()[-1]
    found = newest(tmp_path / "run").progress
    hours = recipe.load("cpu").steps * found.seconds / 2 / 3600
    assert line == f"at this pace the {recipe.load('cpu').steps:,} steps of the recipe take {hours:,.1f} hours"


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_trains_alike(images: Path, tmp_path: Path) -> None:
    for name, compiled in (("plain", "false"), ("compiled", "true")):
        main(arguments(images, tmp_path / name, steps=2, compile=compiled, fast_depthwise="false"))
    plain, compiled_run = (newest(tmp_path / name).progress.log[0]["loss"] for name in ("plain", "compiled"))
    assert compiled_run == pytest.approx(plain, rel=1e-4)
