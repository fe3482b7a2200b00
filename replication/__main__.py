"""``python -m replication``: the whole job, from the paper's arithmetic to its table and figure.

This module alone knows both packages: each stage imports what it needs, so that importing ``replication`` never
imports ``analysis``. To add a stage, write a function from `Job` to `Outcome` and name it in `STAGES`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from time import perf_counter

from replication.data.benchmarks import data_root
from replication.errors import Parser, run
from replication.records import check_writable

TOLERANCE_PSNR, TOLERANCE_SSIM = 0.01, 0.0005
"""How far (dB, SSIM) a measurement may be from a record, and bicubic from the published values."""


@dataclass(frozen=True)
class Job:
    """What the user asked for: the results folder and the data folder (None: the default one)."""

    results: Path
    data: Path | None


@dataclass(frozen=True)
class Outcome:
    """What a stage wrote, what it found, and which verifications failed, in one line each."""

    files: list[Path] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def cost(job: Job) -> Outcome:
    """Equations 1-5 and the cost of both networks, verified against the built networks and fvcore."""
    from analysis import cost_model, cost_ratio

    study = cost_ratio.study()
    files = cost_ratio.save(study, job.results)
    if not study.verified:
        return Outcome(files, failures=[f"the cost arithmetic does not agree with the networks: see {files[0]}"])
    msrn, smsrn = study.networks["msrn"], study.networks["smsrn"]
    macs = 1 - cost_model.total_macs(smsrn) / cost_model.total_macs(msrn)
    params = 1 - cost_model.total_params(smsrn) / cost_model.total_params(msrn)
    count = len(study.checks or [])
    finding = (
        f"cost arithmetic verified ({count:,} comparisons): SMSRN saves {100 * macs:.1f} % of MSRN's MACs and "
        f"{100 * params:.1f} % of its parameters; the paper's {cost_ratio.PRINTED_MEAN} is a mean of two layers"
    )
    return Outcome(files, [finding])


def embedded(job: Job) -> Outcome:
    """Measure the embedded images on this machine, and compare with what is recorded."""
    from replication import evaluate, records
    from replication.data import benchmarks

    known = records.load_all(job.results)
    records.check_writable(job.results)
    benchmark = benchmarks.find(benchmarks.EMBEDDED)
    assert benchmark  # it comes with scikit-image
    data = evaluate.prepare(benchmark, 4)
    outcome = Outcome()
    for model in evaluate.METHODS:
        subject = evaluate.subject(model, 4)
        if subject is None:
            continue
        record = evaluate.measure(subject, data)
        before = next((one for one in known if one.key == record.key), None)
        if before is not None:
            psnr, ssim = records.largest_difference(before, record)
            words = f"{model} on the embedded images: {psnr:.4f} dB and {ssim:.6f} (SSIM) from the record at most"
            if psnr > TOLERANCE_PSNR or ssim > TOLERANCE_SSIM:
                outcome.failures.append(f"{words}; expected {TOLERANCE_PSNR} and {TOLERANCE_SSIM}. Record kept")
                continue
            outcome.findings.append(f"reproduced here, {words}")
        else:
            outcome.findings.append(f"{model} on the embedded images: measured here, nothing recorded to compare with")
        if path := records.save(job.results, record):
            outcome.files.append(path)
    return outcome


def benchmark_sets(job: Job) -> Outcome:
    """Measure the four benchmarks where they are on this machine and not recorded yet."""
    from replication import evaluate, records
    from replication.data.benchmarks import BENCHMARKS

    rows = evaluate.evaluate(evaluate.METHODS, BENCHMARKS, scale=4, results=job.results, data=job.data)
    now = [row.record for row in rows if row.record and row.status == evaluate.MEASURED_NOW]
    before = [row for row in rows if row.record and row.status != evaluate.MEASURED_NOW]
    outcome = Outcome([records.folder(job.results) / record.file_name for record in now])
    if now:
        outcome.findings.append(f"benchmarks: {len(now)} measurements made here")
    if before:
        outcome.findings.append(
            f"benchmarks: {len(before)} measurements shown as recorded earlier, not made in this run"
        )
    return outcome


def table1(job: Job) -> Outcome:
    """Table 1, and whether bicubic interpolation gives the published values."""
    from analysis import table1 as table

    outcome = Outcome(table.write(job.results), table.summary(job.results))
    deviation = table.bicubic_deviation(table.collect(job.results))
    if deviation and (deviation[0] > TOLERANCE_PSNR or deviation[1] > TOLERANCE_SSIM):
        outcome.failures.append(
            f"bicubic is {deviation[0]:.4f} dB and {deviation[1]:.6f} (SSIM) from the published values; "
            f"expected {TOLERANCE_PSNR} and {TOLERANCE_SSIM} at most"
        )
    return outcome


def protocol(job: Job) -> Outcome:
    """Which metric protocol explains the paper's numbers: measured where the images are and not recorded yet."""
    from analysis import protocol as study

    written, missing = study.update(job.results, job.data, None, force=False)
    return Outcome([*written, *study.write(job.results)], missing)


