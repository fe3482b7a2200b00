"""The paper's transformation for any torch network: standard convolutions become depth-wise separable ones."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from types import FunctionType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from replication.errors import ArgumentError
from replication.models.layers import SeparableConv2d

Choose = Callable[[str, _ConvNd], bool]
"""``(name, module) -> replace it?``, asked for each convolution that can be replaced."""


@dataclass(frozen=True)
class Change:
    """One replaced convolution.

    ``error``: what the best separable kernels lack of the trained ones, as a share of their Frobenius norm; None when
    the new layer starts with fresh weights.
    """

    name: str
    kernel: tuple[int, ...]
    in_channels: int
    out_channels: int
    error: float | None
    groups: int = 1
    transposed: bool = False

    @property
    def exact_ratio(self) -> Fraction:
        """Equation 5 for this layer, 1/N + 1/k²: its MACs after over before.

        With g groups g/N + 1/k². A transposed convolution is the adjoint of one from N to D channels: 1/D + 1/k².
        """
        channels = self.in_channels if self.transposed else self.out_channels
        return Fraction(self.groups, channels) + Fraction(1, prod(self.kernel))

    @property
    def ratio(self) -> float:
        """`exact_ratio`, rounded."""
        return float(self.exact_ratio)


@dataclass(frozen=True)
class Report:
    """What `lighten` did: the replaced convolutions, and for each other layer with a kernel why it was left alone."""

    changes: tuple[Change, ...]
    left: dict[str, str]


POINTWISE, DEPTHWISE, SUBCLASS, HOOKS, SCRIPTED, USED_DIRECTLY, NOT_CHOSEN = (
    "1x1: is point-wise already",
    "depth-wise already: does not mix channels",
    "has a forward pass of its own",
    "has hooks, which would be lost",
    "scripted: cannot be changed",
    "its weight is used outside of it",
    "not chosen",
)
"""Why a convolution is left alone."""


READ_BY_NETWORKS = (
    "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode",
)  # fmt: skip
"""Facts of a convolution that its separable one has as well, because networks read them off their layers."""


class Separable(nn.Module):
    """A separable convolution of any number of dimensions, also transposed: two convolutions, one after the other.

    Depth-wise, then point-wise, as in the paper. Transposed it is the adjoint, so the other way round: point-wise on
    the small input, then depth-wise and transposed.
    """

    def __init__(self, depthwise: _ConvNd, pointwise: _ConvNd) -> None:
        super().__init__()
        self.depthwise = depthwise
        self.pointwise = pointwise

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Arguments as torch's convolutions have them; ``output_size`` is for transposed ones."""
        output: Tensor
        if isinstance(self.depthwise, _ConvTransposeNd):
            output = self.depthwise(self.pointwise(input), output_size)
        else:
            output = self.pointwise(self.depthwise(input))
        return output


def everything(name: str, module: _ConvNd) -> bool:
    """Choose every convolution that can be replaced."""
    return True


def papers_choice(name: str, module: _ConvNd) -> bool:
    """Choose the layers of MSRN that the paper replaces: the head and the k x k layers of the blocks."""
    return name.startswith(("head.", "body."))


def lighten(
    module: nn.Module,
    *,
    choose: Choose = everything,
    from_weights: bool = False,
    keep: Mapping[str, str] | None = None,
) -> tuple[nn.Module, Report]:
    """Replace standard convolutions by separable ones (paper Fig. 2) in a copy of ``module``; return it and a report.

    Replaced is every convolution of one, two or three dimensions, transposed or not, with a kernel larger than 1x1 and
    more than one input channel for each output channel, that ``choose`` accepts. Stride, dilation, padding and padding
    mode go to the depth-wise convolution, groups to the point-wise one; both have a bias if the original has.

    A layer is replaced wherever the network holds it, be it in several places, in a plain list or in another object.
    Left alone are depth-wise and 1x1 convolutions, subclasses with a ``forward`` of their own, layers with hooks,
    scripted ones, and those that ``keep`` names, with the reason. Weight and spectral normalisation of a replaced layer
    are dropped.

    ``from_weights``: start each separable convolution from the best approximation of the present kernels
    (`best_separable`) instead of fresh weights; normalisation is thereby multiplied out.

    Raises ArgumentError when two chosen convolutions share a weight tensor (separate copies would untie them), when a
    function holds one where it cannot be replaced, when one waits for its first run (lazy), and when the network cannot
    be copied.

    >>> lighter, report = lighten(nn.Sequential(nn.Conv2d(64, 128, 3, padding=1), nn.Conv2d(128, 3, 1)))
    >>> [(change.name, round(change.ratio, 4)) for change in report.changes], report.left
    ([('0', 0.1189)], {'1': '1x1: is point-wise already'})
    """
    replacements: dict[int, nn.Module] = {}
    owners: dict[int, str] = {}
    changes: list[Change] = []
    left: dict[str, str] = {}
    for name, layer in module.named_modules():
        if isinstance(layer, torch.jit.ScriptModule) and layer.original_name.startswith("Conv"):
            left[name] = SCRIPTED
        if not isinstance(layer, _ConvNd):
            continue
        reason = _reason_to_leave(layer) or (keep or {}).get(name) or (None if choose(name, layer) else NOT_CHOSEN)
        if reason:
            left[name] = reason
            continue
        _check_alone(name, layer, owners)
        separable, error = separable_like(layer, from_weights=from_weights)
        replacements[id(layer)] = separable
        transposed = isinstance(layer, _ConvTransposeNd)
        sizes = layer.kernel_size, layer.in_channels, layer.out_channels
        changes.append(Change(name, *sizes, error, layer.groups, transposed))
    _check_functions(module, {id(layer): name for name, layer in module.named_modules() if id(layer) in replacements})
    return _replaced(module, replacements), Report(tuple(changes), left)


