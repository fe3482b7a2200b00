"""The README's findings are the results' numbers, and its links lead somewhere."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import paper
from analysis.artefacts import ARTEFACTS
from analysis.claims.verdict import ledger
from analysis.cost import closed_form, designs
from analysis.paper import BENCHMARKS
from analysis.quality.columns import AVERAGE, collect, measured, retained
from analysis.quality.training import CONDITIONS, training_of, training_share

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FINDINGS = " ".join(README.split("## Does the paper hold?")[1].split("![")[0].split())


def networks() -> list[str]:
    printed = paper.table1()
    return [
        f"{printed.msrn.parameters:,}",
        f"{printed.smsrn.parameters:,} (14.63 %)",
        f"{designs.paper_search().size:,} designs",
    ]


def cost() -> list[str]:
    msrn, smsrn = closed_form.msrn(), closed_form.smsrn()
    saving = 1 - closed_form.total_macs(smsrn) / closed_form.total_macs(msrn)
    gmacs = [f"{closed_form.gmacs_720p(layers, 4):.1f}" for layers in (msrn, smsrn)]
    return [f"{100 * saving:.1f} %", f"{gmacs[0]} to {gmacs[1]} G"]


def decibels() -> list[str]:
    msrn, smsrn = paper.table1().msrn.average.psnr, paper.table1().smsrn.average.psnr
    more = 10 ** ((msrn - smsrn) / 10) - 1
    bicubic = paper.published_row("Bicubic").psnr
    kept = sum(bicubic[name] for name in BENCHMARKS) / len(BENCHMARKS) / msrn
    return [f"{msrn - smsrn:.2f} dB", f"{100 * more:.0f} % more", f"{100 * kept:.0f} % of it"]


def measurements() -> list[str]:
    rows = collect(ROOT / "results")
    wanted = []
    for model in ("bicubic", "smsrn", "msrn"):
        mean = measured(rows, model, "ssim_y").average
        assert mean, f"{model} is not measured on all four sets"
        wanted.append(f"{mean.psnr:.2f} dB")
    msrn, smsrn = (training_of(rows, model) or {} for model in ("msrn", "smsrn"))
    assert [msrn[name] for name in CONDITIONS] == [smsrn[name] for name in CONDITIONS]
    columns = [measured(rows, model, "ssim_y") for model in ("msrn", "smsrn")]
    ratio = retained(*columns, AVERAGE)
    assert ratio
    return [*wanted, f"SMSRN loses {ratio.lost_db:.2f} dB", f"{training_share(msrn)} of the paper's"]


def verdicts() -> list[str]:
    entries = ledger(ROOT / "results")
    return [f"{len(entries)} claims"]


@pytest.mark.parametrize("numbers", [networks, cost, decibels, measurements, verdicts])
def test_findings_are_computed_ones(numbers: Callable[[], list[str]]) -> None:
    for words in numbers():
        assert words in FINDINGS, f"README.md, findings: expected {words!r}"


def test_links_lead_to_files() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if not link.startswith("http"):
            assert (ROOT / link).exists(), link


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_named_files_and_commands_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for path in re.findall(r"`((?:analysis|replication|tests|results)/[\w/.]+\w)`", text):
        assert (ROOT / path).exists(), path
    for names in re.findall(r"python -m analysis ([a-z][\w ]*)", text):
        assert {one.name for one in ARTEFACTS} >= set(names.split(" ")[:1]), names
    for module in re.findall(r"python -m ((?:analysis|replication)(?:\.\w+)*)", text):
        found = ROOT / module.replace(".", "/")
        assert found.with_suffix(".py").is_file() or (found / "__main__.py").is_file(), module
