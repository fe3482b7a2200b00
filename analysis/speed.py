"""Time and memory of the networks when they run: tables and a picture of what `replication.benchmark` recorded."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from analysis import command, cost_model, style
from analysis.cost_ratio import table, wrap
from analysis.figures import shared
from replication.benchmark import FORMATS, RECORD, TILE
from replication.errors import UserError, run
from replication.files import write_text
from replication.models import build
from replication.network import receptive_radius
from replication.upscale import windows

Record = dict[str, Any]
Key = tuple[str, bool]
"""Network, and whether it is folded."""

LABELS: dict[Key, str] = {
    ("msrn", False): "MSRN",
    ("msrn", True): "MSRN, folded",
    ("smsrn", False): "SMSRN",
    ("smsrn", True): "SMSRN, folded",
}
BACKEND_NAMES = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
REFERENCE: Key = ("msrn", False)
"""What ratios refer to, in PyTorch."""


@dataclass(frozen=True)
class Case:
    """One measured situation: number of threads and size of the LR input."""

    threads: int
    height: int
    width: int

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        scale = shared.SCALE
        return f"{self.width}x{self.height} to {self.width * scale}x{self.height * scale}, {threads}"


def read(results: Path) -> Record:
    """The record. Raises UserError when it is missing or damaged."""
    path = results / RECORD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; `python -m replication.benchmark` makes it") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from error
    expected = {"environment", "rounds", "memory", "times", "layers", "copy_bytes_per_second", "half_precision"}
    if not isinstance(content, dict) or set(content) != expected:
        raise UserError(f"{path} is damaged: expected the keys {', '.join(sorted(expected))}")
    return content


# ---------------------------------------------------------------- numbers


def cases(record: Record) -> list[Case]:
    """Every situation that was measured, in the order of the record."""
    return list(dict.fromkeys(Case(row["threads"], row["height"], row["width"]) for row in record["times"]))


def medians(record: Record, case: Case) -> dict[tuple[str, bool, str, str], float]:
    """Median seconds by network, folded, backend and how."""
    return {
        (row["network"], row["folded"], row["backend"], row["how"]): median(row["seconds"])
        for row in record["times"]
        if Case(row["threads"], row["height"], row["width"]) == case
    }


def best(record: Record, case: Case) -> dict[tuple[Key, str], float]:
    """Median seconds by network and backend; of PyTorch's memory formats the faster one. Trials do not count."""
    found: dict[tuple[Key, str], float] = {}
    for (network, folded, backend, how), seconds in medians(record, case).items():
        if backend in BACKEND_NAMES and how in ("", *FORMATS):
            key = ((network, folded), backend)
            found[key] = min(seconds, found.get(key, seconds))
    return found


def backends(record: Record) -> list[str]:
    """The backends that were measured."""
    return [name for name in BACKEND_NAMES if any(row["backend"] == name for row in record["times"])]


def mac_ratio(key: Key, case: Case) -> float:
    """MACs of MSRN as a multiple of a network's, the border's corrections included.

    How many times as fast as MSRN it would be if every multiply-add took the same time.
    """
    return _macs(REFERENCE, case) / _macs(key, case)


def _macs(key: Key, case: Case) -> int:
    name, folded = key
    made = {
        ("msrn", False): cost_model.msrn, ("msrn", True): cost_model.folded_msrn,
        ("smsrn", False): cost_model.smsrn, ("smsrn", True): cost_model.folded_smsrn,
    }[name, folded]  # fmt: skip
    inner = cost_model.total_macs(made(shared.SCALE)) * case.height * case.width
    return inner + (cost_model.best_tail(shared.SCALE).border.macs(case.height, case.width) if folded else 0)


def spread(record: Record) -> float:
    """The farthest that a single run was from its variant's median, as a share of the median."""
    return max(
        float(max(abs(value - median(row["seconds"])) for value in row["seconds"]) / median(row["seconds"]))
        for row in record["times"]
    )


# ---------------------------------------------------------------- text


def case_table(record: Record, case: Case) -> str:
    """Milliseconds and how many times as fast as MSRN in PyTorch, for each network and backend."""
    found = best(record, case)
    reference = found[REFERENCE, "torch"]
    rows = []
    for key, label in LABELS.items():
        cells = [_cell(found.get((key, name)), reference) for name in backends(record)]
        rows.append([label, *cells, f"{mac_ratio(key, case):.1f}x"])
    bicubic = medians(record, case)["bicubic", False, "Pillow", ""]
    blank = [""] * len(backends(record))
    rows.append([f"bicubic (Pillow): {1000 * bicubic:.1f} ms", *blank, ""])
    return table(rows, ["", *(BACKEND_NAMES[name] for name in backends(record)), "MAC ratio"], "github")


