"""The weight gradient of a depth-wise convolution, compiled by Numba. Importing this module needs Numba."""

import numba
import numpy as np
from numpy.typing import NDArray


# Without Numba's own threads: they would share OpenMP's settings with PyTorch and change its number of threads.
@numba.njit(nogil=True, fastmath=True, cache=True)
def accumulate(x: NDArray[np.float32], grad: NDArray[np.float32], out: NDArray[np.float32], dy: int) -> None:
    """Fill row ``dy`` of the weight gradient ``out`` (k, k, C), for stride 1 and zero padding that keeps the size.

    ``x`` is the layer's input and ``grad`` the gradient of its output, both (B, H, W, C) and contiguous. A row is
    always summed up in the same order, so the result does not depend on the number of threads that share the rows.
    """
    batch, height, width, channels = x.shape
    size = out.shape[0]
    radius = size // 2
    total = np.zeros((size, channels), np.float32)
    for image in range(batch):
        for row in range(max(0, radius - dy), min(height, height + radius - dy)):
            for dx in range(size):
                sums = total[dx]
                for column in range(max(0, radius - dx), min(width, width + radius - dx)):
                    inputs = x[image, row + dy - radius, column + dx - radius]
                    outputs = grad[image, row, column]
                    for channel in range(channels):  # contiguous: this loop becomes vector instructions
                        sums[channel] += inputs[channel] * outputs[channel]
    out[dy] = total
