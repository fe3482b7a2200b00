"""MSRN and SMSRN are the networks of the paper: parameters, names, topology, ranges."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from replication import weights
from replication.errors import UserError
from replication.lighten import lighten
from replication.models import MODELS, build, build_any, count_parameters
from replication.models.layers import SeparableConv2d
from replication.models.msrn import DIV2K_MEAN, MSRN

TOTALS = {
    ("msrn", 2): 5_930_307,
    ("msrn", 3): 6_114_947,
    ("msrn", 4): 6_078_019,
    ("msrn", 8): 6_225_731,
    ("smsrn", 2): 741_217,
    ("smsrn", 3): 925_857,
    ("smsrn", 4): 888_929,
    ("smsrn", 8): 1_036_641,
}
UPSAMPLER = {2: {0: 256}, 3: {0: 576}, 4: {0: 256, 2: 256}, 8: {0: 256, 2: 256, 4: 256}}
"""Output channels of the upsampler's convolutions by their place in it."""
BLOCK = {"conv_3_1": (64, 64, 3), "conv_3_2": (128, 128, 3), "conv_5_1": (64, 64, 5), "conv_5_2": (128, 128, 5)}


def randomized(name: str, scale: int) -> MSRN:
    """A network whose every parameter matters: float64, random biases, signals of order one at all depths."""
    model = build(name, scale=scale).double()
    generator = torch.Generator().manual_seed(scale)
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.ndim == 4 else 25
            parameter.normal_(0, fan_in**-0.5, generator=generator)
    return model