def _cell(seconds: float | None, reference: float) -> str:
    return "" if seconds is None else f"{1000 * seconds:.0f} ms, {reference / seconds:.2f}x"


def summary(record: Record) -> str:
    """What the tables say, in words, for the first situation."""
    case = cases(record)[0]
    found = best(record, case)
    reference = found[REFERENCE, "torch"]
    plain, folded = ("smsrn", False), ("smsrn", True)
    fastest = min(backends(record), key=lambda name: found[folded, name])
    gains = ", ".join(
        f"{found[plain, name] / found[folded, name]:.2f} in {BACKEND_NAMES[name]}" for name in backends(record)
    )
    alone, both = reference / found[plain, "torch"], reference / found[folded, fastest]
    repeated = next(one["total"] for one in record["layers"] if (one["network"], one["folded"]) == REFERENCE)
    return wrap(
        f"For {case}: separable layers alone make MSRN {alone:.2f} times as fast in PyTorch, where the multiply-adds "
        f"would allow {mac_ratio(plain, case):.1f}. Folded, SMSRN in {BACKEND_NAMES[fastest]} takes "
        f"{1000 * found[folded, fastest]:.0f} ms: {both:.1f} times as fast as MSRN in PyTorch (multiply-adds: "
        f"{mac_ratio(folded, case):.1f}), and {found[REFERENCE, fastest] / found[folded, fastest]:.1f} times as fast "
        f"as MSRN in the same backend. (PyTorch is faster when nothing else runs in between: MSRN then takes "
        f"{1000 * repeated:.0f} ms, see the account of layers, of which this is "
        f"{repeated / found[folded, fastest]:.1f} times as fast.) Folding alone, with the same output, makes SMSRN "
        f"faster by a factor of {gains} (multiply-adds: {mac_ratio(folded, case) / mac_ratio(plain, case):.2f})."
    )


def memory_table(record: Record) -> str:
    """Peak resident memory in MB, the whole process and beyond the loaded network."""
    found = {((row["network"], row["folded"]), row["backend"]): row for row in record["memory"]}
    rows = []
    for key, label in LABELS.items():
        cells = []
        for name in backends(record):
            row = found.get((key, name))
            cells.append(f"{row['peak'] / 1e6:.0f}, {(row['peak'] - row['loaded']) / 1e6:.0f}" if row else "")
        rows.append([label, *cells])
    return table(rows, ["MB: peak, of it while running", *(BACKEND_NAMES[name] for name in backends(record))], "github")


def kind(layer: Mapping[str, Any]) -> str:
    """What a layer is called in the account of layers."""
    size = f"{layer['kernel']}x{layer['kernel']}"
    return f"depth-wise {size}" if layer["groups"] > 1 else size


def layer_macs(layer: Mapping[str, Any]) -> int:
    """Multiply-adds of a convolution with these sizes (equations 1-3 of the paper, times the output's positions)."""
    weights: int = layer["kernel"] ** 2 * layer["in_channels"] * layer["out_channels"] // layer["groups"]
    return weights * int(layer["height"]) * int(layer["width"])


def layer_table(account: Mapping[str, Any]) -> str:
    """One row per kind of layer: share of MACs and of time, and what was achieved."""
    all_macs = _all_macs(account)
    rows = []
    for name, members in _kinds(account).items():
        macs, seconds = sum(map(layer_macs, members)), sum(layer["seconds"] for layer in members)
        moved = sum(layer["bytes"] for layer in members)
        rows.append([
            name, len(members), f"{macs / 1e9:.2f}", f"{macs / all_macs:.1%}", f"{1000 * seconds:.0f}",
            f"{seconds / account['total']:.1%}", f"{macs / seconds / 1e9:.1f}", f"{macs / moved:.1f}",
            f"{moved / seconds / 1e9:.1f}",
        ])  # fmt: skip
    rest = account["total"] - sum(layer["seconds"] for layer in account["layers"])
    rows.append(["everything else", "", "", "", f"{1000 * rest:.0f}", f"{rest / account['total']:.1%}", "", "", ""])
    heads = ["", "layers", "G MACs", "of MACs", "ms", "of time", "G MACs/s", "MACs/byte", "GB/s"]
    return table(rows, heads, "github")


