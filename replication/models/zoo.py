"""Other published networks for x4 super-resolution: those that Figure 1 compares with.

Each is written from its paper (named with it) for its structure: layers, channels, connections, learned values. No
weights of theirs are shipped; `replication.models.official` loads those of CARN-M, IMDN and PAN. All take and return
float images in 0..1, (B, C, H, W), where C is 1 (BT.601 luma) or 3 (RGB). Those that work on an image that bicubic
interpolation has enlarged first keep its size; the others return (B, C, scale·H, scale·W).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, relu

from replication.models.layers import Convolution, upsampler
from replication.models.layers import standard_conv as conv
from replication.models.msrn import DIV2K_MEAN


class Residual(nn.Sequential):
    """Layers and a skip around them: x + factor · layers(x)."""

    def __init__(self, *layers: nn.Module, factor: float = 1.0) -> None:
        super().__init__(*layers)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        output = x
        for layer in self:
            output = layer(output)
        return x + self.factor * output


class Centred(nn.Sequential):
    """Layers on an RGB image less DIV2K's mean colour, which is a constant and is added again at the end."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.new_tensor(DIV2K_MEAN).view(1, 3, 1, 1)
        output = x - mean
        for layer in self:
            output = layer(output)
        return output + mean


class ChannelAttention(nn.Module):
    """Scale every channel by a gate in 0..1 computed from its mean (RCAN), or its mean plus its deviation (IMDN)."""

    def __init__(self, width: int, *, reduction: int = 16, contrast: bool = False) -> None:
        super().__init__()
        self.contrast = contrast
        self.gate = nn.Sequential(
            conv(width, width // reduction, 1), nn.ReLU(), conv(width // reduction, width, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        statistic = x.mean((2, 3), keepdim=True)
        if self.contrast:
            statistic = statistic + x.std((2, 3), correction=0, keepdim=True)
        gate: Tensor = self.gate(statistic)
        return x * gate


def srcnn() -> nn.Module:
    """SRCNN 9-5-5 (Dong et al., ECCV 2014 and TPAMI 2016): three layers on the enlarged luma."""
    return nn.Sequential(conv(1, 64, 9), nn.ReLU(), conv(64, 32, 5), nn.ReLU(), conv(32, 1, 5))


def fsrcnn(*, scale: int = 4) -> nn.Module:
    """FSRCNN (Dong et al., ECCV 2016), d = 56, s = 12, m = 4: shrink, map, expand, and a 9x9 transposed convolution."""
    mapping = [layer for _ in range(4) for layer in (conv(12, 12, 3), nn.PReLU(12))]
    return nn.Sequential(
        *(conv(1, 56, 5), nn.PReLU(56)),
        *(conv(56, 12, 1), nn.PReLU(12)),
        *mapping,
        *(conv(12, 56, 1), nn.PReLU(56)),
        nn.ConvTranspose2d(56, 1, 9, stride=scale, padding=4, output_padding=scale - 1),
    )


def espcn(*, scale: int = 4) -> nn.Module:
    """ESPCN (Shi et al., CVPR 2016): three layers at low resolution, then the first pixel shuffle. Luma."""
    layers = [conv(1, 64, 5), nn.Tanh(), conv(64, 32, 3), nn.Tanh(), conv(32, scale**2, 3)]
    return nn.Sequential(*layers, nn.PixelShuffle(scale))


def vdsr() -> nn.Module:
    """VDSR (Kim et al., CVPR 2016): twenty 3x3 layers that learn what bicubic interpolation lacks. Luma."""
    inner = [layer for _ in range(18) for layer in (conv(64, 64, 3), nn.ReLU())]
    return Residual(conv(1, 64, 3), nn.ReLU(), *inner, conv(64, 1, 3))


class DRCN(nn.Module):
    """DRCN (Kim et al., CVPR 2016): one 3x3 layer applied 16 times, and one reconstruction applied to each result.

    The output is the weighted mean of the 16 predictions; the weights are learned. On the enlarged luma.
    """

    def __init__(self, *, width: int = 256, recursions: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Sequential(conv(1, width, 3), nn.ReLU(), conv(width, width, 3), nn.ReLU())
        self.inference = nn.Sequential(conv(width, width, 3), nn.ReLU())
        self.reconstruction = nn.Sequential(conv(width, width, 3), nn.ReLU(), conv(width, 1, 3))
        self.mixture = nn.Parameter(torch.full((recursions,), 1 / recursions))

    def forward(self, x: Tensor) -> Tensor:
        state = self.embedding(x)
        output = torch.zeros_like(x)
        for share in self.mixture / self.mixture.sum():
            state = self.inference(state)
            output = output + share * (x + self.reconstruction(state))
        return output


class DRRN(nn.Module):
    """DRRN B1U25 (Tai et al., CVPR 2017): one residual unit of two 3x3 layers applied 25 times, on the enlarged luma.

    The authors' code normalises by batch before each ReLU; published counts leave that out, and so does this network.
    """

    def __init__(self, *, width: int = 128, units: int = 25) -> None:
        super().__init__()
        self.units = units
        self.first = conv(1, width, 3)
        self.unit = nn.Sequential(nn.ReLU(), conv(width, width, 3), nn.ReLU(), conv(width, width, 3))
        self.last = conv(width, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        first = state = self.first(x)
        for _ in range(self.units):
            state = first + self.unit(state)
        output: Tensor = x + self.last(relu(state))
        return output


class MemoryBlock(nn.Module):
    """Memory block of MemNet: one residual unit applied ``recursions`` times, and a 1x1 gate over all it ever saw."""

    def __init__(self, width: int, recursions: int, memories: int) -> None:
        super().__init__()
        self.recursions = recursions
        self.unit = Residual(nn.ReLU(), conv(width, width, 3), nn.ReLU(), conv(width, width, 3))
        self.gate = conv((recursions + memories) * width, width, 1)

    def forward(self, memories: Sequence[Tensor]) -> Tensor:
        states = [memories[-1]]
        for _ in range(self.recursions):
            states.append(self.unit(states[-1]))
        output: Tensor = self.gate(relu(torch.cat([*states[1:], *memories], 1)))
        return output


class MemNet(nn.Module):
    """MemNet M6R6 (Tai et al., ICCV 2017): six memory blocks, each with a unit applied six times. Enlarged luma.

    Weights are shared within a block, as its paper's 677K parameters require; batch normalisation is left out as in
    `DRRN`.
    """

    def __init__(self, *, width: int = 64, blocks: int = 6, recursions: int = 6) -> None:
        super().__init__()
        self.first = conv(1, width, 3)
        self.blocks = nn.ModuleList(MemoryBlock(width, recursions, index + 1) for index in range(blocks))
        self.last = conv(width, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        memories = [self.first(x)]
        for block in self.blocks:
            memories.append(block(memories))
        output: Tensor = x + self.last(relu(memories[-1]))
        return output


def srresnet(*, scale: int = 4) -> nn.Module:
    """SRResNet (Ledig et al., CVPR 2017): sixteen blocks with batch normalisation and PReLU, 9x9 at both ends. RGB."""

    def block() -> nn.Module:
        return Residual(conv(64, 64, 3), nn.BatchNorm2d(64), nn.PReLU(), conv(64, 64, 3), nn.BatchNorm2d(64))

    up = list(upsampler(64, scale))
    with_activation = [layer for pair in zip(up[::2], up[1::2], strict=True) for layer in (*pair, nn.PReLU())]
    return nn.Sequential(
        *(conv(3, 64, 9), nn.PReLU()),
        Residual(*(block() for _ in range(16)), conv(64, 64, 3), nn.BatchNorm2d(64)),
        *with_activation,
        conv(64, 3, 9),
    )


def edsr(
    *, scale: int = 4, width: int = 256, blocks: int = 32, factor: float = 0.1, conv: Convolution = conv
) -> nn.Module:
    """EDSR (Lim et al., CVPRW 2017): residual blocks of two 3x3 layers, scaled by ``factor``, no normalisation. RGB."""
    body = (Residual(conv(width, width, 3), nn.ReLU(), conv(width, width, 3), factor=factor) for _ in range(blocks))
    return Centred(
        conv(3, width, 3), Residual(*body, conv(width, width, 3)), upsampler(width, scale, conv), conv(width, 3, 3)
    )


def edsr_baseline(*, scale: int = 4, conv: Convolution = conv) -> nn.Module:
    """EDSR-baseline (Lim et al., CVPRW 2017): EDSR with 64 channels and 16 blocks."""
    return edsr(scale=scale, width=64, blocks=16, factor=1.0, conv=conv)


class DenseBlock(nn.Module):
    """Residual dense block of RDN: each layer reads everything before it, a 1x1 fuses, and a skip."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(conv((index + 1) * width, width, 3) for index in range(layers))
        self.fuse = conv((layers + 1) * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for layer in self.layers:
            seen = torch.cat([seen, relu(layer(seen))], 1)
        output: Tensor = x + self.fuse(seen)
        return output


class RDN(nn.Module):
    """RDN (Zhang et al., CVPR 2018), D = 16, C = 8, G = 64: residual dense blocks, all of them fused. RGB."""

    def __init__(self, *, scale: int = 4, width: int = 64, blocks: int = 16, layers: int = 8) -> None:
        super().__init__()
        self.head = nn.ModuleList([conv(3, width, 3), conv(width, width, 3)])
        self.blocks = nn.ModuleList(DenseBlock(width, layers) for _ in range(blocks))
        self.fuse = nn.Sequential(conv(blocks * width, width, 1), conv(width, width, 3))
        self.tail = nn.Sequential(upsampler(width, scale), conv(width, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        first = self.head[0](x)
        outputs = [self.head[1](first)]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        output: Tensor = self.tail(first + self.fuse(torch.cat(outputs[1:], 1)))
        return output


def rcan(*, scale: int = 4, width: int = 64, groups: int = 10, blocks: int = 20) -> nn.Module:
    """RCAN (Zhang et al., ECCV 2018): ten groups of twenty blocks with channel attention, skips at every level. RGB."""

    def block() -> nn.Module:
        return Residual(conv(width, width, 3), nn.ReLU(), conv(width, width, 3), ChannelAttention(width))

    def group() -> nn.Module:
        return Residual(*(block() for _ in range(blocks)), conv(width, width, 3))

    body = Residual(*(group() for _ in range(groups)), conv(width, width, 3))
    return Centred(conv(3, width, 3), body, upsampler(width, scale), conv(width, 3, 3))


class Cascade(nn.Module):
    """Cascading connection of CARN: after each part, a 1x1 fuses the input and all parts' outputs so far."""

    def __init__(self, width: int, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.fuse = nn.ModuleList(conv((index + 2) * width, width, 1) for index in range(len(parts)))

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for part, fuse in zip(self.parts, self.fuse, strict=True):
            seen = torch.cat([seen, part(x)], 1)
            x = relu(fuse(seen))
        return x


class CARN(nn.Module):
    """CARN (Ahn et al., ECCV 2018): three cascading blocks of three residual blocks each, cascaded themselves. RGB.

    The published network is trained for three scales at once and has an upsampler for each in ``scales``; only that of
    ``scale`` runs. ``scales=(4,)`` is the path of x4 alone. ``residuals`` makes the three residual blocks of a
    cascading block (the same one three times shares its weights). ``upsampling``: their convolution.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        scales: Sequence[int] = (2, 3, 4),
        width: int = 64,
        residuals: Callable[[int], Sequence[nn.Module]] | None = None,
        upsampling: Convolution = conv,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.head = conv(3, width, 3)
        residuals = residuals or carn_residuals
        self.body = Cascade(width, [Cascade(width, residuals(width)) for _ in range(3)])
        self.upsamplers = nn.ModuleDict({str(one): upsampler(width, one, upsampling) for one in scales})
        self.last = conv(width, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.new_tensor(DIV2K_MEAN).view(1, 3, 1, 1)
        features = self.body(self.head(x - mean))
        for layer in self.upsamplers[str(self.scale)].children():
            features = relu(layer(features))  # after the shuffle ReLU changes nothing: it moves values
        output: Tensor = self.last(features) + mean
        return output


def carn_residuals(width: int) -> list[nn.Module]:
    """The three residual blocks of a cascading block of CARN: two 3x3 layers and a skip each."""

    def residual() -> nn.Module:
        return nn.Sequential(Residual(conv(width, width, 3), nn.ReLU(), conv(width, width, 3)), nn.ReLU())

    return [residual() for _ in range(3)]


def carn_m(*, scale: int = 4) -> nn.Module:
    """CARN-M (Ahn et al., ECCV 2018): CARN with 3x3 layers in four groups, a 1x1 after them, and one residual block
    used three times in each cascading block. RGB."""

    def grouped(in_channels: int, out_channels: int, kernel_size: int) -> nn.Module:
        return nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, groups=4)

    def residuals(width: int) -> list[nn.Module]:
        layers = [grouped(width, width, 3), nn.ReLU(), grouped(width, width, 3), nn.ReLU(), conv(width, width, 1)]
        return [nn.Sequential(Residual(*layers), nn.ReLU())] * 3

    return CARN(scale=scale, residuals=residuals, upsampling=grouped)


class DistillationBlock(nn.Module):
    """Information multi-distillation block of IMDN: each layer keeps a quarter of its channels and passes the rest."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kept, self.passed = width // 4, width - width // 4
        inputs, outputs = (width, *[self.passed] * 3), (*[width] * 3, self.kept)
        self.layers = nn.ModuleList(conv(*pair, 3) for pair in zip(inputs, outputs, strict=True))
        self.attention = ChannelAttention(width, contrast=True)
        self.fuse = conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        distilled, rest = [], x
        for layer in self.layers[:3]:
            kept, rest = torch.split(leaky_relu(layer(rest), 0.05), [self.kept, self.passed], dim=1)
            distilled.append(kept)
        distilled.append(self.layers[3](rest))
        output: Tensor = x + self.fuse(self.attention(torch.cat(distilled, 1)))
        return output


class IMDN(nn.Module):
    """IMDN (Hui et al., ACM MM 2019): six distillation blocks, all of them fused, one pixel shuffle. RGB."""

    def __init__(self, *, scale: int = 4, width: int = 64, blocks: int = 6) -> None:
        super().__init__()
        self.head = conv(3, width, 3)
        self.blocks = nn.ModuleList(DistillationBlock(width) for _ in range(blocks))
        self.fuse = nn.Sequential(conv(blocks * width, width, 1), nn.LeakyReLU(0.05), conv(width, width, 3))
        self.tail = nn.Sequential(conv(width, 3 * scale**2, 3), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        outputs = [self.head(x)]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        output: Tensor = self.tail(outputs[0] + self.fuse(torch.cat(outputs[1:], 1)))
        return output


class PixelAttention(nn.Module):
    """Scale every value by a gate in 0..1 that a 1x1 layer computes from the channels at its pixel (PAN)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = torch.sigmoid(self.gate(x))
        return x * gate


class SelfCalibratedBlock(nn.Module):
    """Self-calibrated block with pixel attention of PAN: two halves, one gated from within, joined, and a skip.

    No layer has a bias but the gate's.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2

        def plain(in_channels: int, out_channels: int, kernel: int) -> nn.Module:
            return nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)

        self.enter = nn.ModuleList([plain(width, half, 1), plain(width, half, 1)])
        self.upper = plain(half, half, 3)
        self.gate = conv(half, half, 1)
        self.lower = nn.ModuleList([plain(half, half, 3), plain(half, half, 3)])
        self.join = plain(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        upper, lower = (leaky_relu(layer(x), 0.2) for layer in self.enter)
        upper = self.upper(upper)
        lower = self.lower[1](self.lower[0](lower) * torch.sigmoid(self.gate(lower)))
        output: Tensor = x + self.join(leaky_relu(torch.cat([upper, lower], 1), 0.2))
        return output


class PAN(nn.Module):
    """PAN (Zhao et al., ECCVW 2020): sixteen self-calibrated blocks; then twice nearest-neighbour enlargement and pixel
    attention; what is learned is what bilinear interpolation lacks. RGB, x4."""

    def __init__(self, *, width: int = 40, tail: int = 24, blocks: int = 16) -> None:
        super().__init__()
        self.head = conv(3, width, 3)
        self.body = nn.Sequential(*(SelfCalibratedBlock(width) for _ in range(blocks)), conv(width, width, 3))
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2, mode="nearest"),
                *(conv(channels, tail, 3), PixelAttention(tail), nn.LeakyReLU(0.2)),
                *(conv(tail, tail, 3), nn.LeakyReLU(0.2)),
            )
            for channels in (width, tail)
        )
        self.last = conv(tail, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(x)
        features = features + self.body(features)
        for stage in self.stages:
            features = stage(features)
        output: Tensor = self.last(features) + interpolate(x, scale_factor=4.0, mode="bilinear", align_corners=False)
        return output


@dataclass(frozen=True)
class Network:
    """How to build a published x4 network with fresh weights, and what it takes as input.

    ``channels``: 1 for luma, 3 for RGB. ``enlarged``: the input has been enlarged by bicubic interpolation to the
    size of the output.
    """

    factory: Callable[[], nn.Module]
    channels: int
    enlarged: bool = False

    def input_shape(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Shape (1, channels, h, w) of the input from which this network makes ``height`` x ``width`` pixels."""
        factor = 1 if self.enlarged else 4
        return 1, self.channels, height // factor, width // factor


NETWORKS = {
    "SRCNN": Network(srcnn, 1, enlarged=True),
    "FSRCNN": Network(fsrcnn, 1),
    "ESPCN": Network(espcn, 1),
    "VDSR": Network(vdsr, 1, enlarged=True),
    "DRCN": Network(DRCN, 1, enlarged=True),
    "DRRN": Network(DRRN, 1, enlarged=True),
    "MemNet": Network(MemNet, 1, enlarged=True),
    "SRResNet": Network(srresnet, 3),
    "EDSR-baseline": Network(edsr_baseline, 3),
    "EDSR": Network(edsr, 3),
    "RDN": Network(RDN, 3),
    "RCAN": Network(rcan, 3),
    "CARN": Network(CARN, 3),
    "CARN-M": Network(carn_m, 3),
    "IMDN": Network(IMDN, 3),
    "PAN": Network(PAN, 3),
}
"""The published networks at x4, under the names that analysis/paper/sota_x4.csv gives them."""
