"""Everything that the report shows, as one object."""

from dataclasses import dataclass, replace
from pathlib import Path

from analysis.claims.verdict import Entry, ledger
from analysis.cost import closed_form, designs, equations
from analysis.cost.closed_form import total_macs, total_params
from analysis.figures.summary import left_of_msrn
from analysis.names import SCALE
from analysis.quality.columns import AVERAGE, printed_losses
from analysis.quality.ladder import Rung, headline
from analysis.report import costs, landscape, pictures, quality, sources, training
from analysis.report.costs import CLOSED_FORM, Costs
from analysis.report.landscape import Network
from analysis.report.numbers import Number
from analysis.report.pictures import Pictures
from analysis.report.quality import Quality
from analysis.report.sources import Card
from analysis.report.training import Training
from analysis.text import percent
from replication import crops


@dataclass(frozen=True)
class Answer:
    """The numbers of the first screen.

    ``rung`` and ``lost``: the pair of equal trainings with the most steps, and its loss; None where no pair is measured
    on all four sets. ``on_sets``: its losses by set, the means alone. ``others``: the loss of every other pair by its
    name, the smallest first.
    """

    parameters: tuple[Number, Number, Number]
    designs: Number
    matches: str
    saved: Number
    gmacs: tuple[Number, Number]
    printed_saving: str
    printed_loss: str
    printed_losses: dict[str, float]
    rung: Rung | None
    lost: Number | None
    on_sets: dict[str, Number]
    others: dict[str, Number]
    left: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Report:
    """The whole page. ``paper_pictures`` is None in the copy that may be passed on."""

    answer: Answer
    quality: Quality
    networks: list[Network]
    embedded: Pictures
    paper_pictures: Pictures | None
    claims: list[Entry]
    costs: Costs
    training: Training
    cards: dict[str, Card]


def gather(results: Path) -> Report:
    """From formulas, the paper's data and the records: what may be passed on."""
    trained = training.training(results)
    return Report(
        answer=answer(trained.rungs),
        quality=quality.quality(results),
        networks=landscape.networks(results),
        embedded=pictures.embedded(results),
        paper_pictures=None,
        claims=ledger(results),
        costs=costs.costs(results),
        training=trained,
        cards=sources.cards(results),
    )


def with_local(report: Report, results: Path) -> Report:
    """The same with the paper's images as they were cut on this machine."""
    own = pictures.of_the_paper(results)
    cards = [sources.card(picture.record, crops.local(results).name) for picture in own.shown]
    return replace(report, paper_pictures=own, cards=report.cards | {one.path: one for one in cards})


def answer(rungs: list[Rung]) -> Answer:
    """What the first screen says."""
    msrn, smsrn = closed_form.msrn(SCALE), closed_form.smsrn(SCALE)
    counts = [total_params(msrn), total_params(smsrn)]
    gmacs = [closed_form.gmacs_720p(layers, SCALE) for layers in (msrn, smsrn)]
    share = counts[1] / counts[0]
    saved = 1 - total_macs(smsrn) / total_macs(msrn)
    search = designs.paper_search()
    equal = [one for one in rungs if AVERAGE in one.loss]
    rung = headline(rungs)
    others = sorted((one for one in equal if one is not rung), key=lambda one: one.loss[AVERAGE].mean)
    printed_saving = equations.PRINTED_MEAN
    return Answer(
        parameters=(
            _formula(f"{counts[0]:,}", "parameters of MSRN, counted in closed form", "parameters-msrn"),
            _formula(f"{counts[1]:,}", "parameters of SMSRN, counted in closed form", "parameters-smsrn"),
            _formula(percent(share, 2), "SMSRN's parameters as a share of MSRN's", "share-14.63"),
        ),
        designs=Number(
            f"{search.size:,}", "designs that were counted in search of the paper's numbers of parameters",
            "analysis/cost/designs.py", "python -m analysis identify", claims=("parameters-smsrn",),
        ),
        matches=matches(search),
        saved=_formula(percent(saved), "multiply-adds that SMSRN saves of MSRN's, whole network", "saving-92-network"),
        gmacs=(
            _formula(f"{gmacs[0]:.1f}", "G MACs of MSRN for a 1280x720 output", "computation-too"),
            _formula(f"{gmacs[1]:.1f}", "G MACs of SMSRN for a 1280x720 output", "computation-too"),
        ),
        printed_saving=printed_saving,
        printed_losses=printed_losses(),
        printed_loss=f"{printed_losses()[AVERAGE]:.2f}",
        rung=rung,
        lost=training.loss_number(rung, AVERAGE) if rung else None,
        on_sets={name: training.mean_alone(rung, name) for name in rung.loss} if rung else {},
        others={one.name: training.loss_number(one, AVERAGE) for one in others},
        left={what: (one.computed, one.printed) for what, one in left_of_msrn().items()},
    )  # fmt: skip


def matches(search: designs.Search) -> str:
    """How many of the designs have each of the paper's numbers of parameters, in words."""
    numbers = [len(found) for found in search.found.values()]
    return "exactly one has" if set(numbers) == {1} else f"{min(numbers):,} to {max(numbers):,} have"


def _formula(text: str, what: str, *claims: str) -> Number:
    return Number(text, what, CLOSED_FORM, costs.COMMAND, claims=claims)