def trials_table(record: Record) -> str:
    """What was tried with the folded SMSRN beside what counts, in the first situation."""
    found = medians(record, cases(record)[0])
    rows = []
    for name in backends(record):
        usual = best(record, cases(record)[0])[("smsrn", True), name]
        for (network, folded, backend, how), seconds in found.items():
            if (network, folded, backend) == ("smsrn", True, name) and seconds != usual:
                rows.append([f"{BACKEND_NAMES[name]}, {how}", f"{1000 * seconds:.0f} ms", f"{seconds / usual:.2f}"])
    return table(rows, ["folded SMSRN", "time", "of the time in the table"], "github")


def half_table(record: Record) -> str:
    """Size and PSNR of half-precision files."""
    rows = [
        [LABELS[row["network"], True], f"{row['single'] / 1e6:.2f}", f"{row['half'] / 1e6:.2f}", row["set"],
         f"{row['change_db']:+.4f} dB"]
        for row in record["half_precision"]
    ]  # fmt: skip
    return table(rows, ["ONNX file", "MB", "MB in half precision", "measured on", "change of mean luma PSNR"], "github")


def layers_text(record: Record) -> str:
    """Why SMSRN is not as fast as its multiply-adds say: the account of layers in words and measured numbers."""
    accounts = {(account["network"], account["folded"]): account for account in record["layers"]}
    rate = _all_macs(accounts[REFERENCE]) / accounts[REFERENCE]["total"]
    light = accounts["smsrn", False]
    lost = {
        f"{name} layers": sum(layer["seconds"] - layer_macs(layer) / rate for layer in members)
        for name, members in _kinds(light).items()
    }
    lost["everything else"] = light["total"] - sum(layer["seconds"] for layer in light["layers"])
    shares = [f"{name} {1000 * lost[name]:+.0f} ms" for name in sorted(lost, key=lambda name: -lost[name])]
    depthwise = [layer for layer in light["layers"] if layer["groups"] > 1]
    moved, seconds = (sum(layer[what] for layer in depthwise) for what in ("bytes", "seconds"))
    return wrap(
        f"MSRN makes {rate / 1e9:.1f} G MACs per second. At that rate SMSRN would take "
        f"{1000 * _all_macs(light) / rate:.0f} ms; it takes {1000 * light['total']:.0f}. The difference by kind: "
        f"{', '.join(shares)}. SMSRN's depth-wise layers make {sum(map(layer_macs, depthwise)) / moved:.1f} "
        f"multiply-adds for every byte of input, weight and output (each value counted once, 4 bytes), and move "
        f"{moved / seconds / 1e9:.1f} GB per second; copying a map of 128 channels moves "
        f"{record['copy_bytes_per_second'] / 1e9:.1f}."
    )


def _all_macs(account: Mapping[str, Any]) -> int:
    return sum(layer_macs(layer) for layer in account["layers"])


