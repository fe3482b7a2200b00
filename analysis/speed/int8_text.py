"""Integers of 8 bits in place of floating point: the section of the page on speed."""

from pathlib import Path
from statistics import fmean

from analysis.text import table, wrap
from replication import records
from replication.records import IntegerFile, Integers

LIMIT = 0.1
"""Decibels of mean PSNR that a faster file may lose and still be worth an option: a judgement, no measurement."""


def section(results: Path) -> str:
    """The section for the page on speed, in Markdown; one line where nothing is recorded."""
    record = records.newest(records.load(results, Integers))
    if record is None:
        return "## Integers of 8 bits\n\nNot recorded: `python -m replication.measure_int8` measures it."
    where = record.environment
    parts = [
        "## Integers of 8 bits",
        wrap(
            f"Measured by `{record.command}` on {where['date']}: {where['machine']}; ONNX Runtime "
            f"{where['onnxruntime']}, one thread, seconds of the processor for all of {record.benchmark}, the "
            "least of several rounds. The folded SMSRN, quantised after training (static, QDQ); the ranges of its maps "
            f"were fixed by {record.pictures} pictures ({record.calibration}). PSNR is the mean on luma, with the "
            f"weights of SHA-256 {record.weights[:8]}."
        ),
        int8_table(record),
        wrap(verdict(record)),
    ]
    return "\n\n".join(parts)


def int8_table(record: Integers) -> str:
    """One line for each file; the first is what the others are compared with."""
    reference = record.files[0]
    rows = [
        [
            one.how, f"{one.size / 1e6:.2f}", f"{fmean(one.psnr):.2f}", f"{loss(one, reference):.2f}",
            f"{sum(one.seconds):.2f}", f"{sum(one.seconds) / sum(reference.seconds):.2f}",
        ]
        for one in record.files
    ]  # fmt: skip
    return table(rows, ["numbers", "MB", "PSNR", "lost, dB", "s", "of the time"], "github")


def loss(one: IntegerFile, reference: IntegerFile) -> float:
    """Decibels of mean PSNR that ``one`` has less than ``reference``."""
    return fmean(reference.psnr) - fmean(one.psnr)


def verdict(record: Integers) -> str:
    """Whether it pays: what is faster may lose `LIMIT` at most."""
    reference, *others = record.files
    paying = [one.how for one in others if sum(one.seconds) < sum(reference.seconds) and loss(one, reference) <= LIMIT]
    if paying:
        return f"It pays for {' and '.join(paying)}: faster, and at most {LIMIT} dB are lost."
    faster = [one for one in others if sum(one.seconds) < sum(reference.seconds)]
    reason = (
        f"what is faster loses {min(loss(one, reference) for one in faster):.2f} dB or more, and {LIMIT} dB is taken "
        "to be the most that a faster file may lose"
        if faster
        else "nothing is faster"
    )
    return (
        f"It does not pay on this processor: {reason}. So `replication.export` does not offer it. Accelerators of "
        "phones were not measured."
    )
