"""The one list of artefacts: everything below results/ that is made from formulas, from the paper and from records.

To add one: write a page or figure with a function ``write(results) -> files`` and give it a line in `ARTEFACTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from analysis.claims import assumptions_page
from analysis.claims import page as claims_page
from analysis.claims.verdict import ledger
from analysis.cost import cost_page, designs_page, fold_page
from analysis.cost.designs import paper_search
from analysis.cost.equations import PRINTED_MEAN
from analysis.cost.folding import folding
from analysis.cost.study import study
from analysis.figures import (
    equation5,
    figure1,
    figure1_macs,
    figure1_time,
    figure2,
    figure3,
    figures4to7,
    ladder,
    macs_by_group,
    speed,
    summary,
)
from analysis.networks import catalogue, lighten_page, networks_page
from analysis.quality import calibration_page, ladder_page, protocol_page, runs_page, table1_page
from analysis.quality.columns import bicubic_deviation
from analysis.quality.training import measurements
from analysis.report import report_page
from analysis.speed import inference_page, training_page
from analysis.text import percent
from replication.records import (
    TOLERANCE_PSNR,
    TOLERANCE_SSIM,
    Calibration,
    NetworkSpeed,
    Record,
    Speed,
    TrainingRun,
    TrainingSpeed,
    folder,
)
from replication.stages import Job, Outcome


@dataclass(frozen=True)
class Artefact:
    """One line of the list: ``write`` makes the files, ``needs`` says from what.

    ``kind``: a kind of record without which there is nothing to make; ``measure`` is the command that records it.
    """

    name: str
    title: str
    write: Callable[[Job], Outcome]
    needs: str
    kind: type[Record] | None = None
    measure: str = "tox -e benchmark"

    def run(self, job: Job) -> Outcome:
        """Write it, or say which command records what it needs."""
        if self.kind and not any(folder(job.results, self.kind).glob("*.json")):
            return Outcome(findings=[f"{self.title}: nothing recorded here, `{self.measure}` measures it"])
        return self.write(job)


def page(write: Callable[[Path], list[Path]]) -> Callable[[Job], Outcome]:
    """A writer that has nothing to verify."""
    return lambda job: Outcome(write(job.results))


def cost(job: Job) -> Outcome:
    """Equations 1-5 and the cost of both networks, verified against the built networks and fvcore."""
    facts = study()
    files = cost_page.save(facts, job.results)
    if not facts.verified:
        return Outcome(files, failures=[f"the cost arithmetic does not agree with the networks: see {files[0]}"])
    finding = (
        f"cost arithmetic verified ({len(facts.checks or []):,} comparisons): SMSRN saves {percent(facts.macs_saved)} "
        f"of MSRN's MACs and {percent(facts.params_saved)} of its parameters; the paper's {PRINTED_MEAN} is a mean of "
        "two layers"
    )
    return Outcome(files, [finding])


def designs(job: Job) -> Outcome:
    """Which networks have the paper's numbers of parameters."""
    missing = [f"no design has {total:,} parameters" for total, found in paper_search().found.items() if not found]
    return Outcome(designs_page.write(job.results), failures=missing)


def fold(job: Job) -> Outcome:
    """Folding, with the closed form of each step verified on the folded networks."""
    facts = folding()
    files = fold_page.save(facts, job.results)
    failures = [] if facts.verified else [f"closed form and folded networks differ: see {files[0]}"]
    return Outcome(files, failures=failures)


def networks(job: Job) -> Outcome:
    """The published networks counted; a printed number that is neither our count nor explained is a failure."""
    return Outcome(networks_page.write(job.results), failures=catalogue.disagreements())


