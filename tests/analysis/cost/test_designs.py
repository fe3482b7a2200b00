"""The design space: counted as real networks are, searched completely, and unique for the paper's totals."""

import csv
import json
import random
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from torch import nn

from analysis import artefacts
from analysis.cost import designs, designs_page
from analysis.cost.closed_form import Convolution, Layer, Sizes
from analysis.cost.designs import PLAN, Design, Space
from replication.errors import UserError
from replication.stages import Job

ALL = frozenset(designs.BIASES)
PAPER_SIZE = Space((64,), (8,), (4,), ((3, 5),), (3,), (PLAN,))
"""The part of the space with the paper's sizes: quicker to search."""


def members(space: Space) -> list[Design]:
    """Every design of a space, one after the other and without arrays: what `search` is compared with."""
    found = []
    for family, scale, blocks, separable, biases, shift in product(
        space.families(), space.scales, space.blocks, designs.SUBSETS, designs.BIAS_SETS, (False, True)
    ):
        design = Design(replace(family, scale=scale, blocks=blocks), separable, biases, shift)
        if biases <= design.kinds and not (shift and family.channels == 1):
            found.append(design)
    return found


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

    sizes = design.sizes
    width = sizes.width
    conv("head", sizes.channels, width, 3)
    for _ in range(sizes.blocks):
        for kernel in sizes.kernels:
            conv("block first pair", width, width, kernel)
            conv("block second pair", 2 * width, sizes.second * width, kernel)
        conv("", 2 * sizes.second * width, width, sizes.block_fusion)
    conv("", (sizes.blocks + 1) * width, width, sizes.fusion)
    conv("tail 3x3", width, width, 3)
    for factor in {2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}[sizes.scale]:
        conv("upsampler", width, factor**2 * width, 3)
    conv("last", width, sizes.channels, 3)
    if design.mean_shift:
        layers += [nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)]
    return sum(parameter.numel() for layer in layers for parameter in layer.parameters())


SMALL = Space((16,), (1, 3), (2, 3), ((3, 5), (5, 7)), (1, 3), (PLAN, (1, 3, 3)))
"""At least two values of every choice but the width."""


def test_designs_are_counted_as_torch_counts_them() -> None:
    for design in random.Random(0).sample(members(SMALL), 60):
        assert design.params == real_parameters(design), design.words()


def test_every_design_is_there_once() -> None:
    small = members(replace(PAPER_SIZE, widths=(16,)))
    assert len(set(small)) == len(small)
    # Nothing separable: 2 kinds of layers may have a bias; everything: 3; the other 62 subsets: 4.
    assert len(small) == 2 * (2**2 + 2**3 + 62 * 2**4)
    found = designs.paper_search()
    assert found.size == len(small) * 15 * 16 * 4 * 6 * 3 // 2  # luma has no mean shift to count
    assert designs.search([1], space=SMALL).wide == len(members(SMALL))


def test_the_papers_totals_belong_to_one_design_each() -> None:
    found = designs.paper_search()
    msrn = Design(Sizes(), frozenset(), frozenset({"standard", "1x1"}), False)
    smsrn = Design(Sizes(), frozenset({"head", "block first pair", "block second pair"}), ALL, False)
    assert found.found == {6_078_019: [msrn], 888_929: [smsrn]}
    assert all(one.params == total for total, others in found.elsewhere.items() for one in others)
    assert found.common == [Sizes()]


def test_the_search_finds_what_one_by_one_finds() -> None:
    everything = members(SMALL)
    total = random.Random(1).choice([one for one in everything if one.sizes.block_fusion == 1]).params
    result = designs.search([total], space=SMALL)
    hits = [one for one in everything if one.params == total]
    assert len(hits) > 1
    assert {*result.found[total], *result.elsewhere[total]} == set(hits)
    assert {one.sizes.block_fusion for one in result.found[total]} == {1}
    planned = [one for one in everything if one.sizes.block_fusion == 1]
    gaps = sorted(abs(one.params - total) for one in planned if one.params != total)
    assert [abs(one.params - total) for one in result.nearest[total]] == gaps[:3]


def test_each_flip_changes_one_choice() -> None:
    smsrn = designs.paper_search().found[888_929][0]
    flips = dict(designs.flips(smsrn))
    differences = {words: design.params - 888_929 for words, design in flips.items()}
    assert len(flips) == 6 + 4 + 1 + 2 + 2 + 3 + 5 + 1 + 3
    assert differences["mean shift counted"] == 24
    assert differences["head standard"] + differences["block first pair standard"] == 6_078_019 - 888_929 - 4_157_440
    assert differences["depth-wise layers without bias"] == -(3 + 8 * (2 * 64 + 2 * 128))
    for design in flips.values():
        assert design.params == real_parameters(design)


def test_page(tmp_path: Path) -> None:
    (path,) = designs_page.write(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "Made by `python -m analysis identify`" in text
    assert "1 of 17,349,120 designs has 6,078,019." in text
    assert "1 of 17,349,120 designs has 888,929." in text
    assert "6,078,019 belongs to 7 more, 888,929 belongs to 19 more" in " ".join(text.split())
    assert "Sizes for which both totals are met, by whichever layers are separable: 1" in " ".join(text.split())


def test_given_totals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(designs, "Space", lambda: PAPER_SIZE)
    assert designs_page.main(["--parameters", "888953", "7"]) == 1
    output = capsys.readouterr().out
    assert "mean shift counted" in output
    assert "0 of 2,008 designs have 7." in output
    with pytest.raises(UserError, match="--parameters: expected numbers of at least 1, got 0"):
        designs_page.main(["--parameters", "0"])


def test_a_wrong_closed_form_finds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    right = designs.network

    def wrong(conv: Convolution, sizes: Sizes) -> list[Layer]:
        return [*right(conv, sizes), Layer("extra", "head", 3, 3, 7)]

    caches = (designs.group_sums, designs.paper_search)
    monkeypatch.setattr(designs, "Space", lambda: PAPER_SIZE)
    try:
        for network, failures in ((right, []), (wrong, ["no design has 6,078,019 parameters"])):
            for cached in caches:
                cached.cache_clear()
            monkeypatch.setattr(designs, "network", network)
            assert artefacts.designs(Job(tmp_path)).failures[:1] == failures
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
    header, row = csv.reader(capsys.readouterr().out.splitlines())
    found = dict(zip(header, row, strict=True))
    assert {name: found[name] for name in ("params", "scale", "kernels", "second", "block_fusion", "fusion")} == {
        "params": "888929", "scale": "4", "kernels": "(3, 5)", "second": "2", "block_fusion": "1", "fusion": "1"
    }  # fmt: skip
