"""The fold that training computes with; what is made for inference has tests of its own."""

import pytest
import torch
from torch import Tensor

from replication.fold import folded_upsampler, forward_folded
from replication.models import MODELS
from replication.models.msrn import MSRN, SCALES

BORDER = {2: 1, 3: 1, 4: 3, 8: 7}
"""Outermost output pixels that the zero padding of the layers in between changes."""


def network(name: str, scale: int) -> MSRN:
    torch.manual_seed(0)
    return MSRN(MODELS[name], scale=scale, width=6, blocks=2).double()


def inside(image: Tensor, border: int) -> Tensor:
    height, width = image.shape[2:]
    return image[:, :, border : height - border, border : width - border]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", MODELS)
def test_the_folded_network_equals_the_layers_away_from_the_border(name: str, scale: int) -> None:
    model = network(name, scale)
    x = torch.rand(2, 3, 7, 6, dtype=torch.float64)
    plain, folded = model(x), forward_folded(model, x)
    assert plain.shape == folded.shape == (2, 3, 7 * scale, 6 * scale)
    difference = (plain - folded).detach().abs()
    border = BORDER[scale]
    assert inside(difference, border).max() < 1e-12
    assert inside(difference, border - 1).max() > 1e-6, "the border is as wide as documented"


@pytest.mark.parametrize("scale", SCALES)
def test_gradients_of_the_folded_network_reach_every_parameter_unchanged(scale: int) -> None:
    model = network("smsrn", scale)
    x = torch.rand(1, 3, 6, 6, dtype=torch.float64)
    weight = torch.randn(1, 3, 6 * scale, 6 * scale, dtype=torch.float64)
    gradients = []
    for output in (model(x), forward_folded(model, x)):
        model.zero_grad()
        inside(output * weight, BORDER[scale]).sum().backward()
        gradients.append({key: value.grad.clone() for key, value in model.named_parameters() if value.grad is not None})
    plain, folded = gradients
    assert plain.keys() == folded.keys() == dict(model.named_parameters()).keys()
    for key in plain:
        torch.testing.assert_close(folded[key], plain[key], rtol=1e-10, atol=1e-10, msg=key)


@pytest.mark.parametrize(
    ("scale", "shape"), [(2, (12, 6, 5, 5)), (3, (27, 6, 5, 5)), (4, (48, 6, 5, 5)), (8, (192, 6, 5, 5))]
)
def test_the_folded_kernel_is_small(scale: int, shape: tuple[int, ...]) -> None:
    weight, bias = folded_upsampler(network("msrn", scale))
    assert weight.shape == shape
    assert bias.shape == shape[:1]
