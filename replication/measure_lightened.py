"""Measure the trained MSRN with its kernels replaced by their best separable approximations."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from replication import evaluate, records, weights
from replication.data import benchmarks
from replication.errors import UserError
from replication.files import write_text
from replication.lighten import Report, lighten, papers_choice
from replication.models import build
from replication.records import Record

LIGHTENED = "msrn-rank1"
"""The name in records: trained MSRN with the paper's layers replaced by their best separable approximations."""

SETS = ("Set5", benchmarks.EMBEDDED)
"""What the approximation of the trained MSRN is measured on."""


def approximated(network: nn.Module) -> tuple[nn.Module, Report]:
    """Trained MSRN with the paper's layers replaced by their best separable approximations."""
    return lighten(network, choose=papers_choice, from_weights=True)


def shipped_msrn() -> nn.Module | None:
    """MSRN x4 with the shipped weights; None when it is not trained."""
    return build("msrn", pretrained=True) if weights.shipped("msrn", 4) else None


def folder(results: Path) -> Path:
    """Where the measurements of the approximated MSRN are."""
    return records.folder(results) / "lighten"


def recorded(results: Path) -> dict[str, Record]:
    """The recorded measurements of the approximated MSRN with today's shipped weights, by benchmark.

    Raises UserError naming a damaged file.
    """
    path = weights.shipped("msrn", 4)
    if path is None:
        return {}
    digest = weights.digest(path)
    found = {}
    for file in sorted(folder(results).glob("*.json")):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read record {file}: {error}") from error
        record = records.from_json(text, str(file))
        if record.key.weights == digest and record.key.protocol == records.protocols(4):
            found[record.benchmark] = record
    return found


def measure(results: Path, data: Path | None = None) -> list[Path]:
    """Measure the approximated MSRN where a benchmark of `SETS` is here and not recorded; return the new records.

    Nothing is measured when MSRN is not trained. ``data``: data folder (None: the default one). Raises UserError for
    data that is there but wrong, and for a results folder that cannot be written.
    """
    trained, network = evaluate.subject("msrn", 4), shipped_msrn()
    if trained is None or network is None:
        return []
    lighter, _ = approximated(network)
    subject = replace(trained, model=LIGHTENED, upscale=evaluate.network_upscaler(lighter))
    root, known = benchmarks.data_root(data), recorded(results)
    written: list[Path] = []
    for name in SETS:
        benchmark = None if name in known else benchmarks.find(name, root)
        if benchmark is not None:
            measured = evaluate.measure(subject, evaluate.prepare(benchmark, 4))
            record = replace(measured, command="python -m replication.measure_lightened")
            written.append(folder(results) / record.file_name)
            write_text(written[-1], records.to_json(record))
    return written
