"""Validation: the mean luma PSNR on crops of images that are not trained on.

It ranks networks while they train and is no benchmark: single precision, small crops.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from replication.errors import UserError
from replication.images.io import read_image
from replication.images.metrics import psnr, table_protocols
from replication.images.resize import imresize

IMAGES = 10
"""Images of a --validation folder that are used."""
CROP = 144
"""Largest side of a crop in HR pixels."""

Crop = NDArray[np.uint8]


def crops(path: Path, scale: int) -> list[Crop]:
    """The middles of an image's four quarters: (H, W, 3) uint8, sides a multiple of ``scale`` and at most `CROP`.

    Raises UserError when the image is too small or cannot be read.
    """
    image = read_image(path)
    image = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
    half = [length // 2 for length in image.shape[:2]]
    height, width = (min(length, CROP) // scale * scale for length in half)
    if min(height, width) < 8 + 2 * scale:
        raise UserError(f"validation image {path}: {image.shape[0]}x{image.shape[1]} pixels is too small")
    top, left = (half[0] - height) // 2, (half[1] - width) // 2
    corners = [(top + y, left + x) for y in (0, half[0]) for x in (0, half[1])]
    return [np.ascontiguousarray(image[y : y + height, x : x + width]) for y, x in corners]


def low(original: Crop, scale: int) -> Tensor:
    """The input for ``original``: (1, 3, H / scale, W / scale) in 0..1."""
    return torch.from_numpy(imresize(original, 1 / scale)).permute(2, 0, 1)[None].float() / 255


@torch.no_grad()
def validate(model: nn.Module, scale: int, originals: Sequence[Crop]) -> float:
    """Mean luma PSNR in dB of ``model`` on ``originals`` ((H, W, 3) uint8), in single precision."""
    device = next(model.parameters()).device
    scores = []
    for original in originals:
        output = model(low(original, scale).to(device))[0].permute(1, 2, 0).mul(255).round().clamp(0, 255)
        scores.append(psnr(output.cpu().numpy().astype(np.uint8), original, table_protocols(scale)["luma"]))
    return float(np.mean(scores))
