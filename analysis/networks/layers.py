"""Layers whose multiply-adds follow from their shape, by formula: the other side of a check."""

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from replication.lighten import overrides

LAYERS: tuple[type[nn.Module], ...] = (
    _ConvNd,
    nn.Linear,
    nn.Bilinear,
    nn.RNNBase,
    nn.RNNCellBase,
    nn.MultiheadAttention,
    torch.jit.ScriptModule,
)
"""Modules that are one line of the table, with all that happens inside them."""


def kind_of(module: nn.Module) -> str:
    """The name of the module's class, without what parametrizations put before it."""
    if isinstance(module, torch.jit.ScriptModule):
        return f"scripted {module.original_name}"
    return type(module).__name__.removeprefix("Parametrized")


def own_forward(module: nn.Module) -> bool:
    """Whether the module has a forward pass of its own instead of that of torch's layer, or its forward is replaced."""
    base = next((one for one in type(module).__mro__ if one.__module__.startswith("torch.nn.modules.")), None)
    return base is None or overrides(module, base)


def formula(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> int | None:
    """MACs of one call of a layer by its shape, from nothing that its operators say; None where there is no formula."""
    if not isinstance(module, LAYERS) or isinstance(module, torch.jit.ScriptModule) or own_forward(module):
        return None
    given = args[0] if args else kwargs.get("input", kwargs.get("query"))
    if isinstance(module, _ConvNd):
        image = given if isinstance(module, _ConvTransposeNd) else output
        channels = module.in_channels if isinstance(module, _ConvTransposeNd) else module.out_channels
        real = 3 if image.is_complex() else 1  # torch makes three real convolutions of a complex one
        return (
            real
            * prod(module.kernel_size)
            * module.in_channels
            * module.out_channels
            // module.groups
            * (int(image.numel()) // channels)
        )
    if isinstance(module, nn.Linear):
        return module.in_features * int(output.numel())
    if isinstance(module, nn.Bilinear):
        return module.in1_features * module.in2_features * int(output.numel())
    if isinstance(module, nn.RNNBase):
        steps = given.data.shape[0] if isinstance(given, nn.utils.rnn.PackedSequence) else prod(given.shape[:-1])
        return int(steps) * _recurrent_weights(module)
    if isinstance(module, nn.RNNCellBase):
        gates = module.weight_hh.shape[0]
        return (module.input_size + module.hidden_size) * gates * (int(given.numel()) // module.input_size)
    return _multihead(module, args, kwargs)


def has_bias_formula(module: nn.Module) -> bool:
    """Whether `biased_values` tells what the module's biases are added to; else only its operators can.

    By operators it would depend on the memory layout: torch adds a bias inside of the product, or apart.
    """
    if isinstance(module, nn.MultiheadAttention):
        return module.bias_k is None and not module.add_zero_attn and not own_forward(module)
    return isinstance(module, _ConvNd | nn.Linear | nn.Bilinear) and not own_forward(module)


def biased_values(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> int:
    """To how many values a layer adds its biases in one call; for a layer of `has_bias_formula`."""
    if isinstance(module, nn.MultiheadAttention):
        length, sources = _tokens(module, args, kwargs)
        return 0 if module.in_proj_bias is None else 2 * int(module.embed_dim) * (length + sources)
    return 0 if module.bias is None else int(output.numel())


def _recurrent_weights(module: nn.RNNBase) -> int:
    gates = {"LSTM": 4, "GRU": 3}.get(module.mode, 1) * module.hidden_size
    state = module.proj_size or module.hidden_size
    directions = 2 if module.bidirectional else 1
    total = 0
    for layer in range(module.num_layers):
        inputs = module.input_size if layer == 0 else state * directions
        total += directions * (gates * (inputs + state) + module.proj_size * module.hidden_size)
    return total


def _tokens(module: nn.MultiheadAttention, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, int]:
    """How many queries and keys there are in all samples together."""
    query, key = (*args, *(kwargs[name] for name in ("query", "key", "value")[len(args) :]))[:2]
    return int(query.numel()) // module.embed_dim, int(key.numel()) // module.kdim


def _multihead(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | None:
    if not isinstance(module, nn.MultiheadAttention) or module.bias_k is not None or module.add_zero_attn:
        return None
    query, width = args[0] if args else kwargs["query"], module.embed_dim
    length, sources = _tokens(module, args, kwargs)
    batch = int(query.shape[0 if module.batch_first else 1]) if query.dim() == 3 else 1
    projections = length * 2 * width * width + sources * width * (module.kdim + module.vdim)
    return int(projections + 2 * length * (sources // batch) * width)
