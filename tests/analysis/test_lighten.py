"""The command that lightens a network of one's own."""

import csv
import io
import json
from pathlib import Path

import pytest

from analysis.lighten import main
from replication.errors import UserError

NETWORK = """
import torch
class Small(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3, padding=1))
def pointwise(): return torch.nn.Conv2d(3, 3, 1)
"""
SMALL = ["lightened_network:Small", "--input", "1", "20", "10"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "lightened_network.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_network_of_the_users(capsys: pytest.CaptureFixture[str]) -> None:
    main([*SMALL, "--from-weights"])
    text = capsys.readouterr().out
    assert f"{200 * 9 * 8:,}" in text  # first layer before
    assert f"{200 * (9 + 8):,}" in text  # and after
    assert f"{200 * 8 * (9 + 4):,}" in text
    assert "weights' error" in text
    assert "K MACs" in text
    assert "0.00" not in text.split("weights' error")[1].split("left")[0]
    main([*SMALL, "--only", "2"])
    assert "Left alone: 0 (not chosen)" in capsys.readouterr().out


def test_json_and_csv(capsys: pytest.CaptureFixture[str]) -> None:
    main([*SMALL, "--json", "--time", "--rounds", "1"])
    found = json.loads(capsys.readouterr().out)
    assert found["macs"] == 200 * 9 * (8 + 32)
    assert found["macs_after"] == found["macs_predicted"] == 200 * (9 + 8 + 8 * 13)
    assert [layer["params_after"] for layer in found["replaced"]] == [9 + 1 + 8 + 8, 8 * 9 + 8 + 32 + 4]
    assert [one["name"] for one in found["timing"]["networks"]] == ["before", "lightened"]
    main([*SMALL, "--csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["name"], row["shape"], row["macs_after"]) for row in rows] == [
        ("0", "3x3, 1 to 8", str(200 * 17)),
        ("2", "3x3, 8 to 4", str(200 * 8 * 13)),
    ]


def test_what_cannot_be_counted_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "spectral.py"
    path.write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Conv2d(3, 8, 3)\n"
        "    def forward(self, x):\n"
        "        return torch.fft.fft2(self.layer(x)).real\n",
        encoding="utf-8",
    )
    assert main([f"{path}:Net", "--input", "3", "8", "8"]) == 1
    assert "CANNOT BE COUNTED: _fft_" in capsys.readouterr().out
    assert main([f"{path}:Net", "--input", "3", "8", "8", "--json"]) == 1
    assert "_fft_" in str(json.loads(capsys.readouterr().out)["cannot_be_counted"])
    assert main(["FSRCNN"]) == 0


def test_a_published_network_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    main(["FSRCNN"])
    assert "9x9, 56 to 1, transposed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["lightened_network:pointwise"],
            "lightened_network:pointwise: expected a standard convolution .* 1x1: is poi",
        ),
        (["lightened_network:Small"], "the given network does not run on an input of shape 1x3x180x320: RuntimeError"),
        (["--input", "3", "8", "8", "IMDN"], "NETWORK: expected one, before the options"),
        (["IMDN", "--threads", "0"], "--threads: expected a number of at least 1, got 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        main(arguments)
    assert "\n" not in str(error.value)
