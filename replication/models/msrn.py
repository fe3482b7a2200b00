"""MSRN and SMSRN: one network, two convolutions (paper Fig. 3).

MSRN follows the RGB model of its authors' public code (Li et al., ECCV 2018), which is the one with the paper's
6,078,019 parameters. SMSRN is the same network with separable convolutions in the head and in the four k x k layers
of every block; the tail stays standard. Parameters keep the names of the public code, so its checkpoints fit.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from replication.models.layers import Convolution, standard_conv, upsampler

SCALES = (2, 3, 4, 8)
DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean of DIV2K's R, G and B in 0..1, as in the public MSRN code. A constant, not a parameter."""


class MultiScaleBlock(nn.Module):
    """Multi-scale residual block (paper 3.1 and Fig. 3b): 3x3 and 5x5 side by side, twice, then 1x1 and a skip.

    (B, width, H, W) -> (B, width, H, W).
    """

    def __init__(self, conv: Convolution, width: int) -> None:
        super().__init__()
        self.conv_3_1 = conv(width, width, 3)
        self.conv_5_1 = conv(width, width, 5)
        self.conv_3_2 = conv(2 * width, 2 * width, 3)
        self.conv_5_2 = conv(2 * width, 2 * width, 5)
        self.confusion = nn.Conv2d(4 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = torch.cat([relu(self.conv_3_1(x)), relu(self.conv_5_1(x))], 1)  # 2·width channels
        second = torch.cat([relu(self.conv_3_2(first)), relu(self.conv_5_2(first))], 1)  # 4·width channels
        output: Tensor = x + self.confusion(second)
        return output


class MSRN(nn.Module):
    """Multi-Scale Residual Network with the given convolution in its head and blocks.

    Input (B, 3, H, W), float RGB in 0..1, any H and W of at least 1; output (B, 3, scale·H, scale·W), RGB around 0..1
    and not clipped.
    """

    mean: Tensor

    def __init__(self, conv: Convolution, *, scale: int, width: int = 64, blocks: int = 8) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Sequential(conv(3, width, 3))
        self.body = nn.Sequential(*(MultiScaleBlock(conv, width) for _ in range(blocks)))
        self.tail = nn.Sequential(
            nn.Conv2d((blocks + 1) * width, width, 1),
            standard_conv(width, width, 3),
            upsampler(width, scale),
            standard_conv(width, 3, 3),
        )
        self.register_buffer("mean", torch.tensor(DIV2K_MEAN).view(1, 3, 1, 1), persistent=False)

    def features(self, x: Tensor) -> Tensor:
        """Everything before the tail: (B, 3, H, W) -> (B, (blocks + 1)·width, H, W), blocks in order, head last."""
        head = self.head(x - self.mean)
        outputs = [head]
        for block in self.body:
            outputs.append(block(outputs[-1]))
        return torch.cat([*outputs[1:], head], 1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.tail(self.features(x)) + self.mean
        return output
