"""Equations 1-5 and the command that prints them."""

import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from analysis import artefacts, cost_ratio
from analysis.cost import closed_form, equations, verify
from analysis.cost.closed_form import Layer
from replication.errors import UserError
from replication.stages import Job


def test_equations_by_counting_each_multiplication() -> None:
    """One output position of a layer small enough to count: k = 3, D = 2, N = 5."""
    offsets, inputs, outputs = range(9), range(2), range(5)
    assert equations.standard(3, 2, 5) == sum(1 for _ in offsets for _ in inputs for _ in outputs)
    assert equations.depthwise(3, 2) == sum(1 for _ in offsets for _ in inputs)
    assert equations.pointwise(2, 5) == sum(1 for _ in inputs for _ in outputs)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("in_channels", [1, 3, 64, 128])
@pytest.mark.parametrize("out_channels", [1, 48, 64, 128])
def test_equations_follow_from_each_other(kernel: int, in_channels: int, out_channels: int) -> None:
    both = equations.separable(kernel, in_channels, out_channels)
    assert both == equations.depthwise(kernel, in_channels) + equations.pointwise(in_channels, out_channels)
    assert Fraction(both, equations.standard(kernel, in_channels, out_channels)) == equations.ratio(
        kernel, out_channels
    )


def test_paper_percentages() -> None:
    """Section 3.2: about 0.1189 and 88 %, about 0.0478 and 95 %, on average about 92 %."""
    three, five = equations.ratio(3, 128), equations.ratio(5, 128)
    assert (round(float(three), 4), round(float(five), 4)) == (0.1189, 0.0478)
    assert (round(100 * (1 - three)), round(100 * (1 - five)), round(100 * equations.mean_saving())) == (88, 95, 92)


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cost_ratio.main(arguments) == 0
    return capsys.readouterr().out


def test_text_says_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(output(capsys).split())
    for words in (
        "one MAC is one multiply-add",
        "SMSRN as a whole saves 79.4 % of MSRN's MACs and 85.4 % of its parameters",
        "92 % is not the network's saving",
        "That part is 14.8 % of MSRN's MACs and becomes 71.8 % of SMSRN's",
        "MSRN 376.8 G MACs, SMSRN 77.8 G MACs (LR input 320x180)",
        "total 6,078,019 100.0 % 888,929 100.0 % 14.63 %",
        "total 6,542,016 100.0 % 1,349,851 100.0 % 20.63 %",
        "Verified: everything agrees.",
    ):
        assert words in text


def test_groups_add_up_to_the_total(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "--no-verify", "--scale", "8").splitlines()
    for heading in ("parameters ", "MACs per LR pixel "):
        start = next(index for index, line in enumerate(lines) if line.startswith(heading)) + 2
        rows = [re.findall(r"(?<!\S)[\d,]+(?!\S)", line) for line in lines[start : start + 9]]
        *groups, totals = [[int(number.replace(",", "")) for number in row] for row in rows]
        assert lines[start + 8].startswith("total")
        assert [sum(column) for column in zip(*groups, strict=True)] == totals
        assert len(totals) == 2


def test_lines_fit_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert max(len(line) for line in output(capsys, "--no-verify").splitlines()) <= 100


@pytest.mark.parametrize(("scale", "exact"), [("2", True), ("3", False), ("4", True), ("8", True)])
def test_scale_without_720p_input_is_said(scale: str, exact: bool, capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "--no-verify", "--scale", scale)
    assert ("No LR image gives exactly this output" in text) is not exact


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.loads(output(capsys, "--json"))
    assert list(whole) == ["equations", "networks", "verified"]
    assert whole["verified"] is True
    assert whole["equations"][0] == {
        "kernel": 3,
        "in_channels": 64,
        "out_channels": 64,
        "standard": 36864,
        "depthwise": 576,
        "pointwise": 4096,
        "separable": 4672,
        "ratio": pytest.approx(1 / 64 + 1 / 9),
    }
    assert [(row["kernel"], row["out_channels"]) for row in whole["equations"]] == [
        (3, 64),
        (5, 64),
        (3, 128),
        (5, 128),
    ]
    assert list(whole["networks"]) == ["msrn", "smsrn"]
    for network, params in (("msrn", 6_078_019), ("smsrn", 888_929)):
        values = whole["networks"][network]
        assert list(values) == ["params", "macs_per_lr_pixel", "gmacs_720p", "layers"]
        assert values["params"] == params == sum(layer["params"] for layer in values["layers"])
        assert values["macs_per_lr_pixel"] == sum(layer["macs_per_lr_pixel"] for layer in values["layers"])


