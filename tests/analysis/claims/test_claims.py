"""The ledger of claims: complete, judged by one rule, and with verdicts that another printed value would change."""

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from analysis import paper
from analysis.claims import __main__, page, quality, registry, structure
from analysis.claims.equations import counted, derived
from analysis.claims.finding import Finding, Formula, Sources, Value, exact, rounded
from analysis.claims.verdict import (
    ADOPTED,
    CONFIRMED,
    CONTRADICTED,
    KINDS,
    PART,
    ROUNDING,
    UNDECIDABLE,
    VERDICTS,
    Entry,
    agrees,
    entry,
    judge,
)
from analysis.cost import closed_form, designs
from analysis.cost.closed_form import Sizes
from analysis.cost.designs import Design
from analysis.cost.equations import PRINTED, PRINTED_MEAN
from analysis.names import MSRN_ROW
from analysis.networks import catalogue, lightened
from analysis.paper import claims
from analysis.paper.claims import Claim
from analysis.paper.printed import decimal, decimals, half_unit
from analysis.quality import ladder, table1_page
from analysis.quality.columns import AVERAGE, Rows
from analysis.quality.ladder import Loss, Rung
from replication import recipe, records, train
from replication.errors import UserError
from replication.evaluate import NOT_TRAINED, Row
from replication.records import Evaluation, ImageResult, Key

CLAIMS = {claim.id: claim for claim in claims.load()}


RESULTS = Path(__file__).parents[3] / "results"
"""The committed records of networks that others trained."""


def rung(loss: float, half: float = 0.02, seed: int = 0) -> Rung:
    """A pair of trainings that lost so many dB on average, with an interval of ``half`` to each side."""
    lost = {AVERAGE: Loss(loss, loss - half, loss + half)}
    msrn, smsrn = (
        SimpleNamespace(
            run=SimpleNamespace(model=model, dead_filters=dead, data="9 images of a", recipe={}, weights={}, earlier=())
        )
        for model, dead in (("msrn", 0.125), ("smsrn", 0.25))
    )
    return Rung(4000, seed, 0.0009, msrn, smsrn, lost)  # type: ignore[arg-type]


class NoRecords(Sources):
    """No own network was measured; one pair of trainings was."""

    rungs: ClassVar[list[Rung]] = [rung(0.1)]  # type: ignore[misc]
    other_rungs: ClassVar[list[Rung]] = []  # type: ignore[misc]

    rows: ClassVar[Rows] = {  # type: ignore[assignment]
        (name, model): Row(name, model, None, NOT_TRAINED)
        for name in (*paper.BENCHMARKS, "embedded")
        for model in table1_page.METHODS
    }


@pytest.fixture(scope="module")
def ledger() -> Iterator[dict[str, Entry]]:
    sources = NoRecords(RESULTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lightened, "SHOWN", ["VDSR", "IMDN", MSRN_ROW])  # all of them take a while
        lightened.published.cache_clear()
        yield {identifier: entry(claim, sources) for identifier, claim in CLAIMS.items()}
    lightened.published.cache_clear()


def test_every_claim_has_its_code_and_its_words() -> None:
    assert list(CLAIMS) == list(registry.RECOMPUTE)
    for claim in CLAIMS.values():
        assert claim.kind in KINDS
        assert claim.said
        assert all(place.where and place.as_printed for place in claim.said)
        assert claim.values or claim.kind in ("judgement", "needs training", "structural")


def test_printed_values_are_those_of_the_other_files() -> None:
    in_paper = paper.table1()
    for model, column in in_paper.columns.items():
        assert CLAIMS[f"parameters-{model}"].values["parameters"] == f"{column.parameters:,}"
        for metric, digits in (("psnr", 2), ("ssim", 4)):
            values = {name: f"{getattr(score, metric):.{digits}f}" for name, score in column.scores.items()}
            assert CLAIMS[f"table1-{model}-{metric}"].values == values
            average = f"{getattr(column.average, metric):.{digits}f}"
            assert list(CLAIMS[f"average-{model}-{metric}"].values.values()) == [average]
    for metric, identifier in (("psnr", "psnr-98.5"), ("ssim", "ssim-98.3"), ("parameters", "share-14.6")):
        assert list(CLAIMS[identifier].values.values()) == [str(in_paper.retained[metric])]
    for kernel, ratio, saving in PRINTED:
        assert CLAIMS[f"ratio-{kernel}x{kernel}"].values["equation 5"] == ratio
        assert f"{CLAIMS[f'saving-{saving[:2]}'].values['saved, %']} %" == saving
    assert f"{CLAIMS['saving-92'].values['saved on average, %']} %" == PRINTED_MEAN


