import pytest
import torch
from torch import Tensor

from replication.models import MODELS, OTHERS, build, build_any, start
from replication.models.msrn import SCALES
from replication.models.start import identity_start


def nearest_neighbour(x: Tensor, scale: int) -> Tensor:
    return x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", [*MODELS, *OTHERS])
@torch.no_grad()
def test_the_untrained_network_is_nearest_neighbour_upsampling(
    name: str, scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_any(name, scale=scale)
    x = torch.rand(1, 3, 8, 7, generator=torch.Generator().manual_seed(1))
    identity_start(model, seed=0)
    beside = model(x) - nearest_neighbour(x, scale)
    assert 1e-4 < beside.std() < 0.1, "the features beside the picture are small, and not zero"
    monkeypatch.setattr(start, "OUTPUT_GAIN", 0.0)
    identity_start(model, seed=0)
    torch.testing.assert_close(model(x), nearest_neighbour(x, scale), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_the_signal_keeps_its_size_through_the_blocks(name: str) -> None:
    model = build(name)
    identity_start(model, seed=0)
    x = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    features = model.features(x)
    assert features.shape == (1, 576, 24, 24)
    deviations = [float(part.std()) for part in features.split(64, dim=1)]
    assert all(0.5 < deviation < 2.5 for deviation in deviations), deviations


def test_the_seed_decides_the_parameters() -> None:
    first, same, other = (build("smsrn") for _ in range(3))
    for model, seed in ((first, 5), (same, 5), (other, 6)):
        identity_start(model, seed)
    assert all(torch.equal(one, two) for one, two in zip(first.parameters(), same.parameters(), strict=True))
    assert not torch.equal(first.body[0].confusion.weight, other.body[0].confusion.weight)


def test_all_biases_are_zero_and_no_kernel_is() -> None:
    model = build("msrn")
    identity_start(model, 0)
    for name, parameter in model.named_parameters():
        assert bool(parameter.any()) is name.endswith("weight"), name
