"""What lightening does to a network, as text for a terminal, as JSON and as CSV."""

from collections.abc import Sequence
from typing import Any

from analysis.networks.count_text import (
    amount,
    cannot_be_counted,
    convention,
    few,
    scaled,
    time_text,
    timing_dictionary,
)
from analysis.networks.lightened import Lightened
from analysis.networks.timing import Timing
from analysis.text import percent, table, versions, wrap
from replication.lighten import Change, Report


def saving_table(cases: Sequence[Lightened], style: str) -> str:
    """Parameters and MACs before and after, and equation 5's prediction for the whole network."""
    divisor, prefix = scaled(one.macs for case in cases for one in (case.before, case.after))
    rows = [
        [
            case.title,
            f"{case.before.params:,}",
            f"{case.after.params:,}",
            percent(case.after.params / case.before.params),
            amount(case.before.macs, divisor),
            amount(case.after.macs, divisor),
            percent(case.after.macs / case.before.macs, 2),
            percent(case.predicted_macs / case.before.macs, 2),
        ]
        for case in cases
    ]
    headers = ["network", "parameters", "after", "left", f"{prefix}MACs", "after", "left", "by eq. 5"]
    return table(rows, headers, style)


def shape(change: Change) -> str:
    """A layer's kernel and channels in short."""
    kernel = "x".join(map(str, change.kernel if len(change.kernel) > 1 else (*change.kernel, 1)))
    groups = f", {change.groups} groups" if change.groups > 1 else ""
    return f"{kernel}, {change.in_channels} to {change.out_channels}{groups}{', transposed' * change.transposed}"


def left_text(report: Report) -> str:
    """How many layers were left alone, by reason."""
    reasons = list(report.left.values())
    return ", ".join(f"{reasons.count(reason)} {reason.split(':')[0]}" for reason in dict.fromkeys(reasons))


def left_by_name(report: Report) -> str:
    """The layers that were left alone, named, with the reason."""
    names: dict[str, list[str]] = {}
    for name, reason in report.left.items():
        names.setdefault(reason, []).append(name)
    return "; ".join(f"{few(found)} ({reason})" for reason, found in names.items())


def as_text(case: Lightened, timing: Timing | None = None) -> str:
    """Every replaced layer, the totals, what was left alone, and the time where it was measured."""
    approximated = any(change.error is not None for change in case.report.changes)
    rows = [
        [row["name"], row["shape"], f"{row['calls']}", f"{row['macs']:,}", f"{row['macs_after']:,}"]
        + [f"{row['equation_5']:.4f}"]
        + ([f"{row['error']:.4f}"] if approximated else [])
        for row in changes(case)
    ]
    headers = ["replaced", "shape", "calls", "MACs", "after", "eq. 5", *(["weights' error"] if approximated else [])]
    kept = case.kept_macs
    shares = f"{percent(kept / case.before.macs)} of the MACs before, {percent(kept / case.after.macs)} after"
    unused = [change.name for change in case.report.changes if change not in case.used]
    counted = " and ".join(dict.fromkeys((case.before.device, case.after.device)))
    parts = [
        f"{case.title}, for an input of {case.before.inputs}",
        table(rows, headers, "simple", "llr" + "r" * (len(headers) - 3)),
        saving_table([case], "simple"),
        wrap(f"Left alone: {left_by_name(case.report) or 'nothing'}. What is not replaced has {shares}."),
        *([wrap(f"Replaced, but not used in this run: {', '.join(unused)}.")] if unused else []),
        *([wrap(cannot_be_counted(case.before))] if case.before.unknown else []),
        *([time_text(timing)] if timing else []),
        wrap(
            f"The MACs after are counted on the lightened network, and equal to what equation 5 predicts. "
            f"{convention(False)} Counted on: {counted}; torch {versions()['torch']}."
        ),
    ]
    return "\n\n".join(parts) + "\n"


COLUMNS = ("name", "shape", "calls", "params_before", "params_after", "macs", "macs_after", "equation_5", "error")
"""Columns of the table of replaced layers."""


def changes(case: Lightened) -> list[dict[str, Any]]:
    """Every replaced layer before and after."""
    found = []
    for change in case.report.changes:
        layer = case.layers[change.name]
        replacement = case.lighter.get_submodule(change.name)
        after = layer.macs * change.exact_ratio
        values = [
            *(change.name or "(network)", shape(change), layer.calls),
            *(sum(value.numel() for value in one.parameters()) for one in (layer.module, replacement)),
            *(layer.macs, int(after), change.ratio, change.error),
        ]
        found.append(dict(zip(COLUMNS, values, strict=True)))
    return found


def as_dictionary(case: Lightened, timing: Timing | None = None) -> dict[str, Any]:
    """Everything, for JSON."""
    result: dict[str, Any] = {
        "network": case.title,
        "input": str(case.before.inputs),
        "convention": convention(False),
        "versions": versions(),
        "params": case.before.params,
        "params_after": case.after.params,
        "macs": case.before.macs,
        "macs_after": case.after.macs,
        "macs_predicted": int(case.predicted_macs),
        "macs_not_replaced": case.kept_macs,
        "cannot_be_counted": dict(case.before.unknown),
        "replaced": changes(case),
        "left_alone": dict(case.report.left),
    }
    if timing:
        result["timing"] = timing_dictionary(timing)
    return result
