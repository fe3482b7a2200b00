from pathlib import Path

import pytest
import torch
from torch import Tensor

from replication import benchmark_training, kernels, recipe, records
from replication.benchmark_training import (
    FLOOR,
    LOADED,
    Variant,
    main,
    make_step,
    step_macs,
    time_by_operator,
    variants,
)
from replication.models import MODELS
from replication.models.msrn import MSRN
from replication.records import TrainingSpeed


@pytest.fixture
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(name: str, *, scale: int) -> MSRN:
        return MSRN(MODELS[name], scale=scale, width=8, blocks=1)

    monkeypatch.setattr(benchmark_training, "build", build)


@pytest.mark.usefixtures("_small_networks")
@pytest.mark.parametrize("variant", variants(), ids=[variant.name for variant in variants()])
def test_a_step_of_every_variant_trains(variant: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []
    plain_loss = torch.nn.functional.l1_loss

    def watched(output: Tensor, target: Tensor) -> Tensor:
        loss = plain_loss(output, target)
        losses.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(torch.nn.functional, "l1_loss", watched)
    generator = torch.Generator().manual_seed(0)
    batch = torch.rand(1, 3, 8, 8, generator=generator), torch.rand(1, 3, 32, 32, generator=generator)
    step = make_step("smsrn", variant, recipe.load("cpu", {"learning_rate": "1e-4"}), lambda: batch)
    for _ in range(20):
        step()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("bf16", [True, False])
def test_the_last_variant_takes_what_the_recipe_takes(bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_training, "cpu_has_bf16", lambda: bf16)
    last = variants()[-1]
    plan = recipe.load("cpu")
    assert (last.fold_upsampler, last.channels_last) == (plan.fold_upsampler, plan.channels_last)
    assert (last.keep_memory, last.fast_depthwise) == (plan.keep_memory, plan.fast_depthwise)
    assert (last.soap, last.bf16, plan.precision) == (plan.optimizer == "soap", bf16, "auto")


def test_macs_of_a_step_are_three_times_those_of_the_folded_network() -> None:
    few, more = (step_macs("smsrn", recipe.load("cpu", {"batch_size": size, "hr_patch": "48"})) for size in "24")
    assert more - few == 3 * 661_723 * 2 * 12 * 12  # 661,723 a position; folding is made once a step
    assert 0 < 2 * few - more < 3 * 2e8, "folding"


def test_operators_by_their_share_of_the_time() -> None:
    small, large = torch.ones(8, 8), torch.ones(400, 400)
    shares = time_by_operator(lambda: [small.add(1), large @ large], largest=2)
    assert next(iter(shares)) == "aten::mm"
    assert shares["aten::mm"] > 0.5
    assert len(shares) == 2


def test_a_record_has_medians_spread_floor_and_loading() -> None:
    last = variants()[-1].name
    seconds = {(model, name): [0.2, 0.3, 0.1] for model in MODELS for name in ("plain PyTorch loop", last)}
    seconds |= {(model, LOADED): [0.25, 0.25, 0.25] for model in MODELS} | {FLOOR: [0.5, 0.5, 0.5]}
    plan = recipe.load("cpu")
    found = benchmark_training.record(seconds, {}, plan, "5 of a set", "a command")
    assert {(one.median, round(one.spread, 6)) for one in found.steps} == {(0.2, 0.5), (0.25, 0.0)}
    assert found.rounds == 3
    assert found.loading == pytest.approx(dict.fromkeys(MODELS, 0.25))
    assert found.floor["smsrn"] == pytest.approx(step_macs("smsrn", plan) / (2048**3 / 0.5))


@pytest.mark.usefixtures("_small_networks")
def test_the_command_writes_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rounds", "1", "--results", str(tmp_path)])
    (found,) = records.load(tmp_path, TrainingSpeed)
    assert [one.variant for one in found.steps if one.network == "smsrn"] == [
        *(variant.name for variant in variants()), LOADED,
    ]  # fmt: skip
    assert capsys.readouterr().out.count("times the floor") == 2 * (len(variants()) + 1)


def test_a_number_of_rounds_below_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--rounds", "0"])
    assert "--rounds: expected at least 1, got 0" in capsys.readouterr().err


@pytest.fixture(autouse=True)
def _keep_memory() -> None:
    """Leave the allocator as it is."""
    yield  # type: ignore[misc]
    kernels.keep_memory(False)
