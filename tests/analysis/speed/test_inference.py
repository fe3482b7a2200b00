from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis import style
from analysis.cost.folded import best_tail
from analysis.figures import speed
from analysis.speed import inference_page
from analysis.speed.inference import layer_macs, mac_ratio, read, situations
from replication import records
from replication.benchmark import NETWORKS
from replication.errors import UserError
from replication.records import Account, HalfPrecision, LayerTime, Memory, Speed, Timing


def row(network: str, folded: bool, backend: str, how: str, threads: int, *seconds: float) -> Timing:
    return Timing(network, folded, backend, how, threads, 180, 320, seconds)


LAYERS = (
    LayerTime("a", 3, 4, 4, 4, 10, 10, 3600, 0.5),
    LayerTime("b", 1, 4, 8, 1, 10, 10, 6400, 1.0),
    LayerTime("c", 3, 4, 4, 1, 10, 10, 4000, 0.25),
)


@pytest.fixture
def record() -> Speed:
    times = []
    for threads in (1, 2):
        for index, (name, folded) in enumerate(NETWORKS):
            times += [
                row(name, folded, "torch", "channels_last", threads, 8 / 2**index / threads),
                row(name, folded, "torch", "contiguous", threads, 9.0, 9.0),
                row(name, folded, "onnxruntime", "", threads, 0.5 / 2**index, 0.25 / 2**index, 9.0),
            ]
        times.append(row("bicubic", False, "Pillow", "", threads, 0.001))
    times.append(row("smsrn", True, "torch", "compiled", 1, 0.5))
    return Speed(
        environment={"date": "2026-01-02", "machine": "a machine", "torch": "2.0", "onnxruntime": "1.0"},
        rounds=3,
        memory=(Memory("msrn", False, "torch", "", 180, 320, 10**8, 3 * 10**8),),
        times=tuple(times),
        layers=(Account("smsrn", False, 2.0, LAYERS), Account("msrn", False, 1e-9, LAYERS)),
        copy_bytes_per_second=20e9,
        half_precision=(HalfPrecision("smsrn", 3_000_000, 1_600_000, "Set5", -0.0123),),
    )


def test_ratios_are_to_msrn_in_pytorch_of_the_same_situation(record: Speed) -> None:
    one, two = situations(record)
    lines = inference_page.case_table(record, one).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:4]] == [
        "MSRN", "8000 ms, 1.00x", "500 ms, 16.00x (0.89 to 32.00)",
    ]  # fmt: skip
    assert "1000 ms, 8.00x (8.00 to 8.00)" in lines[5]
    assert "4000 ms, 1.00x" in inference_page.case_table(record, two)


def test_mac_ratio_is_the_ratio_of_multiply_adds_with_the_border(record: Speed) -> None:
    case = situations(record)[0]
    assert mac_ratio(("msrn", False), case) == 1
    assert mac_ratio(("smsrn", False), case) == pytest.approx(6_542_016 / 1_349_851)
    border = best_tail(4).border.macs(180, 320)
    expected = 6_542_016 * 180 * 320 / (657_627 * 180 * 320 + border)
    assert mac_ratio(("smsrn", True), case) == pytest.approx(expected)


def test_summary_says_the_measured_factors(record: Speed) -> None:
    text = " ".join(inference_page.summary(record).split())
    assert "make MSRN 4.00 (4.00 to 4.00) times as fast in PyTorch" in text
    assert "SMSRN in ONNX Runtime takes 62 ms: 128.00 (0.89 to 256.00) times as fast as MSRN in PyTorch" in text
    assert "8.00 (0.03 to 288.00) times as fast as MSRN in the same backend" in text
    assert "2.00 (2.00 to 2.00) in PyTorch, 2.00 (0.01 to 288.00) in ONNX Runtime" in text


def test_layers_by_kind(record: Speed) -> None:
    _, _, first, second, _, rest = inference_page.layer_table(record.layers[0]).splitlines()
    assert [cell.strip() for cell in first.split("|")[1:-1]] == [
        "depth-wise 3x3", "1", "0.00", "17.0 %", "500", "25.0 %", "0.0", "1.0", "0.0",
    ]  # fmt: skip
    assert "15.1 %" in second
    assert "12.5 %" in rest  # 2 s less 1.75 s
    assert layer_macs(LAYERS[0]) == 9 * 4 * 100
    assert layer_macs(LAYERS[1]) == 4 * 8 * 100


def test_the_account_in_words(record: Speed) -> None:
    text = " ".join(inference_page.layers_text(record).split())
    # MSRN: 21,200 MACs in 1 ns: 21,200 G per second. SMSRN the same in 2 s, so that 2 s are lost.
    assert "MSRN makes 21200.0 G MACs per second. At that rate SMSRN would take 0 ms; it takes 2000." in text
    assert "1x1 layers +1000 ms, depth-wise 3x3 layers +500 ms" in text
    assert text.count("+250 ms") == 2  # 3x3 layers, and everything else
    assert "make 1.0 multiply-adds for every byte" in text
    assert "copying a map of 128 channels moves 20.0." in text


def test_other_tables(record: Speed) -> None:
    assert "300, 200" in inference_page.memory_table(record)
    assert "PyTorch, compiled" in inference_page.trials_table(record)
    assert "0.50" in inference_page.trials_table(record)  # of 1 s
    assert "-0.0123 dB" in inference_page.half_table(record)
    assert "they compute 2.67 times as many pixels" in inference_page.tiles_text(situations(record)[0])
    assert "Not measured" in inference_page.as_markdown(replace(record, memory=()))


def test_picture_and_page(record: Speed, tmp_path: Path) -> None:
    records.save(tmp_path, record)
    paths = [*inference_page.write(tmp_path), *speed.write(tmp_path)]
    assert all(path.stat().st_size for path in paths)
    with style.settings():
        shown = style.words(speed.draw(record))
    assert {"MSRN", "SMSRN, folded", "PyTorch", "128.0", "ratio of multiply-adds"} <= set(shown)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "replication.benchmark` makes it"), ("{", "is damaged"), ("{}", "missing required field")],
)
def test_a_record_that_cannot_be_used(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "records" / "speed" / "speed.json"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=words) as caught:
        read(tmp_path)
    assert str(path.parent) in str(caught.value)


def test_a_record_that_lacks_what_the_page_needs(record: Speed, tmp_path: Path) -> None:
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"layers": (replace(record.layers[0], network="x"),)}, "KeyError"),
        (
            {"times": tuple(row for row in record.times if row.network != "msrn")},
            "the time of msrn in PyTorch is missing",
        ),
        ({"times": ()}, "it holds no times"),
    )
    for change, words in changes:
        path = records.save(tmp_path, replace(record, **change))
        assert path
        with pytest.raises(UserError, match=rf"speed\.json is damaged: {words}"):
            inference_page.write(tmp_path)
        path.unlink()
    assert not (tmp_path / "speed.md").exists()
