"""Counts of torch networks: closed form, by hand for each awkward kind, and generated ones against a count by hooks."""

import warnings
from collections.abc import Callable
from importlib import util
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from analysis.cost import closed_form
from analysis.networks import inputs, operators
from analysis.networks.checks import Check, by_fvcore, by_layers, by_torch, checks
from analysis.networks.counter import count, initialised, on_meta
from analysis.networks.lightened import study
from replication.errors import UserError
from replication.lighten import lighten
from replication.models import build

specification = util.spec_from_file_location("kinds", Path(__file__).with_name("kinds.py"))
assert specification is not None
assert specification.loader is not None
kinds = util.module_from_spec(specification)
specification.loader.exec_module(kinds)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

IMAGE = (1, 3, 10, 12)
PIXELS = 120


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize(("name", "layers"), [("msrn", closed_form.msrn), ("smsrn", closed_form.smsrn)])
def test_agrees_with_the_closed_form(name: str, layers: object, scale: int) -> None:
    assert callable(layers)
    closed = layers(scale)
    module = on_meta(lambda: build(name, scale=scale))
    found = count(module, (1, 3, 36, 64))
    assert found.params == closed_form.total_params(closed)
    assert found.macs == closed_form.total_macs(closed) * 36 * 64
    each = {layer.name: layer.macs for layer in found.convolutions}
    assert each == {layer.name: layer.macs_per_lr_pixel * 36 * 64 for layer in closed}


def test_a_layer_that_is_called_twice_costs_twice_and_has_its_weights_once() -> None:
    layer = nn.Conv2d(4, 4, 3, padding=1)
    network = nn.Sequential(layer, nn.ReLU(), layer)
    assert count(network, (1, 4, 5, 5)).params == 4 * 4 * 9 + 4
    assert count(network, (2, 4, 5, 5)).macs == 2 * 2 * 25 * 4 * 4 * 9
    (found,) = count(network, (2, 4, 5, 5)).convolutions
    assert (found.name, found.calls, found.positions) == ("0", 2, 2 * 2 * 25)


def test_the_network_is_left_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1))
    network.train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    random = torch.random.get_rng_state()
    settings_before = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    count(network, (1, 3, 8, 8))
    with pytest.raises(UserError):
        count(network, (1, 5, 8, 8))
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    assert not torch.nn.modules.module._global_forward_hooks
    assert not torch.nn.modules.module._global_forward_pre_hooks
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert torch.equal(random, torch.random.get_rng_state())
    assert settings_before == (torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled)


def test_an_input_that_does_not_fit_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^the network does not run on an input of shape 1x1x8x8: RuntimeError: .+$"):
        count(nn.Conv2d(3, 4, 3), (1, 1, 8, 8))


# ---------------------------------------------------------------- one of each kind, by hand

