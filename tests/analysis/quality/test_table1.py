"""Table 1: the paper's values as printed, measured ones from records alone, percentages from unrounded means."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from analysis import paper
from analysis.quality import table1_page
from analysis.quality.columns import AVERAGE, collect
from analysis.quality.ladder import Loss, Rung
from analysis.quality.training import CONDITIONS, measurements, shipped_validation
from replication import evaluate, recipe, records, weights
from replication.errors import UserError
from replication.models import build
from replication.records import Evaluation, ImageResult, Key

ENVIRONMENT = {"python": "3.12", "torch": "2.0", "machine": "a computer", "date": "2026-01-02"}
TRAINING: dict[str, Any] = {
    "recipe_digest": "ab" * 32,
    "step": 900,
    "steps": 1000,
    "seed": 3,
    "data": "BSDS400",
    "hours": 2.5,
    "machine": "two cores",
    "paper_fraction": 0.0123,
}


def record(benchmark: str, model: str, digest: str | None, psnr: float, **training: Any) -> Evaluation:
    luma = 0.95 if model == "msrn" else 0.9
    images = tuple(
        ImageResult(
            name,
            40,
            40,
            psnr + shift,
            luma + shift / 100,
            psnr - 2,
            0.8 + shift / 100,
            psnr + shift,
            luma + shift / 100,
            psnr + shift,
            0.5,
        )
        for name, shift in (("one", -0.002), ("other", 0.006))
    )
    key = Key(model, digest, "cd" * 32, records.protocols(4), 4)
    return Evaluation(key, benchmark, images, (TRAINING | training) if digest else None, ENVIRONMENT, "a command")


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Weights of both networks that count as shipped; remove one to have it untrained."""
    files = {}
    for model in ("msrn", "smsrn"):
        files[model] = tmp_path / f"{model}.safetensors"
        torch.manual_seed(0)
        weights.write(files[model], build(model), {"model": model, "scale": 4})
    monkeypatch.setattr(evaluate.weights, "shipped", lambda model, scale: files.get(model))
    return files


def save_all(results: Path, shipped: dict[str, Path], **training: Any) -> dict[tuple[str, str], Evaluation]:
    saved = {}
    for number, name in enumerate((*paper.BENCHMARKS, "embedded")):
        for model, psnr in (("bicubic", 28), ("smsrn", 31), ("msrn", 32)):
            digest = weights.digest(shipped[model]) if model in shipped else None
            saved[name, model] = record(name, model, digest, psnr - number, **training)
            records.save(results, saved[name, model])
    return saved


def lines(text: str, start: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith(f"| {start} ")
    ]


def test_the_published_rows_repeat_the_paper() -> None:
    table = paper.table1()
    for model, column in (("MSRN (as retrained in SMSRN paper)", table.msrn), ("SMSRN", table.smsrn)):
        row = paper.published_row(model)
        assert row.parameters == column.parameters
        assert row.psnr == {name: score.psnr for name, score in column.scores.items()}
        assert row.ssim == {name: score.ssim for name, score in column.scores.items()}


def test_nothing_recorded_is_said(tmp_path: Path, shipped: dict[str, Path]) -> None:
    del shipped["msrn"]
    text = table1_page.markdown(measurements(tmp_path))
    assert lines(text, "Set5")[0][1:] == [
        "32.16 / 0.8642",
        "31.73 / 0.8558",
        "not measured",
        "not trained",
        "not measured",
    ]
    assert "- MSRN: not trained." in text
    assert "- SMSRN: not measured." in text


def test_measured_values_are_means_of_the_records(tmp_path: Path, shipped: dict[str, Path]) -> None:
    save_all(tmp_path, shipped)
    text = table1_page.markdown(measurements(tmp_path))
    in_paper, equal, separability, literature = lines(text, "Set14")[:4]
    assert equal[1:] == ["0.33 dB"], "no pair of equal trainings is recorded here"
    # Every mean is the given one plus (-0.002 + 0.006) / 2; on RGB the SSIM is 0.8, on luma 0.9 (MSRN 0.95).
    assert in_paper[3:] == ["27.00 / 0.8000", "31.00 / 0.8000", "30.00 / 0.8000"]
    assert literature[2] == "27.00 / 0.9000"
    assert literature[3] == f"{27.002 - 26.00:+.3f} / {0.90002 - 0.7027:+.5f}"
    assert separability[2] == "1.000 dB (1.000 to 1.000)"
    assert separability[4] == f"{100 * 30.002 / 31.002:.2f} %"
    assert separability[6:] == ["100.00 %", f"{100 * 0.90002 / 0.95002:.2f} %"]
    average = lines(text, "Average")[0]
    assert average[3:] == ["26.50 / 0.8000", "30.50 / 0.8000", "29.50 / 0.8000"]
    assert lines(text, "Retained (SMSRN / MSRN)")[0][5] == f"{100 * 29.502 / 30.502:.2f} % / 100.00 %"


