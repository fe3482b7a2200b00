"""imresize is MATLAB's: against MATLAB's own files, an independent statement of the definition, and PyTorch."""

import os
from fractions import Fraction
from functools import cache
from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from replication.data import benchmarks
from replication.errors import ArgumentError
from replication.images.io import read_image
from replication.images.resize import crop_to_multiple, imresize, imresize_to

SCALES = [1 / 8, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 3 / 2, 2, 3, 4, 8]
DYADIC = [1 / 8, 1 / 4, 1 / 2, 2, 4]
"""Scales at which every weight is a sum of few powers of two: float64 is exact, ties included."""


# The definition once more, in rational numbers and one sample at a time.


def keys(x: Fraction) -> Fraction:
    """Keys' kernel in Horner form, a = -1/2."""
    x = abs(x)
    if x < 1:
        return (3 * x - 5) * x * x / 2 + 1
    return ((5 - x) * x - 8) * x / 2 + 2 if x < 2 else Fraction(0)


def reflect(index: int, size: int) -> int:
    """Symmetric padding: ... 1 0 | 0 1 ... n-1 | n-1 n-2 ..."""
    while not 0 <= index < size:
        index = -1 - index if index < 0 else 2 * size - 1 - index
    return index


@cache
def resizing_matrix(size: int, scale: float) -> NDArray[np.object_]:
    """(ceil(size · scale), size) of Fractions: out = matrix @ in."""
    exact = Fraction(scale).limit_denominator(64)
    widened = min(exact, Fraction(1))
    matrix = np.full((ceil(size * scale), size), Fraction(0))
    for row in range(len(matrix)):
        centre = (row + Fraction(1, 2)) / exact  # in the area 0..size, where sample i covers i..i+1
        reach = ceil(2 / widened) + 1
        near = range(floor(centre) - reach, ceil(centre) + reach)
        taps = {index: keys((index + Fraction(1, 2) - centre) * widened) for index in near}
        for index, weight in taps.items():
            matrix[row, reflect(index, size)] += weight / sum(taps.values())
    return matrix


def half_up(values: NDArray[np.object_]) -> NDArray[np.object_]:
    """Round to integers, halves away from zero, and clip to 0..255."""
    return np.vectorize(lambda value: min(max(floor(value + Fraction(1, 2)), 0), 255), otypes=[object])(values)


def exact_resize(image: NDArray[np.generic], scale: float, *, passes_rounded: bool = False) -> NDArray[np.object_]:
    """Grey image: down the columns first (each output row from input rows), then along the rows."""
    values = np.vectorize(Fraction, otypes=[object])(image)
    values = resizing_matrix(image.shape[0], scale) @ values
    values = half_up(values) if passes_rounded else values
    values = values @ resizing_matrix(image.shape[1], scale).T
    return half_up(values) if passes_rounded else values


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


sizes = st.integers(1, 11)
images = hnp.arrays(np.uint8, st.tuples(sizes, sizes))


@settings(deadline=None, max_examples=80, derandomize=True, database=None)
@given(images, st.sampled_from(SCALES))
def test_float_equals_the_definition(image: NDArray[np.uint8], scale: float) -> None:
    result = imresize(image.astype(np.float64), scale)
    np.testing.assert_allclose(result, exact_resize(image, scale).astype(np.float64), rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=80, derandomize=True, database=None)
@given(images, st.sampled_from(DYADIC))
def test_uint8_equals_the_definition(image: NDArray[np.uint8], scale: float) -> None:
    result = imresize(image, scale)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, exact_resize(image, scale, passes_rounded=True).astype(np.uint8))


def test_uint8_is_rounded_after_each_pass_and_rows_come_first() -> None:
    image = noise(12, 16)
    result = imresize(image, 1 / 2).astype(int)
    np.testing.assert_array_equal(result, exact_resize(image, 1 / 2, passes_rounded=True).astype(int))
    once = half_up(exact_resize(image, 1 / 2)).astype(int)
    columns_first = exact_resize(image.T, 1 / 2, passes_rounded=True).T.astype(int)
    for other in (once, columns_first):
        assert 0 < np.abs(result - other).max() <= 1


