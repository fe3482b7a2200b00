"""Counts of torch networks: against the closed form, against hand counts, and layer by layer against the total."""

import pytest
import torch
from torch import nn

from analysis.cost import closed_form
from analysis.networks.counter import convolutions, count, on_meta
from replication.errors import UserError
from replication.models import build


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize(("name", "layers"), [("msrn", closed_form.msrn), ("smsrn", closed_form.smsrn)])
def test_agrees_with_the_closed_form(name: str, layers: object, scale: int) -> None:
    assert callable(layers)
    closed = layers(scale)
    module = on_meta(lambda: build(name, scale=scale))
    found = count(module, (1, 3, 36, 64))
    assert found.params == closed_form.total_params(closed)
    assert found.macs == closed_form.total_macs(closed) * 36 * 64
    each = {layer.name: layer.macs for layer in convolutions(module, (1, 3, 36, 64))}
    assert each == {layer.name: layer.macs_per_lr_pixel * 36 * 64 for layer in closed}


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 100 * 9 * 3 * 8),
        (nn.Conv2d(3, 8, (3, 1), stride=2), 4 * 5 * 3 * 3 * 8),
        (nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2), 100 * 9 * 2 * 8),
        (nn.ConvTranspose2d(3, 8, 2, stride=2), 100 * 4 * 3 * 8),
    ],
    ids=["3x3", "oblong and strided", "grouped and dilated", "transposed"],
)
def test_single_layers_by_hand(layer: nn.Conv2d, macs: int) -> None:
    shape = (1, layer.in_channels, 10, 10)
    assert count(layer, shape).macs == macs
    (found,) = convolutions(layer, shape)
    assert found.macs == macs


def test_a_layer_that_is_called_twice_costs_twice_and_has_its_weights_once() -> None:
    layer = nn.Conv2d(4, 4, 3, padding=1)
    network = nn.Sequential(layer, nn.ReLU(), layer)
    assert count(network, (1, 4, 5, 5)).params == 4 * 4 * 9 + 4
    assert count(network, (2, 4, 5, 5)).macs == 2 * 2 * 25 * 4 * 4 * 9
    (found,) = convolutions(network, (2, 4, 5, 5))
    assert (found.name, found.calls, found.positions) == ("0", 2, 2 * 2 * 25)


def test_the_network_is_left_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    count(network, (1, 3, 8, 8))
    convolutions(network, (1, 3, 8, 8))
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_an_input_that_does_not_fit_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^the network does not run on an input of shape 1x1x8x8: RuntimeError: .+$"):
        count(nn.Conv2d(3, 4, 3), (1, 1, 8, 8))
