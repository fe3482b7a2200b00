"""Lightening: what is replaced and how, the paper's network from MSRN, the best approximation, and the command."""

import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from analysis.networks import lighten_page, lightened
from analysis.networks.lightened import study
from replication import measure_lightened, records, weights
from replication.data import benchmarks
from replication.errors import UserError
from replication.lighten import Change, best_separable, lighten, papers_choice
from replication.models import build
from replication.models.layers import SeparableConv2d
from replication.models.zoo import NETWORKS

lighten_module = import_module("replication.lighten")
RESULTS = Path(__file__).parents[3] / "results"


def combined(layer: nn.Module) -> Tensor:
    """The standard kernel that a separable convolution is."""
    assert isinstance(layer, SeparableConv2d)
    return torch.einsum("nd,dij->ndij", layer.pointwise.weight[:, :, 0, 0], layer.depthwise.weight[:, 0])


def test_msrn_with_the_papers_choice_is_smsrn() -> None:
    lighter, report = lighten(build("msrn"), choose=papers_choice)
    shapes = {key: value.shape for key, value in lighter.state_dict().items()}
    smsrn = build("smsrn")
    assert shapes == {key: value.shape for key, value in smsrn.state_dict().items()}
    assert len(report.changes) == 33
    weights.load(lighter, smsrn.state_dict(), "smsrn")
    image = torch.rand(1, 3, 5, 7)
    with torch.no_grad():
        torch.testing.assert_close(lighter(image), smsrn(image))


def test_the_original_is_not_touched_and_fresh_weights_differ() -> None:
    conv = nn.Conv2d(4, 4, 3).half().eval()
    before = conv.weight.clone()
    lighter, report = lighten(nn.Sequential(conv))
    assert torch.equal(conv.weight, before)
    assert report.changes[0].error is None
    assert all(value.dtype == torch.float16 for value in lighter.state_dict().values())
    assert not any(one.training for one in lighter[0].modules())  # type: ignore[index]


class Own(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class Renamed(nn.Conv2d):
    pass


def test_what_is_left_alone_and_why() -> None:
    hooked = nn.Conv2d(4, 4, 3)
    hooked.register_forward_hook(lambda *args: None)
    layers = [
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.ConvTranspose2d(4, 8, 3, groups=4),
        Own(4, 4, 3),
        hooked,
        torch.jit.script(nn.Conv2d(4, 4, 3)),
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3),
        Renamed(4, 4, 3),
    ]
    keep = {"6": lighten_module.USED_DIRECTLY}
    lighter, report = lighten(nn.Sequential(*layers), choose=lambda name, conv: name != "7", keep=keep)
    reasons = (
        lighten_module.POINTWISE,
        lighten_module.DEPTHWISE,
        lighten_module.DEPTHWISE,
        lighten_module.SUBCLASS,
        lighten_module.HOOKS,
        lighten_module.SCRIPTED,
        lighten_module.USED_DIRECTLY,
        lighten_module.NOT_CHOSEN,
    )
    assert report.left == dict(zip("01234567", reasons, strict=True))
    assert [change.name for change in report.changes] == ["8"]
    assert [type(one) for one in lighter.children()] == [*(type(one) for one in layers[:8]), SeparableConv2d]


def test_a_shared_layer_stays_shared() -> None:
    shared = nn.Conv2d(4, 4, 3, padding=1)
    lighter, report = lighten(nn.Sequential(shared, nn.Sequential(nn.ReLU(), shared), nn.Conv2d(4, 4, 3)))
    first, inner, other = lighter.children()
    assert first is inner[1]  # type: ignore[index]
    assert first is not other
    assert [change.name for change in report.changes] == ["0", "2"]


def test_tied_weights_are_refused() -> None:
    one, two = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
    two.weight = one.weight
    with pytest.raises(UserError, match=r"^layers '0' and '1' share one weight"):
        lighten(nn.Sequential(one, two))


def test_drrn_is_lightened_once_and_used_25_times() -> None:
    case = study("DRRN", NETWORKS["DRRN"].factory(), (1, 1, 8, 8))
    assert len(case.report.changes) == 4
    assert case.layers["unit.1"].calls == 25
    assert case.after.params == 2 * (128 * 9 + 128 + 128 * 128 + 128) + (9 + 1 + 128 + 128) + (128 * 9 + 128 + 128 + 1)


def test_equation_5_is_the_count_of_every_published_network() -> None:
    cases = lightened.published()
    assert len(cases) == len(NETWORKS) + 2
    for case in cases:
        assert round(case.predicted_macs) == case.after.macs, case.title
        assert case.after.params < case.before.params
    papers = next(case for case in cases if case.title == "MSRN, paper's layers")
    assert (papers.after.params, papers.after.macs) == (888_929, 1_349_851 * 57_600)
    assert f"{1 - papers.after.macs / papers.before.macs:.3f}" == "0.794"


