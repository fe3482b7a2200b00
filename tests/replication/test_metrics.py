"""PSNR and SSIM against independent implementations, closer than the last printed digit, and published values."""

import os
from math import inf, log10
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torchmetrics.functional.image import peak_signal_noise_ratio
from torchmetrics.image import StructuralSimilarityIndexMeasure

from replication.data import benchmarks
from replication.errors import ArgumentError
from replication.images.color import BT601
from replication.images.metrics import Protocol, psnr, ssim, table_protocols
from replication.images.resize import crop_to_multiple, imresize

Image = NDArray[np.uint8]
DB, SSIM = 1e-4, 1e-5
"""Tolerances: tables print 0.01 dB and 0.0001."""


def protocol(channel: Literal["luma", "rgb"] = "rgb", shave: int = 0, rounded_luma: bool = False) -> Protocol:
    weights = BT601 if channel == "luma" else None
    return Protocol(channel, shave, weights, rounded_luma=rounded_luma, grey="as it is")


def pair(*shape: int, seed: int = 0) -> tuple[Image, Image]:
    """A structured picture with noise of 12 levels, and the picture."""
    random = np.random.default_rng(seed)
    height, width = shape[:2]
    wave = np.sin(np.arange(height)[:, None] / 3) + np.cos(np.arange(width)[None, :] / 5)
    picture = 128 + 45 * (wave[..., None] if len(shape) == 3 else wave) + random.normal(0, 10, shape)
    noisy = picture + random.normal(0, 12, shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), np.clip(picture, 0, 255).astype(np.uint8)


def plain_luma(image: Image) -> NDArray[np.float64]:
    red, green, blue = (image[..., channel].astype(float) for channel in range(3))
    return 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255


def plain_psnr(sr: NDArray[Any], hr: NDArray[Any]) -> float:
    squares = [(float(a) - float(b)) ** 2 for a, b in zip(sr.ravel(), hr.ravel(), strict=True)]
    return 20 * log10(255) - 10 * log10(fmean(squares))


