"""The design space: counted as real networks are, searched completely, and unique for the paper's totals."""

import json
import random
from pathlib import Path

import pytest
from torch import nn

from analysis import artefacts
from analysis.cost import closed_form, designs, designs_page
from analysis.cost.closed_form import Layer
from analysis.cost.designs import Design
from replication.errors import UserError
from replication.stages import Job

ALL = frozenset(designs.BIASES)
PAPER_SIZE = list(designs.designs(widths=(64,), blocks=(8,)))
"""The part of the space with the paper's width and number of blocks: quicker to search."""


def real_parameters(design: Design) -> int:
    """The design as torch layers, written down from the paper's Figure 3 and counted by torch."""
    layers: list[nn.Module] = []

    def conv(group: str, inputs: int, outputs: int, kernel: int) -> None:
        if kernel == 1:
            layers.append(nn.Conv2d(inputs, outputs, 1, bias="1x1" in design.biases))
        elif group in design.separable:
            layers.append(nn.Conv2d(inputs, inputs, kernel, groups=inputs, bias="depth-wise" in design.biases))
            layers.append(nn.Conv2d(inputs, outputs, 1, bias="point-wise" in design.biases))
        else:
            layers.append(nn.Conv2d(inputs, outputs, kernel, bias="standard" in design.biases))

    width = design.width
    conv("head", 3, width, 3)
    for _ in range(design.blocks):
        for kernel in (3, 5):
            conv("block first pair", width, width, kernel)
            conv("block second pair", 2 * width, 2 * width, kernel)
        conv("", 4 * width, width, 1)
    conv("", (design.blocks + 1) * width, width, 1)
    conv("tail 3x3", width, width, 3)
    for _ in range(2):
        conv("upsampler", width, 4 * width, 3)
    conv("last", width, 3, 3)
    if design.mean_shift:
        layers += [nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)]
    return sum(parameter.numel() for layer in layers for parameter in layer.parameters())


def test_designs_are_counted_as_torch_counts_them() -> None:
    small = list(designs.designs(widths=(16, 24), blocks=(1, 3)))
    for design in random.Random(0).sample(small, 60):
        assert design.params == real_parameters(design), design.words()


def test_every_design_is_there_once() -> None:
    small = list(designs.designs(widths=(16,), blocks=(2,)))
    assert len(set(small)) == len(small)
    # Nothing separable: 2 kinds of layers may have a bias; everything: 3; the other 62 subsets: 4.
    assert len(small) == 2 * (2**2 + 2**3 + 62 * 2**4)
    assert designs.paper_search().size == len(small) * 15 * 16


def test_the_papers_totals_belong_to_one_design_each() -> None:
    found = designs.paper_search().found
    msrn = Design(64, 8, frozenset(), frozenset({"standard", "1x1"}), False)
    smsrn = Design(64, 8, frozenset({"head", "block first pair", "block second pair"}), ALL, False)
    assert found == {6_078_019: [msrn], 888_929: [smsrn]}


def test_nearest_are_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(designs, "designs", lambda: PAPER_SIZE)
    for total, nearest in designs.search([6_078_019, 888_929, 1_234_567]).nearest.items():
        gaps = [abs(design.params - total) for design in nearest]
        others = sorted(abs(design.params - total) for design in PAPER_SIZE if design.params != total)
        assert gaps == others[: len(gaps)]
        assert len(gaps) == 3


def test_each_flip_changes_one_choice() -> None:
    smsrn = designs.paper_search().found[888_929][0]
    flips = dict(designs.flips(smsrn))
    differences = {words: design.params - 888_929 for words, design in flips.items()}
    assert len(flips) == 6 + 4 + 1 + 2 + 2
    assert differences["mean shift counted"] == 24
    assert differences["head standard"] + differences["block first pair standard"] == 6_078_019 - 888_929 - 4_157_440
    assert differences["depth-wise layers without bias"] == -(3 + 8 * (2 * 64 + 2 * 128))
    for design in flips.values():
        assert design.params == real_parameters(design)


def test_page(tmp_path: Path) -> None:
    (path,) = designs_page.write(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "Made by `python -m analysis identify`" in text
    assert "1 of 481,920 designs has 6,078,019." in text
    assert "1 of 481,920 designs has 888,929." in text
    assert "481,920 designs at x4" in text
    before = path.read_bytes()
    designs_page.write(tmp_path)
    assert path.read_bytes() == before


def test_given_totals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(designs, "designs", lambda: PAPER_SIZE)
    assert designs_page.main(["--parameters", "888953", "7"]) == 1
    output = capsys.readouterr().out
    assert "mean shift counted" in output
    assert "0 of 2,008 designs have 7." in output
    with pytest.raises(UserError, match="--parameters: expected numbers of at least 1, got 0"):
        designs_page.main(["--parameters", "0"])


def test_a_wrong_closed_form_finds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    right = closed_form.msrn

    def wrong(scale: int, width: int, blocks: int) -> list[Layer]:
        return [*right(scale, width, blocks), Layer("extra", "head", 3, 3, 7)]

    caches = (designs._group_sums, designs._sums, designs.paper_search)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(designs, "designs", lambda: PAPER_SIZE)
    try:
        assert artefacts.designs(Job(tmp_path)).failures == []
        for cached in caches:
            cached.cache_clear()
        monkeypatch.setattr(closed_form, "msrn", wrong)
        assert artefacts.designs(Job(tmp_path)).failures[0] == "no design has 6,078,019 parameters"
    finally:
        for cached in caches:
            cached.cache_clear()
    assert "0 of 2,008 designs have 6,078,019." in (tmp_path / "identify.md").read_text(encoding="utf-8")


def test_output_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert designs_page.main(["--parameters", "888929", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    ((design,),) = [one["designs"] for one in found["totals"]]
    assert (design["params"], design["width"], design["blocks"]) == (888_929, 64, 8)
    assert design["separable"] == ["head", "block first pair", "block second pair"]
    assert found["totals"][0]["nearest"]
    assert designs_page.main(["--parameters", "888929", "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("888929,64,8,")
