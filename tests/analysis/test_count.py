"""The command that counts a network of one's own: what it prints for people and for programs, and what it refuses."""

import csv
import io
import json
from pathlib import Path

import pytest

from analysis import count as command
from analysis.count import main
from analysis.networks.count_text import amount, scaled
from replication.errors import UserError

NETWORK = """
import torch
from torch import nn

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(1, 8, 3, padding=1)
    def forward(self, image, noise):
        return self.one(image) + self.two(noise)

class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, padding=1)
    def forward(self, image, scale):
        return nn.functional.interpolate(self.one(image), scale_factor=scale)

class Spectrum(nn.Module):
    def forward(self, x):
        return torch.fft.fft2(x).real

class inner:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.PReLU())

class Leaving(nn.Module):
    def forward(self, x):
        raise SystemExit(6)

class Loud(nn.Module):
    def forward(self, x):
        print("hi")
        return nn.DataParallel(nn.Identity())(x) @ x

class Transposed(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.three = nn.Linear(4, 5), nn.Linear(4, 5), nn.Bilinear(4, 4, 5)
    def forward(self, x):
        turned = x.transpose(1, 2)
        return self.one(turned) + self.two(turned.contiguous()) + self.three(turned, turned)

def leaves(): raise SystemExit(5)
def parses():
    import argparse
    argparse.ArgumentParser().parse_args()
    return Two()
def make(): return Two()
def fails(): raise ValueError("first line\\nsecond line")
def text(): return "text"
def both(): return (torch.zeros(1, 3, 10, 12),), {"scale": 2}
def named(): return {"noise": torch.zeros(1, 1, 10, 12), "image": torch.zeros(1, 3, 10, 12)}
def tuple_(): return torch.zeros(1, 3, 10, 12), torch.zeros(1, 1, 10, 12)
number = 3
"""
FIRST = 120 * 27 * 8


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "counted_network.py").write_text(NETWORK)
    (tmp_path / "broken_counted.py").write_text("import nothing_like_this\n")
    (tmp_path / "ends_here.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "alone.py").write_text("from . import sibling\n")
    (tmp_path / "part" / "copy.py").write_text("def make():\n    import beside\n    return beside.net\n")
    (tmp_path / "part" / "beside.py").write_text("from torch import nn\nnet = nn.Conv2d(3, 8, 3)\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["counted_network:make", "--input", "3", "10", "12", "--input", "1", "10", "12"],
        ["counted_network:Two", "--input", "1x3x10x12", "--input", "noise=1x1x10x12:float32"],
        ["counted_network.py:Two", "--input", "image=1x3x10x12", "--input", "noise=1x1x10x12"],
        ["counted_network:Two", "--inputs-from", "counted_network:named"],
        ["counted_network:Two", "--inputs-from", "counted_network.py:tuple_"],
    ],
    ids=" ".join,
)
def test_all_ways_to_name_network_and_inputs(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["macs"], found["flops"], found["params"]) == (FIRST * 4 // 3, FIRST * 8 // 3, 304)
    assert [layer["name"] for layer in found["layers"] if layer["macs"]] == ["one", "two"]
    assert found["counted_as_0"] == {"add": 1}
    assert [check["verdict"] for check in found["checks"]] == ["equal"] * 3
    assert found["ok"] is True


def test_an_instance_with_other_arguments_and_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["counted_network:Scaled", "--inputs-from", "counted_network:both"]) == 0
    text = capsys.readouterr().out
    assert "for an input of 1x3x10x12:float32, scale=2" in text
    assert "upsample_nearest2d" in text
    assert main(["counted_network:inner.net", "--input", "3", "10", "12", "--bias", "--summary"]) == 0
    text = capsys.readouterr().out
    assert f"{FIRST + 960:,}" in text
    assert "A bias adds one MAC for each output value." in text
    assert "PReLU" in text
    assert "\nlayer " not in text
    assert "FAIL" not in text


def test_csv_is_the_table_of_layers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["counted_network:inner.net", "--input", "3", "10", "12", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["name"], row["kind"], row["params"], row["macs"]) for row in rows] == [
        ("0", "Conv2d", "224", str(FIRST)),
        ("1", "PReLU", "1", "0"),
    ]


def test_what_cannot_be_counted_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["counted_network:Spectrum", "--input", "3", "8", "8"]) == 1
    assert "CANNOT BE COUNTED: _fft_" in capsys.readouterr().out


