"""The verification holds for the real networks, and fails for each thing that is broken on purpose."""

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from analysis.cost import closed_form, verify
from analysis.cost.closed_form import Layer
from analysis.cost.verify import Check
from replication.models.layers import SeparableConv2d
from replication.models.msrn import MSRN

SIZE = (7, 9)


def failures(checks: list[Check]) -> list[tuple[str, str]]:
    return [(check.kind, check.name) for check in checks if not check.ok]


def failures_of(model: nn.Module, layers: list[Layer] | None = None) -> list[tuple[str, str]]:
    """Compare a small x4 SMSRN (`small`) with its closed form, or with ``layers``."""
    layers = layers or closed_form.smsrn(4, 8, 2)
    counted = verify.count(model, SIZE)
    return failures(verify.check_params("net", layers, model) + verify.check_macs("net", layers, counted, SIZE))


def small() -> MSRN:
    return MSRN(SeparableConv2d, scale=4, width=8, blocks=2)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_real_networks(scale: int) -> None:
    checks = verify.verify(scale)
    assert failures(checks) == []
    standard, separable = closed_form.msrn(scale), closed_form.smsrn(scale)
    number = {kind: sum(check.kind == kind for check in checks) for kind in {check.kind for check in checks}}
    sizes = len(verify.SIZES)
    assert number == {
        "parameters, per layer": len(standard) + len(separable),
        "parameters, total": 2,
        "MACs, per convolution": sizes * (len(standard) + len(separable)),
        "MACs, total": 2 * sizes,
        "operators without MACs": 2 * sizes,
        "equation 5": sizes * (len(separable) - len(standard)),  # each pair replaces one layer
    }


@pytest.mark.parametrize(("width", "blocks"), [(1, 1), (16, 3)])
def test_other_networks(width: int, blocks: int) -> None:
    assert failures(verify.verify(2, width, blocks, sizes=[(1, 1), (5, 4)])) == []


def test_unbroken_small_network() -> None:
    assert failures_of(small()) == []


def test_missing_bias_fails_in_parameters_only() -> None:
    model = small()
    model.body[1].confusion = nn.Conv2d(32, 8, 1, bias=False)
    assert failures_of(model) == [("parameters, per layer", "net body.1.confusion"), ("parameters, total", "net")]


def test_bias_of_wrong_size_fails() -> None:
    model = small()
    model.get_submodule("head.0.depthwise").bias = nn.Parameter(torch.zeros(1))
    counted = failures(verify.check_params("net", closed_form.smsrn(4, 8, 2), model))
    assert counted == [("parameters, per layer", "net head.0.depthwise"), ("parameters, total", "net")]


def test_layer_too_many_fails() -> None:
    model = small()
    model.tail.append(nn.Conv2d(3, 3, 1))
    assert failures_of(model) == [
        ("parameters, per layer", "net tail.4"),
        ("parameters, total", "net"),
        ("MACs, per convolution", "net tail.4 at 7x9"),
        ("MACs, total", "net at 7x9"),
    ]


def test_layer_too_few_fails() -> None:
    model = small()
    model.tail[1] = nn.Identity()
    assert ("parameters, per layer", "net tail.1") in failures_of(model)
    assert ("MACs, per convolution", "net tail.1 at 7x9") in failures_of(model)


def test_wrong_kernel_size_fails() -> None:
    model = small()
    model.body[0].conv_3_2 = SeparableConv2d(16, 16, 5)
    assert failures_of(model) == [
        ("parameters, per layer", "net body.0.conv_3_2.depthwise"),
        ("parameters, total", "net"),
        ("MACs, per convolution", "net body.0.conv_3_2.depthwise at 7x9"),
        ("MACs, total", "net at 7x9"),
    ]


def test_wrong_resolution_fails_in_macs_only() -> None:
    layers = closed_form.smsrn(4, 8, 2)
    layers[-1] = dataclasses.replace(layers[-1], resolution=2)
    assert failures_of(small(), layers) == [
        ("MACs, per convolution", "net tail.3 at 7x9"),
        ("MACs, total", "net at 7x9"),
    ]


@pytest.mark.parametrize("position", [0, 3, -1])
def test_layer_absent_from_closed_form_fails(position: int) -> None:
    layers = closed_form.smsrn(4, 8, 2)
    name = layers.pop(position).name
    assert failures_of(small(), layers)[0] == ("parameters, per layer", f"net {name}")


def test_parameter_that_belongs_to_no_layer_fails() -> None:
    model = small()
    model.body[0].register_parameter("gain", nn.Parameter(torch.ones(1)))
    assert failures_of(model) == [("parameters, per layer", "net body.0"), ("parameters, total", "net")]


class Wrapped(MSRN):
    """SMSRN with something done to its output that is no layer."""

    def __init__(self, extra: Callable[[Tensor], Tensor]) -> None:
        super().__init__(SeparableConv2d, scale=4, width=8, blocks=2)
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        return self.extra(super().forward(x))


def test_convolution_without_module_fails_in_total() -> None:
    model = Wrapped(lambda x: nn.functional.conv2d(x, torch.ones(3, 3, 1, 1)))
    assert failures_of(model) == [("MACs, total", "net at 7x9")]


def test_unexpected_operator_fails() -> None:
    assert failures_of(Wrapped(torch.sigmoid)) == [("operators without MACs", "net at 7x9")]


@pytest.mark.parametrize("broken", ["standard", "separable"])
def test_equation_5_fails_for_another_kernel(broken: str) -> None:
    models = {name: verify.build(name, 4, 8, 2) for name in ("msrn", "smsrn")}
    if broken == "standard":
        models["msrn"].get_submodule("body.0").conv_3_1 = nn.Conv2d(8, 8, 5, padding=2)
    else:
        models["smsrn"].get_submodule("body.0").conv_3_1 = SeparableConv2d(8, 8, 5)
    msrn, smsrn = (verify.count(model, SIZE) for model in models.values())
    checks = verify.check_ratio(closed_form.msrn(4, 8, 2), closed_form.smsrn(4, 8, 2), msrn, smsrn, SIZE)
    assert failures(checks) == [("equation 5", "body.0.conv_3_1 at 7x9")]


def test_nothing_compared_with_nothing_is_no_success() -> None:
    assert not Check("kind", "name", None, None).ok


def test_counting_leaves_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)  # not 1, which is what counting sets
    try:
        verify.count(small(), (1, 1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
