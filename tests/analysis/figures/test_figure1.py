"""Figure 1: the right points, and labels that can be read."""

from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from analysis import paper, style
from analysis.figures import figure1
from analysis.figures.figure1 import Point
from analysis.labels import overlaps, place_labels
from analysis.names import PUBLISHED_LABELS

OURS = [Point("MSRN", 6_078_019, 31.1, training="0.09 %"), Point("SMSRN", 888_929, 31.0, training="0.36 %")]


def test_published_points_end_in_2020_and_leave_the_paper_out() -> None:
    points = figure1.published_points()
    names = {point.label for point in points}
    assert len(names) == len(points)
    assert {"SRCNN", "EDSR", "RCAN", "PAN", "MSRN 2018", "MSRN 2018-11", "MSRN 2019-06"} <= names
    assert not names & {"SMSRN", "SMSR", "SwinIR-light", "Bicubic"}
    years = {row.model: row.year for row in paper.published()}
    renamed = {short: model for model, short in PUBLISHED_LABELS.items()}
    assert max(years[renamed.get(name, name)] or 0 for name in names) == 2020


def test_the_papers_points_are_its_table() -> None:
    assert figure1.paper_points() == [Point("MSRN", 6_078_019, 32.16), Point("SMSRN", 888_929, 31.73)]


def test_without_records_nothing_is_measured(tmp_path: Path) -> None:
    assert figure1.measured_points(tmp_path) == []


@pytest.mark.parametrize("measured", [[], OURS], ids=["untrained", "trained"])
def test_labels_do_not_overlap_and_stay_inside(measured: list[Point]) -> None:
    with style.settings():
        figure, labels = figure1.draw(figure1.published_points(), figure1.paper_points(), measured)
        figure.draw_without_rendering()
        assert overlaps(labels) == []
        (axes,) = figure.axes
        area = axes.get_window_extent()
        boxes = [label.get_window_extent() for label in labels]
        page = figure.bbox.padded(1)
        for box in (axes.xaxis.label.get_window_extent(), figure1_legend(axes)):
            assert page.contains(*box.min)
            assert page.contains(*box.max)
    assert len(labels) == len(figure1.published_points()) + 2 + len(measured)
    assert all(area.contains(*box.min) and area.contains(*box.max) for box in boxes)
    assert figure.get_size_inches()[0] == style.COLUMN
    assert min(label.get_fontsize() for label in labels) >= 5


def figure1_legend(axes: Axes) -> Bbox:
    legend = axes.get_legend()
    assert legend
    return legend.get_window_extent()


def test_the_overlap_check_sees_an_overlap() -> None:
    with style.settings():
        figure = style.new_figure()
        axes = figure.add_subplot()
        labels = [axes.text(0.5, 0.5, "one"), axes.text(0.51, 0.5, "other"), axes.text(0.1, 0.1, "far")]
        figure.draw_without_rendering()
        assert overlaps(labels) == [("other", "one")]
        place_labels(axes, labels, [2, 2, 2])
        assert overlaps(labels) == []


def test_labels_without_room_are_an_error() -> None:
    with style.settings():
        axes = style.new_figure(2, 2).add_subplot()
        with pytest.raises(RuntimeError, match="do not fit"):
            place_labels(axes, [axes.text(0.5, 0.5, "a text that is much too long for a figure of this width")], [2])
