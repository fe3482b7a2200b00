"""The closed form of folded networks, what each step saves, and the page that tells it."""

import dataclasses
from pathlib import Path

import pytest
import torch

from analysis import artefacts
from analysis.cost import closed_form, folding, verify
from analysis.cost.closed_form import total_macs, total_params
from analysis.cost.folded import best_tail, folded_tails
from analysis.cost.verify import Check
from replication.fold import FoldedMSRN
from replication.fold import fold as fold_network
from replication.stages import Job


def failures(checks: list[Check]) -> list[str]:
    return [check.kind for check in checks if not check.ok]


def test_each_step_at_x4() -> None:
    steps = list(folding.steps(*folding.NETWORKS["SMSRN"], 4).values())
    # The first three are known from building them: SMSRN, and with its upsampler and last layer as one 5x5.
    assert [total_macs(layers) for layers in steps[:3]] == [1_349_851, 661_723, 661_723]
    assert [total_params(layers) for layers in steps[:3]] == [888_929, 668_622, 668_622]
    # W C takes 64 x 256 in place of 64 x 64 and 64 x 256; its bias joins the tail's.
    assert total_macs(steps[3]) == 661_723 - 64 * 64
    assert total_params(steps[3]) == 668_622 - 64 * 64 - 64
    # Depth-wise channels: 3 in the head, 2·64 and 2·128 in each block.
    assert total_macs(steps[4]) == total_macs(steps[3])
    assert total_params(steps[4]) == total_params(steps[3]) - 3 - 8 * (2 * 64 + 2 * 128)


@pytest.mark.parametrize("scale", closed_form.FACTORS)
@pytest.mark.parametrize("network", folding.NETWORKS)
def test_no_step_costs_anything(network: str, scale: int) -> None:
    steps = list(folding.steps(*folding.NETWORKS[network], scale).values())
    for total in (total_macs, total_params):
        totals = [total(layers) for layers in steps]
        assert totals == sorted(totals, reverse=True)
        assert totals[-1] < totals[0]


@pytest.mark.parametrize(
    ("scale", "start", "kernel", "outputs", "inputs"),
    [(2, "tail.1", 7, 3, 2), (3, "tail.2.0", 5, 1, 1), (4, "tail.2.0", 5, 3, 2), (8, "tail.2.0", 5, 7, 2)],
)
def test_the_cheapest_tail(scale: int, start: str, kernel: int, outputs: int, inputs: int) -> None:
    tail = best_tail(scale)
    assert (tail.start, tail.layers[-1].kernel) == (start, kernel)
    assert (tail.border.outputs, tail.border.inputs) == (outputs, inputs)
    assert all(total_macs(tail.layers) <= total_macs(other.layers) for other in folded_tails(scale))


def test_border_by_hand() -> None:
    border = best_tail(4).border
    # A side: 3 rows of 4 phases of 3 colours, from 2 rows and 5 columns of 64 channels. A corner: 3x3 from 2x2.
    assert border.side_macs == (3 * 4 * 3) * (2 * 5 * 64)
    assert border.corner_macs == (3 * 3 * 3) * (2 * 2 * 64)
    assert border.values == 4 * (border.side_macs + 3 * 4 * 3 + border.corner_macs + 3 * 3 * 3)
    assert border.macs(10, 20) == 60 * border.side_macs + 4 * border.corner_macs


@pytest.mark.parametrize(("scale", "width", "blocks"), [(2, 64, 8), (3, 7, 2), (4, 64, 8), (8, 4, 1)])
def test_closed_form_and_folded_networks_agree(scale: int, width: int, blocks: int) -> None:
    checks = verify.verify_folded(scale, width, blocks, sizes=[(1, 1), (7, 5)])
    assert failures(checks) == []
    kinds = {check.kind for check in checks}
    assert {"border: stored values", "border: MACs", "largest difference of outputs", "MACs, total"} <= kinds


def test_a_wrong_closed_form_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    right = best_tail(4, 8, 2)
    wrong = dataclasses.replace(right.border, inputs=3)
    monkeypatch.setattr(verify, "best_tail", lambda *_: dataclasses.replace(right, border=wrong))
    found = failures(verify.verify_folded(4, 8, 2, sizes=[(3, 4)]))
    assert found == ["border: stored values", "border: MACs"] * 2


def test_a_changed_kernel_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> FoldedMSRN:
        folded = fold_network(*arguments, **options)  # type: ignore[arg-type]
        next(folded.tail[-1].parameters())[0, 0, 2, 2] += 0.01
        return folded

    monkeypatch.setattr("replication.fold.fold", broken)
    found = failures(verify.verify_folded(4, 8, 2, sizes=[(3, 4)]))
    assert found == ["largest difference of outputs"] * 2 * len(verify.EXACT_SIZES)


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "verify_folded", lambda scale: [Check("kind", "name", 1, 1)])
    assert artefacts.fold(Job(tmp_path)).failures == []
    text = (tmp_path / "fold.md").read_text(encoding="utf-8")
    for part in ("1,349,851", "661,723", "657,627", "668,622", "**150,528 (5x5)**", "Verified"):
        assert part in text


def test_a_failed_check_is_shown_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "verify_folded", lambda scale: [Check("some kind", "x", 1, 2)])
    (failure,) = artefacts.fold(Job(tmp_path)).failures
    assert "fold.md" in failure
    text = (tmp_path / "fold.md").read_text(encoding="utf-8")
    assert "NOT VERIFIED" in text
    assert "some kind" in text


def test_folding_needs_no_random_numbers_to_be_verified() -> None:
    """The inputs of the output checks are always the same."""
    state = torch.get_rng_state()
    model = torch.nn.Identity()
    verify.check_output("x", model, model)
    assert torch.equal(torch.get_rng_state(), state)