def test_each_axis_by_its_own_scale() -> None:
    image = noise(12, 16)
    result = imresize_to(image.astype(np.float64), 9, 40)
    expected = resizing_matrix(12, 0.75) @ image.astype(object) @ resizing_matrix(16, 2.5).T
    np.testing.assert_allclose(result, expected.astype(np.float64), rtol=0, atol=1e-9)


def test_halves_are_rounded_up() -> None:
    """At 1/2 the weights are (-3, -9, 29, 111, 111, 29, -9, -3) / 256: columns alike give (0 + 1) / 2."""
    image = np.tile(np.array([[0], [1]], np.uint8), (8, 1))
    assert imresize(image.astype(float), 1 / 2)[4, 0] == 0.5
    assert imresize(image, 1 / 2)[4, 0] == 1
    assert imresize(image + np.uint8(1), 1 / 2)[4, 0] == 2  # 1.5; half to even would make 0.5 a 0


def test_uint8_saturates_and_float_does_not() -> None:
    edge = np.repeat(np.array([0, 255], np.uint8), 6)[:, None].repeat(4, axis=1)
    floating = imresize(edge.astype(np.float64), 4)
    assert floating.min() < -5
    assert floating.max() > 260
    np.testing.assert_array_equal(imresize(edge, 4), np.clip(np.floor(floating + 0.5), 0, 255))


@pytest.mark.parametrize("scale", SCALES)
def test_constant_stays_constant(scale: float) -> None:
    for value in (0, 1, 127, 254, 255):
        result = imresize(np.full((9, 5, 3), value, np.uint8), scale)
        assert (result == value).all()
        np.testing.assert_allclose(imresize(np.full((9, 5), float(value)), scale), value, rtol=1e-14)


@pytest.mark.parametrize("scale", [2, 3, 4, 8, 3 / 2])
def test_ramp_is_upsampled_exactly(scale: float) -> None:
    """Keys' kernel reproduces polynomials up to degree 2 away from the border: pixel centres are right."""
    position = np.arange(20.0)
    target = (np.arange(ceil(20 * scale)) + 0.5) / scale - 0.5
    inside = (target >= 2) & (target <= 17)
    for power in (1, 2):
        result = imresize(np.tile(position**power, (4, 1)), scale)
        np.testing.assert_allclose(result[:, inside], np.tile(target[inside] ** power, (len(result), 1)), rtol=1e-12)


