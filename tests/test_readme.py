"""The README's findings are the results' numbers, and its links lead somewhere."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from statistics import fmean

import pytest

from analysis import paper
from analysis.claims.verdict import ADOPTED, CONFIRMED, CONTRADICTED, PART, ROUNDING, UNDECIDABLE, ledger
from analysis.cost import closed_form, designs
from analysis.names import DISPLAY, SCALE
from analysis.quality.calibration import calibrated
from analysis.quality.columns import AVERAGE, collect, measured
from analysis.quality.ladder import (
    OTHER_PAIR,
    Loss,
    Member,
    Rung,
    SeedLoss,
    best_within,
    by_todays_recipe,
    headline,
    image_folders,
    last_validation,
    of_one_network,
    over_seeds,
    rungs,
    setting,
    step_ratios,
)
from analysis.quality.ladder_page import goes_on
from analysis.quality.training import share_with_range
from analysis.text import in_words, percent, small_percent
from replication import records
from replication.models import build_any, count_parameters
from replication.records import BY_PROTOCOL, NOISE_PSNR

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
README = (ROOT / "README.md").read_text(encoding="utf-8")
FINDINGS = " ".join(README.split("## Does the paper hold?")[1].split("![")[0].split())


def networks() -> list[str]:
    printed = paper.table1()
    return [
        f"**{percent(printed.smsrn.parameters / printed.msrn.parameters, 2)}** of MSRN's parameters",
        f"{printed.smsrn.parameters:,} of {printed.msrn.parameters:,}",
        f"{designs.paper_search().size:,} designs",
    ]


def cost() -> list[str]:
    msrn, smsrn = closed_form.msrn(), closed_form.smsrn()
    saving = 1 - closed_form.total_macs(smsrn) / closed_form.total_macs(msrn)
    gmacs = [f"{closed_form.gmacs_720p(layers, 4):.1f}" for layers in (msrn, smsrn)]
    return [f"**{percent(saving)}** of MSRN's multiply-adds", f"{gmacs[0]} to {gmacs[1]} G"]


def decibels() -> list[str]:
    msrn, smsrn = paper.table1().msrn.average.psnr, paper.table1().smsrn.average.psnr
    more = 10 ** ((msrn - smsrn) / 10) - 1
    bicubic = measured(collect(RESULTS), "bicubic", *BY_PROTOCOL["public_code"]).average
    assert bicubic
    lost = [
        f"| the paper's | DIV2K | 100 % | {msrn:.2f} | {smsrn:.2f} | {msrn - smsrn:.2f} dB |",
        f"{100 * more:.0f} % more",
        f"{msrn - bicubic.psnr:.2f} dB below MSRN",
    ]
    return [*lost, f"{100 * bicubic.psnr / msrn:.0f} % of the decibels"]


def measurements() -> list[str]:
    """What equal trainings lose, the same with other images, and the best weights."""
    found = [rung for rung in rungs(RESULTS) if AVERAGE in rung.loss]
    today = [rung for rung in found if by_todays_recipe(rung.full.run)]
    first = headline(found)
    assert first
    loss, share = first.loss[AVERAGE], share_with_range(first.share)
    wanted = [
        f"**{loss.mean:.3f} dB** after {first.steps:,} steps",
        f"{percent(first.share, 2)} of the paper's training",
    ]
    wanted.append(share.partition("(")[2].rstrip(")"))
    joined = over_seeds(today)
    lengths = [one for one in found if one in today or one.full.run.earlier]
    wanted += [row(one.rungs, one.loss[AVERAGE], f"over {len(one.rungs)} seeds") for one in joined]
    wanted.append(row([first], loss, "over the test images"))
    wanted += [*all_lengths(lengths, joined), *gains(lengths), *trials(), *beside_the_paper()]
    if restarts := [f"{one['step']:,}" for one in first.full.run.earlier]:
        wanted.append(f"restarted after {in_words(restarts)} of its steps")
    rates = sorted((one.loss[AVERAGE].mean, one.setting) for one in found if one not in lengths)
    assert all(name.endswith("SOAP's rate 0.002") for _, name in rates)
    assert "budgie" in rates[-1][1], "README says what the largest was trained on"
    wanted.append(f"{rates[0][0]:.3f} to {rates[-1][0]:.3f} dB at SOAP's rate 0.002 in place of")
    dead = [percent(one.run.dead_filters or 0) for one in (first.full, first.light)]
    wanted += ["{} of MSRN's filters and {} of SMSRN's are dead".format(*dead), *equal_arithmetic(today)]
    for model in ("smsrn", "msrn"):
        mean = measured(collect(RESULTS), model, *BY_PROTOCOL["public_code"]).average
        assert mean, f"{model} is not measured on all four sets"
        wanted.append(f"{mean.psnr:.2f} dB ({DISPLAY[model]})")
    return wanted


def all_lengths(lengths: list[Rung], joined: list[SeedLoss]) -> list[str]:
    """The range of the loss over all lengths of training, the mean over the seeds where there are several."""
    seeds = [one for mean in joined for one in mean.rungs]
    losses = [one.loss[AVERAGE].mean for one in (*joined, *(rung for rung in lengths if rung not in seeds))]
    steps = [one.steps for one in lengths]
    return [f"from {min(steps):,} to {max(steps):,} steps, lose {min(losses):.3f} to {max(losses):.3f} dB"]


def gains(lengths: list[Rung]) -> list[str]:
    """What each network gained in the pairs that went on from 24,000 steps or more."""
    words = []
    for after, before in permutations(lengths, 2):
        if after.full.run.earlier and before.steps >= 24_000 and goes_on(after.full.run, before.full.run):
            changes = (after.full, before.full), (after.light, before.light)
            full, light = (new.psnr[AVERAGE] - old.psnr[AVERAGE] for new, old in changes)
            words += [f"{after.steps - before.steps:,} more", f"by {full:+.3f} dB (MSRN) and {light:+.3f} dB (SMSRN)"]
    return words


def trials() -> list[str]:
    """That the scalings alone brought something, in trials of SMSRN on the validation images."""
    validation = {run.note: last_validation(run) or math.nan for run in records.load(RESULTS, records.TrainingRun)}
    assert validation["trial: as before"] < validation["trial: five scalings"]
    return ["the scalings, which came with T91, [have a part in it](results/runs.md)"]


def beside_the_paper() -> list[str]:
    """PSNR of the shipped SMSRN, set by set, and the paper's."""
    found = measured(collect(RESULTS), "smsrn", *BY_PROTOCOL["public_code"])
    theirs = paper.table1().smsrn
    sets = [f"{found.scores[name].psnr:.2f} on {name} ({theirs.scores[name].psnr:.2f})" for name in paper.BENCHMARKS]
    ours = found.average
    assert ours
    assert all(found.scores[name].psnr > theirs.scores[name].psnr for name in paper.BENCHMARKS)
    lower = [name for name in paper.BENCHMARKS if round(found.scores[name].ssim, 4) < theirs.scores[name].ssim]
    assert lower == ["Urban100"], "README says that SSIM is lower there alone"
    return [
        *sets,
        f"{ours.psnr:.2f} on average ({theirs.average.psnr:.2f})",
        "it reaches the paper's SMSRN on every set",
        f"SSIM on Urban100 is {found.scores['Urban100'].ssim:.4f} ({theirs.scores['Urban100'].ssim:.4f})",
        f"MSRN, {paper.table1().msrn.average.psnr:.2f} in the paper",
    ]