EXPECTED = {
    CONFIRMED: (
        "scale kernel-sizes fusion-1x1 large-kernels msrn-luma rgb-channels depth-wise pointwise-1x1 "
        "recursive-networks block-channels equal-maps equation-1 equation-2 equation-3 equation-4 equation-5 "
        "four-sets metrics parameters-msrn parameters-smsrn computation-too pictured-images"
    ),
    ROUNDING: (
        "ratio-3x3 saving-88 ratio-5x5 saving-95 share-14.63 average-msrn-psnr average-msrn-ssim average-smsrn-psnr "
        "average-smsrn-ssim saving-92 share-14.6"
    ),
    PART: (
        "psnr-98.53 other-networks same-structure rgb-better separable-replaces replaced-layers table1-msrn-psnr "
        "table1-msrn-ssim ssim-98.27 psnr-98.5 ssim-98.3"
    ),
    CONTRADICTED: "share-14.64 latest proposed-in-mobilenet figure-1 saving-92-network",
    ADOPTED: "block-residual same-training training-data augmentation loss learning-rate batch epochs patch",
    UNDECIDABLE: "by-eye mobile table1-smsrn-psnr table1-smsrn-ssim depends-on-original choose-model",
}


def test_verdicts(ledger: dict[str, Entry]) -> None:
    found = {verdict: {name for name, one in ledger.items() if one.verdict == verdict} for verdict in VERDICTS}
    assert found == {verdict: set(names.split()) for verdict, names in EXPECTED.items()}


DECIDABLE = [
    (claim.id, name)
    for claim in CLAIMS.values()
    if claim.id not in f"{EXPECTED[UNDECIDABLE]} {EXPECTED[CONTRADICTED]} {EXPECTED[ADOPTED]}".split()
    for name in claim.values
]

STEPS = {  # these follow from values that are themselves printed rounded
    "psnr-98.53": 5,  # 98.49 to 98.56
    "psnr-98.5": 2,  # the same, which with one decimal may round to 98.6
    "ssim-98.27": 3,  # 98.26 to 98.29
    "rgb-better": 2,  # 0.25 to 0.31
    "average-smsrn-psnr": 2,
    "average-smsrn-ssim": 2,
    "average-msrn-psnr": 2,
    "average-msrn-ssim": 2,
    "table1-msrn-psnr": 40,  # other people's training of one network ends up to 0.25 dB away, on Urban100
    "table1-msrn-ssim": 120,  # what that is in SSIM
}
"""By how many of its last digit a printed value must change to lie beyond all rounding. All others: by one."""


def changed(printed: str, steps: int) -> list[str]:
    """Other values that could have been printed."""
    if printed in ("yes", "no"):
        return ["no" if printed == "yes" else "yes"]
    if " * " in printed or " / " in printed:
        return [f"2 * ({printed})", f"({printed}) + 1", f"({printed}) * W_k", printed.replace("N", "D")]
    if not page._is_number(printed):
        return ["Set5" if printed != "Set5" else "Set14"]
    number, unit = decimal(printed), 2 * half_unit(printed)
    digits = decimals(printed)
    return [f"{float(Fraction(number) + sign * steps * unit):.{digits}f}" for sign in (1, -1)]


@pytest.mark.parametrize(("identifier", "name"), DECIDABLE)
def test_another_printed_value_would_be_contradicted(ledger: dict[str, Entry], identifier: str, name: str) -> None:
    claim, finding = CLAIMS[identifier], ledger[identifier].finding
    for other in changed(claim.values[name], STEPS.get(identifier, 1)):
        if other == claim.values[name]:
            continue  # an equation without N
        mutant = replace(claim, values={**claim.values, name: other})
        assert judge(mutant, finding) == CONTRADICTED, f"{name}: {other} instead of {claim.values[name]}"


