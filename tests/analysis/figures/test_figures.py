"""The figures: what is drawn is what is computed, everything is readable, and the bytes are the same on every run."""

import dataclasses
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor, nn

from analysis import style
from analysis.cost import closed_form, equations
from analysis.figures import equation5, figure1_time, figure2, figure3, figures4to7, ladder, macs_by_group, summary
from analysis.labels import overlaps
from analysis.paper import BENCHMARKS
from analysis.quality.columns import AVERAGE
from analysis.quality.ladder import Loss, Rung, of_one_network
from analysis.speed import others
from replication import evaluate
from replication.crops import furthest
from replication.data import benchmarks
from replication.evaluate import Image, Subject
from replication.models import build, count_parameters
from replication.models.layers import SeparableConv2d, standard_conv
from replication.models.msrn import MSRN

ROOT = Path(__file__).resolve().parents[3]
ANALYTIC = (figure2, figure3, macs_by_group, equation5, summary)


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    with style.settings():
        yield


LOST = Rung(
    4000, 0, 0.0009, None, None,  # type: ignore[arg-type]  # the members are not drawn
    {name: Loss(0.1 + place / 100, 0.05, 0.15) for place, name in enumerate((*BENCHMARKS, AVERAGE))},
)  # fmt: skip


def larger(lost: Rung | None) -> Figure:
    with summary.settings():
        return summary.draw(lost)


def timed() -> Figure:
    record = others.read(ROOT / "results")
    assert record
    with style.settings():
        return figure1_time.draw(others.timed(record, ROOT / "results"), figure1_time.measured_on(record))[0]


def trained() -> Figure:
    """The recorded trainings, with the names of all their settings."""
    with style.settings():
        return ladder.draw({model: of_one_network(ROOT / "results", model) for model in ladder.LINES})


FIGURES = {
    "figure2": lambda: figure2.draw(),
    "figure3": lambda: figure3.draw(build("smsrn"), "SMSRN"),
    "figure3 of MSRN": lambda: figure3.draw(build("msrn"), "MSRN"),
    "macs_by_group": lambda: macs_by_group.draw({"msrn": closed_form.msrn(), "smsrn": closed_form.smsrn()}),
    "equation5": equation5.draw,
    "summary, untrained": lambda: larger(None),
    "summary, trained": lambda: larger(LOST),
    "figure1_time": lambda: timed(),
    "ladder": lambda: trained(),
}