def row(same: Sequence[Rung], loss: Loss, over: str) -> str:
    """The table's row of one length of training, of one seed or several."""
    one = same[0]
    full, light = (fmean(getattr(rung, part).psnr[AVERAGE] for rung in same) for part in ("full", "light"))
    return (
        f"| {one.steps:,} | {image_folders(one.full.run)} | {small_percent(one.share)} | {full:.2f} | {light:.2f} "
        f"| {loss.mean:.3f} dB | {loss.low:.3f} to {loss.high:.3f} dB {over} |"
    )


def another_network() -> list[str]:
    """What the paper's step saves and costs in another network, beside SMSRN after as many steps."""
    (pair,) = [rung for rung in rungs(RESULTS, OTHER_PAIR) if by_todays_recipe(rung.full.run)]
    full, light = (count_parameters(build_any(model, scale=SCALE)) for model in OTHER_PAIR)
    loss = pair.loss[AVERAGE]
    (same,) = [one.loss[AVERAGE] for one in over_seeds(rungs(RESULTS)) if one.first.length == pair.length]
    return [
        f"saves {percent(1 - light / full)} of the parameters and loses {loss.mean:.3f} dB",
        f"({loss.low:.3f} to {loss.high:.3f} dB) after {pair.steps:,} steps, SMSRN {same.mean:.3f} dB",
    ]


