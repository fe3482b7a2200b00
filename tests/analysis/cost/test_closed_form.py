"""The closed form of whole networks: totals known from building them, and what a layer costs."""

import dataclasses
from typing import Any

import pytest

from analysis.cost import closed_form, equations
from analysis.cost.closed_form import Layer
from replication.errors import UserError

# Counted from the built networks, and for x4 printed in the paper's Table 1.
PARAMETERS = {
    2: (5_930_307, 741_217),
    3: (6_114_947, 925_857),
    4: (6_078_019, 888_929),
    8: (6_225_731, 1_036_641),
}


@pytest.mark.parametrize("scale", PARAMETERS)
def test_parameter_totals(scale: int) -> None:
    totals = closed_form.total_params(closed_form.msrn(scale)), closed_form.total_params(closed_form.smsrn(scale))
    assert totals == PARAMETERS[scale]


def test_macs_at_x4() -> None:
    msrn, smsrn = closed_form.msrn(), closed_form.smsrn()
    assert closed_form.total_macs(msrn) == 6_542_016
    assert closed_form.total_macs(smsrn) == 1_349_851
    assert closed_form.gmacs_720p(msrn, 4) == pytest.approx(376.8, abs=0.05)
    assert closed_form.gmacs_720p(smsrn, 4) == pytest.approx(77.8, abs=0.05)


@pytest.mark.parametrize(
    ("scale", "upsampler", "last"),
    [
        (2, [(256, 1)], 2),
        (3, [(576, 1)], 3),
        (4, [(256, 1), (256, 2)], 4),
        (8, [(256, 1), (256, 2), (256, 4)], 8),
    ],
)
def test_tail_runs_at_rising_resolution(scale: int, upsampler: list[tuple[int, int]], last: int) -> None:
    groups = closed_form.by_group(closed_form.smsrn(scale))
    assert [(layer.out_channels, layer.resolution) for layer in groups["upsampler"]] == upsampler
    assert [layer.resolution for layer in groups["last"]] == [last]
    assert {layer.resolution for name in groups if name not in ("upsampler", "last") for layer in groups[name]} == {1}


def test_groups_in_order_of_running() -> None:
    names = ["head", "block first pair", "block second pair", "block 1x1", "tail 1x1", "tail 3x3", "upsampler", "last"]
    for layers in (closed_form.msrn(), closed_form.smsrn()):
        assert list(closed_form.by_group(layers)) == names
        assert len({layer.name for layer in layers}) == len(layers)


def test_layer_by_hand() -> None:
    layer = Layer("any", "any", kernel=5, in_channels=6, out_channels=4, groups=2, resolution=3)
    assert layer.weights == 5 * 5 * 3 * 4
    assert layer.params == layer.weights + 4
    assert layer.macs_per_lr_pixel == layer.weights * 9
    assert dataclasses.replace(layer, bias=False).params == layer.weights
    assert dataclasses.replace(layer, bias=False).macs_per_lr_pixel == layer.macs_per_lr_pixel


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize(("in_channels", "out_channels"), [(3, 64), (64, 64), (128, 96)])
def test_layers_agree_with_the_equations(kernel: int, in_channels: int, out_channels: int) -> None:
    standard = closed_form.standard_conv("x", "x", kernel, in_channels, out_channels)
    separable = closed_form.separable_conv("x", "x", kernel, in_channels, out_channels)
    assert closed_form.total_macs(standard) == equations.standard(kernel, in_channels, out_channels)
    assert [layer.macs_per_lr_pixel for layer in separable] == [
        equations.depthwise(kernel, in_channels),
        equations.pointwise(in_channels, out_channels),
    ]


@pytest.mark.parametrize("wrong", [{"groups": 5}, {"kernel": 0}, {"out_channels": -1}, {"resolution": 0}])
def test_impossible_layer(wrong: dict[str, Any]) -> None:
    layer = Layer("any", "any", kernel=3, in_channels=6, out_channels=4)
    with pytest.raises(ValueError, match=r"groups must divide|at least 1"):
        dataclasses.replace(layer, **wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scale": 5}, "scale: expected 2, 3, 4 or 8, got 5"),
        ({"width": 0}, "width: expected at least 1, got 0"),
        ({"blocks": -1}, "blocks: expected at least 1, got -1"),
    ],
)
def test_impossible_network(wrong: dict[str, int], message: str) -> None:
    for network in (closed_form.msrn, closed_form.smsrn):
        with pytest.raises(UserError, match=message):
            network(**wrong)