def lighten(job: Job) -> Outcome:
    """The paper's conclusion on other networks, with the trained MSRN's rank-1 start measured where it can be."""
    from analysis import lighten as study

    return Outcome([*study.measure(job.results, job.data), *study.write(job.results)])


def claims(job: Job) -> Outcome:
    """Every number of the paper with a verdict."""
    from analysis import claims as ledger

    entries = ledger.ledger(job.results)
    return Outcome(ledger.save(entries, job.results), [f"claims of the paper: {ledger.summary(entries)}"])


def speed(job: Job) -> Outcome:
    """Time and memory, from the record of a benchmark: measuring them is a job of its own."""
    from analysis import speed as study
    from replication.benchmark import RECORD

    if not (job.results / RECORD).is_file():
        return Outcome(findings=["time and memory: nothing recorded here, `tox -e benchmark` measures them"])
    return Outcome(study.write(job.results))


def photographs(job: Job) -> Outcome:
    """Figures 4-7, from the images that are on this machine."""
    from analysis.figures import figures4to7

    return Outcome(figures4to7.write(job.results, job.data))


def artefact(module: str) -> Callable[[Job], Outcome]:
    """A stage that only writes what ``analysis.<module>`` makes from formulas and records."""

    def write(job: Job) -> Outcome:
        return Outcome(import_module(f"analysis.{module}").write(job.results))

    return write


Stage = tuple[str, Callable[[Job], Outcome]]
STAGES: tuple[Stage, ...] = (
    ("cost arithmetic, verified against the networks", cost),
    ("embedded images, measured on this machine", embedded),
    ("benchmarks, measured where they are", benchmark_sets),
    ("Table 1", table1),
    ("Figure 1, parameters", artefact("figure1")),
    ("Figure 1, MACs", artefact("figure1_macs")),
    ("which networks have the paper's parameters", artefact("identify")),
    ("which metric protocol fits the paper", protocol),
    ("other networks, counted", artefact("networks")),
    ("other networks, lightened", lighten),
    ("folding", artefact("fold")),
    ("time and memory, as recorded", speed),
    ("what the paper leaves open", artefact("assumptions")),
    ("every claim of the paper", claims),
    ("Figure 2", artefact("figures.figure2")),
    ("Figure 3", artefact("figures.figure3")),
    ("Figures 4-7", photographs),
    ("where the MACs are", artefact("figures.macs_by_group")),
    ("equation 5 as curves", artefact("figures.equation5")),
    ("summary picture", artefact("figures.summary")),
)


def run_stages(job: Job, stages: Sequence[Stage] = STAGES) -> int:
    """Run the stages in order and print a summary; 1 when a verification failed. Bad input raises UserError at once."""
    start = perf_counter()
    outcomes = []
    for number, (title, stage) in enumerate(stages, 1):
        print(f"[{number}/{len(stages)}] {title} ...", flush=True)
        began = perf_counter()
        outcomes.append(stage(job))
        print(f"[{number}/{len(stages)}] {title}: {perf_counter() - began:.1f} s", flush=True)
    files = list(dict.fromkeys(path for outcome in outcomes for path in outcome.files))
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    print(f"\nwrote {len(files)} files:", *files, sep="\n  ")
    print("\nfound:", *findings, sep="\n  - ")
    if failures:
        print("\nFAILED:", *failures, sep="\n  - ")
    print(f"\n{'NOT replicated: see above' if failures else 'done'}, {perf_counter() - start:.0f} s in all")
    return 1 if failures else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the whole job."""
    parser = Parser(
        prog="python -m replication",
        description=(
            "The whole job: verify the paper's arithmetic, measure the embedded images, measure the benchmarks where\n"
            "they are and not recorded yet, and rebuild Table 1 and Figure 1. Needs no data set and no network.\n"
            "Exit status: 0, 1 when a verification fails, 2 for bad input."
        ),
        epilog=(
            "examples:\n"
            "  python -m replication\n"
            "  python -m replication --data ~/datasets --results /tmp/results\n"
            "each stage runs alone, too: python -m analysis.cost_ratio, python -m replication.evaluate,\n"
            "python -m analysis.table1, python -m analysis.figure1 (each with --help)\n"
        ),
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder (default: $REPLICATION_DATA or data)")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", default=Path("results"), help="results folder (default: %(default)s)"
    )
    arguments = parser.parse_args(argv)
    data_root(arguments.data)  # what is wrong with a folder is said before the first stage, not after it
    check_writable(arguments.results)
    return run_stages(Job(arguments.results, arguments.data))


if __name__ == "__main__":
    run(main)
