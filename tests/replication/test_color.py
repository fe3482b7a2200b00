"""Luma is BT.601's studio swing, to the last digit."""

import numpy as np
import pytest
from numpy.typing import NDArray

from replication.errors import ArgumentError
from replication.images.color import rgb_to_luma

DENOMINATOR = 255_000
"""Luma is 16 + (65481 R + 128553 G + 24966 B) / 255000 for R, G, B in 0..255."""


def exact_numerator(image: NDArray[np.generic]) -> NDArray[np.int64]:
    red, green, blue = np.moveaxis(image.astype(np.int64), 2, 0)
    return 16 * DENOMINATOR + 65481 * red + 128553 * green + 24966 * blue


def every_color(step: int) -> NDArray[np.uint8]:
    levels = np.arange(0, 256, step)
    return np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(1, -1, 3).astype(np.uint8)


@pytest.mark.parametrize(
    ("color", "luma"),
    [
        ((0, 0, 0), 16),
        ((255, 255, 255), 235),
        ((255, 0, 0), 81.481),
        ((0, 255, 0), 144.553),
        ((0, 0, 255), 40.966),
        ((255, 255, 0), 210.034),
        ((51, 51, 51), 16 + 219 / 5),
    ],
)
def test_known_colors(color: tuple[int, int, int], luma: float) -> None:
    assert rgb_to_luma(np.array([[color]], np.uint8))[0, 0] == pytest.approx(luma, abs=1e-12)


def test_formula() -> None:
    image = every_color(5)
    result = rgb_to_luma(image)
    assert result.dtype == np.float64
    assert result.shape == image.shape[:2]
    np.testing.assert_allclose(result, exact_numerator(image) / DENOMINATOR, rtol=0, atol=1e-12)


def test_rounded_luma_is_the_rounded_exact_value() -> None:
    """Floating point decides only exact halves (194 of all 16.8 million colours) otherwise than integers would."""
    image = every_color(3)
    numerator = exact_numerator(image)
    half = (2 * numerator + DENOMINATOR) % (2 * DENOMINATOR) == 0
    rounded = np.floor(rgb_to_luma(image) + 0.5)
    np.testing.assert_array_equal(rounded[~half], ((2 * numerator + DENOMINATOR) // (2 * DENOMINATOR))[~half])


def test_float_input_is_0_to_255() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (4, 5, 3))
    expected = image @ np.array([65.481, 128.553, 24.966]) / 255 + 16
    np.testing.assert_allclose(rgb_to_luma(image), expected, rtol=1e-14)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 4), (3, 4, 5), (1, 4, 5, 3)])
def test_bad_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"^rgb_to_luma: expected an \(H, W, 3\) array, got shape"):
        rgb_to_luma(np.zeros(shape, np.uint8))
