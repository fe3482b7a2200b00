"""The optimisers of a recipe: Adam, or SOAP for the matrices among the weights and Adam for the rest.

SOAP (Vyas et al. 2024) is Adam in the eigenbasis of the gradient's covariances. A convolution's weight is the matrix
(outputs x inputs of an output); depth-wise kernels, the layers on RGB and the biases are too narrow to gain from it.
The implementation is that of `pytorch_optimizer`.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from pytorch_optimizer import SOAP
from torch import nn

from replication.recipe import Recipe

REFERENCE_FAN_IN = 9 * 64
"""Fan-in of a 3x3 convolution over 64 channels, whose share of the rate is 1; see `share`."""
NARROWEST_MATRIX = 48
"""Weights with a shorter side than this are Adam's."""
SOAP_BETA = 0.95
"""Decay of SOAP's moments and covariances, its authors' choice."""
SOAP_PERIOD = 10
"""Steps between updates of SOAP's eigenbasis, its authors' choice."""
SOAP_LARGEST_SIDE = 600
"""Adjacent dimensions of a weight are merged up to this size; a larger dimension has no covariance. 64 inputs of a 3x3
stay whole."""

Optimizers = list[torch.optim.Optimizer]


def build(model: nn.Module, plan: Recipe) -> Optimizers:
    """The recipe's optimisers of ``model``. Each parameter group has its ``share`` of the recipe's learning rate."""
    parameters = list(model.parameters())
    matrices = [parameter for parameter in parameters if plan.optimizer == "soap" and is_matrix(parameter)]
    chosen = {id(parameter) for parameter in matrices}
    rest = [parameter for parameter in parameters if id(parameter) not in chosen]
    adam = torch.optim.Adam(
        _groups(rest, plan, 1.0), plan.learning_rate, betas=(plan.beta1, plan.beta2), eps=plan.epsilon, fused=True
    )
    if not matrices:
        return [adam]
    soap = SOAP(
        _groups(matrices, plan, plan.matrix_rate / plan.learning_rate), plan.matrix_rate,
        betas=(SOAP_BETA, SOAP_BETA), weight_decay=0.0, precondition_frequency=SOAP_PERIOD,
        max_precondition_dim=SOAP_LARGEST_SIDE, merge_dims=True,
    )  # fmt: skip
    return [adam, soap]


def is_matrix(parameter: nn.Parameter) -> bool:
    """Whether SOAP takes a parameter: a convolution's weight whose two sides are at least `NARROWEST_MATRIX`."""
    return parameter.dim() == 4 and min(len(parameter), parameter[0].numel()) >= NARROWEST_MATRIX


def share(parameter: nn.Parameter) -> float:
    """sqrt(576 / fan-in) for a convolution's weight, 1 for a bias.

    Fan-in is the number of inputs per output; a 3x3 over 64 channels has the share 1. Adam moves every weight by about
    the rate, whatever its size, and a weight's size at the start is about 1 / sqrt(fan-in): with these shares all
    layers change by similar proportions.
    """
    return math.sqrt(REFERENCE_FAN_IN / parameter[0].numel()) if parameter.dim() == 4 else 1.0


def _groups(parameters: list[nn.Parameter], plan: Recipe, factor: float) -> list[dict[str, Any]]:
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(share(parameter) if plan.rate_by_fan_in else 1.0, []).append(parameter)
    return [{"params": group, "share": value * factor} for value, group in groups.items()]


def set_rate(optimizers: Sequence[torch.optim.Optimizer], rate: float) -> None:
    """Give every parameter group its share of ``rate``."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]


def moving_average(average: dict[str, torch.Tensor], model: nn.Module, decay: float, step: int) -> None:
    """Move ``average`` towards the parameters of ``model``, in place.

    In the first steps the decay is smaller, (1 + step) / (10 + step), so that the start is soon forgotten.
    """
    weight = 1 - min(decay, (1 + step) / (10 + step))
    names, values = zip(*model.named_parameters(), strict=True)
    torch._foreach_lerp_([average[name] for name in names], [value.detach() for value in values], weight)
