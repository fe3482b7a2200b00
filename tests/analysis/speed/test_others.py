"""Other networks beside ours in time and PSNR: what the page concludes from a record."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis import style
from analysis.figures import figure1_time
from analysis.speed import others, others_text
from analysis.speed.inference import spread
from analysis.speed.others import Timed
from replication import records
from replication.errors import UserError
from replication.records import NetworkSpeed, NetworkTime


def row(network: str, seconds: tuple[float, ...], folded: bool = False) -> NetworkTime:
    return NetworkTime(network, folded, "torch", 3, 180, 320, 10**9, seconds, {"torch": seconds[0]})


RECORD = NetworkSpeed(
    environment={"date": "2026-01-01", "machine": "a machine"},
    threads=1,
    rounds=3,
    times=(
        row("IMDN", (1.0, 1.1, 0.9)),
        row("ESPCN", (0.1, 0.1, 0.1)),
        row("smsrn", (2.0, 1.05, 2.1)),
        row("smsrn", (3.0, 3.1, 2.9), folded=True),
    ),
    left_out={"EDSR": 5 * 10**12, "RCAN": 10**12},
    product_macs=10**9,
    product_seconds=(0.5, 0.5, 0.6),
)


def one(seconds: tuple[float, ...], **psnr: float) -> Timed:
    return Timed("x", "x", "torch", 1, seconds, 1.0, psnr, others.PRINTED)


def test_who_dominates_whom() -> None:
    better, worse = one((1, 2), Set5=32.0, Urban100=26.0), one((3, 4), Set5=31.0, Urban100=26.0)
    assert better.dominates(worse)
    assert not worse.dominates(better)
    assert not one((1, 3.5), Set5=32.0).dominates(worse)  # the rounds overlap
    assert not one((1, 2), Set5=32.0, Urban100=25.9).dominates(worse)
    assert one((1, 2), Set5=32.0).dominates(worse)  # on what both have
    assert not one((1, 2), B100=32.0).dominates(worse)


def test_facts(tmp_path: Path) -> None:
    networks = others.timed(RECORD, tmp_path)
    assert [found.label for found in networks] == ["ESPCN", "IMDN", "SMSRN", "SMSRN, folded"]
    assert [found.floor for found in networks] == pytest.approx([0.2, 2, 4, 6])
    assert {found.source for found in networks} == {others.PRINTED}
    assert spread(RECORD.times) == pytest.approx(1 - 1.05 / 2)


def test_measured_psnr_is_shown_beside_the_printed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = {"paper_fraction": 0.0123}
    record = SimpleNamespace(mean=lambda metric: {"psnr_public_code": 31.25}[metric], training=training)
    monkeypatch.setattr(others, "recorded_row", lambda *args: SimpleNamespace(record=record))
    rows = [found for found in others.timed(RECORD, tmp_path) if found.model == "smsrn"]
    assert {(found.label, found.source) for found in rows} == {
        (label, source) for label in ("SMSRN", "SMSRN, folded") for source in (others.PRINTED, others.MEASURED)
    }
    assert {value for found in rows for value in found.psnr.values() if found.source == others.MEASURED} == {31.25}
    assert {found.origin for found in rows} == {"as published", "measured here after 1.2 % of the paper's training"}


def test_backends_that_were_nearly_as_fast_are_named() -> None:
    times = [replace(RECORD.times[0], trials=dict(zip(("torch", "openvino"), (1.0, other), strict=True)))
             for other in (1.09, 1.11)]  # fmt: skip
    text = others_text.close_text(replace(RECORD, times=(times[0], replace(times[1], network="far"))))
    assert text.endswith("were: IMDN (OpenVINO)")
    assert others_text.close_text(RECORD) == ""


def test_section(tmp_path: Path) -> None:
    assert "`python -m replication.benchmark_networks` measures it" in others_text.section(tmp_path)
    records.save(tmp_path, RECORD)
    text = " ".join(others_text.section(tmp_path).split())
    for expected in (
        "a machine; 1 thread(s); one picture of 1280x720 at x4, 3 rounds",
        "48 % off its median: the machine was not quiet",
        "RCAN (1,000 G), EDSR (5,000 G)",
        "| IMDN | PyTorch | 1,000 | 900 to 1,100 | 1.0 | 2.0 |",
        "SMSRN (as published): dominated by none of those timed; dominates none of them",
        "SMSRN, folded (as published): dominated by IMDN; dominates none of them",
        "Why not IMDN? SMSRN, folded took 3,000 ms, IMDN 1,000 ms (0.33 times as long; ",
        "IMDN dominates it.",
    ):
        assert expected in text, expected


def test_verdicts() -> None:
    good, bad = {"Set5": 32.0, "Urban100": 26.0}, {"Set5": 31.0, "Urban100": 25.0}
    assert others_text.verdict(one((1, 2), **good), one((3, 4), **bad)) == "x dominates it."
    assert others_text.verdict(one((3, 4), **bad), one((1, 2), **good)) == "x is dominated by it."
    assert others_text.verdict(one((3, 4), **good), one((1, 2), **bad)) == "Neither dominates the other."
    overlapping = others_text.verdict(one((1, 3), **good), one((2, 4), **bad))
    assert overlapping.endswith("does not tell which is faster; the higher PSNR is that of x.")


def test_figure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no record; `python -m replication.benchmark_networks` makes it"):
        figure1_time.write(tmp_path)
    records.save(tmp_path, RECORD)
    with style.settings():
        figure, labels = figure1_time.draw(others.timed(RECORD, tmp_path), "note")
        assert [text.get_text() for text in labels][:4] == ["ESPCN", "IMDN", "SMSRN", "SMSRN, folded"]
        assert len(figure.axes) == 2
    paths = figure1_time.write(tmp_path)
    assert {path.suffix for path in paths} == {".png", ".svg", ".pdf"}
    assert all(path.stat().st_size for path in paths)