@pytest.mark.parametrize(
    ("identifier", "name"), [(one, name) for one in EXPECTED[ADOPTED].split() for name in CLAIMS[one].values]
)
def test_what_is_not_what_the_code_does_is_not_adopted(ledger: dict[str, Entry], identifier: str, name: str) -> None:
    claim, finding = CLAIMS[identifier], ledger[identifier].finding
    for other in changed(claim.values[name], 1):
        assert judge(replace(claim, values={**claim.values, name: other}), finding) == UNDECIDABLE


@pytest.mark.parametrize(
    ("identifier", "value", "verdict"),
    [
        ("latest", "no", CONFIRMED),
        ("figure-1", "no", CONFIRMED),
        ("proposed-in-mobilenet", "Sifre, 2014", CONFIRMED),
        ("share-14.64", "14.63", ROUNDING),
        ("share-14.64", "14.62", CONTRADICTED),
        ("saving-92-network", "79.4", ROUNDING),
        ("saving-92-network", "79.3", CONTRADICTED),
    ],
)
def test_contradicted_claims_would_hold_with_the_right_value(
    ledger: dict[str, Entry], identifier: str, value: str, verdict: str
) -> None:
    claim, finding = CLAIMS[identifier], ledger[identifier].finding
    (name,) = claim.values
    assert judge(replace(claim, values={name: value}), finding) == verdict


FROM_THE_SEARCH = ("scale", "kernel-sizes", "fusion-1x1", "rgb-channels", "block-channels")


@pytest.mark.parametrize("identifier", FROM_THE_SEARCH)
def test_structure_is_found_and_not_read_from_the_network_that_was_built_to_agree(
    identifier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = NoRecords(RESULTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure, "published_macs_fit", lambda sizes: True)
        assert entry(CLAIMS[identifier], sources).verdict == CONTRADICTED
    found = designs.paper_search()
    nothing: dict[int, list[Design]] = {total: [] for total in found.found}
    for search in (replace(found, found=nothing, elsewhere=nothing), replace(found, elsewhere=moved(found.found))):
        monkeypatch.setattr(designs, "paper_search", lambda search=search: search)
        assert entry(CLAIMS[identifier], sources).verdict == CONTRADICTED


def moved(found: dict[int, list[Design]]) -> dict[int, list[Design]]:
    """The same designs with one more block: a second choice of sizes for both totals."""
    return {
        total: [replace(one, sizes=replace(one.sizes, blocks=one.sizes.blocks + 1)) for one in some]
        for total, some in found.items()
    }


def test_published_macs_fit_one_network() -> None:
    assert structure.published_macs_fit(Sizes())
    for other in (Sizes(scale=3), Sizes(channels=1), Sizes(kernels=(3, 3)), Sizes(fusion=3), Sizes(second=1)):
        assert not structure.published_macs_fit(other)


def test_recursion_is_counted_on_networks_that_do_not_share(monkeypatch: pytest.MonkeyPatch) -> None:
    unshared = catalogue.unshared
    monkeypatch.setattr(catalogue, "unshared", lambda name: replace(unshared(name), macs=unshared(name).macs + 1))
    assert entry(CLAIMS["recursive-networks"], NoRecords(RESULTS)).verdict == CONTRADICTED


def with_rungs(*losses: float) -> Sources:
    class Measured(NoRecords):
        rungs: ClassVar[list[Rung]] = [rung(loss, seed=seed) for seed, loss in enumerate(losses)]  # type: ignore[misc]

    return Measured(RESULTS)


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ((), UNDECIDABLE), ((0.1,), PART), ((0.01,), UNDECIDABLE), ((-0.1,), CONTRADICTED), ((0.1, -0.1), UNDECIDABLE),
        ((0.1, 0.2), PART),
    ],
)  # fmt: skip
def test_what_replacing_costs_is_what_equal_trainings_lose(losses: tuple[float, ...], verdict: str) -> None:
    found = entry(CLAIMS["separable-replaces"], with_rungs(*losses))
    assert found.verdict == verdict
    assert entry(CLAIMS["same-training"], with_rungs(*losses)).verdict == (ADOPTED if losses else UNDECIDABLE)