def written(figure: Figure) -> list[Text]:
    """Texts of a drawn figure, without those of ticks, which matplotlib keeps even where it does not draw them."""
    figure.draw_without_rendering()
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    legends = [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()))]
    texts += [text for legend in legends for text in legend.get_texts()]
    texts += [axis.label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    return [text for text in texts if text.get_text().strip()]


@pytest.mark.parametrize("name", FIGURES)
def test_texts_can_be_read(name: str) -> None:
    figure = FIGURES[name]()
    texts = written(figure)
    assert texts
    assert overlaps(texts) == []
    assert min(text.get_fontsize() for text in texts) >= 5
    area = figure.bbox.padded(1)
    outside = [text.get_text() for text in texts if not area.contains(*text.get_window_extent().min)]
    outside += [text.get_text() for text in texts if not area.contains(*text.get_window_extent().max)]
    assert outside == []
    columns_wide = 2 if name.startswith(("summary", "ladder")) else 1
    assert figure.get_size_inches()[0] == pytest.approx(columns_wide * style.COLUMN)


def test_lengths_of_training_are_labelled_apart() -> None:
    figure = ladder.draw({model: of_one_network(ROOT / "results", model) for model in ladder.LINES})
    figure.draw_without_rendering()
    for axes in figure.axes:
        labels = axes.get_xticklabels()
        assert len(labels) > 2
        boxes = [label.get_window_extent().padded(2) for label in labels]
        assert not any(left.overlaps(right) for left, right in pairwise(boxes))


@pytest.mark.parametrize("module", ANALYTIC, ids=lambda module: module.__name__.rpartition(".")[2])
def test_files_are_the_same_on_a_second_run(module: ModuleType, tmp_path: Path) -> None:
    name = module.__name__.rpartition(".")[2]
    paths = module.write(tmp_path)
    assert paths == [tmp_path / "figures" / f"{name}.{suffix}" for suffix in ("png", "svg", "pdf")]
    before = [path.read_bytes() for path in paths]
    assert module.write(tmp_path) == paths
    assert [path.read_bytes() for path in paths] == before
    assert b"/FontFile2" in before[2]  # an embedded TrueType font, not Type 3 outlines
    assert b"/Type3" not in before[2]
    assert not re.search(rb"CreationDate|<dc:date>|tIME|<text", b"".join(before))


# Figure 2


@pytest.mark.parametrize("sizes", [figure2.Sizes(), figure2.Sizes(D=3, N=8, W=6, W_k=5)])
def test_figure2_has_as_many_cubes_as_the_equations_count(sizes: figure2.Sizes) -> None:
    figure = figure2.draw(sizes)
    (axes,) = figure.axes
    cubes = []
    for faces in axes.collections:
        assert isinstance(faces, PolyCollection)
        kind, size = str(faces.get_gid()).split()
        width, height, depth = map(int, size.split("x"))
        assert len(faces.get_paths()) == width * height + depth * (width + height)  # front, top and side
        if kind == "filter":
            cubes.append(width * height * depth)
        else:
            assert (width, height) == (sizes.W, sizes.W)
    words = style.words(figure)
    for label, count in (("$W$", 6), ("$H$", 3), ("$W_k$", 2)):
        assert words.count(label) == count
    costs = [
        equations.standard(sizes.W_k, sizes.D, sizes.N),
        equations.depthwise(sizes.W_k, sizes.D),
        equations.pointwise(sizes.D, sizes.N),
    ]
    numbers = (sizes.N, sizes.D, sizes.N)
    assert [sum(cubes[: numbers[0]]), sum(cubes[numbers[0] : -numbers[2]]), sum(cubes[-numbers[2] :])] == costs
    for equation, cost in enumerate([*costs, costs[1] + costs[2]], 1):
        (line,) = (line for line in words if line.startswith(f"eq. {equation}"))
        assert line.endswith(f"= {cost}")
    share = 100 * (costs[1] + costs[2]) / costs[0]
    assert any(line.startswith("eq. 5") and f"{share:.1f} %" in line for line in words)


# Figure 3


def expected_words(module: nn.Module) -> list[str]:
    return [
        f"DC {one.kernel_size[0]}×{one.kernel_size[1]}, {one.out_channels}"
        if one.groups > 1
        else f"{one.kernel_size[0]}×{one.kernel_size[1]}, {one.in_channels}→{one.out_channels}"
        for one in module.modules()
        if isinstance(one, nn.Conv2d)
    ]


@pytest.mark.parametrize(
    "network",
    [
        build("smsrn"),
        build("msrn", scale=2),
        MSRN(SeparableConv2d, scale=3, width=8, blocks=3),
        MSRN(standard_conv, scale=8, width=4, blocks=1),
    ],
    ids=["smsrn", "msrn x2", "narrow", "one block"],
)
def test_figure3_shows_every_layer_of_the_network(network: MSRN) -> None:
    words = style.words(figure3.draw(network, "NAME"))
    block = network.body[0]
    layers = [*expected_words(network.head), *expected_words(network.tail), *expected_words(block)]
    assert sorted(word for word in words if re.search(r"\d×\d", word)) == sorted(layers)
    names = [name for name, one in block.named_modules() if isinstance(one, nn.Conv2d)]
    names += [name for name, one in network.named_modules() if isinstance(one, nn.Conv2d) and name[:4] != "body"]
    names += [f"body.{index}" for index in range(len(network.body))]
    assert set(names) <= set(words)
    assert f"body.{len(network.body)}" not in words
    width = block.confusion.out_channels
    assert words.count(f"block, {width}") == len(network.body)
    assert f"concatenate, {(len(network.body) + 1) * width}" in words
    assert f"output, 3 channels, {network.scale}× as large" in words
    assert any(f"{count_parameters(network):,} parameters" in word for word in words)
    assert any("DC" in word for word in words) == any("depthwise" in name for name in names)


def test_figure3_follows_the_networks_own_code() -> None:
    nodes = {node.key: node for node in figure3.nodes_of(build("smsrn"), 3)}
    assert nodes["cat"].sources == (*(f"body_{index}" for index in range(8)), "head_0_pointwise")
    assert nodes["add"].text == "+ mean"
    block = {node.key: node for node in figure3.nodes_of(build("smsrn").body[0], 64)}
    assert block["add"].sources == ("x", "confusion")
    assert block["conv_5_2_depthwise"].sources == ("cat",)

    class Other(MSRN):
        def forward(self, x: Tensor) -> Tensor:
            return self.tail(self.features(x))

    assert "+ mean" in style.words(figure3.draw(build("smsrn"), ""))
    assert "+ mean" not in style.words(figure3.draw(Other(SeparableConv2d, scale=4), ""))


def test_figure3_draws_an_arrow_for_each_source() -> None:
    figure = figure3.draw(build("smsrn"), "")
    arrows = [text.get_gid() for text in figure.axes[0].texts if str(text.get_gid()).startswith("into ")]
    nodes = [*figure3.nodes_of(build("smsrn"), 3), *figure3.nodes_of(build("smsrn").body[0], 64)]
    assert sorted(arrows) == sorted(f"into {node.key}" for node in nodes for _ in node.sources)


def test_figure3_refuses_a_step_that_it_cannot_name() -> None:
    class Odd(MSRN):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(super().forward(x))

    with pytest.raises(ValueError, match="sigmoid"):
        figure3.draw(Odd(standard_conv, scale=2, width=4, blocks=1), "")


# Figures 4-7


def repeated(lr: Image) -> Image:
    return lr.repeat(4, axis=0).repeat(4, axis=1)


READY = {
    "bicubic": evaluate.subject("bicubic", 4),
    "msrn": Subject("msrn", 4, "0", {"paper_fraction": 0.0016}, repeated),
    "smsrn": None,
}
"""Bicubic as it is, a stand-in for MSRN, and no SMSRN."""


@pytest.fixture(scope="module")
def chelsea() -> figures4to7.Picture:
    return figures4to7.picture(benchmarks.EMBEDDED, "chelsea", READY)


def test_pictures_are_of_their_sets() -> None:
    for benchmark, name in figures4to7.PICTURES.values():
        assert name in benchmarks.manifest()[benchmark]


def test_scores_under_the_panels_are_those_of_the_evaluation(chelsea: figures4to7.Picture) -> None:
    (image,) = (one for one in benchmarks.embedded().images if one.name == "chelsea")
    original = evaluate.evaluated(image, 4)
    texts = [(text.get_text(), text.get_position()) for text in written(figures4to7.draw(chelsea))]
    columns_at = {word: where[0] for word, where in texts if word in ("bicubic", "MSRN", "SMSRN")}
    for method, name in (("bicubic", "bicubic"), ("msrn", "MSRN")):
        subject = READY[method]
        assert subject
        score, _ = evaluate.measure_image(subject, "chelsea", original)
        under = [word for word, where in texts if where[0] == columns_at[name] and word != name]
        assert under == [f"{score.psnr_y:.2f}", f"{score.ssim_y:.4f}", f"{score.ssim_rgb:.4f}"]
    assert [word for word, where in texts if where[0] == columns_at["SMSRN"]] == ["SMSRN", "–", "–", "–"]
    words = [word for word, _ in texts]
    assert words.count("not trained") == 2
    assert "Share of the paper's training: MSRN 0.16 %;" in words
    assert "by other readings of the paper 0.0625 to 12.5 times that." in words
    assert {"PSNR, luma (dB)", "SSIM, luma", "SSIM, RGB"} <= set(words)


def test_details_are_the_images_own_pixels_four_times(chelsea: figures4to7.Picture) -> None:
    figure = figures4to7.draw(chelsea)
    assert chelsea.original is not None
    assert chelsea.panels[0].image is not None
    side = figures4to7.DETAIL
    top, left = furthest(chelsea.original, chelsea.panels[0].image, side)
    shown = [axes for axes in figure.axes if axes.images and axes.images[0].get_array().shape == (side, side, 3)]
    assert len(shown) == 3
    images = [chelsea.original, *(panel.image for panel in chelsea.panels if panel.image is not None)]
    for axes, image in zip(shown, images, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), image[top : top + side, left : left + side])
        assert axes.get_window_extent().bounds == pytest.approx(
            [round(value) for value in axes.get_window_extent().bounds]
        )
        assert axes.get_window_extent().size == pytest.approx([4 * side, 4 * side])
    assert figure.get_size_inches()[0] == pytest.approx(style.COLUMN)


