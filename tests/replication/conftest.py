"""The published MSRN, stated again for the tests: plain convolutions on a dictionary of parameters.

And `helpers.py`, which the tests of this folder import.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.append(str(Path(__file__).parent))

Published = Callable[[Mapping[str, Tensor], Tensor, int], Tensor]
BRANCHES = (3, 5)


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


def _published_msrn(state: Mapping[str, Tensor], x: Tensor, scale: int) -> Tensor:
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


@pytest.fixture(scope="session")
def published_msrn() -> Published:
    """``(parameters, input less the mean, scale) -> output less the mean``; accepts separable layers as well."""
    return _published_msrn
