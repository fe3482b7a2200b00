"""Measuring a picture under every protocol: each combination as independent code measures it."""

from dataclasses import replace
from itertools import product

import numpy as np
import PIL.Image
import pytest
from skimage.metrics import structural_similarity

from replication import measure_protocol
from replication.errors import UserError
from replication.images.color import BT601
from replication.images.metrics import Protocol, psnr, ssim
from replication.measure_protocol import CHANNELS, SHAVES, WINDOWS, Image


def pair(height: int = 52, width: int = 48, grey: bool = False) -> tuple[Image, Image]:
    """A smooth colour picture and a noisy copy."""
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[0:height, 0:width]
    hr = np.stack([rows * 3 + columns, 255 - rows * 2, (columns * 5) % 256], axis=2).clip(0, 255)
    sr = (hr + random.normal(0, 12, hr.shape)).clip(0, 255)
    one, other = sr.astype(np.uint8), hr.astype(np.uint8)
    return (one[..., 1], other[..., 1]) if grey else (one, other)


def test_combinations_are_complete() -> None:
    by_psnr, by_ssim = measure_protocol.compare(*pair())
    assert set(by_psnr) == {f"{channel}/{shave}" for channel, shave in product(CHANNELS, SHAVES)}
    assert set(by_ssim) == {"/".join(map(str, names)) for names in product(CHANNELS, SHAVES, WINDOWS)}
    assert len(set(by_psnr.values())) == len(by_psnr)
    assert len(set(by_ssim.values())) == len(by_ssim)


@pytest.mark.parametrize("shave", SHAVES)
@pytest.mark.parametrize(
    ("channel", "same"),
    [
        ("luma", Protocol("luma", 0, BT601, rounded_luma=False, grey="as it is")),
        ("luma, rounded", Protocol("luma", 0, BT601, rounded_luma=True, grey="as it is")),
        ("RGB", Protocol("rgb", 0, None, rounded_luma=False, grey="as it is")),
    ],
)
def test_agrees_with_the_metrics_of_the_table(channel: str, same: Protocol, shave: int) -> None:
    sr, hr = pair()
    by_psnr, by_ssim = measure_protocol.compare(sr, hr)
    assert by_psnr[f"{channel}/{shave}"] == pytest.approx(psnr(sr, hr, replace(same, shave=shave)), abs=1e-9)
    expected = ssim(sr, hr, replace(same, shave=shave))
    assert by_ssim[f"{channel}/{shave}/Gaussian"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shave", SHAVES)
def test_uniform_window_is_the_default_of_scikit_image(shave: int) -> None:
    sr, hr = pair()
    inside = slice(shave, -shave or None)
    expected = structural_similarity(sr[inside, inside], hr[inside, inside], channel_axis=2)
    assert measure_protocol.compare(sr, hr)[1][f"RGB/{shave}/uniform"] == pytest.approx(expected, abs=1e-9)


def test_full_range_luma_is_that_of_pillow() -> None:
    _, hr = pair()
    (ours,) = measure_protocol.planes(hr, "luma, full range")
    theirs = np.asarray(PIL.Image.fromarray(hr).convert("L"), dtype=float)
    assert np.abs(ours - theirs).max() < 0.51


def test_a_grey_image_is_compared_as_it_is() -> None:
    by_psnr, by_ssim = measure_protocol.compare(*pair(grey=True))
    for shave in SHAVES:
        assert len({by_psnr[f"{channel}/{shave}"] for channel in CHANNELS}) == 1
        assert len({by_ssim[f"{channel}/{shave}/Gaussian"] for channel in CHANNELS}) == 1


def test_too_small() -> None:
    measure_protocol.compare(*pair(31, 31))
    with pytest.raises(UserError, match="at least 31 pixels"):
        measure_protocol.compare(*pair(30, 40))
