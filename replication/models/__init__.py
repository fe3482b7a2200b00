"""The networks by name."""

from collections.abc import Collection

from torch import nn

from replication import weights
from replication.errors import ArgumentError
from replication.models.layers import SeparableConv2d, standard_conv
from replication.models.msrn import MSRN, SCALES
from replication.models.zoo import edsr_baseline

MODELS = {"msrn": standard_conv, "smsrn": SeparableConv2d}
"""The networks of the paper, each by the convolution that makes it."""
OTHERS = {"edsr-baseline": standard_conv, "edsr-baseline-separable": SeparableConv2d}
"""EDSR-baseline with either convolution in all its k x k layers: what the paper's step costs another network."""


def build(name: str, *, scale: int = 4, pretrained: bool = False) -> MSRN:
    """Build ``"msrn"`` or ``"smsrn"`` for a scale of 2, 3, 4 or 8.

    The module takes (B, 3, H, W) float RGB in 0..1 and returns (B, 3, scale·H, scale·W). ``pretrained`` loads the
    weights that ship with the package, after checking their digest. Raises ArgumentError for an unknown name or
    scale, UserError for weights that are not shipped or damaged.

    >>> count_parameters(build("smsrn")), count_parameters(build("msrn"))
    (888929, 6078019)
    """
    _check(name, scale, MODELS)
    model = MSRN(MODELS[name], scale=scale)
    if pretrained:
        weights.load_shipped(model, name, scale)
    return model


def build_any(name: str, *, scale: int = 4) -> nn.Module:
    """Build one of `MODELS` or `OTHERS`; input, output and errors as of `build`."""
    _check(name, scale, {**MODELS, **OTHERS})
    return build(name, scale=scale) if name in MODELS else edsr_baseline(scale=scale, conv=OTHERS[name])


def _check(name: str, scale: int, known: Collection[str]) -> None:
    if name not in known:
        raise ArgumentError(f"unknown model {name!r}: expected one of {', '.join(known)}")
    if scale not in SCALES:
        raise ArgumentError(f"unknown scale {scale!r}: expected one of {', '.join(map(str, SCALES))}")


def count_parameters(module: nn.Module) -> int:
    """Number of learned values in ``module``."""
    return sum(parameter.numel() for parameter in module.parameters())