FIRST, SECOND = PIXELS * 9 * 3 * 8, PIXELS * 9 * 8 * 8
KINDS: list[tuple[str, Callable[[], nn.Module], list[Any], int, int, str]] = [
    ("3x3", kinds.conv, [IMAGE], FIRST, 224, "meta"),
    ("oblong, strided", lambda: nn.Conv2d(3, 8, (3, 1), stride=2), [(1, 3, 10, 10)], 4 * 5 * 72, 80, "meta"),
    ("dilated", lambda: nn.Conv2d(4, 8, 3, dilation=2, groups=2), [(1, 4, 10, 10)], 36 * 9 * 2 * 8, 152, "meta"),
    ("transposed", lambda: nn.ConvTranspose2d(3, 8, 2, stride=2), [IMAGE], PIXELS * 4 * 3 * 8, 104, "meta"),
    ("weight norm", lambda: kinds.normed(3), [(1, 8, 10, 12)], 3 * SECOND, 3 * (8 * 8 * 9 + 8 + 8), "meta"),
    ("old weight norm", kinds.old_normed, [IMAGE], 4 * FIRST, 3 * 16 * 9 * 2 + 2 * (16 + 3), "meta"),
    ("spectral norm", kinds.spectral, [IMAGE], FIRST, 224, "meta"),
    ("half", lambda: nn.Conv2d(3, 16, 3).half(), [(1, 3, 64, 64)], 1_660_608, 448, "meta"),
    ("bfloat16", lambda: nn.Conv2d(3, 16, 3).bfloat16(), [(1, 3, 64, 64)], 1_660_608, 448, "meta"),
    ("plain tensor", kinds.PlainTensor, [IMAGE], FIRST, 224, "meta"),
    ("a device by name", kinds.OnCPU, [IMAGE], FIRST, 224, "cpu"),
    ("a branch on values", kinds.BranchesOnValue, [IMAGE], FIRST + SECOND, 224 + 584, "cpu"),
    ("two inputs", kinds.TwoInputs, [IMAGE, (1, 1, 10, 12)], FIRST + FIRST // 3, 224 + 80, "meta"),
    ("a tuple", kinds.TakesATuple, [(torch.zeros(IMAGE), torch.zeros(1, 1, 10, 12))], FIRST * 4 // 3, 304, "meta"),
    ("an alias", kinds.AlsoInAList, [IMAGE], 2 * FIRST + 4 * SECOND, 448 + 16 * 16 * 9 + 16, "meta"),
    ("never called", kinds.NeverCalled, [IMAGE], 0, 224, "meta"),
    ("not registered", kinds.NotRegistered, [IMAGE], FIRST + SECOND, 0, "meta"),
    ("lazy", kinds.lazy, [IMAGE], 4 * FIRST, 448 + 3 * 16 * 9 + 3, "meta"),
    ("mixed dimensions", kinds.Mixed, [IMAGE], 2 * FIRST + PIXELS * 3 * 256, 448 + 784, "meta"),
    ("recursive", kinds.Recursive, [IMAGE], 3 * PIXELS * 81, 84, "meta"),
    ("merged kernels", kinds.Merged, [(1, 4, 10, 12)], PIXELS * 9 * 16, 32 + 288, "meta"),
    ("keywords", kinds.Keyword, [IMAGE], FIRST, 224, "meta"),
    ("three dimensions", lambda: nn.Conv3d(2, 4, 3), [(2, 2, 5, 5, 5)], 2 * 27 * 27 * 8, 220, "meta"),
    ("vectors", kinds.Products, [(4, 5), (5,)], 3 * 20 + 5, 0, "meta"),
    ("attention", kinds.Attention, [(2, 3, 7, 8)], 2 * 3 * 7 * 7 * 16, 0, "meta"),
    ("bilinear", lambda: nn.Bilinear(3, 4, 5), [(2, 3), (2, 4)], 2 * 60, 65, "meta"),
    ("LSTM", lambda: nn.LSTM(8, 16, 2), [(5, 2, 8)], 10 * 64 * (8 + 16 + 32), 64 * 56 + 256, "meta"),
    ("GRU", lambda: nn.GRU(8, 16, bidirectional=True), [(5, 2, 8)], 10 * 2 * 48 * 24, 2 * (48 * 24 + 96), "meta"),
    ("LSTM cell", lambda: nn.LSTMCell(8, 16), [(2, 8)], 2 * 64 * 24, 64 * 24 + 128, "meta"),
    ("scripted", kinds.partly_scripted, [IMAGE], PIXELS * 27 * 4 + PIXELS * 36 * 8, 112 + 296, "cpu"),
]


@pytest.mark.parametrize(
    ("factory", "inputs", "macs", "params", "device"), [one[1:] for one in KINDS], ids=[one[0] for one in KINDS]
)
def test_each_kind_by_hand(
    factory: Callable[[], nn.Module], inputs: list[Any], macs: int, params: int, device: str
) -> None:
    network = factory()
    found = count(network, *inputs)
    assert (found.macs, found.params, found.device) == (macs, params, device)
    assert found.unknown == {}
    assert sum(layer.macs for layer in found.layers) == macs
    assert all(check.ok for check in checks(found, network)), [check.verdict for check in checks(found, network)]


def test_transformers_are_matrix_products() -> None:
    """Projections in and out, two products of attention, and the two linear layers, for batch 2 and length 7."""
    network = nn.TransformerEncoderLayer(16, 4, dim_feedforward=32, batch_first=True)
    found = count(network, (2, 7, 16))
    assert found.macs == 14 * 4 * 16 * 16 + 2 * 14 * 7 * 16 + 2 * 14 * 16 * 32
    assert [layer.kind for layer in found.layers if layer.macs] == ["MultiheadAttention", "Linear", "Linear"]


def test_keywords_and_text() -> None:
    expected = count(kinds.TwoInputs(), IMAGE, (1, 1, 10, 12)).macs
    assert count(kinds.TwoInputs(), "1x3x10x12", keywords={"noise": "1x1x10x12"}).macs == expected
    assert count(nn.Embedding(10, 4), "2x5:int64").macs == 0


def test_what_does_not_depend_on_the_input_is_apart() -> None:
    found = count(kinds.Merged(), (1, 4, 10, 12))
    assert found.constant_macs == 4 * 4 * 9 * 8  # the 3x3 kernel, as an image with 8 channels, through 8 to 4 channels
    assert found.outside == {"wide", "narrow"}
    spectral = count(kinds.spectral(), IMAGE)
    assert spectral.constant_macs == 8 * 27 + 8
    assert count(kinds.spectral(), (2, *IMAGE[1:])).constant_macs == spectral.constant_macs


def test_a_buffer_that_is_written_into_depends_on_the_input() -> None:
    class Written(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, x: Tensor) -> Tensor:
            padded = torch.zeros(1, 3, 12, 14)
            padded[:, :, 1:-1, 1:-1] = x
            output: Tensor = self.conv(padded)
            return output

    found = count(Written(), IMAGE)
    assert (found.macs, found.constant_macs) == (FIRST, 0)


def test_unused_parameters_and_layers_that_are_not_registered_are_named() -> None:
    assert count(kinds.NeverCalled(), IMAGE).unused == {"unused.weight": 216, "unused.bias": 8}
    assert count(kinds.PlainTensor(), IMAGE).unused == {}
    names = [layer.name for layer in count(kinds.NotRegistered(), IMAGE).layers]
    assert names == ["layers[0] (not registered)", "layers[1] (not registered)"]


def test_what_there_is_no_rule_for_is_named() -> None:
    found = count(kinds.Spectrum(), IMAGE)
    assert list(found.unknown) == ["_fft_c2c"] or list(found.unknown) == ["_fft_r2c"]
    assert found.macs == FIRST


def test_activations_traffic_and_bias() -> None:
    """As NTIRE counts activations: outputs of convolutions. Traffic: input, weight with bias, output; 4 bytes each."""
    found = count(nn.Sequential(kinds.conv(), nn.ReLU(), nn.PixelShuffle(2)), IMAGE)
    assert found.activations == found.bias == PIXELS * 8
    assert found.layers[0].bytes == 4 * (PIXELS * 3 + 224 + PIXELS * 8)
    assert found.bytes == found.layers[0].bytes + 2 * 4 * 2 * PIXELS * 8
    assert found.flops == 2 * FIRST
    assert found.free == {"relu": 1, "pixel_shuffle": 1}
    assert count(kinds.conv().half(), IMAGE).bytes == found.layers[0].bytes // 2
    assert count(nn.Conv2d(3, 8, 3, bias=False), IMAGE).bias == 0
    in_place = count(nn.Sequential(kinds.conv(), nn.ReLU(inplace=True)), IMAGE)
    assert in_place.bytes == found.layers[0].bytes + 2 * 4 * PIXELS * 8
    assert count(nn.Embedding(1000, 4), "2x5:int64").bytes == 10 * 8 + 2 * 10 * 4 * 4


def test_a_network_that_cannot_be_copied_is_one_line() -> None:
    network = kinds.conv()
    network.lines = (line for line in "text")
    with pytest.raises(UserError, match=r"^the network cannot be copied \(copy.deepcopy\): TypeError: .*generator"):
        count(network, IMAGE)


# ---------------------------------------------------------------- the checks


def test_checks_find_a_wrong_layer_a_wrong_operator_and_a_wrong_total(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(kinds.conv(), nn.Flatten(), nn.Linear(960, 2))
    found = count(network, IMAGE)
    assert [check.verdict for check in checks(found, network)] == ["equal"] * 3
    assert found.layers[0].formula is not None
    found.layers[0].formula += 5
    assert by_layers(found).verdict == f"+5: 0 (Conv2d): {FIRST + 5:,} by its shape, {FIRST:,} by its operators"
    assert not by_layers(found).ok
    monkeypatch.setitem(found.by_torch, "convolution", FIRST + 7)  # type: ignore[arg-type]
    assert by_torch(found).verdict == "+7: it counts +7 for convolution"
    assert not by_torch(found).ok
    assert Check("fvcore", 3, 5, False).verdict == "+2: the reason is not known"


def test_a_wrong_rule_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the three other counts notices when the rule for convolutions counts the bias as well."""
    from analysis.networks import operators

    right = operators.RULES["convolution"]
    wrong = {**operators.RULES, "convolution": lambda args, output: right(args, output) + output.numel()}
    monkeypatch.setattr(operators, "RULES", wrong)
    network = kinds.conv()
    verdicts = [check.verdict for check in checks(count(network, IMAGE), network)]
    assert [verdict.split(":")[0] for verdict in verdicts] == ["-960"] * 3


def test_what_explains_a_difference_is_said() -> None:
    network = nn.Sequential(nn.Bilinear(3, 4, 5))

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network[0]

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            output: Tensor = self.inner(x, y)
            return output

    found = {check.name: check for check in checks(count(Two(), (2, 3), (2, 4)), Two())}
    assert found["torch's FLOP counter, halved"].verdict == "-120: it has no rule for _trilinear (120)"
    assert found["fvcore"].verdict == "not compared: it has no rule for aten::bilinear"
    spectrum = kinds.Spectrum()
    assert checks(count(spectrum, IMAGE), spectrum)[2].verdict == "not compared: this count is not whole"


def test_large_networks_meet_fvcore_at_a_smaller_size() -> None:
    network = on_meta(lambda: build("msrn"))
    last = checks(count(network, (1, 3, 180, 320)), network)[2]
    assert (last.name, last.verdict) == ("fvcore, at 1x3x16x16", "equal")
    smsrn = on_meta(lambda: build("smsrn"))
    last = checks(count(smsrn, (1, 3, 180, 320)), smsrn)[2]
    assert (last.name, last.verdict) == ("fvcore, at 1x3x48x48", "equal")


# ---------------------------------------------------------------- lightened


@pytest.mark.parametrize(
    ("factory", "inputs", "replaced"),
    [
        (lambda: kinds.normed(60), [(1, 8, 10, 12)], 60),
        (kinds.old_normed, [IMAGE], 2),
        (kinds.PlainTensor, [IMAGE], 1),
        (kinds.OnCPU, [IMAGE], 1),
        (kinds.AlsoInAList, [IMAGE], 2),
        (kinds.InATable, [IMAGE], 2),
        (kinds.InAnObject, [IMAGE], 1),
        (kinds.lazy, [IMAGE], 2),
        (kinds.Mixed, [IMAGE], 2),
        (kinds.Recursive, [IMAGE], 1),
        (kinds.Keyword, [IMAGE], 1),
        (kinds.WeightUsedDirectly, [IMAGE], 1),
        (kinds.partly_scripted, [IMAGE], 1),
    ],
)
def test_each_kind_lightened_is_what_equation_5_predicts(
    factory: Callable[[], nn.Module], inputs: list[Any], replaced: int
) -> None:
    case = study("one", factory(), inputs[0])
    assert len(case.report.changes) == replaced
    assert case.after.macs == case.predicted_macs < case.before.macs


def test_why_a_network_is_not_lightened() -> None:
    with pytest.raises(UserError, match=r"^one: none of the convolutions that can be replaced runs \(unused\)"):
        study("one", kinds.NeverCalled(), IMAGE)
    with pytest.raises(
        UserError, match=r"^layer 'one' is held by the function 'InAFunction.__init__.<locals>.<lambda>'"
    ):
        study("one", kinds.InAFunction(), IMAGE)
    with pytest.raises(UserError, match=r"found none to replace; .*narrow: its weight is used outside of it"):
        study("one", kinds.Merged(), (1, 4, 10, 12))
    with pytest.raises(UserError, match=r"^one: the given network does not run on an input of shape 1x1x8x8"):
        study("one", kinds.Mixed(), (1, 1, 8, 8))


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_lightened_network_may_ask_its_layers_for_their_shape(dimensions: int) -> None:
    """For what a separable convolution has as well; of what it has not the error speaks."""

    class Asks(nn.Module):
        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what
            self.one = (nn.Conv1d, nn.Conv2d)[dimensions - 1](3, 8, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            assert getattr(self.one, self.what) is not None
            output: Tensor = self.one(x)
            return output.reshape(1, self.one.out_channels, -1)

    shape = (1, 3, *[8] * dimensions)
    assert study("one", Asks("padding"), shape).after.macs > 0
    with pytest.raises(UserError, match=r"^one: the lightened network does not run .* no attribute 'weight'"):
        study("one", Asks("weight"), shape)


def test_a_lazy_normalisation_is_counted_and_lightened() -> None:
    network = nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), kinds.conv(8, 4))
    found = count(network, IMAGE)
    assert by_fvcore(found, network).verdict == "equal"
    assert study("lazy", initialised(network, inputs.given(IMAGE)), IMAGE).after.macs < found.macs


def test_the_rule_of_fvcore_for_einsum_explains_a_difference() -> None:
    class Outer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("bc,bd->bcd", x, x)

    found = by_fvcore(count(Outer(), (1, 5)), Outer())
    assert found.found != found.expected
    assert (found.ok, found.why) == (True, "it estimates einsum by a rule of its own")


class Convolved(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor, weight: Tensor) -> Tensor:
        return nn.functional.conv2d(x, weight)


class Called(nn.Module):
    """Whatever ``function`` makes of the input and 3x3 numbers."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.numbers = nn.Parameter(torch.rand(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, self.numbers)


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (nn.Conv2d(3, 8, 3, padding="same"), "it has no rule for aten::_convolution_mode"),
        (Called(lambda x, numbers: torch.tensordot(x, numbers, dims=([1], [0]))), "it has no rule for aten::tensordot"),
        (Called(lambda x, numbers: torch.inner(x, x)), "it has no rule for aten::inner"),
        (Called(lambda x, numbers: numbers @ x[..., :3, :5]), "its rule for matmul leaves out what is broadcast"),
        (
            Called(lambda x, numbers: Convolved.apply(x, numbers[..., None, None])),  # type: ignore[no-untyped-call]
            "it has no rule for prim::PythonOp.Convolved",
        ),
    ],
    ids=["same padding", "tensordot", "inner", "broadcast", "function"],
)
def test_what_fvcore_does_not_know_is_said(network: nn.Module, why: str) -> None:
    found = checks(count(network, IMAGE), network)
    assert [one.ok for one in found] == [True] * 3
    assert found[-1].why == why


@pytest.mark.parametrize(
    "name", ["_cudnn_rnn", "miopen_rnn", "_flash_attention_forward", "_scaled_dot_product_attention_math_for_mps"]
)
def test_fused_operators_without_a_rule_are_not_free(name: str) -> None:
    """Torch tags them as random, for their dropout; they multiply and add."""
    packet = getattr(torch.ops.aten, name)
    assert [operators.is_free(getattr(packet, one)) for one in packet.overloads()].count(True) == 0


@pytest.mark.parametrize("draw", [torch.bernoulli, torch.poisson, torch.rand_like, lambda x: x.exponential_(2.0)])
def test_random_numbers_are_free(draw: Callable[[Tensor], Tensor]) -> None:
    found = count(Called(lambda x, numbers: draw(x)), IMAGE)
    assert (found.macs, found.unknown) == (0, {})


def test_inputs_inside_an_object_are_inputs() -> None:
    class Batch:
        def __init__(self) -> None:
            self.x = torch.rand(8, 16)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, 4)

        def forward(self, times: Tensor, batch: Batch) -> Tensor:
            return self.layer(batch.x) + times  # type: ignore[no-any-return]

    found = count(Net(), torch.zeros(1), Batch())
    assert (found.macs, found.constant_macs) == (8 * 16 * 4, 0)