def table1(job: Job) -> Outcome:
    """Table 1, and whether bicubic interpolation gives the published values."""
    facts = measurements(job.results)
    outcome = Outcome(table1_page.save(facts, job.results), table1_page.summary(facts))
    deviation = bicubic_deviation(facts.rows)
    if deviation and (deviation[0] > TOLERANCE_PSNR or deviation[1] > TOLERANCE_SSIM):
        outcome.failures.append(
            f"bicubic is {deviation[0]:.4f} dB and {deviation[1]:.6f} (SSIM) from the published values; "
            f"expected {TOLERANCE_PSNR} and {TOLERANCE_SSIM} at most"
        )
    return outcome


def claims(job: Job) -> Outcome:
    """Every number of the paper with a verdict."""
    entries = ledger(job.results)
    return Outcome(claims_page.save(entries, job.results), [f"claims of the paper: {claims_page.summary(entries)}"])


def photographs(job: Job) -> Outcome:
    """Figures 4-7, from the images that are on this machine."""
    return Outcome(figures4to7.write(job.results, job.data))


FORMULAS, PRINTED, RECORDS, IMAGES = "formulas", "the paper's data", "records", "images and weights"
"""What artefacts are made from."""
RECORD_RUNS = "python -m replication.runs RUN"

ARTEFACTS = (
    Artefact("cost_ratio", "equations 1-5 and both networks' cost, verified", cost, FORMULAS),
    Artefact("table1", "Table 1 and measured values", table1, RECORDS),
    Artefact("figure1", "Figure 1: parameters against PSNR", page(figure1.write), RECORDS),
    Artefact("figure1_macs", "Figure 1 with MACs in place of parameters", page(figure1_macs.write), RECORDS),
    Artefact(
        "figure1_time",
        "Figure 1 with measured time in place of parameters",
        page(figure1_time.write),
        RECORDS,
        NetworkSpeed,
        "python -m replication.benchmark_networks",
    ),
    Artefact("identify", "which networks have the paper's numbers of parameters", designs, FORMULAS),
    Artefact(
        "calibration",
        "published values of networks that others trained, measured",
        page(calibration_page.write),
        RECORDS,
        Calibration,
        "python -m replication.calibrate",
    ),
    Artefact("protocol", "which metric protocol fits the paper's values", page(protocol_page.write), RECORDS),
    Artefact("networks", "other published networks, counted", networks, FORMULAS),
    Artefact("lighten", "other networks with separable convolutions", page(lighten_page.write), RECORDS),
    Artefact("fold", "what folding the linear layers saves, verified", fold, FORMULAS),
    Artefact("speed", "time and memory of inference", page(inference_page.write), RECORDS, Speed),
    Artefact("speed_figure", "time of inference as bars", page(speed.write), RECORDS, Speed),
    Artefact(
        "ladder",
        "what separability costs at growing budgets",
        page(ladder_page.write),
        RECORDS,
        TrainingRun,
        RECORD_RUNS,
    ),
    Artefact("ladder_figure", "PSNR against the budget", page(ladder.write), RECORDS, TrainingRun, RECORD_RUNS),
    Artefact("runs", "all recorded trainings and their cost", page(runs_page.write), RECORDS, TrainingRun, RECORD_RUNS),
    Artefact("training_speed", "what a training step costs", page(training_page.write), RECORDS, TrainingSpeed),
    Artefact("assumptions", "what the paper leaves open, and what is assumed", page(assumptions_page.write), PRINTED),
    Artefact("claims", "every number of the paper, with a verdict", claims, RECORDS),
    Artefact("figure2", "Figure 2: the convolutions, to scale", page(figure2.write), FORMULAS),
    Artefact("figure3", "Figure 3: SMSRN and its block", page(figure3.write), FORMULAS),
    Artefact("figures4to7", "Figures 4-7: images enlarged by each method", photographs, IMAGES),
    Artefact("macs_by_group", "where the MACs are, by group of layers", page(macs_by_group.write), FORMULAS),
    Artefact("equation5", "equation 5 as curves", page(equation5.write), FORMULAS),
    Artefact("summary", "the paper in one picture", page(summary.write), RECORDS),
    Artefact("report", "all of it on one page for the browser", page(report_page.write), RECORDS),
)
