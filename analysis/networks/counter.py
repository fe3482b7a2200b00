"""Count the parameters and multiply-adds of any torch network, without running it on real numbers.

The network is traced on torch's meta device: shapes without values, so that full size costs neither memory nor time.
Totals come from torch's FLOP counter, which knows every operator with multiply-adds (convolutions, transposed
convolutions, matrix products, attention), halved, because it counts a multiply-add as two. `convolutions` looks at the
layers one by one instead. Convention as everywhere here: bias is in the parameters and not in the MACs; activations,
additions, normalisation, pooling, interpolation and pixel shuffles are 0 MACs.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from replication.errors import UserError
from replication.models import count_parameters


@dataclass(frozen=True)
class Count:
    """A network's learned values, and its multiply-adds for one input."""

    params: int
    macs: int


@dataclass(frozen=True)
class Convolved:
    """One convolution module and what a run asks of it.

    ``positions``: at how many places the whole kernel is applied, over all calls and the batch: output pixels of a
    convolution, input pixels of a transposed one.
    """

    name: str
    module: nn.Conv2d | nn.ConvTranspose2d
    calls: int
    positions: int

    @property
    def weights(self) -> int:
        """Number of kernel weights, without bias."""
        return self.module.weight.numel()

    @property
    def macs(self) -> int:
        """Multiply-adds of all calls."""
        return self.weights * self.positions


def on_meta(factory: Callable[[], nn.Module]) -> nn.Module:
    """Build a network on the meta device: no memory, no random numbers."""
    with torch.device("meta"):
        return factory()


def count(module: nn.Module, input_shape: Sequence[int]) -> Count:
    """Parameters of ``module``, and its MACs for one input of ``input_shape`` (batch, channels, height, width).

    The module itself is not touched. Raises UserError when it does not run on such an input.

    >>> count(nn.Conv2d(3, 8, 3, padding=1), (1, 3, 10, 10))
    Count(params=224, macs=21600)
    """
    with FlopCounterMode(display=False) as counter:
        _run(_meta_copy(module), input_shape)
    return Count(count_parameters(module), counter.get_total_flops() // 2)


def convolutions(module: nn.Module, input_shape: Sequence[int]) -> list[Convolved]:
    """Every two-dimensional convolution of ``module`` with its use for one input, in the order of the modules' names.

    A module that is called several times, or reached by several names, appears once, under its first name. Raises
    UserError when the network does not run on an input of ``input_shape``.
    """
    copied = _meta_copy(module)
    found = {name: one for name, one in copied.named_modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)}
    used: dict[nn.Module, list[int]] = {one: [] for one in found.values()}

    def note(one: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        image = inputs[0] if isinstance(one, nn.ConvTranspose2d) else output
        used[one].append(prod(image.shape) // image.shape[-3])

    handles = [one.register_forward_hook(note) for one in found.values()]
    _run(copied, input_shape)
    for handle in handles:
        handle.remove()
    return [Convolved(name, one, len(used[one]), sum(used[one])) for name, one in found.items()]


def _meta_copy(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).to("meta").eval()


def _run(module: nn.Module, input_shape: Sequence[int]) -> None:
    shape = "x".join(map(str, input_shape))
    try:
        with torch.no_grad():
            module(torch.empty(tuple(input_shape), device="meta"))
    except Exception as error:  # somebody else's forward: anything can go wrong in it
        reason = str(error).splitlines()[0] if str(error) else "no message"
        raise UserError(
            f"the network does not run on an input of shape {shape}: {type(error).__name__}: {reason}"
        ) from error