def test_products_with_a_sparse_matrix_are_not_counted_as_full_ones() -> None:
    graph = torch.eye(50).to_sparse()
    found = count(Called(lambda x, numbers: graph @ x), torch.rand(50, 3))
    assert (found.macs, found.unknown) == (0, {"mm": 1})


def test_a_complex_convolution_is_three_real_ones() -> None:
    layer = nn.Conv2d(2, 4, 3).to(torch.complex64)
    found = count(layer, torch.rand(1, 2, 8, 8, dtype=torch.complex64))
    assert found.macs == 3 * 36 * 4 * 2 * 9
    assert by_layers(found).ok


def test_a_convolution_that_does_more_than_torchs_has_no_formula() -> None:
    class Twice(nn.Conv2d):
        def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            return super()._conv_forward(x, weight, bias) + super()._conv_forward(x, weight, None)

    found = count(Twice(3, 8, 3), IMAGE)
    assert found.macs == 2 * 8 * 10 * 8 * 27
    assert by_layers(found).ok


@pytest.mark.parametrize(("shape", "first"), [((2, 7, 16), True), ((7, 2, 16), False), ((1, 14, 16), True)])
def test_biases_of_attention_count_alike_in_every_memory_layout(shape: tuple[int, ...], first: bool) -> None:
    layer = nn.MultiheadAttention(16, 4, batch_first=first)
    assert count(layer, shape, shape, shape).bias == 4 * 14 * 16
    assert count(nn.MultiheadAttention(16, 4, bias=False, batch_first=first), shape, shape, shape).bias == 0


