import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from replication import benchmark_training, recipe
from replication.benchmark_training import LOADED, VARIANTS, Variant, main, make_step, measure, report, time_by_operator
from replication.errors import UserError
from replication.models import MODELS
from replication.models.msrn import MSRN


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(name: str, *, scale: int) -> MSRN:
        return MSRN(MODELS[name], scale=scale, width=8, blocks=1)

    monkeypatch.setattr(benchmark_training, "build", build)


def test_every_step_is_made_once_a_round_and_the_first_round_is_not_counted() -> None:
    order: list[str] = []

    def step(name: str, seconds: float) -> None:
        time.sleep(1.0 if len(order) < 2 else seconds)
        order.append(name)

    steps = {("m", "slow"): lambda: step("slow", 0.05), ("m", "fast"): lambda: step("fast", 0.0)}
    found = measure(steps, rounds=6)
    rounds = [tuple(order[index : index + 2]) for index in range(0, len(order), 2)]
    assert len(rounds) == 7
    assert set(rounds) == {("slow", "fast"), ("fast", "slow")}, "in either order"
    assert found["m", "fast"] < 0.05 <= found["m", "slow"] < 0.9


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.name for variant in VARIANTS])
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
    step = make_step("smsrn", variant, lambda: batch)
    for _ in range(20):
        step()
    assert losses[-1] < losses[0]


def test_the_report_says_how_many_times_as_fast_each_step_is_and_what_loading_costs() -> None:
    names = [variant.name for variant in VARIANTS]
    seconds = {(model, name): 1 / (index + 1) for model in MODELS for index, name in enumerate(names)}
    seconds |= {(model, LOADED): seconds[model, names[-1]] * 1.04 for model in MODELS}
    text = report(seconds, {"msrn": {"aten::convolution": 0.625}}, recipe.load("cpu"), 3, "5 of a set")
    assert "| msrn | plain PyTorch loop | 1000 | 1.00 |" in text
    assert "| smsrn | + bf16 | 200 | 5.00 |" in text
    assert "Loading makes a step of msrn +4.0% longer than on fixed tensors." in text
    assert "images: 5 of a set." in text
    assert "fastest step of msrn goes" in text
    assert "| `aten::convolution` | 62.5% |" in text


def test_operators_by_their_share_of_the_time() -> None:
    small, large = torch.ones(8, 8), torch.ones(400, 400)
    shares = time_by_operator(lambda: [small.add(1), large @ large], largest=2)
    assert next(iter(shares)) == "aten::mm"
    assert shares["aten::mm"] > 0.5
    assert len(shares) == 2


def test_the_command_writes_only_when_it_is_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--rounds", "1", "--results", str(tmp_path)]
    main(options)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out.count("| smsrn |") == len(VARIANTS) + 1
    main([*options, "--write"])
    assert (tmp_path / benchmark_training.REPORT).read_text(encoding="utf-8") == capsys.readouterr().out


def test_a_number_of_rounds_below_one_is_refused() -> None:
    with pytest.raises(UserError, match="--rounds: expected at least 1, got 0"):
        main(["--rounds", "0"])