def _kinds(account: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """The layers of an account by `kind`."""
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for layer in account["layers"]:
        kinds.setdefault(kind(layer), []).append(layer)
    return kinds


def tiles_text(case: Case) -> str:
    """What tiles cost in extra pixels."""
    smsrn = build("smsrn", scale=shared.SCALE)
    radius = receptive_radius(smsrn)
    lengths = [sum(one.stop - one.start for one in windows(size, TILE, radius)) for size in (case.height, case.width)]
    extra = lengths[0] * lengths[1] / (case.height * case.width)
    return (
        f"The picture in tiles of at most {TILE} pixels: with their overlap of {radius} pixels they compute "
        f"{extra:.2f} times as many pixels, and include the conversion from and to 8 bits."
    )


def as_markdown(record: Record) -> str:
    """The whole page."""
    where = record["environment"]
    versions = ", ".join(f"{BACKEND_NAMES[name]} {where[name]}" for name in backends(record))
    first = cases(record)[0]
    rounds = record["rounds"]
    parts = [
        "# How fast, and how large, the networks are when they run",
        wrap(
            f"Measured by `python -m replication.benchmark` on {where['date']}: {where['machine']}; {versions}; all in "
            "one run. Times mean little on another machine; ratios carry over better. `python -m analysis.speed` makes "
            "this page of the record."
        ),
        "![Times as fast as MSRN in PyTorch](figures/speed.png)",
        summary(record),
        "## Time",
        wrap(
            "In each cell the time for one picture, and how many times as fast it is as MSRN in PyTorch in the same "
            f"table. Each time is the median of {rounds}, measured in shuffled order (the farthest single one was "
            f"{spread(record):.0%} off its median). The last column is the ratio of multiply-adds: how many times as "
            "fast a network would be if each took the same time. PyTorch in the memory format that was faster for the "
            "network in the first table. Folded: same output, border included (see fold.md)."
        ),
    ]
    for case in cases(record):
        parts += [f"### {case}", case_table(record, case)]
    parts += [
        "## Memory",
        wrap(
            f"Resident memory of a process that loads one network and runs it twice on one picture of {first.width}x"
            f"{first.height}, one thread: its peak while it runs, libraries included, and what of it came after "
            "loading. In PyTorch the process builds and folds the network itself; the others load a finished file."
        ),
        memory_table(record) if record["memory"] else "Not measured: this system does not tell it.",
        "## Where the time goes",
        wrap(
            f"PyTorch, channels_last, one thread, {first.width}x{first.height}; medians of {rounds}, one network after "
            "the other. Everything else: activations, additions, concatenation, pixel shuffles, and the corrections "
            "along the border of a folded network."
        ),
        layers_text(record),
    ]
    for account in record["layers"]:
        label = LABELS[account["network"], account["folded"]]
        parts += [f"### {label}: {1000 * account['total']:.0f} ms", layer_table(account)]
    parts += [
        "## What else was tried",
        wrap(
            f"The same network and output, {first}. PyTorch's other memory format; `torch.compile`. {tiles_text(first)}"
        ),
        trials_table(record),
        "## Half precision",
        wrap(
            "`python -m replication.export --half`, folded. The change of PSNR is that of weights and results "
            "in float16 in place of float32, in PyTorch."
        ),
        half_table(record),
    ]
    return "\n\n".join(parts) + "\n"


# ---------------------------------------------------------------- picture


def draw(record: Record) -> Figure:
    """Bars: times as fast as MSRN in PyTorch, for the first situation, with the ratio of the multiply-adds."""
    case = cases(record)[0]
    found = best(record, case)
    reference = found[REFERENCE, "torch"]
    names = backends(record)
    figure = style.new_figure(height=2.6)
    axes = figure.add_subplot()
    thickness = 0.8 / len(names)
    shades = ("#3c444b", "#98a2ab", style.MEASURED)
    for index, name in enumerate(names):
        rows = [row + (index - (len(names) - 1) / 2) * thickness for row in range(len(LABELS))]
        values = [reference / found[key, name] for key in LABELS]
        bars = axes.barh(rows, values, thickness, color=shades[index], label=BACKEND_NAMES[name])
        labels = axes.bar_label(bars, [f"{value:.1f}" for value in values], padding=2, size=5.5)
        for label in labels:  # readable over the dotted lines
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.4})
    for row, key in enumerate(LABELS):
        axes.plot([mac_ratio(key, case)] * 2, [row - 0.45, row + 0.45], color=style.PAPER, linewidth=0.8, linestyle=":",
                  label="ratio of multiply-adds" if row == 0 else None)  # fmt: skip
    axes.set_yticks(range(len(LABELS)), list(LABELS.values()))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.margins(x=0.1)
    axes.set_xlabel(f"times as fast as MSRN in PyTorch\n{case}")
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=2, handlelength=1.2)
    return figure


# ---------------------------------------------------------------- command


def write(results: Path) -> list[Path]:
    """Write speed.md, and its picture below figures/; return the paths. Raises UserError as `read` does."""
    record = read(results)
    page = results / "speed.md"
    try:
        text = as_markdown(record)
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        raise UserError(f"{results / RECORD} is damaged: {type(error).__name__} {error}") from error
    write_text(page, text)
    with style.settings():
        return [page, *style.save(draw(record), shared.target(results, "speed"))]


def main(argv: Sequence[str] | None = None) -> None:
    """Write the page and name the files."""
    command.write_and_name(
        "speed",
        "Tables and a picture of time and memory, from what `python -m replication.benchmark` recorded.\n"
        "Measures nothing itself.",
        write,
        argv,
    )


if __name__ == "__main__":
    run(main)
