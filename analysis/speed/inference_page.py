"""Time and memory of the networks when they run: tables of what `replication.benchmark` recorded."""

from pathlib import Path
from statistics import median

from analysis.names import BACKEND_NAMES, VARIANTS
from analysis.speed import int8_text, others_text
from analysis.speed.inference import (
    REFERENCE,
    Factor,
    Situation,
    all_macs,
    backends,
    best,
    by_kind,
    factor,
    fastest,
    layer_macs,
    mac_ratio,
    medians,
    read,
    situations,
    spread,
    tile_overhead,
)
from analysis.text import percent, table, wrap
from replication import records
from replication.benchmark import TILE
from replication.errors import UserError
from replication.files import write_text
from replication.records import Account, Speed


def case_table(record: Speed, case: Situation) -> str:
    """Milliseconds and how many times as fast as MSRN in PyTorch, for each network and backend."""
    found = fastest(record, case)
    reference = found[REFERENCE, "torch"]
    rows = []
    for key, label in VARIANTS.items():
        cells = [time_cell(found.get((key, name)), reference) for name in backends(record)]
        rows.append([label, *cells, f"{mac_ratio(key, case):.1f}x"])
    bicubic = medians(record, case)["bicubic", False, "Pillow", ""]
    blank = [""] * len(backends(record))
    rows.append([f"bicubic (Pillow): {1000 * bicubic:.1f} ms", *blank, ""])
    return table(rows, ["", *(BACKEND_NAMES[name] for name in backends(record)), "MAC ratio"], "github")


def time_cell(seconds: tuple[float, ...] | None, reference: tuple[float, ...]) -> str:
    """Median milliseconds, and how many times as fast as the reference; empty where nothing was measured."""
    if seconds is None:
        return ""
    times = "1.00x" if seconds is reference else _factor(factor(reference, seconds), "x")
    return f"{1000 * median(seconds):.0f} ms, {times}"


def _factor(found: Factor, unit: str = "") -> str:
    return f"{found.median:.2f}{unit} ({found.low:.2f} to {found.high:.2f})"


def summary(record: Speed) -> str:
    """What the tables say, in words, for the first situation."""
    case = situations(record)[0]
    found = fastest(record, case)
    reference = found[REFERENCE, "torch"]
    plain, folded = ("smsrn", False), ("smsrn", True)
    quickest = min(backends(record), key=lambda name: median(found[folded, name]))
    gains = ", ".join(
        f"{_factor(factor(found[plain, name], found[folded, name]))} in {BACKEND_NAMES[name]}"
        for name in backends(record)
    )
    alone = {(one.network, one.folded): one.total for one in record.layers}
    return wrap(
        f"For {case}, with the least and the most that single rounds give in brackets: separable layers alone make "
        f"MSRN {_factor(factor(reference, found[plain, 'torch']))} times as fast in PyTorch, where the multiply-adds "
        f"would allow {mac_ratio(plain, case):.1f}. Folded, SMSRN in {BACKEND_NAMES[quickest]} takes "
        f"{1000 * median(found[folded, quickest]):.0f} ms: {_factor(factor(reference, found[folded, quickest]))} times "
        f"as fast as MSRN in PyTorch (multiply-adds: {mac_ratio(folded, case):.1f}), and "
        f"{_factor(factor(found[REFERENCE, quickest], found[folded, quickest]))} times as fast as MSRN in the same "
        f"backend. Folding alone, with the same output, makes SMSRN faster by a factor of {gains} (multiply-adds: "
        f"{mac_ratio(folded, case) / mac_ratio(plain, case):.2f}). All this is from rounds in which the networks take "
        "turns. In PyTorch each is faster when it runs again and again: in the account of layers below, MSRN takes "
        f"{1000 * alone[REFERENCE]:.0f} ms and SMSRN {1000 * alone[plain]:.0f}, a factor of "
        f"{alone[REFERENCE] / alone[plain]:.2f} in place of {median(reference) / median(found[plain, 'torch']):.2f}."
    )


