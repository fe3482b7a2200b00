"""``python -m replication``: measure everything that can be measured on this machine, and record it.

Tables, figures and verdicts are made from the records by ``python -m analysis``.
"""

from collections.abc import Sequence

from replication import crops, evaluate, measure_lightened, measure_protocol, records, weights
from replication.data import benchmarks
from replication.data.benchmarks import BENCHMARKS, data_root
from replication.errors import Parser, run
from replication.export import largest_difference
from replication.fold import fold
from replication.models import MODELS, build
from replication.network import DEFAULT_SCALE as SCALE
from replication.network import TorchRun
from replication.records import NOISE_PSNR, NOISE_SSIM, Repetition
from replication.stages import Job, Outcome, Stage, run_stages

FOLDED_SIZES = ((1, 1), (7, 2), (16, 24))
"""LR heights and widths on which the folded networks are compared: the smallest image, and two with an inside."""
FOLDED_TOLERANCE = 1e-5
"""Largest difference of outputs, single precision, values in 0..1."""


def arithmetic(job: Job) -> Outcome:
    """Whether the networks that will run, with folded linear layers, compute what the trained ones do."""
    outcome = Outcome()
    for model in MODELS:
        network = build(model, scale=SCALE, pretrained=bool(weights.shipped(model, SCALE))).eval()
        difference = largest_difference(TorchRun(fold(network), channels_last=False), network, FOLDED_SIZES)
        words = f"{model} folded: output differs by {difference:.1e} at most"
        if difference <= FOLDED_TOLERANCE:
            outcome.findings.append(words)
        else:
            outcome.failures.append(f"{words}; expected {FOLDED_TOLERANCE:.0e}")
    return outcome


def embedded(job: Job) -> Outcome:
    """Measure the embedded images on this machine. What repeats a record is compared with it, and kept next to it."""
    known = records.load_all(job.results)
    records.check_writable(job.results)
    benchmark = benchmarks.embedded()
    data = evaluate.prepare(benchmark, SCALE)
    outcome = Outcome()
    for model in evaluate.METHODS:
        subject = evaluate.subject(model, SCALE)
        if subject is None:
            continue
        record = evaluate.measure(subject, data)
        before = next((one for one in known if one.key == record.key), None)
        if before is None:
            outcome.findings.append(f"{model} on the embedded images: measured here, nothing recorded to compare with")
        else:
            record = Repetition(**vars(record))
            found = records.Confirmation(before, *records.largest_difference(before, record))
            words = f"{model} on the embedded images: {found.psnr:.6f} dB and {found.ssim:.8f} (SSIM) from the record"
            if found.holds:
                outcome.findings.append(f"confirmed here, {words} at most")
            else:
                outcome.failures.append(f"{words}; expected {NOISE_PSNR} and {NOISE_SSIM} at most. Record kept")
        if path := records.save(job.results, record):
            outcome.files.append(path)
    return outcome


def benchmark_sets(job: Job) -> Outcome:
    """Measure the four benchmarks where they are on this machine and not recorded yet."""
    rows = evaluate.evaluate(evaluate.METHODS, BENCHMARKS, scale=SCALE, results=job.results, data=job.data)
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


def protocol(job: Job) -> Outcome:
    """Every combination of channel, border and window, where the images are here and not recorded yet."""
    return Outcome(*measure_protocol.update(job.results, job.data, None))


def lightened(job: Job) -> Outcome:
    """The trained MSRN with its kernels replaced by their best separable approximations."""
    return Outcome(measure_lightened.measure(job.results, job.data))


def details(job: Job) -> Outcome:
    """Details of the embedded photographs, and of the paper's images where they are, as each method enlarges them."""
    return Outcome(crops.update(job.results, job.data))


STAGES = (
    Stage("folded networks compared with the trained ones", arithmetic),
    Stage("embedded images, measured on this machine", embedded),
    Stage("benchmarks, measured where they are", benchmark_sets),
    Stage("metric protocols, measured where the images are", protocol),
    Stage("MSRN with the nearest separable kernels", lightened),
    Stage("details of pictures, as each method enlarges them", details),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run all stages."""
    parser = Parser(
        prog="python -m replication",
        description=(
            "Measure: check that folding keeps the networks' output, measure the embedded images and compare them\n"
            "with the records, then measure what else is on this machine and not recorded yet: the benchmarks, the\n"
            "metric protocols, the lightened MSRN. Needs no data set and no network connection.\n"
            "Exit status: 0, 1 when a verification fails, 2 for bad input."
        ),
        epilog=(
            "examples:\n"
            "  python -m replication\n"
            "  python -m replication --data ~/datasets --results /tmp/results\n"
            "next: `python -m analysis` rebuilds the tables, figures and verdicts from the records;\n"
            "`tox -e replicate` does both\n"
        ),
    )
    parser.add_data()
    parser.add_results()
    arguments = parser.parse_args(argv)
    data_root(arguments.data)  # what is wrong with a folder is said before the first stage, not after it
    records.check_writable(arguments.results)
    return run_stages(Job(arguments.results, arguments.data), STAGES)


if __name__ == "__main__":
    run(main)
