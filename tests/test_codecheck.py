"""codecheck.yml names files that exist and are artefacts, and all that stand for the paper's tables and figures."""

import re
from pathlib import Path

from analysis.artefacts import ARTEFACTS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "codecheck.yml").read_text(encoding="utf-8")
FILES = re.findall(r"^  - file: (\S+)$", TEXT, re.MULTILINE)


def unknown(files: list[str]) -> list[str]:
    """Files that are absent, or that no artefact is named after."""
    names = {artefact.name for artefact in ARTEFACTS}
    return [file for file in files if not (ROOT / file).is_file() or Path(file).stem not in names]


def test_manifest() -> None:
    assert TEXT.startswith("---\n")
    assert len(FILES) == TEXT.count("comment:") == len(set(FILES))
    assert not unknown(FILES)


def test_a_wrong_file_is_found() -> None:
    assert unknown(["results/table2.md", "README.md"]) == ["results/table2.md", "README.md"]


def test_what_the_paper_shows_is_in_it() -> None:
    stems = {Path(file).stem for file in FILES}
    assert {"table1", "figure1", "figure2", "figure3", "claims", "calibration"} <= stems


def test_it_names_the_same_paper_as_the_citation() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    title = re.search(r"^  title: (.+)$", TEXT, re.MULTILINE)
    assert title
    assert f"title: {title[1]}\n" in citation
    known = re.findall(r"name: (.+)\n +ORCID: (.+)", TEXT)
    cited = re.findall(r"family-names: (.+)\n +given-names: (.+)\n +orcid: https://orcid.org/(.+)", citation)
    assert [(f"{given} {family}", orcid) for family, given, orcid in cited] == known
    assert len(known) == 3