def memory_table(record: Speed) -> str:
    """Peak resident memory in MB, the whole process and beyond the loaded network."""
    found = {((row.network, row.folded), row.backend): row for row in record.memory}
    rows = []
    for key, label in VARIANTS.items():
        cells = []
        for name in backends(record):
            row = found.get((key, name))
            cells.append(f"{row.peak / 1e6:.0f}, {(row.peak - row.loaded) / 1e6:.0f}" if row else "")
        rows.append([label, *cells])
    return table(rows, ["MB: peak, of it while running", *(BACKEND_NAMES[name] for name in backends(record))], "github")


def layer_table(account: Account) -> str:
    """One row per kind of layer: share of MACs and of time, and what was achieved."""
    total = all_macs(account)
    rows = []
    for name, members in by_kind(account).items():
        macs, seconds = sum(map(layer_macs, members)), sum(layer.seconds for layer in members)
        moved = sum(layer.bytes for layer in members)
        rows.append([
            name, len(members), f"{macs / 1e9:.2f}", percent(macs / total), f"{1000 * seconds:.0f}",
            percent(seconds / account.total), f"{macs / seconds / 1e9:.1f}", f"{macs / moved:.1f}",
            f"{moved / seconds / 1e9:.1f}",
        ])  # fmt: skip
    rest = account.total - sum(layer.seconds for layer in account.layers)
    rows.append(["everything else", "", "", "", f"{1000 * rest:.0f}", percent(rest / account.total), "", "", ""])
    heads = ["", "layers", "G MACs", "of MACs", "ms", "of time", "G MACs/s", "MACs/byte", "GB/s"]
    return table(rows, heads, "github")


def trials_table(record: Speed) -> str:
    """What else was tried with the folded SMSRN, in the first situation."""
    found = medians(record, situations(record)[0])
    rows = []
    for name in backends(record):
        usual = best(record, situations(record)[0])[("smsrn", True), name]
        for (network, folded, backend, how), seconds in found.items():
            if (network, folded, backend) == ("smsrn", True, name) and seconds != usual:
                rows.append([f"{BACKEND_NAMES[name]}, {how}", f"{1000 * seconds:.0f} ms", f"{seconds / usual:.2f}"])
    return table(rows, ["folded SMSRN", "time", "of the time in the table"], "github")


def half_table(record: Speed) -> str:
    """Size and PSNR of half-precision files."""
    rows = [
        [VARIANTS[row.network, True], f"{row.single / 1e6:.2f}", f"{row.half / 1e6:.2f}", row.set,
         f"{row.change_db:+.4f} dB"]
        for row in record.half_precision
    ]  # fmt: skip
    return table(rows, ["ONNX file", "MB", "MB in half precision", "measured on", "change of mean luma PSNR"], "github")


def layers_text(record: Speed) -> str:
    """Why SMSRN is not as fast as its multiply-adds say: the account of layers in words and measured numbers."""
    accounts = {(account.network, account.folded): account for account in record.layers}
    rate = all_macs(accounts[REFERENCE]) / accounts[REFERENCE].total
    light = accounts["smsrn", False]
    lost = {
        f"{name} layers": sum(layer.seconds - layer_macs(layer) / rate for layer in members)
        for name, members in by_kind(light).items()
    }
    lost["everything else"] = light.total - sum(layer.seconds for layer in light.layers)
    shares = [f"{name} {1000 * lost[name]:+.0f} ms" for name in sorted(lost, key=lambda name: -lost[name])]
    depthwise = [layer for layer in light.layers if layer.groups > 1]
    moved, seconds = (sum(getattr(layer, what) for layer in depthwise) for what in ("bytes", "seconds"))
    return wrap(
        f"MSRN makes {rate / 1e9:.1f} G MACs per second. At that rate SMSRN would take "
        f"{1000 * all_macs(light) / rate:.0f} ms; it takes {1000 * light.total:.0f}. The difference by kind: "
        f"{', '.join(shares)}. SMSRN's depth-wise layers make {sum(map(layer_macs, depthwise)) / moved:.1f} "
        f"multiply-adds for every byte of input, weight and output (each value counted once, 4 bytes), and move "
        f"{moved / seconds / 1e9:.1f} GB per second; copying a map of 128 channels moves "
        f"{record.copy_bytes_per_second / 1e9:.1f}."
    )