def test_photograph_texts_can_be_read(chelsea: figures4to7.Picture) -> None:
    for shown in (chelsea, dataclasses.replace(chelsea, name="101085")):
        texts = written(figures4to7.draw(shown))
        assert overlaps(texts) == []
        assert min(text.get_fontsize() for text in texts) >= 5


def test_whole_images_are_shown_whole_and_undistorted(chelsea: figures4to7.Picture) -> None:
    assert chelsea.original is not None
    height, width = chelsea.original.shape[:2]
    figure = figures4to7.draw(chelsea)
    figure.draw_without_rendering()
    side = figures4to7.DETAIL
    shown = [axes for axes in figure.axes if axes.images and axes.images[0].get_array().shape != (side, side, 3)]
    assert len(shown) == 3
    for axes in shown:
        assert axes.get_aspect() == "auto"  # the axes have the image's shape already; "equal" may shrink them
        rows, columns_ = axes.images[0].get_array().shape[:2]
        assert axes.get_window_extent().size == pytest.approx([columns_, rows], abs=1)
        assert rows / columns_ == pytest.approx(height / width, rel=0.01)


def test_detail_is_where_the_difference_is_largest() -> None:
    one = np.zeros((200, 300, 3), np.uint8)
    other = one.copy()
    other[100:164, 37:101] = 9
    other[10:20, 10:20] = 11  # stronger, but smaller
    assert furthest(one, other, 64) == (100, 37)
    assert furthest(one[..., 0], other[..., 0], 64) == (100, 37)
    small = np.zeros((20, 30), np.uint8)
    assert furthest(small, small, 64) == (0, 0)


