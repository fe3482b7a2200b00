"""What lightening saves, by equation 5 and by counting, what the approximation loses, and the page."""

import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

from analysis.networks import lighten_page, lightened
from analysis.networks.lightened import study
from replication import measure_lightened, records, weights
from replication.data import benchmarks
from replication.errors import UserError
from replication.lighten import Change, best_separable, lighten
from replication.models import build
from replication.models.zoo import NETWORKS

lighten_module = import_module("replication.lighten")
RESULTS = Path(__file__).parents[3] / "results"


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
