"""Faster CPU kernels for training, with the gradients of the plain operators.

Two places where a training step of these networks on a CPU takes far longer than its arithmetic; each remedy is a
recipe option of its own:

- `fast_depthwise`: oneDNN has no fast kernel for the weight gradient of a depth-wise convolution larger than 3x3. Numba
  compiles one from a few loops (`replication.depthwise_gradient`).
- `keep_memory`: glibc returns large blocks to the system and fetches them again, page by page and zeroed, every step.

And one that is always on, `denormals_flushed`: the moments of a weight that gets no gradient (see
`replication.dead_filters`) shrink with every step, and end as numbers so small that processors take many times as long
for a product with them.
"""

import ctypes
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import conv2d

LARGEST_PLAIN_KERNEL = 3
"""oneDNN's weight gradient is fast for depth-wise kernels up to this size."""
MALLOC_TRIM_THRESHOLD, MALLOC_MMAP_THRESHOLD = -1, -3
"""Options of glibc's mallopt (malloc.h)."""
KEPT_BYTES = 1 << 30


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Meanwhile, numbers nearer to 0 than the least normal one, 1.2e-38 in float32, are 0 on a CPU, too.

    A thread has the setting of the one that started it: this comes before the first parallel work of a process.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def fast_depthwise(model: nn.Module) -> int:
    """Give depth-wise layers of ``model`` larger than 3x3 the compiled weight gradient, in place; returns how many.

    0 where Numba is missing: the layers stay as they are. Parameters, their names and the outputs do not change.
    """
    if find_spec("numba") is None:
        return 0
    slow = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if isinstance(layer, nn.Conv2d) and is_depthwise(layer) and layer.kernel_size[0] > LARGEST_PLAIN_KERNEL
    ]
    for parent, name, layer in slow:
        setattr(parent, name, FastDepthwise(layer))
    return len(slow)


def is_depthwise(layer: nn.Conv2d) -> bool:
    """Whether ``layer`` is a depth-wise convolution that keeps height and width: square odd kernel, stride 1, bias."""
    size = layer.kernel_size[0]
    return (
        size % 2 == 1
        and layer.groups == layer.in_channels == layer.out_channels
        and layer.kernel_size == (size, size)
        and layer.stride == layer.dilation == (1, 1)
        and layer.padding == (size // 2, size // 2)
        and layer.padding_mode == "zeros"
        and layer.bias is not None
    )


class FastDepthwise(nn.Module):
    """The depth-wise convolution ``layer``, whose parameters it takes over, with a compiled weight gradient."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight, self.bias
        assert bias is not None  # `is_depthwise` asks for one
        if torch.is_autocast_enabled(x.device.type):  # an autograd function is to see the types that it computes in
            kind = torch.get_autocast_dtype(x.device.type)
            x, weight, bias = x.to(kind), weight.to(kind), bias.to(kind)
        output: Tensor = _Depthwise.apply(x, weight, bias)  # type: ignore[no-untyped-call]
        return output


class _Depthwise(torch.autograd.Function):
    """Depth-wise convolution whose weight gradient is ours; its output and the input's gradient are PyTorch's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        grad = grads[0].contiguous(memory_format=torch.channels_last)
        channels, radius = len(weight), weight.shape[-1] // 2
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.ops.aten.convolution_backward(
                grad, x, weight, [channels], [1, 1], [radius, radius], [1, 1], False, [0, 0], channels,
                [True, False, False],
            )[0]  # fmt: skip
        return grad_x, _weight_gradient(x, grad, weight), grad.sum((0, 2, 3))


def _weight_gradient(x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    """Gradient of ``weight`` (C, 1, k, k), summed in single precision by as many threads as PyTorch has."""
    from replication.depthwise_gradient import accumulate  # needs Numba, compiles at the first call

    inputs, outputs = _rows(x), _rows(grad)
    sums = np.empty((*weight.shape[2:], len(weight)), np.float32)
    threads, rows = torch.get_num_threads(), range(len(sums))
    run = map if threads == 1 else _pool(threads).map
    list(run(lambda row: accumulate(inputs, outputs, sums, row), rows))
    return torch.from_numpy(sums).permute(2, 0, 1).unsqueeze(1).to(weight.dtype)


def _rows(x: Tensor) -> NDArray[np.float32]:
    """(B, C, H, W) as an array (B, H, W, C), contiguous float32."""
    array: NDArray[np.float32] = x.permute(0, 2, 3, 1).float().contiguous().numpy()
    return array


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="depthwise")


def keep_memory(keep: bool = True) -> bool:
    """Let the allocator of this process keep up to 1 GiB for reuse; False where it is not glibc's.

    ``keep`` False: as little as glibc keeps of itself in the end, 32 MiB a block and 64 MiB in all.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    block, total = (KEPT_BYTES, KEPT_BYTES) if keep else (1 << 25, 1 << 26)
    return all([mallopt(MALLOC_MMAP_THRESHOLD, block) == 1, mallopt(MALLOC_TRIM_THRESHOLD, total) == 1])