def test_a_longer_pair_than_the_one_that_ships_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ships, longer = rung(0.1), replace(rung(0.05), steps=16000)
    for member in (ships.full, ships.light):
        member.run.weights["final"] = member.run.model
    monkeypatch.setattr(ladder.weights, "shipped_digests", lambda: {"x": "msrn", "y": "smsrn"})

    class Measured(NoRecords):
        rungs: ClassVar[list[Rung]] = [longer, ships]  # type: ignore[misc]

    reason = entry(CLAIMS["separable-replaces"], Measured(RESULTS)).finding.reason
    assert "after 4,000 steps" in reason
    assert "A longer pair, of 16,000 steps, loses 0.050 dB" in reason


def test_another_network_that_was_trained_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Trained(NoRecords):
        other_rungs: ClassVar[list[Rung]] = [rung(0.2)]  # type: ignore[misc]

    monkeypatch.setattr(lightened, "SHOWN", ["EDSR-baseline"])
    lightened.published.cache_clear()
    found = entry(CLAIMS["other-networks"], Trained(RESULTS))
    lightened.published.cache_clear()
    assert (
        "EDSR-baseline loses 0.200 dB (0.180 to 0.220 over the choice of test images; dead filters: MSRN 12.5 %, SMSRN "
        "25.0 %) after 4,000 steps" in found.finding.reason
    )
    assert "only EDSR-baseline was trained" in found.finding.scope
    both = entry(CLAIMS["depends-on-original"], Trained(RESULTS))  # the pairs of `rung` are of MSRN
    assert "trained so here: MSRN and MSRN." in both.finding.reason


def test_the_loss_is_that_of_the_training_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "objective", torch.nn.functional.mse_loss)
    found = entry(CLAIMS["loss"], NoRecords(RESULTS))
    assert found.finding.values == {"loss": "mean squared error"}
    assert found.verdict == UNDECIDABLE


def test_settings_are_those_of_the_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (recipe.FOLDER / "paper.toml").read_text(encoding="utf-8")
    for old, new in (("batch_size = 10", "batch_size = 12"), ("flips = true", "flips = false")):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "paper.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(recipe, "FOLDER", tmp_path)
    for identifier, verdict in (("batch", UNDECIDABLE), ("augmentation", UNDECIDABLE), ("patch", ADOPTED)):
        assert entry(CLAIMS[identifier], NoRecords(RESULTS)).verdict == verdict


def test_an_adopted_setting_says_how_many_trainings_have_it() -> None:
    recipes = [recipe.load("cpu", {"learning_rate": rate}).as_dict() for rate in ("1e-3", "1.5e-4")]
    recipes.append(recipe.load("paper").as_dict())
    recipes[0]["an option of then"] = recipes[0].pop("flips")

    class Recorded(NoRecords):
        runs: ClassVar[list[Any]] = [SimpleNamespace(recipe=one, file_name="a.json") for one in recipes]  # type: ignore[misc]

    for identifier, count in (("batch", 1), ("learning-rate", 1), ("patch", 1), ("loss", 3)):
        found = entry(CLAIMS[identifier], Recorded(RESULTS))
        assert f"It is so in {count} of the 3 trainings recorded here." in found.finding.reason


def test_what_is_only_implied_is_not_called_printed(ledger: dict[str, Entry]) -> None:
    text = page.markdown(list(ledger.values()))
    assert "only implied: latest, figure-1 |" in text
    assert text.count("\n- Implied: ") == 2
    assert page.explained(ledger["scale"]).count("Implied") == 0


def test_the_first_msrn_takes_luma() -> None:
    totals = [closed_form.total_params(structure.first_msrn(channels)) for channels in (1, 3)]
    assert totals == [6_334_209, 6_336_515]  # the layers of OLD/model.py, added up by hand


