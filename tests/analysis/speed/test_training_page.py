"""The page on a training step: ratios, floor, loading, from the record and from nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.speed import training_page
from replication import records
from replication.records import StepTime, TrainingSpeed


@pytest.fixture
def record() -> TrainingSpeed:
    return TrainingSpeed(
        recipe="ab" * 32,
        hr_patch=96,
        batch_size=16,
        scale=4,
        images="12 of a set",
        threads=2,
        rounds=10,
        steps=(
            StepTime("smsrn", "plain PyTorch loop", 2.0, 0.05),
            StepTime("smsrn", "+ bf16", 0.5, 0.1),
            StepTime("msrn", "plain PyTorch loop", 6.0, 0.0),
        ),
        floor={"smsrn": 0.25, "msrn": 4.0},
        loading={"smsrn": 0.021, "msrn": -0.001},
        operators={"smsrn": {"aten::add": 0.1, "aten::conv": 0.6}},
        environment={"machine": "a machine", "instructions": "AVX9", "date": "2026-01-02", "torch": "2.0"},
        command="a command",
    )


def test_page(record: TrainingSpeed, tmp_path: Path) -> None:
    records.save(tmp_path, record)
    records.save(tmp_path, replace(record, environment=record.environment | {"machine": "another"}))
    (path,) = training_page.write(tmp_path)
    text = " ".join(path.read_text(encoding="utf-8").split())
    assert "| + bf16 | 500 | 10 % | 4.00 | 2.0 | |" in text
    assert "| MSRN | plain PyTorch loop | 6000 | 0 % | 1.00 | 1.5 | 3.0 |" in text
    assert "the upsampler folded, a step of MSRN takes 16.0 times as long as one of SMSRN" in text
    assert "16 patches of 24x24 LR pixels" in text
    assert "SMSRN 250 ms, MSRN 4000 ms" in text
    assert "change the time of a step: SMSRN +2.1 %, MSRN -0.1 %. What" in text
    assert "would take 51 days for SMSRN and 154 days for MSRN" in text
    assert text.index("`aten::conv` | 60.0 %") < text.index("`aten::add` | 10.0 %")
    assert ("## a machine, AVX9" in text, "## another, AVX9" in text) == (True, True)
