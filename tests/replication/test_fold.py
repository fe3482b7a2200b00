"""The folded network is the network: every pixel, every size, every scale; and each of its numbers matters."""

from collections.abc import Iterator
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from replication.fold import (
    FoldedConv,
    FoldedMSRN,
    Linear,
    cheapest_start,
    fold,
    folded_kernel,
    forward_folded,
    layers_of,
    sides_meet,
)
from replication.models import MODELS, build, count_parameters
from replication.models.msrn import MSRN, SCALES

BORDER = {2: 1, 3: 1, 4: 3, 8: 7}
"""Outermost output pixels that the zero padding of the layers in between changes."""

CASES = [(name, scale, 6, 2) for name in MODELS for scale in SCALES] + [("smsrn", 2, 33, 1), ("msrn", 4, 5, 1)]
"""Name, scale, width and blocks. At x2 and 33 channels or more the 3x3 before the upsampler folds as well."""

SIZES = st.integers(1, 9)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """For networks this small, threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(name: str, scale: int, width: int = 6, blocks: int = 2) -> MSRN:
    torch.manual_seed(0)
    return MSRN(MODELS[name], scale=scale, width=width, blocks=blocks).double()


@cache
def pair(name: str, scale: int, width: int, blocks: int) -> tuple[MSRN, FoldedMSRN]:
    model = network(name, scale, width, blocks)
    return model, fold(model)


def noise(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(height))


def inside(image: Tensor, border: int) -> Tensor:
    height, width = image.shape[2:]
    return image[:, :, border : height - border, border : width - border]


@torch.inference_mode()
def difference(one: nn.Module, other: nn.Module, x: Tensor) -> Tensor:
    expected, found = one(x), other(x)
    assert expected.shape == found.shape
    assert expected.dtype == found.dtype
    return (expected - found).abs()


# ---------------------------------------------------------------- the inference network


@settings(max_examples=60, deadline=None)
@given(case=st.sampled_from(CASES), height=SIZES, width=SIZES)
def test_the_folded_network_is_the_network(case: tuple[str, int, int, int], height: int, width: int) -> None:
    assert difference(*pair(*case), noise(height, width)).max() < 1e-12


@pytest.mark.parametrize("case", CASES)
def test_the_smallest_images_too(case: tuple[str, int, int, int]) -> None:
    for size in [(1, 1), (1, 2), (2, 1), (2, 2), (1, 7), (3, 2)]:
        assert difference(*pair(*case), noise(*size, batch=2)).max() < 1e-12, size


@pytest.mark.parametrize("name", MODELS)
def test_single_precision_and_the_real_size(name: str) -> None:
    torch.manual_seed(1)
    model = build(name, scale=4)
    folded = fold(model)
    for size in [(1, 1), (9, 7)]:
        assert difference(model, folded, noise(*size).float()).max() < 1e-5
    assert count_parameters(folded) < count_parameters(model) - 220_000
    if name == "smsrn":
        assert count_parameters(folded) <= 668_622


@pytest.mark.parametrize("scale", SCALES)
def test_every_part_of_the_tail_folds_exactly_or_is_refused(scale: int) -> None:
    tail = [
        layer for layer in network("msrn", scale, 4).tail.modules() if isinstance(layer, nn.Conv2d | nn.PixelShuffle)
    ]
    exact = []
    for start, first in enumerate(tail[:-1]):
        if not isinstance(first, nn.Conv2d):
            continue
        plain = nn.Sequential(*tail[start:])
        with torch.no_grad():
            if sides_meet(layers_of(plain)):
                with pytest.raises(ValueError, match="one side"):
                    FoldedConv(layers_of(plain), exact_border=True)
                continue
            folded = FoldedConv(layers_of(plain), exact_border=True)
        exact.append(start)
        for size in [(1, 1), (1, 4), (2, 3), (6, 5)]:
            x = torch.randn(2, first.in_channels, *size, dtype=torch.float64)
            assert difference(plain, folded, x).max() < 1e-12, (start, size)
    # Positions among convolutions and shuffles: 1 is the 3x3, 2 the upsampler's first layer, 4 and 6 its others.
    assert exact == {2: [1, 2], 3: [1, 2], 4: [2, 4], 8: [2, 4, 6]}[scale]


def test_a_very_wide_network_is_folded_no_further_than_exactly() -> None:
    """At x4 and 129 channels or more, folding the 3x3 as well would be cheaper, but opposite borders would meet."""
    chain = layers_of(*MSRN(MODELS["smsrn"], scale=4, width=144, blocks=1).tail[1:])
    assert sides_meet(chain)
    assert cheapest_start(chain) == 1


@pytest.mark.parametrize("case", [("smsrn", 4, 6, 2), ("smsrn", 2, 33, 1), ("msrn", 3, 6, 2)])
def test_every_number_of_the_folded_network_matters(case: tuple[str, int, int, int]) -> None:
    """Change one number of any weight, bias or border kernel, and the comparison above fails."""
    model, _ = pair(*case)
    folded = fold(model)
    x = noise(5, 6)
    generator = torch.Generator().manual_seed(0)
    for name, value in [*folded.named_parameters(), *folded.named_buffers()]:
        index = int(torch.randint(value.numel(), (), generator=generator))
        before = value.view(-1)[index].item()
        value.view(-1)[index] = before + 1e-3
        if not name.startswith(("body", "fuse")):  # a ReLU may be zero everywhere and hide the change
            assert difference(model, folded, x).max() > 1e-9, name
        value.view(-1)[index] = before
        value += 1e-3
        assert difference(model, folded, x).max() > 1e-9, name
        value -= 1e-3
    assert difference(model, folded, x).max() < 1e-12


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", MODELS)
def test_without_the_exact_border_only_the_border_differs(name: str, scale: int) -> None:
    """As it is exported on request, and as it is trained."""
    model = network(name, scale)
    x = noise(7, 6, batch=2)
    expected, border = model(x), BORDER[scale]
    for output in (fold(model, exact_border=False)(x), forward_folded(model, x)):
        found = (output - expected).detach().abs()
        assert found.shape == (2, 3, 7 * scale, 6 * scale)
        assert inside(found, border).max() < 1e-12
        assert inside(found, border - 1).max() > 1e-6, "the border is as wide as documented"


def test_folding_leaves_the_model_and_the_random_numbers() -> None:
    model = network("smsrn", 4)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()
    folded = fold(model)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not folded.training
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    stored = {tensor.data_ptr() for tensor in model.state_dict().values()}
    assert not stored & {tensor.data_ptr() for tensor in folded.state_dict().values()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_data_type_is_kept(dtype: torch.dtype) -> None:
    folded = fold(network("smsrn", 3).to(dtype))
    assert {value.dtype for value in [*folded.parameters(), *folded.buffers()]} == {dtype}


def test_no_depthwise_bias_is_left() -> None:
    depthwise = [layer for layer in fold(network("smsrn", 2)).modules() if getattr(layer, "groups", 1) > 1]
    assert len(depthwise) == 1 + 4 * 2
    assert all(layer.bias is None for layer in depthwise)


def test_channels_last_gives_the_same() -> None:
    model, folded = pair("smsrn", 4, 6, 2)
    x = noise(5, 6, batch=2).contiguous(memory_format=torch.channels_last)
    last = fold(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert difference(model, last, x).max() < 1e-12
    assert difference(folded, last, x).max() < 1e-12


@pytest.mark.parametrize(("scale", "start"), [(2, 0), (3, 1), (4, 1), (8, 1)])
def test_what_is_folded_is_what_becomes_cheaper(scale: int, start: int) -> None:
    """Of the 3x3, the upsampler's layers and the last one, in networks of the paper's width."""
    chain = layers_of(*MSRN(MODELS["msrn"], scale=scale, blocks=1).tail[1:])
    assert cheapest_start(chain) == start


def test_a_late_start_is_taken_where_it_is_cheapest() -> None:
    wide, narrow = torch.zeros(4, 64, 1, 1), torch.zeros(64, 4, 5, 5)
    chain = [
        Linear(wide, torch.zeros(4)),
        Linear(narrow, torch.zeros(64)),
        Linear(torch.zeros(3, 64, 1, 1), torch.zeros(3)),
    ]
    # 5x5·64·3 from the start; 64·4 and then 5x5·4·3 from the second on.
    assert cheapest_start(chain) == 1


@pytest.mark.parametrize(("case", "least"), [(("smsrn", 4, 6, 2), 1), (("smsrn", 2, 33, 1), 3)])
def test_it_exports_with_any_height_and_width(case: tuple[str, int, int, int], least: int) -> None:
    """At x2 the border is wider than an input pixel, and torch.export's own guards want slices not to be empty."""
    model, folded = pair(*case)
    sizes = {2: torch.export.Dim("height", min=least), 3: torch.export.Dim("width", min=least)}
    exported = torch.export.export(folded, (noise(6, 7),), dynamic_shapes=(sizes,)).module()
    for size in [(least, least), (least, 5), (9, 4)]:
        assert difference(model, exported, noise(*size)).max() < 1e-12, size