def _reason_to_leave(layer: _ConvNd) -> str | None:
    if prod(layer.kernel_size) == 1:
        return POINTWISE
    if isinstance(layer.weight, UninitializedParameter):
        return None  # `lighten` says what to do
    sides = {layer.in_channels} | ({layer.out_channels} if isinstance(layer, _ConvTransposeNd) else set())
    if layer.groups > 1 and layer.groups in sides:
        return DEPTHWISE
    plain = next(one for one in type(layer).__mro__ if one.__module__ == "torch.nn.modules.conv")
    if overrides(layer, plain):
        return SUBCLASS
    before = [one for one in layer._forward_pre_hooks.values() if not isinstance(one, WeightNorm | SpectralNorm)]
    return HOOKS if before or layer._forward_hooks else None


def overrides(layer: nn.Module, plain: type[nn.Module]) -> bool:
    """Whether ``layer`` computes something else than torch's class ``plain`` that it is made of."""
    names = ("forward", "_conv_forward")  # the second, of convolutions, is called by the first
    return any(
        getattr(type(layer), name, None) is not getattr(plain, name, None) or name in vars(layer) for name in names
    )


def _check_alone(name: str, layer: _ConvNd, owners: dict[int, str]) -> None:
    for value in layer.parameters():
        if isinstance(value, UninitializedParameter):
            raise ArgumentError(f"layer {name!r} is lazy: expected the network to have run once before it is lightened")
        if (other := owners.setdefault(id(value), name)) != name:
            raise ArgumentError(f"layers {other!r} and {name!r} share one weight: expected each layer to have its own")


def _check_functions(module: nn.Module, chosen: Mapping[int, str]) -> None:
    """Refuse a network in which a function holds a chosen layer: functions are not copied and would keep the old one.

    Raises ArgumentError naming both.
    """
    for part in module.modules():
        if isinstance(part, torch.jit.ScriptModule):
            continue
        for function in _functions(list(vars(part).values()), set()):
            cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
            for value in (*cells, *(function.__defaults__ or ())):
                name = next((chosen[id(one)] for one in _modules(value) if id(one) in chosen), None)
                if name is not None:
                    raise ArgumentError(
                        f"layer {name!r} is held by the function {function.__qualname__!r}, where it cannot be replaced"
                    )


def _functions(value: Any, seen: set[int]) -> Iterator[FunctionType]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, dict):
        yield from _functions(list(value.values()), seen)
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from _functions(one, seen)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _modules(value: Any) -> list[nn.Module]:
    if isinstance(value, nn.Module):
        return list(value.modules())
    if isinstance(value, list | tuple):
        return [one for part in value for one in _modules(part)]
    return []


def _replaced(module: nn.Module, replacements: Mapping[int, nn.Module]) -> nn.Module:
    """A copy of ``module`` in which each replacement stands wherever the original layer, known by its id, stood.

    Copying asks the same table for everything it meets: layers in plain lists and in other objects are found as well.
    """
    memo: dict[int, Any] = {**replacements}
    for part in module.modules():  # what old weight normalisation hangs on a module can be copied only by hand
        for value in [] if isinstance(part, torch.jit.ScriptModule) else vars(part).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:  # somebody else's objects: copying can fail in any way
        text = str(error).splitlines()
        raise ArgumentError(
            f"the network cannot be copied (copy.deepcopy): {type(error).__name__}: {text[0] if text else ''}"
        ) from error


