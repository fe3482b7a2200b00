"""The command that prints the published networks, for people and for programs."""

import csv
import io
import json

import pytest

from analysis.networks import catalogue
from analysis.networks.__main__ import main


def test_output_for_programs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["disagreements"] == []
    by_name = {one["network"]: one for one in found["networks"]}
    assert (by_name["IMDN"]["params"], by_name["IMDN"]["macs"]) == (715_176, 40_885_865_472)
    assert main(["--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["network"] for row in rows] == list(by_name)
    assert main([]) == 0
    assert "40,885,865,472" in capsys.readouterr().out
    monkeypatch.setattr(catalogue, "disagreements", lambda: ["one"])
    assert main(["--csv"]) == 1