def test_equation_5_would_not_fit_another_transformation(monkeypatch: pytest.MonkeyPatch) -> None:
    right = lighten_module.separable_like

    def with_another_layer(conv: nn.Conv2d, *, from_weights: bool) -> tuple[nn.Module, None]:
        return nn.Sequential(right(conv)[0], nn.Conv2d(conv.out_channels, conv.out_channels, 1)), None

    monkeypatch.setattr(lighten_module, "separable_like", with_another_layer)
    expected = 64 * (4 * 9 + 4 * 4)
    with pytest.raises(UserError, match=rf"^one: expected {expected:,} MACs .* counted {expected + 64 * 16:,}: "):
        study("one", nn.Conv2d(4, 4, 3, padding=1), (1, 4, 8, 8))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("kind", "options", "size"),
    [
        (nn.Conv1d, {"stride": 2, "padding": 1}, (9,)),
        (nn.Conv2d, {"padding": 1}, (12, 11)),
        (nn.Conv2d, {"kernel_size": 5, "stride": (2, 1), "padding": (2, 0)}, (12, 11)),
        (nn.Conv2d, {"dilation": (2, 3), "padding": "same", "padding_mode": "reflect"}, (12, 11)),
        (nn.Conv2d, {"kernel_size": (3, 1), "padding": (1, 0), "padding_mode": "circular"}, (12, 11)),
        (nn.Conv2d, {"kernel_size": (1, 5), "stride": 3}, (12, 11)),
        (nn.Conv2d, {"groups": 2, "padding": (1, 0)}, (7, 6)),
        (nn.Conv3d, {"padding": 1, "dilation": 2}, (7, 6, 8)),
        (nn.ConvTranspose1d, {"stride": 3, "padding": 1, "output_padding": 2}, (5,)),
        (nn.ConvTranspose2d, {"groups": 2, "stride": 2}, (4, 5)),
        (nn.ConvTranspose3d, {"stride": (1, 2, 1), "dilation": (1, 1, 2)}, (3, 4, 3)),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_separable_kernel_of_any_kind_gives_the_same_output(
    kind: type[nn.Module], options: dict[str, object], size: tuple[int, ...], bias: bool
) -> None:
    """Exact when the kernel is separable: every option has gone to the right part, and the MACs are equation 5's."""
    conv = kind(4, 6, bias=bias, dtype=torch.float64, **{"kernel_size": 3, **options})
    outputs, inputs, *kernel = conv.weight.shape
    groups = conv.groups
    assert isinstance(groups, int)
    left, right = torch.randn(outputs, inputs, dtype=torch.float64), torch.randn(groups, inputs, *kernel).double()
    kernels = [
        part.reshape(*part.shape, *[1] * len(kernel)) * small
        for part, small in zip(left.chunk(groups), right, strict=True)
    ]
    with torch.no_grad():
        conv.weight.copy_(torch.cat(kernels))
    lighter, report = lighten(conv, from_weights=True)
    given = torch.randn(2, 4, *size, dtype=torch.float64)
    torch.testing.assert_close(lighter(given), conv(given))
    assert report.changes[0].error == pytest.approx(0, abs=1e-6)
    assert sum("bias" in key for key in lighter.state_dict()) == (2 if bias else 0)
    case = study("one", conv, (2, 4, *size))
    assert case.after.macs == case.predicted_macs < case.before.macs
    assert case.after.params == sum(value.numel() for value in lighter.parameters())


def test_the_approximation_of_grouped_kernels_loses_what_it_says() -> None:
    """The error over all groups is that of the whole kernel."""
    for conv in (nn.Conv2d(4, 6, 3, groups=2, bias=False), nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False)):
        conv.double()
        lighter, report = lighten(conv, from_weights=True)
        delta = torch.zeros(1, 4, 7, 7, dtype=torch.float64)
        lost, whole = [], []
        for channel in range(4):  # the impulse response to each input channel is its kernels
            delta.zero_()[0, channel, 3, 3] = 1
            lost.append((lighter(delta) - conv(delta)).norm())
            whole.append(conv(delta).norm())
        expected = torch.stack(lost).norm() / torch.stack(whole).norm()
        assert report.changes[0].error == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("norm", ["weight", "old weight", "spectral", "old spectral"])