def test_grey_images_are_drawn(chelsea: figures4to7.Picture) -> None:
    assert chelsea.original is not None
    grey = chelsea.original[..., 0]
    panels = tuple(figures4to7.Panel(method, grey, None) for method in figures4to7.METHODS)
    figure = figures4to7.draw(figures4to7.Picture("Set14", "bridge", grey, panels))
    assert all(axes.images[0].get_array().shape[2] == 3 for axes in figure.axes)


def test_absent_sets_are_named_in_every_panel(tmp_path: Path) -> None:
    for benchmark, name in list(figures4to7.PICTURES.values())[:4]:
        figure = figures4to7.draw(figures4to7.picture(benchmark, name, READY, tmp_path))
        words = style.words(figure)
        assert words.count(f"{benchmark} is\nnot here") == len(figure.axes) == 8
        assert f"{benchmark} {name}, x4" in words
        assert any("python -m replication.data" in word for word in words)
        assert not any(axes.images for axes in figure.axes)


def test_photographs_are_png_and_the_same_on_a_second_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures4to7, "subjects", lambda: READY)
    pictures = {"figure4": ("Set5", "baby"), "figure_embedded": (benchmarks.EMBEDDED, "chelsea")}
    monkeypatch.setattr(figures4to7, "PICTURES", pictures)
    (tmp_path / "data").mkdir()
    paths = figures4to7.write(tmp_path, tmp_path / "data")
    assert paths == [tmp_path / "figures" / f"{name}.png" for name in pictures]
    before = [path.read_bytes() for path in paths]
    figures4to7.write(tmp_path, tmp_path / "data")
    assert [path.read_bytes() for path in paths] == before


