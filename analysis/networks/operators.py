"""What each operator of a run costs: multiply-adds by the shapes of its arguments, 0 by agreement, or not known.

One rule for each operator of torch that multiplies and adds. Everything else is either on the list of what is 0 MACs by
agreement (`FREE`, and whatever torch itself tags as element by element, a reduction or a view), or it is not known, and
is then named: no operator is left out in silence.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

Arguments = Sequence[Any]
Rule = Callable[[Arguments, Any], int]
"""``(arguments, output) -> MACs`` of one call."""


def _convolution(args: Arguments, output: Any) -> int:
    image, weight, transposed = args[0], args[1], args[6]
    places = image if transposed else output  # a kernel is applied at each input pixel, or makes each output pixel
    return int(weight.numel() * places.numel() // places.shape[1]) if places.numel() else 0


def _product(args: Arguments, output: Any) -> int:
    """(..., n, k) x (..., k, m): k for each output value."""
    return int(output.numel() * args[0].shape[-1])


def _added_product(args: Arguments, output: Any) -> int:
    return int(output.numel() * args[1].shape[-1])


def _summed_products(args: Arguments, output: Any) -> int:
    """addbmm: the products of a batch, summed."""
    return int(output.numel() * args[1].shape[0] * args[1].shape[-1])


def _trilinear(args: Arguments, output: Any) -> int:
    """Bilinear layers: one for each weight and sample, the product of two inputs being formed once."""
    shapes = []
    for tensor, expanded in zip(args[:3], args[3:6], strict=True):
        shape = list(tensor.shape)
        for place in sorted(expanded):
            shape.insert(place, 1)
        shapes.append(shape)
    return prod(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]


def _attention(args: Arguments, output: Any) -> int:
    """Query by key, then weights by value: (B, heads, L, E), (B, heads, S, E), (B, heads, S, V)."""
    query, key, value = args[:3]
    return int(prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1]))


RULES: Mapping[str, Rule] = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "convolution_overrideable": _convolution,
    "mm": _product,
    "bmm": _product,
    "_int_mm": _product,
    "_scaled_mm": _product,
    "linear": _product,
    "mv": _product,
    "dot": lambda args, output: int(args[0].numel()),
    "vdot": lambda args, output: int(args[0].numel()),
    "addmm": _added_product,
    "baddbmm": _added_product,
    "addmv": _added_product,
    "addbmm": _summed_products,
    "_trilinear": _trilinear,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
}
"""Operators with multiply-adds, by their name in torch's ``aten`` (in place, the same with ``_`` behind)."""