def rung(steps: int, seed: int, loss: float, folders: str = "9 images of a", rate: float | None = None) -> Rung:
    rates = {"matrix_rate": recipe.load("cpu").matrix_rate if rate is None else rate}
    run = SimpleNamespace(data=folders, recipe=rates, dead_filters=loss, precision="bf16", weights={}, earlier=())
    member: Any = SimpleNamespace(run=run)
    losses = {name: Loss(loss, loss - 0.01, loss + 0.01) for name in (*paper.BENCHMARKS, AVERAGE)}
    return Rung(steps, seed, 0.001, member, member, losses)


def test_losses_of_equal_trainings_stand_first() -> None:
    lengths = ((2000, 0, 0.05), (4000, 0, 0.1), (4000, 1, 0.2), (4000, 2, 0.3), (8000, 0, 0.25))
    found = [*(rung(*one) for one in lengths), rung(4000, 0, 0.5, "9 images of b", 0.25)]
    heading, *rows, share, dead_msrn, dead_smsrn = table1_page.equally_trained_table(found)
    assert heading[1:] == ["the paper", "4,000 steps, a, mean of 3 seeds", "8,000 steps, a, seed 0"]
    assert [row[0] for row in rows] == [*paper.BENCHMARKS, AVERAGE]
    assert rows[-1][1] == "0.42 dB"
    assert rows[-1][2].startswith("0.200 dB (")
    assert rows[-1][3] == "0.250 dB (0.240 to 0.260)"
    assert share[1] == "100 %"
    assert share[2].startswith("0.1 %")
    assert dead_msrn == ["Dead filters, MSRN", "", "10.0 to 30.0 %", "25.0 %"]
    assert dead_smsrn[1:] == dead_msrn[1:]


def test_percentages_are_not_of_rounded_means(tmp_path: Path, shipped: dict[str, Path]) -> None:
    digests = {model: weights.digest(path) for model, path in shipped.items()}
    for name in paper.BENCHMARKS:
        records.save(tmp_path, record(name, "msrn", digests["msrn"], 1.0029))  # mean 1.0049, printed 1.00
        records.save(tmp_path, record(name, "smsrn", digests["smsrn"], 0.9931))  # mean 0.9951, printed 1.00
    text = table1_page.markdown(measurements(tmp_path))
    assert lines(text, "Average")[0][4:] == ["1.00 / 0.8000", "1.00 / 0.8000"]
    assert lines(text, "Retained (SMSRN / MSRN)")[0][5].startswith("99.02 %")


def test_one_missing_set_leaves_no_average(tmp_path: Path, shipped: dict[str, Path]) -> None:
    saved = save_all(tmp_path, shipped)
    (tmp_path / "records" / saved["B100", "smsrn"].file_name).unlink()
    text = table1_page.markdown(measurements(tmp_path))
    assert lines(text, "B100")[0][5] == "not measured"
    assert lines(text, "Average")[0][5] == "not measured"
    assert lines(text, "Retained (SMSRN / MSRN)")[0][5] == "not measured"
    assert lines(text, "Average")[0][4] == "30.50 / 0.8000"


def test_records_of_older_weights_do_not_count(tmp_path: Path, shipped: dict[str, Path]) -> None:
    records.save(tmp_path, record("Set5", "smsrn", "00" * 32, 35.0))
    assert lines(table1_page.markdown(measurements(tmp_path)), "Set5")[0][5] == "not measured"


def test_parameters_are_counted(tmp_path: Path) -> None:
    row = lines(table1_page.markdown(measurements(tmp_path)), "Parameters")[0]
    assert row[1:] == ["6,078,019", "888,929 (14.6 %)", "0", "6,078,019", "888,929 (14.63 %)"]


def test_the_training_budget_stands_beside_the_numbers(tmp_path: Path, shipped: dict[str, Path]) -> None:
    save_all(tmp_path, shipped)
    text = table1_page.markdown(measurements(tmp_path))
    assert lines(text, "Training, share of the paper's")[0][1:] == [
        "100 %",
        "100 %",
        "none",
        *["1.2 % (0.077 to 15 %)"] * 2,
    ]
    assert "Same recipe, steps, data and seed for both." in text
    assert "One seed of each network" in text
    assert "with rates of its own MSRN may do better" in text
    assert "Step 900 of 1000, 2.5 hours on two cores; data: BSDS400; seed 3" in text
    assert weights.digest(shipped["msrn"])[:12] in text
    words = " ".join(table1_page.summary(measurements(tmp_path)))
    assert "the shipped weights: SMSRN 29.50 dB (1.2 % of the paper's training) and MSRN 30.50 dB (1.2 %" in words
    assert "equal steps" not in words, "no pair of equal trainings is recorded here"


def test_unequal_training_is_said(tmp_path: Path, shipped: dict[str, Path]) -> None:
    saved = save_all(tmp_path, shipped)
    for (_, model), made in saved.items():
        if model == "msrn":
            records.save(tmp_path, replace(made, training=TRAINING | {"step": 100}))
    page = table1_page.markdown(measurements(tmp_path))
    assert "**Not under the same conditions** (different: number of steps)" in page
    assert "they were not trained equally (different: number of steps), so" in page
    assert "## The shipped weights, not equally trained" in page
    assert lines(page, "Retained (SMSRN / MSRN)")[0][5] == "not equally trained"
    words = " ".join(table1_page.summary(replace(measurements(tmp_path), rungs=(rung(4000, 0, 0.1),))))
    assert "SMSRN loses 0.100 dB (0.090 to 0.110) on average after 4,000 equal steps of each network, 0.1 % of" in words
    assert "0.42 dB in the paper" in words
    assert "the shipped weights, not equally trained: SMSRN" in words


