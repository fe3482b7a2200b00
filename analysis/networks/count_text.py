"""A count as text for a terminal, as JSON and as CSV."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.networks.checks import Check
from analysis.networks.counter import Count, Layer
from analysis.networks.timing import Timing
from analysis.text import as_csv, percent, table, versions, wrap


@dataclass(frozen=True)
class Sheet:
    """All that is shown of one network. ``sizes``: MACs at other input sizes, by a name of the size."""

    title: str
    count: Count
    checks: Sequence[Check]
    bias: bool = False
    sizes: Mapping[str, tuple[str, int]] | None = None
    timing: Timing | None = None

    @property
    def macs(self) -> int:
        """MACs in the asked convention."""
        return self.count.macs + (self.count.bias if self.bias else 0)

    @property
    def ok(self) -> bool:
        """Whether the count is whole and every check holds."""
        return not self.count.unknown and all(check.ok for check in self.checks)


def scaled(values: Iterable[float], least: float = 0.1) -> tuple[int, str]:
    """A divisor and its prefix with which the smallest of ``values`` above 0 is at least ``least``.

    1 and no prefix for small numbers, which are then shown whole.
    """
    smallest = min((value for value in values if value > 0), default=0)
    for power, prefix in ((9, "G "), (6, "M "), (3, "K ")):
        if smallest >= least * 10**power:
            return int(10**power), prefix
    return 1, ""


def amount(value: float, divisor: int) -> str:
    """``value`` in the unit of ``divisor``."""
    return f"{value / divisor:,.{2 if divisor > 1 else 0}f}"


def convention(bias: bool) -> str:
    """What is counted, in words."""
    return (
        "One MAC is one multiply-add; FLOPs are twice the MACs. "
        + ("A bias adds one MAC for each output value. " if bias else "Bias is excluded from the MACs. ")
        + "Parameters include biases, each tied one once. Convolutions, matrix products, attention and bilinear forms "
        "are counted; everything else is 0 MACs. Activations: output elements of the counted operators. Bytes: "
        "arguments read and outputs written once for each operator, nothing fused."
    )


# ---------------------------------------------------------------- text


def as_text(sheet: Sheet, *, summary: bool = False) -> str:
    """Everything for a terminal; ``summary``: without the table of layers."""
    count = sheet.count
    place = "the meta device (shapes alone)" if count.device == "meta" else f"{count.device}, with values"
    parts = [f"{sheet.title}, for an input of {count.inputs}"]
    if not summary:
        parts.append(layer_table(sheet))
    parts += [kind_table(sheet), total_table(sheet), wrap(notes(sheet))]
    if sheet.sizes:
        parts.append(size_table(sheet))
    if sheet.checks:
        parts.append(check_table(sheet.checks))
    if sheet.timing:
        parts.append(time_text(sheet.timing))
    names = ", ".join(f"{name} {number}" for name, number in versions().items())
    parts.append(wrap(f"{convention(sheet.bias)} Counted on {place}; {names}."))
    return "\n\n".join(parts) + "\n"


def _macs(layer: Layer, bias: bool) -> int:
    return layer.macs + (layer.bias if bias else 0)


def layer_table(sheet: Sheet) -> str:
    """Every layer with parameters or MACs."""
    shown = [one for one in sheet.count.layers if one.params or one.macs or one.constant_macs]
    return _table("layer", [(one.name, one.kind, [one]) for one in shown], sheet)


def kind_table(sheet: Sheet) -> str:
    """The same by kind of layer; what has neither parameters nor MACs is one line."""
    kinds: dict[str, list[Layer]] = {}
    for one in sheet.count.layers:
        named = one.params or one.macs or one.constant_macs
        kinds.setdefault(one.kind if named else "all else", []).append(one)
    rows = sorted(kinds.items(), key=lambda pair: (pair[0] == "all else", -sum(_macs(one, True) for one in pair[1])))
    return _table("", [(f"{len(ones)}" if kind != "all else" else "", kind, ones) for kind, ones in rows], sheet)


def _table(first: str, rows: Sequence[tuple[str, str, Sequence[Layer]]], sheet: Sheet) -> str:
    cells = []
    for name, kind, ones in rows:
        macs = sum(_macs(one, sheet.bias) for one in ones)
        cells.append(
            [
                name,
                kind,
                f"{sum(one.calls for one in ones) or '-'}",
                f"{sum(one.params for one in ones):,}",
                f"{macs:,}",
                percent(macs / sheet.macs) if sheet.macs else "-",
                f"{sum(one.activations for one in ones):,}",
                f"{sum(one.bytes for one in ones):,}",
            ]
        )
    headers = [first or "layers", "kind", "calls", "parameters", "MACs", "share", "activations", "bytes"]
    return table(cells, headers, "simple", "ll" + "r" * 6)


def total_table(sheet: Sheet) -> str:
    """The totals, whole and in a unit that fits."""
    count = sheet.count
    rows = []
    for name, value in (
        ("parameters", count.params),
        ("MACs", sheet.macs),
        ("FLOPs", 2 * sheet.macs),
        ("activations", count.activations),
        ("bytes moved", count.bytes),
    ):
        divisor, prefix = scaled([value], least=1)
        rows.append([name, f"{value:,}", f"{amount(value, divisor)} {prefix}".strip() if divisor > 1 else ""])
    return table(rows, ["total", "", ""], "simple")


def cannot_be_counted(count: Count) -> str:
    """What the totals lack, by operator."""
    return (
        f"CANNOT BE COUNTED: {_calls(count.unknown)}. There is no rule for what these operators multiply and add, so "
        "that the totals lack it."
    )


def notes(sheet: Sheet) -> str:
    """What the totals leave out, and what they hold outside of layers, by name."""
    count = sheet.count
    parts = []
    if count.unknown:
        parts.append(cannot_be_counted(count))
    if count.constant_macs:
        names = [layer.name for layer in count.layers if layer.constant_macs]
        parts.append(
            f"Listed apart: {count.constant_macs:,} MACs that do not depend on the input (weights merged when the "
            f"network runs, or a state that begins the same each time), in {few(names)}. They are not in the totals."
        )
    if count.unused:
        parts.append(
            f"Registered but not used in this run: {sum(count.unused.values()):,} parameters ({few(count.unused)})."
        )
    if any("not registered" in layer.name for layer in count.layers):
        parts.append(
            "Some layers that run are not registered with the network: their parameters are not among its own."
        )
    free = sorted(count.free.items(), key=lambda pair: (-pair[1], pair[0]))
    parts.append(f"Counted as 0 MACs: {_calls(dict(free)) or 'nothing'}.")
    return " ".join(parts)


def _calls(operators: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({calls}x)" if calls > 1 else name for name, calls in operators.items())


def few(names: Iterable[str]) -> str:
    """The first four names, and how many more there are."""
    found = list(names)
    return ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")


def size_table(sheet: Sheet) -> str:
    """MACs at the sizes that papers use."""
    sizes = sheet.sizes or {}
    divisor, prefix = scaled(macs for _, macs in sizes.values())
    rows = [[name, shape, f"{macs:,}", amount(macs, divisor)] for name, (shape, macs) in sizes.items()]
    return table(rows, ["size", "input", "MACs", f"{prefix}MACs"], "simple", "llrr")


def check_table(checks: Sequence[Check]) -> str:
    """This count against others, with the reasons of differences below."""
    lines = []
    for check in checks:
        mark = "ok  " if check.ok else "FAIL"
        value = "" if check.found is None else f" {check.found:,}:"
        lines.append(wrap(f"{mark} {check.name}:{value} {check.verdict}"))
    return "Checked against other counts of the same run:\n" + "\n".join(lines)


def time_text(timing: Timing) -> str:
    """Median seconds, spread, the floor, and memory."""
    before = timing.networks[0]
    rows = []
    for one in (*timing.networks, timing.product):
        rows.append(
            [
                one.name,
                f"{one.macs:,}",
                f"{1000 * one.median:,.2f}",
                f"{1000 * min(one.seconds):,.2f} to {1000 * max(one.seconds):,.2f}",
                f"{timing.over_floor(one):.2f}",
                f"{one.median / before.median:.3f}",
                "" if one.memory is None else f"{one.memory / 2**20:,.0f}",
            ]
        )
    headers = ["measured", "MACs", "ms", "least to most", "x floor", "x first", "MiB at peak"]
    text = (
        f"{len(before.seconds)} rounds in shuffled order on {timing.threads} thread(s); the floor is what the MACs "
        f"take at the {timing.rate / 1e9:,.1f} G MACs per second of the float32 matrix product, measured in the "
        "same run. MiB at peak: what the first run added to the process's resident memory."
    )
    return table(rows, headers, "simple") + "\n\n" + wrap(text)


# ---------------------------------------------------------------- for programs


def as_dictionary(sheet: Sheet) -> dict[str, Any]:
    """Everything, for JSON."""
    count = sheet.count
    result: dict[str, Any] = {
        "network": sheet.title,
        "input": str(count.inputs),
        "convention": convention(sheet.bias),
        "versions": versions(),
        "device": count.device,
        "params": count.params,
        "macs": sheet.macs,
        "flops": 2 * sheet.macs,
        "bias_in_macs": sheet.bias,
        "macs_independent_of_input": count.constant_macs,
        "activations": count.activations,
        "bytes": count.bytes,
        "unused_params": dict(count.unused),
        "counted_as_0": dict(count.free),
        "cannot_be_counted": dict(count.unknown),
        "layers": [_row(layer, sheet.bias) for layer in count.layers],
        "checks": [
            {"name": one.name, "expected": one.expected, "found": one.found, "ok": one.ok, "verdict": one.verdict}
            for one in sheet.checks
        ],
        "ok": sheet.ok,
    }
    if sheet.sizes:
        result["sizes"] = {name: {"input": shape, "macs": macs} for name, (shape, macs) in sheet.sizes.items()}
    if sheet.timing:
        result["timing"] = timing_dictionary(sheet.timing)
    return result


def timing_dictionary(timing: Timing) -> dict[str, Any]:
    """A timing, for JSON."""
    return {
        "threads": timing.threads,
        "floor_macs_per_second": timing.rate,
        "networks": [
            {
                "name": one.name,
                "macs": one.macs,
                "seconds": list(one.seconds),
                "over_floor": timing.over_floor(one) if one.macs else None,
                "peak_memory_bytes": one.memory,
            }
            for one in timing.networks
        ],
    }


COLUMNS = ("name", "kind", "calls", "params", "macs", "macs_independent_of_input", "activations", "bytes")
"""Columns of the table of layers."""


def _row(layer: Layer, bias: bool) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "calls": layer.calls,
        "params": layer.params,
        "macs": _macs(layer, bias),
        "macs_independent_of_input": layer.constant_macs,
        "activations": layer.activations,
        "bytes": layer.bytes,
    }


def layers_csv(sheet: Sheet) -> str:
    """The table of layers as CSV."""
    return as_csv([_row(layer, sheet.bias) for layer in sheet.count.layers], COLUMNS)