@pytest.mark.parametrize(("text", "table"), [("psnr-98.53", "psnr-98.5"), ("ssim-98.27", "ssim-98.3")])
def test_equal_arithmetic_has_equal_verdicts(ledger: dict[str, Entry], text: str, table: str) -> None:
    assert ledger[text].verdict == ledger[table].verdict
    assert ledger[text].finding.scope == ledger[table].finding.scope


def test_an_equation_must_be_both_derived_and_counted() -> None:
    claim = CLAIMS["equation-2"]
    (name,) = claim.values
    right = derived()["depth-wise"]
    for formula, verdict in (
        (Formula(right, counted("depth-wise")), CONFIRMED),
        (Formula(right, counted("point-wise")), CONTRADICTED),
        (Formula(derived()["standard"], counted("depth-wise")), CONTRADICTED),
    ):
        assert judge(claim, Finding({name: formula}, "")) == verdict


def test_rounding() -> None:
    assert agrees("14.63", exact(Fraction("14.625")))
    assert not agrees("14.63", exact(Fraction("14.6249")))
    assert agrees("0.7730", exact(Fraction("0.77304")))
    assert not agrees("0.7730", exact(Fraction("0.7731")))  # the printed zero counts
    assert agrees("0.773", exact(Fraction("0.7731")))
    assert agrees("6,078,019", exact(6_078_019))
    assert not agrees("6,078,019", exact(6_078_018))
    assert rounded("28.30") == Value(Fraction("28.3"), Fraction("28.295"), Fraction("28.305"))
    assert agrees("2", Value(Fraction(3), Fraction("2.4"), Fraction("3.6")))
    assert not agrees("2", Value(Fraction(3), Fraction("2.6"), Fraction("3.4")))


def test_what_is_not_recomputed_cannot_be_judged() -> None:
    claim = Claim("x", "cost", {"a": "1"}, ())
    assert judge(claim, Finding({"a": exact(1)}, "")) == CONFIRMED
    assert judge(claim, Finding({"a": exact(1)}, "", scope="half of it")) == PART
    assert judge(claim, Finding({"a": exact(2)}, "", scope="half of it")) == CONTRADICTED
    for values in ({}, {"b": exact(1)}, {"a": exact(1), "b": exact(1)}):
        with pytest.raises(ValueError, match="claim x: printed are"):
            judge(claim, Finding(values, ""))
    with pytest.raises(ValueError, match="claim x"):
        judge(replace(claim, values={}), Finding({}, ""))


TRAINING: dict[str, Any] = {"recipe_digest": "ab", "step": 9, "data": "BSDS400", "seed": 3}


def trained(fraction: float, shift: float, **differing: Any) -> Sources:
    """Both networks recorded on all sets: the paper's values, ``shift`` dB (and shift/10 SSIM) away."""
    rows = dict(NoRecords.rows)
    for model, column in paper.table1().columns.items():
        training = {**TRAINING, "paper_fraction": fraction, **(differing if model == "smsrn" else {})}
        for name, score in column.scores.items():
            image = ImageResult(
                "one", 40, 40, 1.0, 0.9, 1.0, score.ssim + shift / 10, 1.0, 0.9, score.psnr + shift, 0.1
            )
            key = Key(model, "cd", "ef", records.protocols(4), 4)
            images = (image, replace(image, name="two"))
            rows[name, model] = Row(name, model, Evaluation(key, name, images, training, {}, ""), "recorded")

    class Recorded(Sources):
        pass

    Recorded.rows = rows  # type: ignore[assignment]
    return Recorded(RESULTS)


@pytest.mark.parametrize("model", ["msrn", "smsrn"])
@pytest.mark.parametrize("metric", ["psnr", "ssim"])
def test_table_1_is_judged_only_with_the_papers_training(model: str, metric: str) -> None:
    claim = CLAIMS[f"table1-{model}-{metric}"]
    before = PART if model == "msrn" else UNDECIDABLE  # until then, MSRN is compared with what its authors publish
    early = entry(claim, trained(0.0123, -1.0))
    assert early.verdict == before
    assert "1.2 % (0.077 to 15 %) of the paper's training" in early.finding.reason
    assert early.finding.values.keys() == claim.values.keys()
    full = entry(claim, trained(1.0, 0.01))
    assert full.verdict == PART
    assert "different people" in full.finding.scope
    assert entry(claim, trained(1.0, -1.0)).verdict == CONTRADICTED
    partly = trained(1.0, 0.0)
    partly.rows["B100", model] = Row("B100", model, None, "not measured")
    partial = entry(claim, partly)
    assert partial.verdict == before
    assert "not measured: B100" in partial.finding.reason


