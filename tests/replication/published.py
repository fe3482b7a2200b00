"""The published MSRN, stated again for the tests: its parameters, and plain convolutions on a dictionary of them."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

BRANCHES = (3, 5)
UPSAMPLER = {2: {0: 256}, 3: {0: 576}, 4: {0: 256, 2: 256}, 8: {0: 256, 2: 256, 4: 256}}
"""Output channels of the upsampler's convolutions by their place in it."""
BLOCK = {"conv_3_1": (64, 64, 3), "conv_3_2": (128, 128, 3), "conv_5_1": (64, 64, 5), "conv_5_2": (128, 128, 5)}


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


def _conv(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    """One layer by name: a separable one is a grouped convolution and then a 1x1."""
    if f"{name}.depthwise.weight" in state:
        spatial = state[f"{name}.depthwise.weight"]
        x = F.conv2d(
            x, spatial, state[f"{name}.depthwise.bias"], padding=spatial.shape[-1] // 2, groups=spatial.shape[0]
        )
        return F.conv2d(x, state[f"{name}.pointwise.weight"], state[f"{name}.pointwise.bias"])
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)


def _shuffle(x: Tensor, factor: int) -> Tensor:
    """Depth to space: channel c·f² + i·f + j becomes row offset i and column offset j of channel c."""
    batch, channels, height, width = x.shape
    parts = x.reshape(batch, channels // factor**2, factor, factor, height, width)
    return torch.einsum("bcijhw->bchiwj", parts).reshape(batch, -1, height * factor, width * factor)


def published_msrn(state: Mapping[str, Tensor], x: Tensor, scale: int) -> Tensor:
    """What the ECCV 2018 code does between the mean shifts: head, 8 blocks, all outputs side by side, tail."""
    shallow = current = _conv(state, "head.0", x)
    collected = []
    for block in range(8):
        level = current
        for stage in (1, 2):
            level = torch.hstack([_conv(state, f"body.{block}.conv_{k}_{stage}", level).clamp(min=0) for k in BRANCHES])
        current = current + _conv(state, f"body.{block}.confusion", level)
        collected.append(current)
    x = _conv(state, "tail.0", torch.hstack([*collected, shallow]))
    x = _conv(state, "tail.1", x)
    for index, factor in enumerate([3] if scale == 3 else [2] * (scale.bit_length() - 1)):
        x = _shuffle(_conv(state, f"tail.2.{2 * index}", x), factor)
    return _conv(state, "tail.3", x)