def test_own_layers_and_network(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--json --kernel 7 1 --channels 3 10 --width 8 --blocks 1 --scale 2"
    whole = json.loads(output(capsys, *arguments.split()))
    rows = [(row["kernel"], row["in_channels"], row["out_channels"], row["standard"]) for row in whole["equations"]]
    assert rows == [(7, 3, 10, 1470), (1, 3, 10, 30)]
    assert whole["networks"]["smsrn"]["params"] == closed_form.total_params(closed_form.smsrn(2, 8, 1))
    assert whole["verified"] is True
    single = json.loads(output(capsys, "--no-verify", "--json", "--channels", "16"))
    assert {(row["in_channels"], row["out_channels"]) for row in single["equations"]} == {(16, 16)}
    assert single["verified"] is None


BLOCK_TORCH = "import sys; sys.modules['torch'] = sys.modules['fvcore'] = None; sys.argv[0] = 'cost_ratio'; "
COMMAND = "from replication.errors import run; from analysis.cost_ratio import main; run(main)"


def without_torch(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a new Python in which torch and fvcore cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", BLOCK_TORCH + COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(cost_ratio.__file__).parents[1],
    )


def test_no_verify_needs_no_torch() -> None:
    done = without_torch("--no-verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Not verified (--no-verify)." in done.stdout


def test_verification_without_torch_is_one_line() -> None:
    done = without_torch()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "--no-verify" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kernel", "4"], "kernel: expected an odd number of at least 1, got 4"),
        (["--kernel", "0"], "kernel: expected an odd"),
        (["--kernel", "-3"], "kernel: expected an odd"),
        (["--channels", "0"], "channels: expected at least 1, got 0"),
        (["--channels", "64", "-1"], "channels: expected at least 1, got -1"),
        (["--channels", "1", "2", "3"], "--channels: expected one or two numbers, got 3"),
        (["--scale", "5"], "scale: expected 2, 3, 4 or 8, got 5"),
        (["--width", "0"], "width: expected at least 1, got 0"),
        (["--blocks", "-2"], "blocks: expected at least 1, got -2"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        cost_ratio.main(arguments)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_the_command_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    output(capsys, "--no-verify")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def wrong_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed form of SMSRN that lacks its last layer."""
    right = closed_form.smsrn

    def wrong(*arguments: Any) -> list[Layer]:
        return right(*arguments)[:-1]

    monkeypatch.setattr(closed_form, "smsrn", wrong)


@pytest.mark.usefixtures("wrong_closed_form")
def test_mismatch_is_shown_with_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cost_ratio.main([]) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "parameters, per layer smsrn tail.3 absent 1,731" in lines
    assert "MACs, per convolution smsrn tail.3 at 12x10 absent 3,317,760" in lines
    assert "NOT VERIFIED: the values above differ." in lines


@pytest.mark.usefixtures("wrong_closed_form")
def test_mismatch_in_json_with_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cost_ratio.main(["--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["verified"] is False
    assert "NOT VERIFIED" in printed.err


@pytest.mark.usefixtures("wrong_closed_form")
def test_mismatch_is_written_and_a_failure(tmp_path: Path) -> None:
    outcome = artefacts.cost(Job(tmp_path))
    (failure,) = outcome.failures
    assert "does not agree" in failure
    assert outcome.findings == []
    assert json.loads((tmp_path / "cost_ratio.json").read_text())["verified"] is False


def test_wrong_equation_5_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(verify, "ratio", lambda kernel, out_channels: Fraction(1, kernel**2))
    assert cost_ratio.main(["--width", "8", "--blocks", "1"]) == 1
    assert "head.0 at 12x10" in capsys.readouterr().out


def test_the_very_layers_asked_for_are_verified(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that holds for the networks' layers and not for 7x7 is found."""
    (row,) = [equations.equation_row(7, 48, 96)]
    checks = verify.verify_equations([row])
    assert {check.name for check in checks} == {"7x7, 48 to 96"}
    assert [check.kind[:10] for check in checks] == [f"equation {number}" for number in range(1, 6)]
    assert all(check.ok for check in checks)
    wrong = {**row, "depthwise": int(row["depthwise"]) + 1}
    assert [check.kind[:10] for check in verify.verify_equations([wrong]) if not check.ok] == ["equation 2"]
    right = equations.depthwise
    monkeypatch.setattr(equations, "depthwise", lambda kernel, d: right(kernel, d) + (kernel == 7))
    monkeypatch.setattr(verify, "verify", lambda *args: [])
    assert cost_ratio.main(["--kernel", "7", "--channels", "48", "96"]) == 1
    assert "7x7, 48 to 96" in capsys.readouterr().out
