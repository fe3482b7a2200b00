"""Lightening: what is replaced and how, the paper's network from MSRN, and the best approximation."""

from importlib import import_module

import pytest
import torch
from torch import Tensor, nn

from replication import weights
from replication.errors import ArgumentError, UserError
from replication.lighten import best_separable, lighten, papers_choice
from replication.models import build
from replication.models.layers import SeparableConv2d

lighten_module = import_module("replication.lighten")


def combined(layer: nn.Module) -> Tensor:
    """The standard kernel that a separable convolution is."""
    assert isinstance(layer, SeparableConv2d)
    return torch.einsum("nd,dij->ndij", layer.pointwise.weight[:, :, 0, 0], layer.depthwise.weight[:, 0])


def test_msrn_with_the_papers_choice_is_smsrn() -> None:
    lighter, report = lighten(build("msrn"), choose=papers_choice)
    shapes = {key: value.shape for key, value in lighter.state_dict().items()}
    smsrn = build("smsrn")
    assert shapes == {key: value.shape for key, value in smsrn.state_dict().items()}
    assert len(report.changes) == 33
    weights.load(lighter, smsrn.state_dict(), "smsrn")
    image = torch.rand(1, 3, 5, 7)
    with torch.no_grad():
        torch.testing.assert_close(lighter(image), smsrn(image))


def test_the_original_is_not_touched_and_fresh_weights_differ() -> None:
    conv = nn.Conv2d(4, 4, 3).half().eval()
    before = conv.weight.clone()
    lighter, report = lighten(nn.Sequential(conv))
    assert torch.equal(conv.weight, before)
    assert report.changes[0].error is None
    assert all(value.dtype == torch.float16 for value in lighter.state_dict().values())
    assert not any(one.training for one in lighter[0].modules())  # type: ignore[index]


class Own(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class OwnInside(nn.Conv2d):
    def _conv_forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return super()._conv_forward(x, weight - weight.mean(), bias)


class Renamed(nn.Conv2d):
    pass


def test_what_is_left_alone_and_why() -> None:
    hooked = nn.Conv2d(4, 4, 3)
    hooked.register_forward_hook(lambda *args: None)
    layers = [
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.ConvTranspose2d(4, 8, 3, groups=4),
        Own(4, 4, 3),
        hooked,
        torch.jit.script(nn.Conv2d(4, 4, 3)),
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3),
        Renamed(4, 4, 3),
        OwnInside(4, 4, 3),
    ]
    keep = {"6": lighten_module.USED_DIRECTLY}
    lighter, report = lighten(nn.Sequential(*layers), choose=lambda name, conv: name != "7", keep=keep)
    reasons = (
        lighten_module.POINTWISE,
        lighten_module.DEPTHWISE,
        lighten_module.DEPTHWISE,
        lighten_module.SUBCLASS,
        lighten_module.HOOKS,
        lighten_module.SCRIPTED,
        lighten_module.USED_DIRECTLY,
        lighten_module.NOT_CHOSEN,
        lighten_module.SUBCLASS,
    )
    assert report.left == dict(zip("012345679", reasons, strict=True))
    assert [change.name for change in report.changes] == ["8"]
    assert [type(one) for one in lighter.children()] == [*(type(one) for one in layers[:8]), SeparableConv2d, OwnInside]


def test_complex_kernels_are_not_approximated() -> None:
    layer = nn.Conv2d(4, 4, 3).to(torch.complex64)
    with pytest.raises(ArgumentError, match="expected a real weight, got a complex one"):
        lighten(nn.Sequential(layer), from_weights=True)
    assert lighten(nn.Sequential(layer))[1].changes[0].error is None


def test_a_shared_layer_stays_shared() -> None:
    shared = nn.Conv2d(4, 4, 3, padding=1)
    lighter, report = lighten(nn.Sequential(shared, nn.Sequential(nn.ReLU(), shared), nn.Conv2d(4, 4, 3)))
    first, inner, other = lighter.children()
    assert first is inner[1]  # type: ignore[index]
    assert first is not other
    assert [change.name for change in report.changes] == ["0", "2"]


def test_tied_weights_are_refused() -> None:
    one, two = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
    two.weight = one.weight
    with pytest.raises(UserError, match=r"^layers '0' and '1' share one weight"):
        lighten(nn.Sequential(one, two))


def test_the_approximation_of_grouped_kernels_loses_what_it_says() -> None:
    """The error over all groups is that of the whole kernel."""
    for conv in (nn.Conv2d(4, 6, 3, groups=2, bias=False), nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False)):
        conv.double()
        lighter, report = lighten(conv, from_weights=True)
        delta = torch.zeros(1, 4, 7, 7, dtype=torch.float64)
        lost, whole = [], []
        for channel in range(4):  # the impulse response to each input channel is its kernels
            delta.zero_()[0, channel, 3, 3] = 1
            lost.append((lighter(delta) - conv(delta)).norm())
            whole.append(conv(delta).norm())
        expected = torch.stack(lost).norm() / torch.stack(whole).norm()
        assert report.changes[0].error == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("norm", ["weight", "old weight", "spectral", "old spectral"])
def test_normalisation_is_multiplied_out(norm: str) -> None:
    from torch.nn.utils import parametrizations, spectral_norm, weight_norm

    wrap = {
        "weight": parametrizations.weight_norm,
        "old weight": weight_norm,
        "spectral": parametrizations.spectral_norm,
        "old spectral": spectral_norm,
    }[norm]
    conv = wrap(nn.Conv2d(3, 5, 3, dtype=torch.float64)).eval()
    image = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        conv(image)
        effective = conv.weight.clone()
    lighter, report = lighten(conv, from_weights=True)
    assert report.changes[0].error == pytest.approx(
        float((combined(lighter) - effective).norm() / effective.norm()), rel=1e-9
    )
    assert set(lighter.state_dict()) == {f"{a}.{b}" for a in ("depthwise", "pointwise") for b in ("weight", "bias")}


def test_the_approximation_is_the_best_one() -> None:
    """Its error is the tail of the singular values, channel by channel, and nothing near it is better."""
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 7, 3, dtype=torch.float64)
    lighter, report = lighten(conv, from_weights=True)
    lost = (combined(lighter) - conv.weight).norm().detach()
    tails = [torch.linalg.svdvals(conv.weight[:, d].reshape(7, 9))[1:].square().sum() for d in range(6)]
    torch.testing.assert_close(lost, torch.stack(tails).sum().sqrt())
    assert report.changes[0].error == pytest.approx(float(lost / conv.weight.detach().norm()), rel=1e-12)
    with torch.no_grad():
        for parameter in (lighter.get_parameter("depthwise.weight"), lighter.get_parameter("pointwise.weight")):
            for _ in range(5):
                step = 1e-2 * torch.randn_like(parameter)
                parameter += step
                assert (combined(lighter) - conv.weight).norm() > lost
                parameter -= step
    assert torch.equal(lighter.get_parameter("pointwise.bias"), conv.bias)
    assert not lighter.get_parameter("depthwise.bias").any()


def test_a_kernel_of_zeros_has_no_error() -> None:
    depthwise, pointwise, error = best_separable(torch.zeros(4, 3, 3, 3))
    assert error == 0
    assert not depthwise.any() or not pointwise.any()