def pixels(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def published_layers(name: str, scale: int) -> dict[str, tuple[int, ...]]:
    """Parameter names and shapes of the public MSRN code without its mean shift; separable layers in two parts."""
    layers = {"head.0": (3, 64, 3)}
    layers |= {f"body.{block}.{layer}": shape for block in range(8) for layer, shape in BLOCK.items()}
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (inputs, outputs, kernel) in layers.items():
        if name == "msrn":
            shapes |= {f"{layer}.weight": (outputs, inputs, kernel, kernel), f"{layer}.bias": (outputs,)}
        else:
            shapes |= {f"{layer}.depthwise.weight": (inputs, 1, kernel, kernel), f"{layer}.depthwise.bias": (inputs,)}
            shapes |= {f"{layer}.pointwise.weight": (outputs, inputs, 1, 1), f"{layer}.pointwise.bias": (outputs,)}
    standard = {f"body.{block}.confusion": (256, 64, 1) for block in range(8)}
    standard |= {"tail.0": (576, 64, 1), "tail.1": (64, 64, 3), "tail.3": (64, 3, 3)}
    standard |= {f"tail.2.{place}": (64, outputs, 3) for place, outputs in UPSAMPLER[scale].items()}
    for layer, (inputs, outputs, kernel) in standard.items():
        shapes |= {f"{layer}.weight": (outputs, inputs, kernel, kernel), f"{layer}.bias": (outputs,)}
    return shapes


def test_models_are_those_of_the_paper() -> None:
    assert {(name, scale) for name in MODELS for scale in (2, 3, 4, 8)} == set(TOTALS)


@pytest.mark.parametrize(("name", "scale"), TOTALS)
def test_parameters(name: str, scale: int) -> None:
    model = build(name, scale=scale)
    assert count_parameters(model) == TOTALS[name, scale]
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == published_layers(name, scale)


def test_the_other_network_is_lightened_as_any_is() -> None:
    lightened, _ = lighten(build_any("edsr-baseline"))
    found = {name: value.shape for name, value in build_any("edsr-baseline-separable").state_dict().items()}
    assert found == {name: value.shape for name, value in lightened.state_dict().items()}
    assert count_parameters(lightened) == 194_081


def test_scale_4_is_the_default() -> None:
    assert build("smsrn")(torch.zeros(1, 3, 2, 2)).shape == (1, 3, 8, 8)


@pytest.mark.parametrize(("name", "scale"), TOTALS)
def test_topology(name: str, scale: int, published_msrn: Callable[[dict[str, Tensor], Tensor, int], Tensor]) -> None:
    """Order of branches, blocks and channels, ReLUs, skips, padding and mean: equal to an independent statement."""
    model = randomized(name, scale)
    image = pixels(2, 3, 6, 5)
    mean = torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64).reshape(3, 1, 1)
    with torch.no_grad():
        expected = published_msrn(model.state_dict(), image - mean, scale) + mean
        assert expected.std() > 0.1  # a signal that has died would hide every mistake
        # The mean is stored in single precision: 1e-8, amplified by the network.
        torch.testing.assert_close(model(image), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_shapes(name: str, scale: int) -> None:
    model = build(name, scale=scale)
    with torch.no_grad():
        for batch, height, width in [(1, 1, 1), (1, 1, 7), (2, 5, 3), (1, 4, 6)]:
            output = model(torch.zeros(batch, 3, height, width))
            assert output.shape == (batch, 3, scale * height, scale * width)
            assert output.dtype == torch.float32


@pytest.mark.parametrize("name", MODELS)
def test_range_is_0_to_1(name: str) -> None:
    """The mean is in 0..1; input is left as it came; output is not clipped."""
    model = build(name, scale=2)
    image = torch.full((1, 3, 3, 3), 0.5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        torch.testing.assert_close(model(image)[0, :, 1, 1], torch.tensor([0.4488, 0.4371, 0.4040]))
        last = model.tail[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.bias.copy_(torch.tensor([2.0, 0.0, -2.0]))
        torch.testing.assert_close(model(image)[0, :, 1, 1], torch.tensor([2.4488, 0.4371, -1.596]))
    assert torch.equal(image, torch.full((1, 3, 3, 3), 0.5))


def test_mean_is_a_constant() -> None:
    model = build("smsrn", scale=2)
    assert DIV2K_MEAN == (0.4488, 0.4371, 0.4040)
    assert "mean" not in model.state_dict()
    assert "mean" in dict(model.named_buffers())


def test_same_seed_same_network() -> None:
    """Building draws from torch's generator only, so that a seed decides the start."""
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build("smsrn", scale=2).state_dict()["tail.1.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_separable_convolution_is_a_standard_one() -> None:
    """SMSRN's layer is MSRN's with a factored kernel: weight = pointwise · depthwise."""
    layer = SeparableConv2d(3, 5, 5).double()
    kernel = torch.einsum("oi,ihw->oihw", layer.pointwise.weight[:, :, 0, 0], layer.depthwise.weight[:, 0])
    bias = layer.pointwise.bias
    assert bias is not None
    image = pixels(1, 3, 9, 8)
    expected = torch.nn.functional.conv2d(image, kernel, padding=2)
    constant = layer.pointwise.weight[:, :, 0, 0] @ layer.depthwise.bias + bias
    torch.testing.assert_close(layer(image), expected + constant[:, None, None])


@pytest.mark.parametrize("name", ["edsr", "MSRN", "", "msrn_x4"])
def test_unknown_model(name: str) -> None:
    with pytest.raises(UserError, match=rf"^unknown model '{name}': expected one of msrn, smsrn$"):
        build(name)


@pytest.mark.parametrize("scale", [0, 1, 5, 16, -4])
@pytest.mark.parametrize("name", MODELS)
def test_unknown_scale(name: str, scale: int) -> None:
    with pytest.raises(UserError, match=rf"^unknown scale {scale}: expected one of 2, 3, 4, 8$"):
        build(name, scale=scale)


def test_pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    with pytest.raises(UserError, match="smsrn x2 is not trained"):
        build("smsrn", scale=2, pretrained=True)
    trained = build("smsrn", scale=2)
    path = tmp_path / "smsrn_x2.safetensors"
    weights.write(path, trained, {"model": "smsrn", "scale": 2}, dtype=torch.float32)
    (tmp_path / "SHA256SUMS").write_text(f"{weights.digest(path)}  {path.name}\n", encoding="utf-8")
    loaded = build("smsrn", scale=2, pretrained=True)
    for key, value in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match=r"smsrn_x2\.safetensors is damaged: expected SHA-256"):
        build("smsrn", scale=2, pretrained=True)
