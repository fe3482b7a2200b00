"""A count checked against other counts of the same run: layer by layer by shape, torch's FLOP counter, and fvcore.

Where two counts differ, the check says by how much and why, or that the reason is not known.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from analysis.networks import counter
from analysis.networks.copies import META, copied, first_line, is_lazy
from analysis.networks.counter import Count
from analysis.networks.inputs import Inputs, Shape
from analysis.networks.operators import RULES

FVCORE_NAMES = frozenset({"conv", "addmm", "linear", "bmm", "matmul", "mm", "mv", "dot", "einsum", "baddbmm"})
"""What fvcore calls the operators whose multiply-adds it counts. It counts others, too, which are 0 MACs here."""

LONG = 5 * 10**9
"""MACs of a run with values from which on it takes too long for a check in passing."""

SIDES = (48, 16)
"""What the sides of images are cut to where it would; the second where the first is not small enough."""


@dataclass(frozen=True)
class Check:
    """One comparison in MACs, those included that do not depend on the input.

    ``found`` is None where the other count could not be had. ``explained``: whether a difference (or an absence) has
    the known reason that ``why`` gives.
    """

    name: str
    expected: int
    found: int | None
    explained: bool
    why: str = ""

    @property
    def ok(self) -> bool:
        """Whether both are equal, or the difference has a known reason."""
        return self.explained or self.found == self.expected

    @property
    def verdict(self) -> str:
        """What the check says, in words."""
        if self.found is None:
            return f"not compared: {self.why}"
        if self.found == self.expected:
            return "equal"
        return f"{self.found - self.expected:+,}: {self.why or 'the reason is not known'}"


def checks(count: Count, network: nn.Module) -> list[Check]:
    """All comparisons of a count of ``network``."""
    return [by_layers(count), by_torch(count), by_fvcore(count, network)]


def by_layers(count: Count) -> Check:
    """Each layer's MACs by its shape, with the operators that stand outside of such layers, against all operators.

    Without what does not depend on the input.
    """
    found = sum(layer.macs if layer.formula is None else layer.formula for layer in count.layers)
    differing = [layer for layer in count.layers if layer.formula is not None and layer.formula != layer.macs]
    known = bool(differing)
    reasons = []
    for layer in differing:
        rest = (layer.formula or 0) - layer.macs
        known = known and rest == layer.constant_macs
        ending = ", the rest does not depend on the input" if rest == layer.constant_macs else ""
        reasons.append(
            f"{layer.name} ({layer.kind}): {layer.formula:,} by its shape, {layer.macs:,} by its operators{ending}"
        )
    why = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    return Check("the sum over the layers, by their shapes", count.macs, found, known, why)


def by_torch(count: Count) -> Check:
    """Torch's FLOP counter, halved; operators that it has no rule for explain a difference."""
    total = sum(count.by_operator.values())
    found = sum(value for value in count.by_torch.values() if value is not None)
    missing = {name: count.by_operator[name] for name, value in count.by_torch.items() if value is None}
    wrong = {
        name: value - count.by_operator[name]
        for name, value in count.by_torch.items()
        if value is not None and value != count.by_operator[name]
    }
    why = "; ".join(
        [f"it has no rule for {name} ({macs:,})" for name, macs in missing.items()]
        + [f"it counts {difference:+,} for {name}" for name, difference in wrong.items()]
    )
    return Check("torch's FLOP counter, halved", total, found, bool(missing) and not wrong, why)


def by_fvcore(count: Count, network: nn.Module) -> Check:
    """fvcore's total over the operators that multiply and add, where it knows all that this network runs.

    fvcore needs values. Where those would take long, both counts are made for a smaller input, named there.
    """
    name, compared = "fvcore", count
    total = count.macs + count.constant_macs
    if count.unknown:
        return Check(name, total, None, True, "this count is not whole")
    try:
        for side in SIDES:
            if total > LONG:
                compared = counter.count(network, smaller(count.inputs, side))
                total = compared.macs + compared.constant_macs
                name = f"fvcore, at {compared.inputs}"
        if total > LONG:
            return Check("fvcore", count.macs + count.constant_macs, None, True, "a run with values would take long")
        by_operator, unsupported = _fvcore(compared, network)
    except Exception as error:  # fvcore rests on TorchScript's tracer, which not every network passes
        return Check(name, total, None, True, f"it does not run on this network ({first_line(error)})")
    unknown = sorted(one for one in unsupported if _hides_macs(one))
    if unknown:
        return Check(name, total, None, True, f"it has no rule for {', '.join(unknown)}")
    found = sum(value for one, value in by_operator.items() if one in FVCORE_NAMES)
    why = ""
    if found != total and "einsum" in by_operator:
        why = "it estimates einsum by a rule of its own"
    elif found < total and "matmul" in by_operator:
        why = "its rule for matmul leaves out what is broadcast"
    return Check(name, total, found, bool(why), why)


def smaller(inputs: Inputs, side: int) -> Inputs:
    """The same with every image (and volume) of more than ``side`` pixels a side cut to that."""

    def cut(value: Any) -> Any:
        if not isinstance(value, Shape) or len(value.sizes) < 4:
            return value
        return Shape((*value.sizes[:2], *(min(size, side) for size in value.sizes[2:])), value.dtype)

    return Inputs(*tree_map(cut, (inputs.positional, dict(inputs.keywords))))


def _hides_macs(operator: str) -> bool:
    """Whether an operator that fvcore leaves out may hold MACs: one with a rule here, or that calls such ones."""
    name = operator.removeprefix("aten::")
    recurrent = ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
    composite = {"scaled_dot_product_attention", "_native_multi_head_attention", "bilinear", "chain_matmul"}
    composite |= {"_convolution_mode", "tensordot", "inner", "cov"}
    python = operator.startswith(("prim::PythonOp", "prim::CallFunction"))  # a function that torch does not look into
    return name in RULES or name in recurrent or name in composite or "linalg" in name or python


class _Bound(nn.Module):
    """A network and its keywords, since fvcore passes arguments by position alone."""

    def __init__(self, network: nn.Module, keywords: Mapping[str, Any]) -> None:
        super().__init__()
        self.network = network
        self.keywords = keywords

    def forward(self, *positional: Any) -> Any:
        return self.network(*positional, **self.keywords)


def _fvcore(count: Count, network: nn.Module) -> tuple[dict[str, int], list[str]]:
    model = counter.initialised(network, count.inputs) if is_lazy(network) else copied(network, meta=False)
    device = next((value.device for value in model.parameters()), torch.device("cpu"))
    if device == META:  # a network that was built without values: any will do
        device = torch.device("cpu")
        model = model.to_empty(device=device)
    positional, keywords = count.inputs.made(model, device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fvcore rests on TorchScript, which is deprecated, and warns of much else
        from fvcore.nn import FlopCountAnalysis

        with torch.random.fork_rng(devices=[]), torch.device(device), torch.no_grad():
            analysis = FlopCountAnalysis(_Bound(model, keywords), positional)
            analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
            by_operator = {name: int(value) for name, value in analysis.by_operator().items()}
            return by_operator, list(analysis.unsupported_ops())