def test_normalisation_is_multiplied_out(norm: str) -> None:
    from torch.nn.utils import parametrizations, spectral_norm, weight_norm

    wrap = {
        "weight": parametrizations.weight_norm,
        "old weight": weight_norm,
        "spectral": parametrizations.spectral_norm,
        "old spectral": spectral_norm,
    }[norm]
    conv = wrap(nn.Conv2d(3, 5, 3, dtype=torch.float64)).eval()
    image = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        conv(image)
        effective = conv.weight.clone()
    lighter, report = lighten(conv, from_weights=True)
    assert report.changes[0].error == pytest.approx(
        float((combined(lighter) - effective).norm() / effective.norm()), rel=1e-9
    )
    assert set(lighter.state_dict()) == {f"{a}.{b}" for a in ("depthwise", "pointwise") for b in ("weight", "bias")}


def test_the_approximation_is_the_best_one() -> None:
    """Its error is the tail of the singular values, channel by channel, and nothing near it is better."""
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 7, 3, dtype=torch.float64)
    lighter, report = lighten(conv, from_weights=True)
    lost = (combined(lighter) - conv.weight).norm().detach()
    tails = [torch.linalg.svdvals(conv.weight[:, d].reshape(7, 9))[1:].square().sum() for d in range(6)]
    torch.testing.assert_close(lost, torch.stack(tails).sum().sqrt())
    assert report.changes[0].error == pytest.approx(float(lost / conv.weight.detach().norm()), rel=1e-12)
    with torch.no_grad():
        for parameter in (lighter.get_parameter("depthwise.weight"), lighter.get_parameter("pointwise.weight")):
            for _ in range(5):
                step = 1e-2 * torch.randn_like(parameter)
                parameter += step
                assert (combined(lighter) - conv.weight).norm() > lost
                parameter -= step
    assert torch.equal(lighter.get_parameter("pointwise.bias"), conv.bias)
    assert not lighter.get_parameter("depthwise.bias").any()


def test_a_kernel_of_zeros_has_no_error() -> None:
    depthwise, pointwise, error = best_separable(torch.zeros(4, 3, 3, 3))
    assert error == 0
    assert not depthwise.any() or not pointwise.any()


def test_random_kernels_lose_what_the_column_says() -> None:
    torch.manual_seed(0)
    change = Change("layer", (3, 3), 64, 128, None)
    assert best_separable(torch.randn(128, 64, 3, 3))[2] == pytest.approx(lighten_page.random_error(change), abs=0.003)


def ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of an untrained MSRN as if they were shipped, and one small benchmark."""
    torch.manual_seed(0)
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(weights, "FOLDER", tmp_path / "weights")
    path = weights.FOLDER / "msrn_x4.safetensors"
    weights.write(path, build("msrn"), {"model": "msrn", "scale": 4, "seed": 3})
    (weights.FOLDER / "SHA256SUMS").write_text(f"{weights.digest(path)}  {path.name}\n", encoding="utf-8")
    (tmp_path / "data").mkdir()
    found = benchmarks.embedded()
    small = benchmarks.Benchmark(found.name, found.images[1:2])
    monkeypatch.setattr(benchmarks, "find", lambda name, root: small if name == benchmarks.EMBEDDED else None)


def test_the_approximation_is_measured_once_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship(tmp_path, monkeypatch)
    results = tmp_path / "results"
    (path,) = measure_lightened.measure(results, tmp_path / "data")
    assert path.parent == results / "records" / "lighten"
    record = measure_lightened.recorded(results)[benchmarks.EMBEDDED]
    assert record.training == {"seed": 3}
    assert records.load_all(results) == []  # it is no record of one of the networks
    assert measure_lightened.measure(results, tmp_path / "data") == []
    text = lighten_page.approximation_text(results)
    assert f"| {record.mean('psnr_y'):.2f} |" in " ".join(text.split())
    assert "`body.*.conv_5_2`" in text
    assert "trained, it does" not in text  # nothing to compare with is recorded
    other = replace(record, key=replace(record.key, weights="0" * 64))
    path.unlink()
    records.save(results, other)
    assert measure_lightened.recorded(results) == {}
    path.write_text(records.to_json(other))
    with pytest.raises(UserError, match="belongs to a file named"):
        measure_lightened.recorded(results)
    path.write_text("{")
    with pytest.raises(UserError, match="damaged"):
        measure_lightened.recorded(results)


def test_untrained_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    assert measure_lightened.measure(tmp_path) == []
    assert lighten_page.approximation_text(tmp_path).startswith("MSRN x4 is not trained")


def test_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    shutil.copytree(RESULTS / "records", tmp_path / "records")
    (path,) = lighten_page.write(tmp_path)
    text = path.read_text(encoding="utf-8")
    for expected in (
        "888,929",
        "20.63 %",
        "It is exact for every network here",
        "FSRCNN: 2 1x1; MemNet",
        "VDSR `38`",
    ):
        assert expected in " ".join(text.split())