def tiles_text(situation: Situation) -> str:
    """What tiles cost in extra pixels."""
    radius, extra = tile_overhead(situation)
    return (
        f"The picture in tiles of at most {TILE} pixels: with their overlap of {radius} pixels they compute "
        f"{extra:.2f} times as many pixels, and include the conversion from and to 8 bits."
    )


def as_markdown(record: Speed) -> str:
    """The whole page."""
    where = record.environment
    versions = ", ".join(f"{BACKEND_NAMES[name]} {where[name]}" for name in backends(record))
    first = situations(record)[0]
    rounds = record.rounds
    parts = [
        "# How fast, and how large, the networks are when they run",
        wrap(
            f"Measured by `python -m replication.benchmark` on {where['date']}: {where['machine']}; {versions}; all in "
            "one run. Times mean little on another machine; ratios carry over better. `python -m analysis speed` makes "
            "this page of the record."
        ),
        "![Times as fast as MSRN in PyTorch](figures/speed.png)",
        summary(record),
        "## Time",
        wrap(
            "In each cell the time for one picture, and how many times as fast it is as MSRN in PyTorch in the same "
            f"table, in brackets at least and at most by single rounds. Each time is the median of {rounds}, measured "
            f"in shuffled order (the farthest single one was {percent(spread(record.times), 0)} off its median). The "
            "last column is the ratio of multiply-adds: how many times as fast a network would be if each took the "
            "same time. PyTorch in the memory format that was faster for the network in the first table. Folded: same "
            "output, border included (see fold.md)."
        ),
    ]
    for case in situations(record):
        parts += [f"### {case}", case_table(record, case)]
    parts += [
        "## Memory",
        wrap(
            f"Resident memory of a process that loads one network and runs it twice on one picture of {first.width}x"
            f"{first.height}, one thread: its peak while it runs, libraries included, and what of it came after "
            "loading. In PyTorch the process builds and folds the network itself; the others load a finished file."
        ),
        memory_table(record) if record.memory else "Not measured: this system does not tell it.",
        "## Where the time goes",
        wrap(
            f"PyTorch, channels_last, one thread, {first.width}x{first.height}; medians of {rounds}, one network after "
            "the other. Everything else: activations, additions, concatenation, pixel shuffles, and the corrections "
            "along the border of a folded network."
        ),
        layers_text(record),
    ]
    for account in record.layers:
        label = VARIANTS[account.network, account.folded]
        parts += [f"### {label}: {1000 * account.total:.0f} ms", layer_table(account)]
    parts += [
        "## What else was tried",
        wrap(
            f"The same network and output, {first}. PyTorch's other memory format; `torch.compile`. {tiles_text(first)}"
        ),
        trials_table(record),
        "## Half precision",
        wrap(
            "`python -m replication.export --half`, folded. The change of PSNR is that of weights and results in "
            f"float16 in place of float32, in PyTorch, with the weights that shipped on {record.environment['date']}."
        ),
        half_table(record),
    ]
    return "\n\n".join(parts) + "\n"


def write(results: Path) -> list[Path]:
    """Write speed.md; return its path. Raises UserError as `read` does."""
    record = read(results)
    page = results / "speed.md"
    try:
        text = as_markdown(record)
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        raise UserError(
            f"{records.folder(results, Speed) / record.file_name} is damaged: {type(error).__name__} {error}"
        ) from error
    write_text(page, f"{text}\n{int8_text.section(results)}\n\n{others_text.section(results)}\n")
    return [page]