@pytest.mark.parametrize("scale", [1 / 2, 1 / 3, 1 / 4])
def test_ramp_is_downsampled_exactly(scale: float) -> None:
    result = imresize(np.tile(np.arange(60.0), (12, 1)), scale)
    target = (np.arange(result.shape[1]) + 0.5) / scale - 0.5
    np.testing.assert_allclose(result[0, 2:-2], target[2:-2], rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_scale_1_is_the_identity(dtype: type[np.generic]) -> None:
    image = noise(7, 5, 3).astype(dtype)
    result = imresize(image, 1)
    np.testing.assert_array_equal(result, image)
    assert result.dtype == dtype


@pytest.mark.parametrize("scale", [1 / 4, 1 / 3, 1 / 2, 2, 3])
def test_flips_commute_with_resizing(scale: float) -> None:
    image = noise(24, 12, 3).astype(np.float64)
    result = imresize(image, scale)
    np.testing.assert_allclose(imresize(image[::-1], scale), result[::-1], atol=1e-11)
    np.testing.assert_allclose(imresize(image[:, ::-1], scale), result[:, ::-1], atol=1e-11)
    np.testing.assert_allclose(imresize(image.swapaxes(0, 1), scale), result.swapaxes(0, 1), atol=1e-11)


@pytest.mark.parametrize(
    ("height", "width", "scale", "expected"),
    [
        (7, 10, 1 / 4, (2, 3)),
        (8, 12, 1 / 4, (2, 3)),
        (9, 12, 1 / 3, (3, 4)),
        (510, 255, 1 / 3, (170, 85)),
        (5, 3, 3, (15, 9)),
        (5, 3, 1.5, (8, 5)),
        (1, 1, 1 / 8, (1, 1)),
        (1, 1, 8, (8, 8)),
        (1, 5, 2, (2, 10)),
    ],
)
def test_output_size_is_rounded_up(height: int, width: int, scale: float, expected: tuple[int, int]) -> None:
    assert imresize(noise(height, width), scale).shape == expected
    assert imresize(noise(height, width, 3), scale).shape == (*expected, 3)
    assert imresize(noise(height, width, 1), scale).shape == (*expected, 1)


@pytest.mark.parametrize("scale", [1 / 4, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_channels_are_independent(scale: float, dtype: type[np.generic]) -> None:
    image = noise(12, 9, 3).astype(dtype)
    result = imresize(image, scale)
    for channel in range(3):
        np.testing.assert_array_equal(result[..., channel], imresize(image[..., channel], scale))


def test_input_is_left_alone_and_float32_is_computed_in_float64() -> None:
    image = noise(64, 1).astype(np.float32) / 3
    before = image.copy()
    result = imresize(image, 1 / 2)
    np.testing.assert_array_equal(image, before)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, imresize(image.astype(np.float64), 1 / 2).astype(np.float32))


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
@pytest.mark.parametrize("enlarge", [False, True])
def test_equals_pytorch_away_from_the_border(factor: int, enlarge: bool) -> None:
    """PyTorch's antialiased bicubic has the same kernel (a = -0.5) and another border."""
    small, large = (10, 14), (10 * factor, 14 * factor)
    image = noise(*(small if enlarge else large)).astype(np.float64)
    size, scale, border = (large, factor, 2 * factor) if enlarge else (small, 1 / factor, 2)
    tensor = torch.from_numpy(image)[None, None]
    theirs = torch.nn.functional.interpolate(tensor, size=size, mode="bicubic", antialias=True)[0, 0].numpy()
    inside = np.s_[border:-border, border:-border]
    np.testing.assert_allclose(imresize(image, scale)[inside], theirs[inside], atol=1e-9)


def matlab_files() -> list[tuple[Path, Path]]:
    """(HR, MATLAB's LR at 1/4) for each reference file, or none."""
    root = Path(os.environ.get("REPLICATION_DATA", "data"))
    references = sorted((root / "reference" / "matlab_lr_x4").glob("*.png"))
    found = benchmarks.find("Set5", root) if references else None
    originals = {image.name: image.path for image in found.images} if found else {}
    return [(originals[path.stem], path) for path in references if path.stem in originals]


def test_equals_matlab_away_from_the_border() -> None:
    files = matlab_files()
    if not files:
        pytest.skip("needs Set5 and reference/matlab_lr_x4 in $REPLICATION_DATA")
    assert len(files) == 5
    for original, reference in files:
        expected = read_image(reference)
        result = imresize(crop_to_multiple(read_image(original), 4), 1 / 4)
        assert result.shape == expected.shape
        np.testing.assert_array_equal(result[2:-2, 2:-2], expected[2:-2, 2:-2], err_msg=str(original))


@pytest.mark.parametrize(
    ("image", "scale", "message"),
    [
        (np.zeros((4, 4), np.int64), 2, "expected uint8 or floating point, got int64"),
        (np.zeros((4, 4), bool), 2, "expected uint8 or floating point, got bool"),
        (np.zeros(4), 2, r"got shape \(4,\)"),
        (np.zeros((0, 4)), 2, r"got shape \(0, 4\)"),
        (np.zeros((1, 4, 4, 3)), 2, r"got shape \(1, 4, 4, 3\)"),
        (np.zeros((4, 4)), 0, "finite scale above 0, got 0"),
        (np.zeros((4, 4)), -1, "finite scale above 0, got -1"),
        (np.zeros((4, 4)), float("nan"), "finite scale above 0, got nan"),
        (np.zeros((4, 4)), float("inf"), "finite scale above 0, got inf"),
    ],
)
def test_bad_input(image: NDArray[np.generic], scale: float, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        imresize(image, scale)


def test_crop_to_multiple() -> None:
    image = noise(11, 8, 3)
    np.testing.assert_array_equal(crop_to_multiple(image, 4), image[:8, :8])
    np.testing.assert_array_equal(crop_to_multiple(image[..., 0], 3), image[:9, :6, 0])
    np.testing.assert_array_equal(crop_to_multiple(image, 1), image)
    with pytest.raises(ArgumentError, match="image of 11x8 pixels is too small: expected at least 9x9"):
        crop_to_multiple(image, 9)
