"""MSRN and SMSRN are the networks of the paper: parameters, names, topology, ranges."""

from pathlib import Path

import pytest
import torch
from published import published_layers, published_msrn
from torch import Tensor, nn

from replication import weights
from replication.errors import UserError
from replication.lighten import lighten
from replication.models import MODELS, build, build_any, count_parameters
from replication.models.msrn import MSRN

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


@pytest.mark.parametrize(("name", "scale"), TOTALS)
def test_topology(name: str, scale: int) -> None:
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
