"""Measure the trained MSRN with its kernels replaced by their best separable approximations."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from replication import evaluate, records, weights
from replication.data import benchmarks
from replication.lighten import Report, lighten, papers_choice
from replication.models import build
from replication.network import DEFAULT_SCALE as SCALE
from replication.records import Lightening

LIGHTENED = "msrn-rank1"
"""The name in records: trained MSRN with the paper's layers replaced by their best separable approximations."""

SETS = ("Set5", benchmarks.EMBEDDED)
"""What the approximation of the trained MSRN is measured on."""


def approximated(network: nn.Module) -> tuple[nn.Module, Report]:
    """Trained MSRN with the paper's layers replaced by their best separable approximations."""
    return lighten(network, choose=papers_choice, from_weights=True)


def shipped_msrn() -> nn.Module | None:
    """MSRN x4 with the shipped weights; None when it is not trained."""
    return build("msrn", pretrained=True) if weights.shipped("msrn", SCALE) else None


def recorded(results: Path) -> dict[str, Lightening]:
    """The recorded measurements with today's shipped weights and protocols, by benchmark.

    Raises DamagedFileError naming a damaged file.
    """
    digest = weights.shipped_digest("msrn", SCALE)
    return {
        record.benchmark: record
        for record in records.load(results, Lightening)
        if record.key.weights == digest and record.key.protocol == records.protocols(SCALE)
    }


def measure(results: Path, data: Path | None = None) -> list[Path]:
    """Measure where a benchmark of `SETS` is here and not recorded; return the new records.

    Nothing is measured when MSRN is not trained. ``data``: data folder (None: the default one). Raises UserError for
    data that is there but wrong, and for a results folder that cannot be written.
    """
    trained, network = evaluate.subject("msrn", SCALE), shipped_msrn()
    if trained is None or network is None:
        return []
    lighter, _ = approximated(network)
    subject = replace(trained, model=LIGHTENED, upscale=evaluate.network_upscaler(lighter))
    root, known = benchmarks.data_root(data), recorded(results)
    written = []
    for name in SETS:
        benchmark = None if name in known else benchmarks.find(name, root)
        if benchmark is not None:
            measured = evaluate.measure(subject, evaluate.prepare(benchmark, SCALE))
            record = Lightening(**vars(replace(measured, command="python -m replication")))
            if path := records.save(results, record):
                written.append(path)
    return written