def equal_arithmetic(today: list[Rung]) -> list[str]:
    """The best SMSRN that cost no more multiply-adds than MSRN's 4,000 and 8,000 steps, by today's recipe."""
    (msrn, *_), (longer,) = ([one.full for one in today if one.steps == steps] for steps in (4000, 8000))
    alike = (setting(msrn.run), msrn.run.seed)
    same = [one for one in of_one_network(RESULTS, "smsrn") if (setting(one.run), one.run.seed) == alike]
    best = best_within(same, AVERAGE, macs=msrn.training_macs)
    assert best
    return [
        f"SMSRN after {best.run.steps:,} steps has {best.psnr[AVERAGE] - msrn.psnr[AVERAGE]:.3f} dB more than MSRN",
        f"for {percent(best.training_macs / msrn.training_macs, 0)} of the multiply-adds",
        f"and {longer.psnr[AVERAGE] - best.psnr[AVERAGE]:.3f} dB less than MSRN after 8,000",
        f"for {percent(best.training_macs / longer.training_macs, 0)} (one seed",
        f"{percent(best.run.dead_filters or 0)} of its filters are dead",
        *equal_time(same, msrn),
    ]


def equal_time(same: list[Member], msrn: Member) -> list[str]:
    """On which processor the best SMSRN that took no more time than ``msrn`` is ahead, and on which it is behind."""
    words = []
    for machine, (least, _) in step_ratios(RESULTS).items():
        best = best_within(same, AVERAGE, steps=least * msrn.run.steps)
        assert best
        ahead = "ahead of MSRN's 4,000 steps" if best.psnr[AVERAGE] > msrn.psnr[AVERAGE] else "behind"
        processor = machine.split(",")[0].replace("(R)", "").removesuffix(" Processor")
        words.append(f"{ahead} on the {processor}")
    return words


def calibration() -> list[str]:
    found = calibrated(RESULTS).comparisons
    agreeing, farthest = sum(one.agrees for one in found), max(abs(one.difference) for one in found)
    return [
        f"Of {len(found)} values",
        f"{agreeing} come out here",
        f"all within {math.ceil(100 * farthest) / 100:.2f} dB",
    ]


def verdicts() -> list[str]:
    entries = ledger(RESULTS)
    of = Counter(entry.verdict for entry in entries)
    implied = sum(entry.claim.implied for entry in entries if entry.verdict == CONTRADICTED)
    return [
        f"{len(entries)} claims",
        f"{of[CONFIRMED] + of[ROUNDING]} are confirmed, {of[PART]} for part, and {of[CONTRADICTED]} contradicted",
        f"contradicted, of which it only implies {implied};",
        f"{of[ADOPTED]} are choices of the authors, and {of[UNDECIDABLE]} cannot be decided",
    ]


def smaller_network() -> list[str]:
    """A published network that is smaller and better than SMSRN as the paper has it."""
    imdn, smsrn = (paper.published_row(name) for name in ("IMDN", "SMSRN"))
    assert imdn.parameters < smsrn.parameters
    return [f"IMDN, of {imdn.year}, has fewer", f"{imdn.psnr['Set5'] - smsrn.psnr['Set5']:.2f} dB more on Set5"]


@pytest.mark.parametrize(
    "numbers",
    [networks, cost, decibels, measurements, another_network, calibration, smaller_network, verdicts],
)
def test_findings_are_computed_ones(numbers: Callable[[], list[str]]) -> None:
    for words in numbers():
        assert words in FINDINGS, f"README.md, findings: expected {words!r}"


def test_the_tolerance_is_the_one_that_is_used() -> None:
    assert f"({NOISE_PSNR} dB for each image)" in README


def test_the_first_table_has_three_rows_of_one_number_and_one_link() -> None:
    rows = [line for line in README.split("## Does the paper hold?")[1].splitlines() if line.startswith("| **")]
    assert [row.split("**")[1] for row in rows] == ["Holds", "Does not hold", "Open"]
    for row in rows:
        assert row.count("**") == 4, row  # its name, and the number
        assert row.count("](") == 1, row


PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    page = ROOT / name
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("name", PAGES)
def test_named_files_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for path in re.findall(r"`((?:analysis|replication|tests|results)/[\w/.]+\w)`", text):
        assert (ROOT / path).exists(), path