def test_pictures_of_benchmarks_are_never_committed() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git clone")
    ours = next(name for name in figures4to7.PICTURES if "embedded" in name)
    theirs = [f"results/figures/{name}.png" for name in figures4to7.PICTURES if name != ours]
    theirs += ["results/local/records/crops/x.png", "results/report_local.html"]
    files = [*theirs, f"results/figures/{ours}.png"]
    done = subprocess.run(["git", "check-ignore", *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == theirs


# Where the MACs are


def test_macs_by_group_draws_the_cost_model() -> None:
    networks = {"msrn": closed_form.msrn(width=16), "smsrn": closed_form.smsrn(width=16)}
    figure = macs_by_group.draw(networks)
    (axes,) = figure.axes
    for bars, layers in zip(axes.containers, networks.values(), strict=True):
        lengths = [bar.get_width() * 1e6 for bar in bars]
        groups = closed_form.by_group(layers)
        assert lengths == pytest.approx([closed_form.total_macs(members) for members in groups.values()])
        assert sum(lengths) == pytest.approx(closed_form.total_macs(layers))
        assert [label.get_text() for label in axes.get_yticklabels()] == list(groups)
    assert axes.yaxis.get_inverted()  # from the head down to the last layer


def test_macs_by_group_labels_are_those_of_the_paper_s_networks() -> None:
    words = style.words(FIGURES["macs_by_group"]())
    assert {"MSRN: 6.54 M", "SMSRN: 1.35 M", "0.74 M, 11.3 %", "0.74 M, 54.6 %", "1.7 k, < 0.1 %"} <= set(words)


# Equation 5


def test_equation5_curves_and_points() -> None:
    (axes,) = equation5.draw().axes
    curves = {line.get_label(): line.get_xydata() for line in axes.lines if str(line.get_label()).startswith("_k=")}
    assert set(curves) == {"_k=3", "_k=5", "_k=7"}
    for kernel in (3, 5, 7):
        for n, value in np.asarray(curves[f"_k={kernel}"]):
            assert value == pytest.approx(100 * float(equations.ratio(kernel, int(n))))
    layers, stars = (points.get_offsets().tolist() for points in axes.collections)
    assert [tuple(point) for point in stars] == [(128, pytest.approx(11.89)), (128, pytest.approx(4.78))]
    exact = {(n, round(100 / n + 100 / k**2, 9)) for k in (3, 5) for n in (64, 128)}
    assert {(n, round(value, 9)) for n, value in layers} == exact


# Summary


def test_summary_draws_cost_and_the_papers_claims() -> None:
    cost, _ = summary.draw(LOST).axes
    lengths = [[bar.get_width() for bar in bars] for bars in cost.containers]
    assert lengths == [[100, 100], [pytest.approx(14.6253, abs=1e-4), pytest.approx(20.6335, abs=1e-4)]]
    assert cost.get_xlim()[0] == 0
    assert cost.get_xlim()[1] >= 100
    (stars,) = cost.collections
    assert stars.get_offsets()[:, 0].tolist() == [pytest.approx(14.6253, abs=1e-4), pytest.approx(8)]
    words = [text.get_text() for text in cost.texts]
    assert {"SMSRN: 14.6 %", "the paper: 14.6 %", "SMSRN: 20.6 %", "the paper: 8 % (92 % saved)"} <= set(words)


def test_summary_draws_what_is_lost_beside_the_papers() -> None:
    figure = summary.draw(LOST)
    loss = figure.axes[1]
    (stars,) = [one for one in loss.collections if one.get_label() == "the paper"]
    assert np.asarray(stars.get_offsets())[:, 1] == pytest.approx([0.43, 0.33, 0.22, 0.71, 0.4225])
    points, _, (bars,) = loss.containers[0]
    assert points.get_ydata() == pytest.approx([0.1, 0.11, 0.12, 0.13, 0.14])
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [pytest.approx([0.05, 0.15])] * 5
    assert set(points.get_xdata()).isdisjoint(np.asarray(stars.get_offsets())[:, 0])
    assert (
        "SMSRN loses on average: 0.140 dB (0.050 to 0.150) by the choice of test images,\n"
        "after 0.09 % of the paper's training here\n"
        "(by other readings of the paper 0.0625 to 12.5 times that); 0.42 dB in the paper."
    ) in style.words(figure)


def test_summary_without_records_says_so(tmp_path: Path) -> None:
    (path, *_) = summary.write(tmp_path)
    assert path.is_file()
    words = style.words(summary.draw(None))
    expected = "SMSRN loses on average: not measured after equal trainings here;\n0.42 dB in the paper."
    assert expected in words
