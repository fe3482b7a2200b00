"""The networks by name."""

from torch import nn

from replication import weights
from replication.errors import ArgumentError
from replication.models.layers import SeparableConv2d, standard_conv
from replication.models.msrn import MSRN, SCALES

MODELS = {"msrn": standard_conv, "smsrn": SeparableConv2d}
"""The networks of the paper, each by the convolution that makes it."""


def build(name: str, *, scale: int = 4, pretrained: bool = False) -> MSRN:
    """Build ``"msrn"`` or ``"smsrn"`` for a scale of 2, 3, 4 or 8.

    The module takes (B, 3, H, W) float RGB in 0..1 and returns (B, 3, scale·H, scale·W). ``pretrained`` loads the
    weights that ship with the package, after checking their digest. Raises ArgumentError for an unknown name or
    scale, UserError for weights that are not shipped or damaged.

    >>> count_parameters(build("smsrn")), count_parameters(build("msrn"))
    (888929, 6078019)
    """
    if name not in MODELS:
        raise ArgumentError(f"unknown model {name!r}: expected one of {', '.join(MODELS)}")
    if scale not in SCALES:
        raise ArgumentError(f"unknown scale {scale!r}: expected one of {', '.join(map(str, SCALES))}")
    model = MSRN(MODELS[name], scale=scale)
    if pretrained:
        weights.load_shipped(model, name, scale)
    return model


def count_parameters(module: nn.Module) -> int:
    """Number of learned values in ``module``."""
    return sum(parameter.numel() for parameter in module.parameters())
