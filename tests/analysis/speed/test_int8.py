"""What the page says of integers follows from the record."""

from dataclasses import replace
from pathlib import Path

from analysis.speed import int8_text
from replication import records
from replication.records import IntegerFile, Integers

RECORD = Integers(
    model="smsrn",
    scale=4,
    weights="ab" * 32,
    benchmark="Set5",
    calibration="BSDS400",
    pictures=10,
    files=(
        IntegerFile("float", 3_000_000, (30.0, 32.0), (0.2, 0.6)),
        IntegerFile("all layers", 1_000_000, (29.5, 31.9), (0.1, 0.3)),
    ),
    environment={"date": "2026-11-26", "machine": "a machine", "onnxruntime": "1.0"},
    command="python -m replication.measure_int8",
)


def test_table_and_verdict(tmp_path: Path) -> None:
    records.save(tmp_path, RECORD)
    text = " ".join(int8_text.section(tmp_path).split())
    assert "| all layers | 1.00 | 30.70 | 0.30 | 0.40 | 0.50 |" in text
    assert "10 pictures (BSDS400)" in text
    assert "It does not pay on this processor: what is faster loses 0.30 dB or more" in text


def test_it_pays_when_little_is_lost_and_time_is_saved() -> None:
    single, other = RECORD.files
    close = replace(other, psnr=(29.95, 31.95))
    assert "It pays for all layers" in int8_text.verdict(replace(RECORD, files=(single, close)))
    slow = replace(close, seconds=(0.3, 0.6))
    assert "It pays" not in int8_text.verdict(replace(RECORD, files=(single, slow)))


def test_no_record(tmp_path: Path) -> None:
    assert "`python -m replication.measure_int8` measures it" in int8_text.section(tmp_path)