_FREE = """
_pack_padded_sequence _pad_enum _pad_packed_sequence _reshape_alias _reshape_copy _to_copy _unsafe_index
_unsafe_masked_index _unsafe_view alias affine_grid_generator arange bernoulli block_diag bucketize cat cauchy
channel_shuffle clone col2im constant_pad_nd contiguous copy copy_ diag_embed dropout embedding
embedding_renorm empty empty_like empty_permuted empty_strided expand_copy exponential eye fill flip full full_like
gather geometric log_normal multinomial poisson randint_like _fused_dropout _standard_gamma alpha_dropout
im2col index index_add index_copy index_fill index_put index_select lift lift_fresh lift_fresh_copy linspace
masked_fill masked_scatter masked_select meshgrid native_channel_shuffle native_dropout new_empty
new_empty_strided new_full new_ones new_zeros nonzero normal one_hot ones ones_like pad pixel_shuffle
pixel_unshuffle rand rand_like randint randn randn_like randperm reflection_pad1d reflection_pad2d
reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d resize resize_
roll rot90 scalar_tensor scatter scatter_add scatter_reduce select_scatter set_ slice_scatter split_with_sizes
stack take tril tril_indices triu triu_indices unfold_copy unique_dim _unique2 uniform unsafe_chunk
unsafe_split unsafe_split_with_sizes where zero zeros zeros_like _local_scalar_dense item is_nonzero equal
_assert_async _assert_scalar _assert_tensor_metadata sym_size sym_stride sym_numel sym_storage_offset

_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d adaptive_max_pool2d adaptive_max_pool3d avg_pool1d
avg_pool2d avg_pool3d fractional_max_pool2d fractional_max_pool3d grid_sampler_2d grid_sampler_3d
max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d _upsample_bicubic2d_aa
_upsample_bilinear2d_aa _upsample_lanczos2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d
_upsample_nearest_exact3d upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d
upsample_nearest2d upsample_nearest3d upsample_trilinear3d

_fused_rms_norm _log_softmax _native_batch_norm_legit _native_batch_norm_legit_no_training
_prelu_kernel _safe_softmax _softmax _weight_norm_interface _weight_norm all amax amin aminmax any argmax argmin
argsort bincount count_nonzero cummax cummin cumprod cumsum glu histc kthvalue linalg_vector_norm log_sigmoid
log_sigmoid_forward logcumsumexp logsumexp max mean median min mode native_batch_norm native_group_norm
native_layer_norm norm nanmedian prod relu renorm rrelu_with_noise rrelu_with_noise_functional softmax sort std std_mean
sum _thnn_fused_gru_cell _thnn_fused_lstm_cell topk var var_mean
"""
FREE = frozenset(_FREE.split())
"""Operators that are 0 MACs by agreement, in addition to those that torch tags as such.

In this order: what moves, chooses or makes values; pooling, interpolation and sampling; normalisation, activation and
reduction.
"""

CHOOSING = frozenset({"embedding", "gather", "index", "index_select", "take"})
"""Operators that read no more of their first argument than they put out."""

_FREE_TAGS = frozenset(tag for name in ("pointwise", "reduction") if (tag := getattr(torch.Tag, name, None)))


def name_of(operator: Any) -> str:
    """The operator's name without its variant, ``conv2d`` of ``aten::conv2d.padding``; with the library if not aten."""
    library, _, name = operator._schema.name.partition("::")
    return name if library in ("aten", "prims", "prim") else f"{library}::{name}"


def is_view(operator: Any) -> bool:
    """Whether the operator only looks at its argument's memory in another way: it moves and computes nothing."""
    return bool(operator.is_view) or name_of(operator) in ("_unsafe_view", "_reshape_alias", "detach", "lift_fresh")


def rule_of(operator: Any) -> Rule | None:
    """How the operator's multiply-adds are counted; None where it has none, or none that are known."""
    name = name_of(operator)
    return RULES.get(name) or (RULES.get(name.rstrip("_")) if name.endswith("_") else None)


def is_free(operator: Any) -> bool:
    """Whether the operator is known to be 0 MACs by agreement; those of the profiler compute nothing."""
    name = name_of(operator)
    return (
        operator.namespace == "profiler"
        or not {name, name.rstrip("_")}.isdisjoint(FREE)
        or is_view(operator)
        or not _FREE_TAGS.isdisjoint(set(operator.tags))
    )


def macs_by_torch(operator: Any, args: Arguments, kwargs: Mapping[str, Any], output: Any) -> int | None:
    """What torch's own FLOP counter says of the call, halved, since it counts 2; None where it has no rule."""
    rule = flop_registry.get(operator.overloadpacket)
    return None if rule is None else int(rule(*args, **kwargs, out_val=output)) // 2


def bias_additions(operator: Any, args: Arguments, output: Any) -> int:
    """Additions of a bias in the call: one for each output value where there is a bias."""
    name = name_of(operator).rstrip("_")
    if name in ("convolution", "_convolution", "convolution_overrideable", "linear"):
        return int(output.numel()) if len(args) > 2 and isinstance(args[2], Tensor) else 0
    if name in ("addmm", "addmv"):
        return int(output.numel()) if args[0].dim() == 1 else 0
    return 0
