"""Figure 1 over multiply-adds: counted where the network is here, the right points, readable labels."""

import pytest

from analysis import labels, style
from analysis.figures import figure1, figure1_macs
from analysis.figures.figure1 import Point

OURS = [Point("MSRN", 6_078_019, 31.1), Point("SMSRN", 888_929, 31.0)]


def test_costs_are_counted_where_the_network_is_here() -> None:
    points = {point.label: point for point in figure1_macs.published_points()}
    assert points["FSRCNN"].cost == pytest.approx(0.718, abs=1e-3)  # published: 4.6
    assert points["MSRN 2019-06"].cost == pytest.approx(376.82, abs=0.01)  # published: 349.8
    assert points["SRResNet"].counted  # nothing published
    assert (points["MSRN 2018"].cost, points["MSRN 2018"].counted) == (365.1, False)
    assert "D-DBPN" not in points  # neither network nor published value
    parameters = {point.label: point for point in figure1.published_points()}
    assert (parameters["SRCNN"].cost, parameters["SRCNN"].counted) == (57_281, True)
    assert (parameters["PAN"].cost, parameters["PAN"].counted) == (272_419, True)


def test_the_papers_points_stand_at_their_networks_counts() -> None:
    msrn, smsrn = figure1_macs.at_macs(figure1.paper_points())
    assert (round(msrn.cost, 1), msrn.psnr) == (376.8, 32.16)
    assert (round(smsrn.cost, 1), smsrn.psnr) == (77.8, 31.73)


def test_labels_do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "ROUNDS", 12)  # the arrangement need not be good here
    with style.settings():
        figure, texts = figure1.draw(
            figure1_macs.published_points(),
            figure1_macs.at_macs(figure1.paper_points()),
            figure1_macs.at_macs(OURS),
            "multiply-adds",
        )
        figure.draw_without_rendering()
        assert labels.overlaps(texts) == []
        (axes,) = figure.axes
        assert axes.get_xlabel().startswith("multiply-adds")
