"""The paper's transformation for any torch network: standard convolutions become depth-wise separable ones."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from replication.errors import ArgumentError
from replication.models.layers import SeparableConv2d

Choose = Callable[[str, nn.Conv2d], bool]
"""``(name, module) -> replace it?``, asked for each convolution that can be replaced."""


@dataclass(frozen=True)
class Change:
    """One replaced convolution.

    ``error``: what the best separable kernels lack of the trained ones, as a share of their Frobenius norm; None when
    the new layer starts with fresh weights.
    """

    name: str
    kernel: tuple[int, int]
    in_channels: int
    out_channels: int
    error: float | None

    @property
    def ratio(self) -> float:
        """Equation 5 for this layer, 1/N + 1/k²: its MACs after over before."""
        return 1 / self.out_channels + 1 / (self.kernel[0] * self.kernel[1])


@dataclass(frozen=True)
class Report:
    """What `lighten` did: the replaced convolutions, and for each other layer with a kernel why it was left alone."""

    changes: tuple[Change, ...]
    left: dict[str, str]


POINTWISE, GROUPED, TRANSPOSED, SUBCLASS, NOT_CHOSEN = (
    "1x1: is point-wise already",
    "grouped: mixes no or few channels",
    "transposed: has no separable form here",
    "has a forward pass of its own",
    "not chosen",
)
"""Why a convolution is left alone."""


def everything(name: str, module: nn.Conv2d) -> bool:
    """Choose every convolution that can be replaced."""
    return True


def papers_choice(name: str, module: nn.Conv2d) -> bool:
    """Choose the layers of MSRN that the paper replaces: the head and the k x k layers of the blocks."""
    return name.startswith(("head.", "body."))


def lighten(module: nn.Module, *, choose: Choose = everything, from_weights: bool = False) -> tuple[nn.Module, Report]:
    """Replace standard convolutions by separable ones (paper Fig. 2) in a copy of ``module``; return it and a report.

    Replaced is every ``nn.Conv2d`` with a kernel larger than 1x1 and ``groups=1`` that ``choose`` accepts. Stride,
    dilation, padding and padding mode go to the depth-wise convolution; both parts have a bias if the original has. A
    convolution that is used in several places is replaced by one module that is used in the same places. Left alone
    are transposed convolutions, grouped ones, 1x1, and subclasses with a ``forward`` of their own.

    ``from_weights``: start each separable convolution from the best approximation of the present kernels
    (`best_separable`) instead of fresh weights; weight normalisation is thereby multiplied out.

    Raises ArgumentError when two chosen convolutions share one weight tensor: separate copies would untie them.

    >>> lighter, report = lighten(nn.Sequential(nn.Conv2d(64, 128, 3, padding=1), nn.Conv2d(128, 3, 1)))
    >>> [(change.name, round(change.ratio, 4)) for change in report.changes], report.left
    ([('0', 0.1189)], {'1': '1x1: is point-wise already'})
    """
    result = copy.deepcopy(module)
    replacements: dict[nn.Module, nn.Module] = {}
    owners: dict[int, str] = {}
    changes: list[Change] = []
    left: dict[str, str] = {}
    for name, layer in list(result.named_modules(remove_duplicate=False)):
        if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) or layer in replacements or name in left:
            continue
        reason = _reason_to_leave(name, layer, choose)
        if reason:
            left[name] = reason
            continue
        assert isinstance(layer, nn.Conv2d)
        if (other := owners.setdefault(id(layer.weight), name)) != name:
            raise ArgumentError(f"layers {other!r} and {name!r} share one weight: expected each layer to have its own")
        separable, error = separable_like(layer, from_weights=from_weights)
        replacements[layer] = separable
        kernel = (layer.kernel_size[0], layer.kernel_size[1])
        changes.append(Change(name, kernel, layer.in_channels, layer.out_channels, error))
    return _replaced(result, replacements), Report(tuple(changes), left)


def _reason_to_leave(name: str, layer: nn.Conv2d | nn.ConvTranspose2d, choose: Choose) -> str | None:
    if isinstance(layer, nn.ConvTranspose2d):
        return TRANSPOSED
    if layer.kernel_size == (1, 1):
        return POINTWISE
    if layer.groups != 1:
        return GROUPED
    if type(layer).forward is not nn.Conv2d.forward:
        return SUBCLASS
    return None if choose(name, layer) else NOT_CHOSEN


def _replaced(module: nn.Module, replacements: dict[nn.Module, nn.Module]) -> nn.Module:
    """``module`` with every occurrence of a key replaced by its value, also where the module itself is a key."""
    for parent in list(module.modules()):
        for name, child in list(parent._modules.items()):
            if child in replacements:
                setattr(parent, name, replacements[child])
    return replacements.get(module, module)


def separable_like(conv: nn.Conv2d, *, from_weights: bool = False) -> tuple[SeparableConv2d, float | None]:
    """A separable convolution with the shape, stride, padding, bias, type and device of ``conv``, and the error.

    See `lighten`; the error is that of `best_separable`, None with fresh weights.
    """
    bias = conv.bias is not None
    with torch.device(conv.weight.device):
        result = SeparableConv2d(conv.in_channels, conv.out_channels, 1)
        result.depthwise = nn.Conv2d(
            conv.in_channels,
            conv.in_channels,
            (conv.kernel_size[0], conv.kernel_size[1]),
            stride=(conv.stride[0], conv.stride[1]),
            padding=conv.padding if isinstance(conv.padding, str) else (conv.padding[0], conv.padding[1]),
            dilation=(conv.dilation[0], conv.dilation[1]),
            groups=conv.in_channels,
            bias=bias,
            padding_mode=conv.padding_mode,
        )
        result.pointwise = nn.Conv2d(conv.in_channels, conv.out_channels, 1, bias=bias)
    result.to(conv.weight.dtype).train(conv.training)
    if not from_weights:
        return result, None
    depthwise, pointwise, error = best_separable(conv.weight.detach())
    with torch.no_grad():
        result.depthwise.weight.copy_(depthwise)
        result.pointwise.weight.copy_(pointwise)
        if conv.bias is not None and result.depthwise.bias is not None and result.pointwise.bias is not None:
            result.depthwise.bias.zero_()
            result.pointwise.bias.copy_(conv.bias)
    return result, error


def best_separable(weight: Tensor) -> tuple[Tensor, Tensor, float]:
    """The separable kernels nearest to standard ones in the Frobenius norm.

    A separable convolution is a standard one whose kernels W[n, d] = pointwise[n, d] · depthwise[d]: for each input
    channel d, the N x k² matrix of its kernels has rank 1. The nearest such matrix is the first term of its singular
    value decomposition (Eckart and Young), and the input channels do not depend on each other.

    (N, D, k, k) -> depth-wise (D, 1, k, k), point-wise (N, D, 1, 1), and the norm of what is lost over the norm of the
    whole (0 for a weight of zeros). Computed in double precision.
    """
    outputs, inputs, height, width = weight.shape
    matrices = weight.double().transpose(0, 1).reshape(inputs, outputs, height * width)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for matrices this small, threads only wait for each other: minutes on a busy machine
    try:
        left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    finally:
        torch.set_num_threads(threads)
    root = values[:, :1].sqrt()  # half of the size to each side
    depthwise = (root * right[:, 0]).reshape(inputs, 1, height, width)
    pointwise = (root * left[:, :, 0]).T.reshape(outputs, inputs, 1, 1)
    norm = values.norm()
    error = float(values[:, 1:].norm() / norm) if norm > 0 else 0.0
    return depthwise, pointwise, error
