"""Claims on what PSNR and SSIM say, tried on a picture with known damage."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analysis.claims.finding import Finding, Sources, yes_or_no
from replication.images.metrics import psnr, ssim, table_protocols

NOISE = (2, 4, 8, 16, 32)
"""Standard deviations of the noise that is added, in grey levels."""


def picture() -> NDArray[np.uint8]:
    """64 x 64 grey pixels with structure at several scales, away from black and white."""
    rows, columns = np.mgrid[0:64, 0:64]
    waves = np.sin(rows / 2) + np.sin(columns / 3) + np.sin((rows + columns) / 9)
    levels: NDArray[np.uint8] = (128 + 20 * waves).astype(np.uint8)
    return levels


def definitions(sources: Sources) -> Finding:
    """PSNR of growing noise; SSIM of noise and of a mere shift in brightness with the same squared error."""
    original, protocol = picture(), table_protocols(4)["unrounded"]
    noise = np.random.default_rng(0).standard_normal(original.shape)
    damaged = [np.rint(original + level * noise).clip(0, 255).astype(np.uint8) for level in NOISE]
    scores = [psnr(one, original, protocol) for one in damaged]
    middle = damaged[2]
    shift = round(float(np.sqrt(np.mean((middle.astype(float) - original) ** 2))))
    shifted = original + np.uint8(shift)
    noisy, brighter = ssim(middle, original, protocol), ssim(shifted, original, protocol)
    values = {
        "PSNR is higher the more alike": yes_or_no(all(one > other for one, other in pairwise(scores))),
        "SSIM measures structure": yes_or_no(brighter > noisy and ssim(original, original, protocol) == 1),
    }
    reason = (
        f"A picture with noise of {', '.join(map(str, NOISE))} grey levels: "
        f"{', '.join(f'{one:.1f}' for one in scores)} "
        f"dB. All pixels {shift} levels brighter, at {psnr(shifted, original, protocol):.1f} dB like noise of "
        f"{NOISE[2]}: SSIM {brighter:.3f}, the noise {noisy:.3f}."
    )
    return Finding(values, reason)
