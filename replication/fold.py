"""Folding linear layers into one convolution, exactly.

The tail of MSRN has no activation: upsampler and last convolution are one linear map. A convolution, a pixel shuffle by
r and a second convolution make a single convolution followed by a shuffle by r: the second kernel reaches at most
``ceil(radius / r)`` low-resolution pixels further than the first. The kernel of the whole is its impulse response, and
the impulse response of the first convolution is its own weight, so composing is running the second layer on it.
"""

from torch import Tensor
from torch.nn.functional import conv2d, pad, pixel_shuffle, pixel_unshuffle

from replication.models.msrn import MSRN


def compose(first: tuple[Tensor, Tensor], factor: int, second: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Kernel and bias of ``second ∘ shuffle(factor) ∘ first``, to be followed by ``shuffle(factor)``.

    ``first``: weight (M·factor², I, k, k) and bias; ``second``: weight (O, M, m, m) and bias, at the finer resolution;
    k and m odd, stride 1, zero padding. Returns weight (O·factor², I, K, K) and bias (O·factor²), differentiable in all
    four. Equal to the two layers wherever neither reaches over the border.
    """
    (weight, bias), (fine_weight, fine_bias) = first, second
    radius = fine_weight.shape[-1] // 2
    reach = -(-radius // factor)
    # One image per input channel: what an impulse there gives. Layers correlate, so the response is flipped.
    response = pad(weight.flip(-2, -1).transpose(0, 1), [reach] * 4)
    fine = conv2d(pixel_shuffle(response, factor), fine_weight, padding=radius)
    composed = pixel_unshuffle(fine, factor).transpose(0, 1).flip(-2, -1)
    # The bias: what a constant input gives in the middle of a region large enough for no border to be seen.
    constant = bias.view(1, -1, 1, 1).expand(1, -1, 2 * reach + 1, 2 * reach + 1)
    middle = slice(reach * factor, (reach + 1) * factor)
    fine_constant = conv2d(pixel_shuffle(constant, factor), fine_weight, fine_bias, padding=radius)
    return composed, pixel_unshuffle(fine_constant[:, :, middle, middle], factor).flatten()


def folded_upsampler(model: MSRN) -> tuple[Tensor, Tensor, list[int]]:
    """Upsampler and last convolution of ``model`` as one convolution: weight, bias, and the shuffle factors after it.

    At x4 the weight is (48, 64, 5, 5). Composed from the end, which keeps the intermediate kernels small. Gradients
    flow to the layers' own parameters.
    """
    upsampler, last = model.tail[2], model.tail[3]
    kernel = (last.weight, last.bias)
    factors = []
    for index in reversed(range(0, len(upsampler), 2)):
        factor = upsampler[index + 1].upscale_factor
        kernel = compose((upsampler[index].weight, upsampler[index].bias), factor, kernel)
        factors.append(factor)
    return (*kernel, factors)


def forward_folded(model: MSRN, x: Tensor) -> Tensor:
    """`MSRN.forward` with the folded upsampler: the same away from the border, cheaper.

    (B, 3, H, W) -> (B, 3, scale·H, scale·W). Zero padding of the intermediate layers is not reproduced, so the
    outermost pixels differ (three of them at x4).
    """
    weight, bias, factors = folded_upsampler(model)
    x = model.tail[1](model.tail[0](model.features(x)))
    x = conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
    for factor in factors:
        x = pixel_shuffle(x, factor)
    return x + model.mean
