"""Counts agree with what was published, or an explanation gives the published number."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from analysis import artefacts, paper
from analysis.names import MSRN_ROW
from analysis.networks import catalogue, networks_page
from analysis.networks.catalogue import EXPLAINED, SHOWN
from analysis.networks.counter import count
from replication.models.zoo import DRRN
from replication.stages import Job

MULTIPLY_ADDS_DIFFER = {"FSRCNN", "RCAN", MSRN_ROW}
PARAMETERS_DIFFER = {"SRResNet"}


@pytest.mark.parametrize("name", SHOWN)
def test_agrees_with_the_published_numbers(name: str) -> None:
    published = paper.published_row(name)
    assert catalogue.parameters_agree(name, published.parameters).startswith("yes") == (name not in PARAMETERS_DIFFER)
    agrees = {"SRResNet": "", "SMSRN": "", "MemNet": "last digit"} | dict.fromkeys(MULTIPLY_ADDS_DIFFER, "no")
    assert catalogue.macs_agree(name, published.gmacs) == agrees.get(name, "yes")


@pytest.mark.parametrize("one", EXPLAINED, ids=lambda one: f"{one.network} {one.printed}")
def test_what_else_a_printed_number_counts(one: catalogue.Explained) -> None:
    if one.quantity == "G MACs":
        unit = Decimal(1).scaleb(int(one.printed.as_tuple().exponent))
    else:
        unit = Decimal(catalogue.printed_unit(int(one.printed)))
    assert catalogue.agreement(one.value(), one.printed, unit) == "yes"


def test_nothing_published_is_left_unexplained(monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalogue.disagreements() == []
    monkeypatch.setattr(catalogue, "EXPLAINED", tuple(one for one in EXPLAINED if one.network != "RCAN"))
    assert catalogue.disagreements() == ["RCAN: G MACs 918 published"]


def test_a_wrong_network_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    right = catalogue.counted("IMDN")
    counted = catalogue.counted
    wrong = replace(right, params=right.params + 5_000)
    monkeypatch.setattr(catalogue, "counted", lambda name: wrong if name == "IMDN" else counted(name))
    monkeypatch.setattr(catalogue, "weights", lambda name: 1)
    assert "IMDN: parameters 715000 published" in catalogue.disagreements()
    assert artefacts.networks(Job(tmp_path)).failures == catalogue.disagreements()


@pytest.mark.parametrize(
    ("value", "printed", "unit", "expected"),
    [
        (57_184, 57_000, 1000, "yes"),
        (57_501, 57_000, 1000, "last digit"),
        (58_000, 57_000, 1000, "no"),
        (1_517_571, 1_517_571, 1, "yes"),
        (1_517_572, 1_517_571, 1, "no"),
    ],
)
def test_agreement(value: int, printed: int, unit: int, expected: str) -> None:
    assert catalogue.agreement(value, printed, unit) == expected


def test_printed_unit() -> None:
    units = {57_000: 1000, 1_592_000: 1000, 22_270_000: 10_000, 43_089_923: 1}
    assert {value: catalogue.printed_unit(value) for value in units} == units


class SeparateDRRN(DRRN):
    """DRRN in which each application of the unit has weights of its own."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__(width=width, units=units)
        self.separate = nn.ModuleList(DRRN(width=width, units=1).unit for _ in range(units))
        del self.unit

    def forward(self, x: Tensor) -> Tensor:
        first = state = self.first(x)
        for unit in self.separate:
            state = first + unit(state)
        output: Tensor = x + self.last(relu(state))
        return output


def test_recursion_saves_parameters_and_no_macs() -> None:
    """A network written with separate weights: as the rebuilt one, MACs as those of the shared one."""
    with torch.device("meta"):
        separate = count(SeparateDRRN(128, 25), (1, 1, 720, 1280))
    rebuilt = catalogue.unshared("DRRN")
    assert (separate.params, separate.macs) == (rebuilt.params, rebuilt.macs)
    assert separate.macs == catalogue.counted("DRRN").macs
    assert catalogue.counted("DRRN").params < separate.params / 20


def test_page(tmp_path: Path) -> None:
    (path,) = networks_page.write(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert text.isascii()
    for expected in ("43,089,923", "1,111,875", "17,974.3", "376.82", "| IMDN "):
        assert expected in text