@pytest.mark.parametrize("fact", ["recipe_digest", "step", "data", "seed", "precision", "earlier"])
def test_every_condition_counts(fact: str, tmp_path: Path, shipped: dict[str, Path]) -> None:
    stage = {"step": 400, "seed": 1, "recipe_digest": "cd" * 32, "data": "9 images of a", "precision": "bf16"}
    saved = save_all(tmp_path, shipped, earlier=[stage])
    page = table1_page.markdown(measurements(tmp_path))
    assert "Same recipe, steps, data and seed for both." in page
    assert " ".join(page.split()).count("to step 400: data: 9 images of a, seed 1, recipe `cdcdcdcdcdcd`.") == 2
    for (_, model), made in saved.items():
        if model == "msrn":
            other = {**stage, "precision": "fp32"} if fact == "earlier" else 7
            facts = TRAINING | {"earlier": [stage]} | {fact: [other] if fact == "earlier" else other}
            records.save(tmp_path, replace(made, training=facts))
    page = table1_page.markdown(measurements(tmp_path))
    assert f"**Not under the same conditions** (different: {CONDITIONS[fact]})" in page


def test_the_last_validation_that_was_taken_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    for model in ("msrn", "smsrn"):
        (tmp_path / f"{model}_x4.csv").write_text("step,loss,validation_psnr\n1,0.1,25.5\n2,0.1,\n")
    assert shipped_validation() == {"msrn": 25.5, "smsrn": 25.5}
    (tmp_path / "smsrn_x4.csv").write_text("step,loss,validation_psnr\n1,0.1,\n")
    assert shipped_validation() == {}


def test_the_csv_has_every_value_and_no_claim_about_the_papers_channels(
    tmp_path: Path, shipped: dict[str, Path]
) -> None:
    save_all(tmp_path, shipped)
    rows = list(csv.DictReader(io.StringIO(table1_page.csv_text(measurements(tmp_path)))))
    by_origin = {
        origin: [row for row in rows if row["origin"] == origin] for origin in ("paper", "published", "measured")
    }
    assert [len(found) for found in by_origin.values()] == [8, 8, 15]
    assert by_origin["paper"][0]["psnr_channel_not_stated"] == "32.16"
    assert {row["psnr_y"] + row["ssim_rgb"] for row in by_origin["paper"]} == {""}
    set5 = next(row for row in by_origin["measured"] if (row["set"], row["model"]) == ("Set5", "smsrn"))
    assert (set5["psnr_y"], set5["paper_fraction"], set5["images"]) == ("31.002000", "0.0123", "2")
    assert set5["weights"] == weights.digest(shipped["smsrn"])


def test_the_latex_is_well_formed(tmp_path: Path) -> None:
    text = table1_page.latex(measurements(tmp_path))
    for line in text.splitlines():
        assert "%" not in line.replace(r"\%", "") or line.startswith("% ")
        if line.endswith(r"\\"):
            assert line.count("&") in (5, 6)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2


def test_a_damaged_record_stops_it_and_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "table1.md").write_text("old")
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "broken.json").write_text("{")
    with pytest.raises(UserError, match=r"broken\.json"):
        table1_page.save(measurements(tmp_path), tmp_path)
    assert (tmp_path / "table1.md").read_text() == "old"


def test_equal_conditions_on_luma_and_on_rgb(tmp_path: Path, shipped: dict[str, Path]) -> None:
    save_all(tmp_path, shipped)
    heading, *rows = table1_page.equal_table(collect(tmp_path))
    assert heading[-1] == "kept in the paper: 98.5 % / 98.3 %"
    assert [row[:2] for row in rows[:3]] == [["Set5", "luma"], ["Set5", "RGB"], ["Set14", "luma"]]
    assert rows[0][2:5] == ["28.00 / 0.9000", "31.00 / 0.9000", "32.00 / 0.9500"]
    assert rows[1][2:5] == ["26.00 / 0.8000", "29.00 / 0.8000", "30.00 / 0.8000"]
    kept = f"{100 * 31.002 / 32.002:.2f} % / {100 * 0.90002 / 0.95002:.2f} %"
    assert rows[0][5:] == ["1.000 dB (1.000 to 1.000)", kept, "98.66 % / 99.03 %"]
    assert rows[1][7] == ""
    assert rows[-2][0] == "Average"


def test_equal_conditions_without_weights(tmp_path: Path, shipped: dict[str, Path]) -> None:
    del shipped["msrn"]
    save_all(tmp_path, shipped)
    rows = table1_page.equal_table(collect(tmp_path))[1:]
    assert all("not" in row[4] and row[3][0].isdigit() for row in rows)
    assert {(row[5], row[6]) for row in rows} == {("", "")}