def test_a_check_that_fails_is_a_failure(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis.networks.checks import Check

    monkeypatch.setattr(command, "checks", lambda *args: [Check("fvcore", 3, 5, False)])
    assert main(["counted_network:inner.net", "--input", "3", "10", "12"]) == 1
    assert "FAIL fvcore: 5: +2: the reason is not known" in capsys.readouterr().out


def test_sizes_of_papers(capsys: pytest.CaptureFixture[str]) -> None:
    main(["counted_network:inner.net", "--scale", "3", "--json", "--no-verify"])
    sizes = json.loads(capsys.readouterr().out)["sizes"]
    pixels = {"1280x720 output, input 427x240": 427 * 240, "1280x720 output, by area": 1280 * 720 // 9}
    expected = {**pixels, "256x256 input (NTIRE)": 256**2}
    assert {name: one["macs"] for name, one in sizes.items()} == {
        name: number * 27 * 8 for name, number in expected.items()
    }
    main(["SRCNN", "--scale", "4", "--json", "--no-verify"])
    assert json.loads(capsys.readouterr().out)["input"] == "1x1x720x1280"


def test_time_is_measured_beside_the_floor(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["counted_network:inner.net", "--input", "3", "10", "12", "--time", "--rounds", "2", "--no-verify"]
    main([*arguments, "--json"])
    timing = json.loads(capsys.readouterr().out)["timing"]
    (network,) = timing["networks"]
    assert len(network["seconds"]) == 2
    middle = sum(network["seconds"]) / 2
    assert network["over_floor"] == pytest.approx(middle * timing["floor_macs_per_second"] / FIRST)
    main(arguments)
    assert "2 rounds in shuffled order on 1 thread(s)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing_network:Net"], "cannot import 'missing_network': ModuleNotFoundError"),
        (["missing_network.py:Net"], "expected a Python file, found none: missing_network.py"),
        (["broken_counted:Net"], "cannot import 'broken_counted': ModuleNotFoundError: No module named 'nothing_like"),
        (["counted_network:Large"], "expected something called 'Large' in 'counted_network', found none"),
        (["counted_network:number"], "expected a network, function or class as counted_network:number, got int"),
        (["counted_network:fails"], "counted_network:fails fails without arguments: ValueError: first line$"),
        (["counted_network:text"], "to return a torch.nn.Module, got str"),
        (["counted_network"], r"expected MODULE:NETWORK, FILE\.py:NETWORK or .*\(SRCNN, .*\), got 'counted_network'"),
        (["IMDM"], r"or a published one \(IMDN.*\), got 'IMDM'"),
        (["ends_here:Net"], "cannot import 'ends_here': SystemExit: 0"),
        (["counted_network:leaves"], "counted_network:leaves fails without arguments: SystemExit: 5"),
        (["counted_network:Leaving", "--input", "3", "8", "8"], "does not run on an input of .*: SystemExit: 6"),
        (["part/alone.py:Net"], "relative import .*; a file of a package is named as package.module:NETWORK"),
        (["counted_network:Two", "--input", "x=3", "64", "64"], "expected whole numbers .*, got 'x=3 64 64'"),
        (["counted_network:Two", "--input", "1x3x8x8", "1x1x8x8"], "each further input has an --input of its own"),
        (["counted_network:Two"], "does not run on an input of shape 1x3x180x320: TypeError: .*'noise'"),
        (["counted_network:Two", "--input", "1", "0", "4"], "expected a shape like 1x3x64x64 .*, got '1x1x0x4'"),
        (["counted_network:Two", "--input", "1x3x4x4:float17"], "expected a shape like .*, got '1x3x4x4:float17'"),
        (["counted_network:Two", "--input", "2=1x3x4x4"], "expected name=SHAPE with a new name"),
        (["counted_network:Two", "--inputs-from", "counted_network:number"], "expected a function as .*, got int"),
        (["counted_network:Two", "--inputs-from", "counted_network:fails"], "fails without arguments: ValueError"),
        (["counted_network:Two", "--inputs-from", "x:y", "--input", "3"], "expected one of them, got both"),
        (["counted_network:Two", "--scale", "4", "--input", "3"], "expected no --input with it"),
        (["IMDN", "--scale", "3"], "expected 4 for IMDN"),
        (["IMDN", "--time", "--rounds", "0"], "--rounds: expected a number of at least 1, got 0"),
        (["IMDN", "--channels", "1"], "--channels: expected --scale with it"),
        (["IMDN", "--scale", "4", "--channels", "1"], "--channels: expected none for IMDN"),
        (["counted_network:Two", "--scale", "2", "--channels", "0"], "--channels: expected a number of at least 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        main(arguments)
    assert "\n" not in str(error.value)


def test_what_a_network_prints_is_no_part_of_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrapped in `DataParallel`, whose calls of the profiler compute nothing."""
    assert main(["counted_network:Loud", "--input", "8", "8", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["macs"] == 8**3
    assert "hi" in shown.err


def test_a_bias_counts_alike_in_every_memory_layout(capsys: pytest.CaptureFixture[str]) -> None:
    total = {}
    for more in ("--json", "--bias"):
        main(["counted_network:Transposed", "--input", "4", "3", "--json", more])
        total[more] = json.loads(capsys.readouterr().out)["macs"]
    assert total["--bias"] - total["--json"] == 3 * 15


@pytest.mark.parametrize("name", ["counted_network:parses", "part/copy.py:make", "msrn", "imdn"])
def test_names_that_are_found(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that parses arguments, a file with another one beside it and a library's name, published names."""
    size = {"counted": ["--input", "1x3x8x8", "--input", "1x1x8x8"], "part/co": ["--input", "3", "8", "8"]}
    assert main([name, *size.get(name[:7], ["--input", "3", "48", "48"]), "--summary", "--no-verify"]) == 0
    assert "parameters" in capsys.readouterr().out


def test_units_fit() -> None:
    assert scaled([124_416, 50_112]) == (1000, "K ")
    assert scaled([5_000_000_000, 200_000_000]) == (10**9, "G ")
    assert scaled([5_000_000_000, 20_000_000]) == (10**6, "M ")
    assert scaled([12, 0]) == (1, "")
    assert scaled([]) == (1, "")
    assert scaled([191_000_000], least=1) == (10**6, "M ")
    assert (amount(124_416, 1000), amount(12, 1)) == ("124.42", "12")