def test_a_network_of_constants_alone_is_not_lightened() -> None:
    class Prior(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.start = nn.Conv2d(3, 8, 3), nn.Buffer(torch.rand(1, 3, 8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.start)  # type: ignore[no-any-return]

    with pytest.raises(UserError, match="prior: expected multiply-adds that depend on the input, found none"):
        study("prior", Prior(), IMAGE)


def test_text_and_lists_are_handed_on() -> None:
    class Resized(nn.Module):
        def forward(self, x: Tensor, size: list[int], mode: str) -> Tensor:
            return nn.functional.interpolate(x, size, mode=mode)

    assert count(Resized(), IMAGE, keywords={"size": [16, 16], "mode": "bilinear"}).macs == 0


def test_a_layer_that_still_runs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the list to keep the old layers, the count after would not be the prediction."""
    import copy

    from replication import lighten as module

    def only_attributes(network: nn.Module, replacements: dict[int, nn.Module]) -> nn.Module:
        result = copy.copy(network)
        result._modules = {name: replacements.get(id(one), one) for name, one in network._modules.items()}
        return result

    monkeypatch.setattr(module, "_replaced", only_attributes)
    with pytest.raises(UserError, match="a replaced layer still runs somewhere"):
        study("one", kinds.AlsoInAList(), IMAGE)


# ---------------------------------------------------------------- generated networks


@st.composite
def chains(draw: st.DrawFn) -> nn.Sequential:
    """Convolutions of all sorts one after the other, some of them twice, with other layers between."""
    channels, layers = 4, []
    for _ in range(draw(st.integers(1, 5))):
        outputs = 4 * draw(st.integers(1, 3))
        groups = draw(st.sampled_from([1, 2, 4]))
        kernel = draw(st.sampled_from([1, 2, 3, (1, 3), (3, 2)]))
        kind = draw(st.sampled_from([nn.Conv2d, nn.ConvTranspose2d]))
        stride = draw(st.integers(1, 2)) if kind is nn.ConvTranspose2d else 1
        layers.append(kind(channels, outputs, kernel, stride=stride, groups=groups, bias=draw(st.booleans())))
        channels = outputs
        if draw(st.booleans()):
            layers.append(draw(st.sampled_from([nn.ReLU(), nn.BatchNorm2d(channels), nn.PReLU(channels)])))
        if draw(st.booleans()):
            same = nn.Conv2d(channels, channels, 3, padding=1)
            layers += [same] * draw(st.integers(1, 2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(9 * channels, 5))


def by_hooks(network: nn.Module, given: Tensor) -> int:
    """Output values times what each sums up, found by impulse: no formula of the counter's."""
    total = 0

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.ConvTranspose2d):  # each input value meets its channel's kernels of one group
            total += inputs[0].numel() * prod(module.weight.shape[1:])
        else:
            assert isinstance(module, nn.Conv2d | nn.Linear)
            total += output.numel() * prod(module.weight.shape[1:])

    chosen = [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    handles = [one.register_forward_hook(note) for one in chosen]
    with torch.no_grad():
        network.eval()(given)
    for handle in handles:
        handle.remove()
    return total


@settings(max_examples=40, deadline=None)
@given(network=chains(), batch=st.integers(1, 2), side=st.integers(16, 19))
def test_generated_networks_are_counted_as_by_hooks(network: nn.Sequential, batch: int, side: int) -> None:
    shape = (batch, 4, side, 16)
    found = count(network, shape)
    assert found.macs == by_hooks(network, torch.zeros(shape))
    assert found.params == sum(value.numel() for value in network.parameters())
    assert by_layers(found).verdict == by_torch(found).verdict == "equal"


@settings(max_examples=40, deadline=None)
@given(network=chains(), side=st.integers(16, 19))
def test_generated_networks_lightened_are_counted_as_by_hooks(network: nn.Sequential, side: int) -> None:
    shape = (1, 4, side, 16)
    _, report = lighten(network)
    if not report.changes:
        with pytest.raises(UserError, match="found none to replace"):
            study("generated", network, shape)
        return
    case = study("generated", network, shape)
    assert case.after.macs == case.predicted_macs == by_hooks(case.lighter, torch.zeros(shape))
    with torch.no_grad():
        assert case.lighter(torch.zeros(shape)).shape == network(torch.zeros(shape)).shape


def test_no_warnings_of_our_own() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        count(nn.Sequential(kinds.conv(), nn.Flatten(), nn.Linear(960, 2)), IMAGE)
