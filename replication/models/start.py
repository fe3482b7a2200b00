"""How the network starts: a start for short training budgets.

PyTorch's default shrinks the signal at every separable layer, and a short training spends itself on undoing that.
"""

from math import sqrt

import torch
from torch import Tensor, nn

from replication.models.layers import SeparableConv2d
from replication.models.msrn import MSRN, MultiScaleBlock

INPUT_GAIN = 4.0
"""Pictures have a standard deviation of about 0.25 around their mean; the head brings that to 1."""
BRANCH_GAIN = 0.3
"""Gain of each block's last 1x1: eight residual branches must not add up to more than the picture."""
OUTPUT_GAIN = 0.02
"""Gain of the last convolution: the untrained features hardly touch the picture that passes by them."""


@torch.no_grad()
def identity_start(model: nn.Module, seed: int) -> None:
    """Start an MSRN or an EDSR as nearest-neighbour upsampling with variance-preserving features in its other channels.

    Three channels carry R, G and B unchanged through head, tail and upsampler; every other weight is normal with the
    variance that keeps the signal's (gain 1 in linear layers, sqrt(2) before a ReLU, the constants above where named)
    and every bias is zero. Changes the parameters in place; the same ``seed`` gives the same parameters.
    """
    generator = torch.Generator().manual_seed(seed)
    if isinstance(model, MSRN):
        _start_msrn(model, generator)
    else:
        assert isinstance(model, nn.Sequential)
        _start_edsr(model, generator)


def _start_msrn(model: MSRN, generator: torch.Generator) -> None:
    _normal(model.head[0], INPUT_GAIN, generator)
    _carry(model.head[0], input_offset=0)
    for block in model.body:
        assert isinstance(block, MultiScaleBlock)
        for layer in (block.conv_3_1, block.conv_5_1, block.conv_3_2, block.conv_5_2):
            _normal(layer, sqrt(2), generator)
        _normal(block.confusion, BRANCH_GAIN, generator)
    fuse, conv, upsampler, last = model.tail
    assert isinstance(fuse, nn.Conv2d)
    assert isinstance(upsampler, nn.Sequential)
    assert isinstance(last, nn.Conv2d)
    for layer in (fuse, conv):
        _normal(layer, 1.0, generator)
    _carry(fuse, input_offset=fuse.in_channels - fuse.out_channels)  # the head's output stands last (see MSRN.features)
    _carry(conv, input_offset=0)
    _start_end(upsampler, last, generator)


def _start_edsr(model: nn.Sequential, generator: torch.Generator) -> None:
    head, body, upsampler, last = model
    assert isinstance(body, nn.Sequential)
    assert isinstance(upsampler, nn.Sequential)
    _normal(head, INPUT_GAIN, generator)
    _carry(head, input_offset=0)
    *blocks, end = body
    for block in blocks:
        assert isinstance(block, nn.Sequential)
        _normal(block[0], sqrt(2), generator)
        _normal(block[2], BRANCH_GAIN, generator)
    _normal(end, 1.0, generator)
    _pointwise(end).weight[:3] = 0.0  # the skip around the body carries R, G and B
    _start_end(upsampler, last, generator)


def _start_end(upsampler: nn.Sequential, last: nn.Module, generator: torch.Generator) -> None:
    """Upsampler and last layer: they carry the three channels, the others count for little."""
    raising = [layer for layer in upsampler if not isinstance(layer, nn.PixelShuffle)]
    for layer in raising:
        _normal(layer, 1.0, generator)
    _normal(last, OUTPUT_GAIN, generator)
    for layer in raising:
        outputs, inputs = _pointwise(layer).weight.shape[:2]
        _carry(layer, input_offset=0, copies=outputs // inputs)
    if isinstance(last, SeparableConv2d):
        _carry_depthwise(last)
    _pass(_pointwise(last).weight)


def _pointwise(layer: nn.Module) -> nn.Conv2d:
    """The convolution that mixes the channels: a separable layer's second, or the layer itself."""
    layer = layer.pointwise if isinstance(layer, SeparableConv2d) else layer
    assert isinstance(layer, nn.Conv2d)
    return layer


def _normal(layer: nn.Module, gain: float, generator: torch.Generator) -> None:
    """Normal weights whose output has ``gain`` times the input's deviation; zero bias."""
    if isinstance(layer, SeparableConv2d):
        _normal(layer.depthwise, 1.0, generator)
        _normal(layer.pointwise, gain, generator)
        return
    assert isinstance(layer, nn.Conv2d)
    fan_in = layer.weight[0].numel()
    layer.weight.normal_(0.0, gain / sqrt(fan_in), generator=generator)
    assert layer.bias is not None
    layer.bias.zero_()


def _carry(layer: nn.Module, *, input_offset: int, copies: int = 1) -> None:
    """Make the first three outputs, each ``copies`` times, equal to the three inputs from ``input_offset`` on."""
    if isinstance(layer, SeparableConv2d):
        _carry_depthwise(layer)
    layer = _pointwise(layer)
    layer.weight[: 3 * copies] = 0.0
    middle = layer.kernel_size[0] // 2
    for channel in range(3):
        rows = slice(channel * copies, (channel + 1) * copies)
        layer.weight[rows, input_offset + channel, middle, middle] = 1.0


def _carry_depthwise(layer: SeparableConv2d) -> None:
    """Let the first three maps through the depth-wise part unchanged."""
    middle = layer.depthwise.kernel_size[0] // 2
    layer.depthwise.weight[:3] = 0.0
    layer.depthwise.weight[:3, 0, middle, middle] = 1.0


def _pass(weight: Tensor) -> None:
    """Add to the last convolution what lets the three carried channels through."""
    middle = weight.shape[-1] // 2
    for channel in range(3):
        weight[channel, channel, middle, middle] += 1.0