def wang_ssim(sr: NDArray[Any], hr: NDArray[Any]) -> float:
    """Wang et al. 2004 for one channel, window by window: 11x11 Gaussian of sigma 1.5, moments about the mean."""
    offset = np.arange(-5, 6)
    window = np.exp(-(offset[:, None] ** 2 + offset[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.einsum("ijkl,kl->ij", values, window)

    x = sliding_window_view(np.asarray(sr, np.float64), (11, 11))
    y = sliding_window_view(np.asarray(hr, np.float64), (11, 11))
    mx, my = mean(x), mean(y)
    dx, dy = x - mx[..., None, None], y - my[..., None, None]
    luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
    structure = (2 * mean(dx * dy) + c2) / (mean(dx**2) + mean(dy**2) + c2)
    return float((luminance * structure).mean())


def torch_images(*arrays: NDArray[Any]) -> list[torch.Tensor]:
    """Each as (1, C, H, W) in double precision."""
    return [torch.from_numpy(np.atleast_3d(array).astype(np.float64)).permute(2, 0, 1)[None] for array in arrays]


def torchmetrics_ssim(sr: NDArray[Any], hr: NDArray[Any]) -> float:
    """Mean of its map without the outer 5 pixels: torchmetrics reflects the image there, Wang's window does not fit."""
    measure = StructuralSimilarityIndexMeasure(
        gaussian_kernel=True, sigma=1.5, kernel_size=11, data_range=255.0, return_full_image=True
    )
    _, full_map = measure(*torch_images(sr, hr))
    return float(full_map[..., 5:-5, 5:-5].mean())


SHAPES = [(40, 33), (40, 33, 3), (17, 64, 3), (15, 15)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shave", [0, 2])
def test_samples_as_they_are(shape: tuple[int, ...], shave: int) -> None:
    """RGB over all three channels, and grey."""
    sr, hr = pair(*shape)
    inside = np.s_[shave : shape[0] - shave, shave : shape[1] - shave]
    a, b = sr[inside], hr[inside]
    measured = psnr(sr, hr, protocol(shave=shave))
    assert measured == pytest.approx(plain_psnr(a, b), abs=DB)
    assert measured == pytest.approx(float(peak_signal_noise_ratio(*torch_images(a, b), data_range=255.0)), abs=DB)
    similarity = ssim(sr, hr, protocol(shave=shave))
    channels = np.atleast_3d(a), np.atleast_3d(b)
    by_channel = [wang_ssim(channels[0][..., c], channels[1][..., c]) for c in range(channels[0].shape[2])]
    assert similarity == pytest.approx(fmean(by_channel), abs=SSIM)
    assert similarity == pytest.approx(torchmetrics_ssim(a, b), abs=SSIM)
    assert 0.2 < similarity < 0.99


@pytest.mark.parametrize("rounded", [False, True])
def test_luma(rounded: bool) -> None:
    sr, hr = pair(40, 33, 3)
    a, b = (plain_luma(image)[3:-3, 3:-3] for image in (sr, hr))
    if rounded:
        a, b = np.rint(a), np.rint(b)  # no luma here lies on a half
    chosen = protocol("luma", shave=3, rounded_luma=rounded)
    assert psnr(sr, hr, chosen) == pytest.approx(plain_psnr(a, b), abs=DB)
    assert ssim(sr, hr, chosen) == pytest.approx(wang_ssim(a, b), abs=SSIM)
    assert ssim(sr, hr, chosen) == pytest.approx(torchmetrics_ssim(a, b), abs=SSIM)


def test_every_choice_moves_the_number() -> None:
    sr, hr = pair(40, 33, 3)
    choices = [protocol("rgb"), protocol("luma"), protocol("luma", rounded_luma=True), protocol("luma", shave=3)]
    for measure, smallest in ((psnr, DB), (ssim, SSIM)):
        values = sorted(measure(sr, hr, choice) for choice in choices)
        assert min(np.diff(values)) > smallest


def test_known_psnr() -> None:
    hr = np.full((4, 4), 100, np.uint8)
    assert psnr(hr + np.uint8(1), hr, protocol()) == pytest.approx(48.1308036086791, abs=1e-10)  # 20 log10 255
    assert psnr(hr + np.uint8(155), hr, protocol()) == pytest.approx(20 * log10(255 / 155), abs=1e-10)
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert psnr(black, white, protocol("rgb")) == pytest.approx(0, abs=1e-10)
    assert psnr(black, white, protocol("luma")) == pytest.approx(20 * log10(255 / 219), abs=1e-10)


@pytest.mark.filterwarnings("error")  # no division by zero on the way to infinity
@pytest.mark.parametrize("shape", [(12, 12), (12, 12, 3)])
@pytest.mark.parametrize("channel", ["luma", "rgb"])
def test_equal_images(shape: tuple[int, ...], channel: Literal["luma", "rgb"]) -> None:
    image, _ = pair(*shape)
    assert psnr(image, image.copy(), protocol(channel)) == inf
    assert ssim(image, image.copy(), protocol(channel)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("rounded", [False, True])
def test_grey_is_used_as_it_is(rounded: bool) -> None:
    sr, hr = pair(20, 20)
    for measure in (psnr, ssim):
        assert measure(sr, hr, protocol("luma", rounded_luma=rounded)) == measure(sr, hr, protocol("rgb"))
    colored = [np.repeat(image[..., None], 3, axis=2) for image in (sr, hr)]
    gain = psnr(*colored, protocol("luma")) - psnr(sr, hr, protocol("luma"))
    assert gain == pytest.approx(20 * log10(255 / 219), abs=1e-9)


@pytest.mark.parametrize("place", [(3, 3), (3, 16), (16, 3), (16, 16), (10, 16), (3, 10)])
def test_shave_keeps_what_is_inside(place: tuple[int, int]) -> None:
    """In 20x20 pixels, shave 3 keeps rows and columns 3 to 16."""
    hr = np.full((20, 20, 3), 50, np.uint8)
    sr = hr.copy()
    sr[place] += 9
    assert psnr(sr, hr, protocol(shave=3)) < inf
    border = hr.copy()
    border[[2, 17]] += 9
    border[:, [2, 17]] += 9
    assert psnr(border, hr, protocol(shave=3)) == inf
    assert ssim(border, hr, protocol(shave=3)) == pytest.approx(1, abs=1e-12)
    assert psnr(border, hr, protocol(shave=2)) < inf


def test_rounding_of_luma() -> None:
    """One level of blue is 0.098 of luma: lost when luma is rounded, seen when it is not."""
    hr = np.full((12, 12, 3), 77, np.uint8)
    sr = hr.copy()
    sr[..., 2] += 1
    assert np.rint(plain_luma(sr)[0, 0]) == np.rint(plain_luma(hr)[0, 0])
    assert psnr(sr, hr, protocol("luma", rounded_luma=True)) == inf
    assert psnr(sr, hr, protocol("luma")) == pytest.approx(20 * log10(255 * 255 / 24.966), abs=1e-6)


def test_table_protocols() -> None:
    found = table_protocols(3)
    assert found.pop("public_code").shave == 3
    assert found == {
        "luma": protocol("luma", 3, True), "rgb": protocol("rgb", 3), "unrounded": protocol("luma", 3),
    }  # fmt: skip


@pytest.mark.parametrize("shape", [(20, 24, 3), (20, 24)])
def test_public_code(shape: tuple[int, ...]) -> None:
    """``calc_psnr`` of EDSR-PyTorch and MSRN-PyTorch for benchmarks, in torch as there; grey is loaded as RGB."""
    sr, hr = (
        torch.from_numpy(image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)).permute(2, 0, 1)[None]
        for image in pair(*shape)
    )
    diff = (sr.double() - hr.double()) / 255
    diff = diff.mul(torch.tensor([65.738, 129.057, 25.064]).view(1, 3, 1, 1) / 256).sum(dim=1, keepdim=True)
    expected = -10 * log10(diff[:, :, 4:-4, 4:-4].pow(2).mean())
    assert psnr(*pair(*shape), table_protocols(4)["public_code"]) == pytest.approx(expected, abs=1e-5)


def test_grey_as_three_channels_is_better_by_the_weights_alone() -> None:
    sr, hr = pair(20, 20)
    gain = psnr(sr, hr, table_protocols(4)["public_code"]) - psnr(sr, hr, table_protocols(4)["unrounded"])
    assert gain == pytest.approx(20 * log10(256 / 219.859), abs=1e-9)
    assert gain == pytest.approx(1.32, abs=0.005)


def test_no_choice_has_a_default() -> None:
    chosen = vars(table_protocols(4)["rgb"])
    for missing in chosen:
        arguments: dict[str, Any] = dict(chosen)
        del arguments[missing]
        with pytest.raises(TypeError, match=missing):
            Protocol(**arguments)


IMAGE = np.zeros((20, 20, 3), np.uint8)


@pytest.mark.parametrize("measure", [psnr, ssim])
@pytest.mark.parametrize(
    ("sr", "hr", "message"),
    [
        (IMAGE.astype(np.float32), IMAGE, "expected sr as uint8 in 0..255, got float32"),
        (IMAGE, IMAGE.astype(np.int64), "expected hr as uint8 in 0..255, got int64"),
        (IMAGE, IMAGE[:19], r"got sr \(20, 20, 3\) and hr \(19, 20, 3\)"),
        (IMAGE[..., 0], IMAGE, r"got sr \(20, 20\) and hr \(20, 20, 3\)"),
        (IMAGE[:4], IMAGE[:4], "image of 4x20 pixels is too small"),
        (IMAGE[:1, :1], IMAGE[:1, :1], "image of 1x1 pixels is too small"),
        (IMAGE[..., :2], IMAGE[..., :2], r"expected \(H, W\) or \(H, W, 3\) arrays, got shape \(20, 20, 2\)"),
        (IMAGE[0, 0], IMAGE[0, 0], r"expected \(H, W\) or \(H, W, 3\) arrays, got shape \(3,\)"),
    ],
)
def test_bad_input(measure: Any, sr: Image, hr: Image, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        measure(sr, hr, protocol("luma", shave=2))
    assert "\n" not in str(caught.value)


def test_smallest_image() -> None:
    sr, hr = pair(15, 15, 3)
    assert ssim(sr, hr, protocol(shave=2)) < 1
    with pytest.raises(ArgumentError, match="image of 14x15 pixels is too small: expected at least 11 on each side"):
        ssim(sr[:14], hr[:14], protocol(shave=2))
    assert psnr(sr[:5, :5], hr[:5, :5], protocol(shave=2)) < inf


def test_bad_protocol() -> None:
    with pytest.raises(ArgumentError, match="expected channel 'luma' or 'rgb', got 'y'"):
        Protocol("y", 0, None, rounded_luma=False, grey="as it is")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="border of at least 0 pixels to shave, got -1"):
        protocol(shave=-1)
    with pytest.raises(ArgumentError, match="expected luma weights for luma and none for RGB"):
        Protocol("luma", 0, None, rounded_luma=False, grey="as it is")
    with pytest.raises(ArgumentError, match="expected no rounding of luma for RGB"):
        Protocol("rgb", 0, None, rounded_luma=True, grey="as it is")
    with pytest.raises(ArgumentError, match="expected grey 'as it is' or 'three channels', got 'no'"):
        Protocol("rgb", 0, None, rounded_luma=False, grey="no")  # type: ignore[arg-type]


def test_published_bicubic_on_set5() -> None:
    """Bicubic x4 on Set5 is 28.42 dB and 0.8104 throughout the literature (VDSR, EDSR, MSRN)."""
    found = benchmarks.find("Set5", Path(os.environ.get("REPLICATION_DATA", "data")))
    if found is None:
        pytest.skip("needs Set5 in $REPLICATION_DATA")
    chosen = table_protocols(4)["luma"]
    decibels, similarities = [], []
    for image in found.images:
        hr = crop_to_multiple(image.load(), 4)
        sr = imresize(imresize(hr, 1 / 4), 4)
        decibels.append(psnr(sr, hr, chosen))
        similarities.append(ssim(sr, hr, chosen))
    assert len(decibels) == 5
    assert fmean(decibels) == pytest.approx(28.42, abs=0.01)
    assert fmean(similarities) == pytest.approx(0.8104, abs=0.0005)