# ---------------------------------------------------------------- while training


@pytest.mark.parametrize("scale", SCALES)
def test_gradients_of_the_folded_network_reach_every_parameter_unchanged(scale: int) -> None:
    model = network("smsrn", scale)
    x = torch.rand(1, 3, 6, 6, dtype=torch.float64)
    weight = torch.randn(1, 3, 6 * scale, 6 * scale, dtype=torch.float64)
    gradients = []
    for output in (model(x), forward_folded(model, x)):
        model.zero_grad()
        inside(output * weight, BORDER[scale]).sum().backward()
        gradients.append({key: value.grad.clone() for key, value in model.named_parameters() if value.grad is not None})
    plain, folded = gradients
    assert plain.keys() == folded.keys() == dict(model.named_parameters()).keys()
    for key in plain:
        torch.testing.assert_close(folded[key], plain[key], rtol=1e-10, atol=1e-10, msg=key)


@pytest.mark.parametrize(
    ("scale", "shape"), [(2, (12, 6, 5, 5)), (3, (27, 6, 5, 5)), (4, (48, 6, 5, 5)), (8, (192, 6, 5, 5))]
)
def test_the_folded_kernel_is_small(scale: int, shape: tuple[int, ...]) -> None:
    model = network("msrn", scale)
    weight, bias = folded_kernel(layers_of(model.tail[2], model.tail[3]))
    assert weight.shape == shape
    assert bias.shape == shape[:1]