def separable_like(conv: _ConvNd, *, from_weights: bool = False) -> tuple[nn.Module, float | None]:
    """A separable convolution with the shape, stride, padding, bias, type and device of ``conv``, and the error.

    See `lighten`; the error is that of `best_separable`, None with fresh weights.
    """
    transposed = isinstance(conv, _ConvTransposeNd)
    channels = conv.out_channels if transposed else conv.in_channels  # of the depth-wise part
    bias = conv.bias is not None
    dimensions = len(conv.kernel_size)
    plain = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1]
    turned = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dimensions - 1]
    options: dict[str, Any] = {
        "stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation, "groups": channels,
        "bias": bias, "padding_mode": conv.padding_mode,
    }  # fmt: skip
    if transposed:
        options["output_padding"] = conv.output_padding
    with torch.device(conv.weight.device):
        depthwise = (turned if transposed else plain)(channels, channels, cast(Any, conv.kernel_size), **options)
        pointwise = plain(conv.in_channels, conv.out_channels, 1, groups=conv.groups, bias=bias)
        if type(depthwise) is nn.Conv2d:
            result: nn.Module = SeparableConv2d(1, 1, 1)  # the paper's own layer, as in SMSRN
            result.depthwise, result.pointwise = depthwise, pointwise
        else:
            result = Separable(depthwise, pointwise)
    for name in READ_BY_NETWORKS:
        setattr(result, name, getattr(conv, name))
    result.to(conv.weight.dtype).train(conv.training)
    return result, approximate(conv, depthwise, pointwise) if from_weights else None


def approximate(conv: _ConvNd, depthwise: _ConvNd, pointwise: _ConvNd) -> float:
    """Give the two parts of a separable convolution the kernels that come nearest to those of ``conv``; the error.

    The bias goes to the part that comes last. The error is that of `best_separable`.
    """
    transposed = isinstance(conv, _ConvTransposeNd)
    weight = _weight(conv)
    if weight.is_complex():
        raise ArgumentError("from_weights: expected a real weight, got a complex one; fresh ones can be made of it")
    # torch keeps (N, D/g, ...), and for transposed convolutions (D, N/g, ...): the adjoint's standard form
    parts = [best_separable(part) for part in weight.chunk(conv.groups)]
    small = torch.cat([part[0] for part in parts])
    mixing = torch.cat([part[1] for part in parts])
    if transposed:  # (D, N/g, 1, 1), and a point-wise convolution wants (N, D/g, 1, 1)
        mixing = torch.cat([part.transpose(0, 1) for part in mixing.chunk(conv.groups)])
    with torch.no_grad():
        depthwise.weight.copy_(small)
        pointwise.weight.copy_(mixing)
        first, last = (pointwise, depthwise) if transposed else (depthwise, pointwise)
        if conv.bias is not None and first.bias is not None and last.bias is not None:
            first.bias.zero_()
            last.bias.copy_(conv.bias)
    squares = [
        (float(part.double().norm()), one[2]) for part, one in zip(weight.chunk(conv.groups), parts, strict=True)
    ]
    whole = sum(norm**2 for norm, _ in squares)
    return float((sum((norm * error) ** 2 for norm, error in squares) / whole) ** 0.5) if whole > 0 else 0.0


def _weight(conv: _ConvNd) -> Tensor:
    """The present kernels. Old normalisation leaves those of the last run on the layer, so they are made anew."""
    weight: Tensor = conv.weight
    for hook in conv._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm):
            weight = hook.compute_weight(conv)
        if isinstance(hook, SpectralNorm):
            weight = hook.compute_weight(conv, do_power_iteration=False)
    return weight.detach()


def best_separable(weight: Tensor) -> tuple[Tensor, Tensor, float]:
    """The separable kernels nearest to standard ones in the Frobenius norm.

    A separable convolution is a standard one whose kernels W[n, d] = pointwise[n, d] · depthwise[d]: for each input
    channel d, the N x k² matrix of its kernels has rank 1. The nearest such matrix is the first term of its singular
    value decomposition (Eckart and Young), and the input channels do not depend on each other.

    (N, D, k, k) -> depth-wise (D, 1, k, k), point-wise (N, D, 1, 1), and the norm of what is lost over the norm of the
    whole (0 for a weight of zeros). With one or three dimensions likewise. Computed in double precision.
    """
    outputs, inputs, *kernel = weight.shape
    matrices = weight.double().transpose(0, 1).reshape(inputs, outputs, prod(kernel))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for matrices this small, threads only wait for each other: minutes on a busy machine
    try:
        left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    finally:
        torch.set_num_threads(threads)
    root = values[:, :1].sqrt()  # half of the size to each side
    depthwise = (root * right[:, 0]).reshape(inputs, 1, *kernel)
    pointwise = (root * left[:, :, 0]).T.reshape(outputs, inputs, *[1] * len(kernel))
    norm = values.norm()
    error = float(values[:, 1:].norm() / norm) if norm > 0 else 0.0
    return depthwise, pointwise, error