def test_msrn_is_compared_with_its_authors_and_their_pictures(ledger: dict[str, Entry]) -> None:
    finding = ledger["table1-msrn-psnr"].finding
    assert (
        "Set14 and B100 are the same to the last digit, Set5 0.09 dB lower and Urban100 0.06 dB lower" in finding.reason
    )
    assert "own pictures of Set5 have 32.26 dB and an SSIM of 0.8657" in finding.reason
    ssim = ledger["table1-msrn-ssim"].finding.values["Set5"]
    assert isinstance(ssim, Value)
    assert float(ssim.best) == pytest.approx(0.8655, abs=5e-4)  # on luma: 0.8958
    without = entry(CLAIMS["table1-msrn-ssim"], NoRecords(Path("nowhere")))
    assert without.verdict == UNDECIDABLE


def test_what_is_kept_under_equal_conditions_is_told() -> None:
    alike = entry(CLAIMS["psnr-98.53"], trained(0.0123, 0.0)).finding.reason
    assert (
        "Measured here under equal conditions, with 1.2 % (0.077 to 15 %) of the paper's training: 98.52 %; SMSRN loses"
        in alike
    )
    assert "SMSRN loses 0.422 dB (0.422 to 0.422) (one training of each; interval over the images)" in alike
    assert "98.27 % (one training" in entry(CLAIMS["ssim-98.27"], trained(0.0123, 0.0)).finding.reason
    unlike = entry(CLAIMS["psnr-98.53"], trained(0.0123, 0.0, step=10, seed=4)).finding.reason
    assert "not under equal conditions (different: number of steps, seed)" in unlike


def test_decibels() -> None:
    assert quality.more_error(0) == "0.0 %"
    assert quality.more_error(10) == "900.0 %"
    text = " ".join(page.decibel_text(quality.decibels()).split())
    assert "The average loss of 0.42 dB means that the mean squared error of an image grows by 10.2 %" in text
    assert "keeps 90.4 % of MSRN's PSNR" in text


def test_files(ledger: dict[str, Entry], tmp_path: Path) -> None:
    entries = list(ledger.values())
    markdown, as_json = page.save(entries, tmp_path)
    text = markdown.read_text(encoding="utf-8")
    content = json.loads(as_json.read_text(encoding="utf-8"))
    assert sum(content["counts"].values()) == len(content["claims"]) == len(CLAIMS)
    for verdict, number in content["counts"].items():
        assert f"\n| {number} | {verdict} | " in text
        assert [one["verdict"] for one in content["claims"]].count(verdict) == number
    for one in entries:
        assert text.count(f"\n### {one.claim.id}\n") == 1
        assert text.count(f"| [{one.claim.id}](") == 1
        assert f"`python -m analysis.claims --only {one.claim.id}`" in text
        assert one.finding.reason in text
        assert all(" ".join(place.as_printed.split()) in text for place in one.claim.said)


def test_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="records: expected the records of the results folder"):
        __main__.main(["--results", str(tmp_path)])
    (tmp_path / "records").mkdir()
    assert __main__.main(["--only", "share-14.64", "--results", str(tmp_path)]) is None
    output = capsys.readouterr().out
    assert "888,929 / 6,078,019 = 14.6253 %: 14.63 with two decimals" in output
    assert "Verdict: contradicted" in output
    assert "section I: SMSRN은" in output
    assert list(tmp_path.rglob("*")) == [tmp_path / "records"]
    with pytest.raises(UserError, match=r"--only: unknown claim 'share'; did you mean .*share-14.6"):
        __main__.main(["--only", "share"])
