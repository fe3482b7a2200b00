"""The published networks have the published numbers of parameters, and run."""

import pytest
import torch
from torch import nn

from replication.models import count_parameters, zoo
from replication.models.zoo import CARN, NETWORKS

PARAMETERS = {
    "SRCNN": 57_184 + 97,  # weights as published for 9-5-5, and biases
    "FSRCNN": 12_464 + 173 + 172,  # weights (published as 12K), biases, PReLU
    "ESPCN": 24_640 + 112,
    "VDSR": 664_704 + 1_217,  # published as 665K (weights) and 666K
    "DRCN": 1_774_080 + 1_025 + 16,  # weights (published as 1,774K), biases, mixture of predictions
    "DRRN": 297_216 + 385,  # published as 297K (weights) and 298K
    "MemNet": 676_992 + 1_217,  # published as 677K (weights) and 678K
    "SRResNet": 1_549_462,
    "EDSR-baseline": 1_517_571,
    "EDSR": 43_089_923,
    "RDN": 22_271_107,
    "RCAN": 15_592_355,
    "CARN": 1_591_939,
    "IMDN": 715_176,
    "PAN": 272_419,
    "CARN-M": 414_787,
}


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name].factory().eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters(name: str) -> None:
    with torch.device("meta"):
        assert count_parameters(NETWORKS[name].factory()) == PARAMETERS[name]


def test_carn_without_the_upsamplers_of_other_scales() -> None:
    with torch.device("meta"):
        assert count_parameters(CARN(scales=(4,))) == 1_111_875


@pytest.mark.parametrize("name", NETWORKS)
def test_runs_and_uses_every_parameter(name: str) -> None:
    """A layer that is built and not used would be counted and not be part of the network."""
    network = NETWORKS[name]
    shape = network.input_shape(12, 8)
    assert shape == (1, network.channels, *((12, 8) if network.enlarged else (3, 2)))
    module = build(name)
    output = module(torch.rand(shape))
    assert output.shape == (1, network.channels, 12, 8)
    assert output.isfinite().all()
    output.square().sum().backward()
    unused = {name for name, parameter in module.named_parameters() if parameter.grad is None}
    expected = {key for key, _ in module.named_parameters() if key.startswith(("upsamplers.2.", "upsamplers.3."))}
    assert unused == (expected if name in ("CARN", "CARN-M") else set())


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("factory", [zoo.fsrcnn, zoo.espcn, zoo.srresnet, zoo.edsr_baseline, zoo.CARN, zoo.IMDN])
def test_other_scales(factory: type[nn.Module], scale: int) -> None:
    module = factory(scale=scale).eval()
    channels = next(one for one in module.modules() if isinstance(one, nn.Conv2d)).in_channels
    with torch.no_grad():
        assert module(torch.zeros(1, channels, 5, 3)).shape == (1, channels, 5 * scale, 3 * scale)


def test_residual_networks_start_at_their_input() -> None:
    """With all weights zero, networks on an enlarged image return it, those with a mean colour return that."""
    mean = torch.tensor(zoo.DIV2K_MEAN).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    for name in ("VDSR", "DRRN", "MemNet", "DRCN", "EDSR-baseline", "RCAN", "CARN"):
        module = build(name)
        with torch.no_grad():
            for key, parameter in module.named_parameters():
                if key != "mixture":
                    parameter.zero_()
            image = torch.rand(NETWORKS[name].input_shape(8, 8))
            output = module(image)
        torch.testing.assert_close(output, image if NETWORKS[name].enlarged else mean)


def test_drrn_adds_the_first_features_in_every_unit() -> None:
    module = zoo.DRRN(width=4, units=3).double()
    image = torch.rand(1, 1, 5, 6, dtype=torch.float64)
    first = module.first(image)
    one, two = module.unit[1], module.unit[3]
    state = first
    for _ in range(3):
        state = first + two(one(state.relu()).relu())
    torch.testing.assert_close(module(image), image + module.last(state.relu()))


def test_drcn_is_the_weighted_mean_of_its_predictions() -> None:
    module = zoo.DRCN(width=4, recursions=3).double()
    with torch.no_grad():
        module.mixture.copy_(torch.tensor([1.0, 2.0, 5.0]))
    image = torch.rand(1, 1, 5, 6, dtype=torch.float64)
    states = [module.embedding(image)]
    for _ in range(3):
        states.append(module.inference(states[-1]))
    predictions = [image + module.reconstruction(state) for state in states[1:]]
    torch.testing.assert_close(module(image), (predictions[0] + 2 * predictions[1] + 5 * predictions[2]) / 8)


def test_imdn_keeps_a_quarter_at_each_step() -> None:
    block = zoo.DistillationBlock(16)
    shapes = [(one.in_channels, one.out_channels) for one in block.layers if isinstance(one, nn.Conv2d)]
    assert shapes == [(16, 16), (12, 16), (12, 16), (12, 4)]


@pytest.mark.parametrize(("contrast", "gate"), [(False, 2.0), (True, 3.0)])
def test_attention_sees_the_mean_and_with_contrast_the_deviation(contrast: bool, gate: float) -> None:
    """Channel values 1 and 3: mean 2, deviation 1."""
    attention = zoo.ChannelAttention(4, reduction=4, contrast=contrast)
    seen: list[float] = []
    attention.gate.register_forward_pre_hook(lambda _, inputs: seen.append(float(inputs[0][0, 0, 0, 0])))
    image = torch.tensor([1.0, 3.0]).expand(1, 4, 2, 2)
    output = attention(image)
    assert seen == [gate]
    assert ((output > 0) & (output < image)).all()
