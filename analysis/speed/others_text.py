"""Time and PSNR of other networks and ours: the table and the words that go with it."""

from pathlib import Path

from analysis.names import BACKEND_NAMES, DISPLAY
from analysis.speed.inference import factor, spread
from analysis.speed.others import SETS, Timed, read, timed
from analysis.text import percent, table, wrap
from replication.records import NetworkSpeed

ASKED = ("IMDN", "SMSRN, folded")
"""What an engineer asks: why not the one in place of the other?"""
CLOSE = 0.1
"""Part of the fastest trial by which another backend may be slower and still be named."""


def section(results: Path) -> str:
    """The section for the page on speed, in Markdown; one line where nothing is recorded."""
    record = read(results)
    if record is None:
        text = "Not recorded: `python -m replication.benchmark_networks` measures it."
        return f"## Beside other networks\n\n{text}"
    networks = timed(record, results)
    parts = [
        "## Beside other networks",
        wrap(conditions(record)),
        "![PSNR over time](figure1_time.png)",
        networks_table(networks),
        wrap(
            "x product: the time over what the MACs would take at the speed of a large matrix product in PyTorch, in "
            "the same run; below 1 where a backend multiplies faster than that, or convolves with fewer "
            "multiplications. PSNR on luma at x4: of published networks as their authors printed it, of MSRN and SMSRN "
            "as the paper prints it and as measured here with the shipped weights. The published networks have fresh "
            "weights, which does not bear on time."
        ),
        "### Who dominates whom",
        *map(wrap, words(networks)),
    ]
    return "\n\n".join(parts)


def conditions(record: NetworkSpeed) -> str:
    """How it was measured, in words."""
    where = record.environment
    too_large = sorted(record.left_out.items(), key=lambda pair: pair[1])
    left = ", ".join(f"{name} ({macs / 1e9:,.0f} G)" for name, macs in too_large)
    farthest = spread(record.times)
    return (
        f"Measured by `python -m replication.benchmark_networks` on {where['date']}: {where['machine']}; "
        f"{record.threads} thread(s); one picture of 1280x720 at x4, {record.rounds} rounds in shuffled order, each "
        "network in the backend that was the fastest in one trial on a sixteenth of the area"
        f"{close_text(record)}. The farthest single time is "
        f"{percent(farthest, 0)} off its median"
        + (": the machine was not quiet, and small differences mean nothing." if farthest > 0.1 else ".")
        + (f" Not timed, as too large for this run (G MACs): {left}." if left else "")
    )


def close_text(record: NetworkSpeed) -> str:
    """The networks for which another backend was nearly as fast in the trial, so that it may be the faster one."""
    close = []
    for one in record.times:
        most = (1 + CLOSE) * one.trials[one.backend]
        found = [BACKEND_NAMES[name] for name, trial in one.trials.items() if name != one.backend and trial < most]
        if found:
            close.append(f"{DISPLAY.get(one.network, one.network)}{', folded' * one.folded} ({', '.join(found)})")
    within = f"; within {percent(CLOSE, 0)} of it there, and perhaps faster on the whole picture, were"
    return f"{within}: {', '.join(close)}" if close else ""


def networks_table(networks: list[Timed]) -> str:
    """One line for each network and PSNR, the fastest first."""
    rows = [
        [
            one.label,
            BACKEND_NAMES[one.backend],
            f"{1000 * one.median:,.0f}",
            f"{1000 * min(one.seconds):,.0f} to {1000 * max(one.seconds):,.0f}",
            f"{one.macs / 1e9:,.1f}",
            f"{one.floor:.1f}",
            *(f"{one.psnr[name]:.2f}" if name in one.psnr else "" for name in SETS),
            one.origin,
        ]
        for one in networks
    ]
    headers = ["network", "fastest in", "ms", "least to most", "G MACs", "x product", *SETS, "PSNR"]
    return table(rows, headers, "github", "ll" + "r" * 6 + "l")


def words(networks: list[Timed]) -> list[str]:
    """Which published networks dominate ours and the other way round, and the answer to the question."""
    published = [one for one in networks if not one.ours]
    lines = [
        "A network dominates another when its slowest round was faster than the other's fastest, each in the library "
        "of the table, and its PSNR is no lower on any of the benchmarks that both have."
    ]
    for one in networks:
        if one.ours:
            over = ", ".join(other.label for other in published if other.dominates(one)) or "none of those timed"
            under = ", ".join(other.label for other in published if one.dominates(other)) or "none of them"
            lines.append(f"- {one.label} ({one.origin}): dominated by {over}; dominates {under}.")
    return [*lines, *answers(networks)]


def answers(networks: list[Timed]) -> list[str]:
    """Why not IMDN? Time and PSNR of both, in numbers."""
    other, ours = ASKED
    theirs = next((one for one in networks if one.label == other), None)
    lines = []
    for one in networks:
        if theirs is None or one.label != ours:
            continue
        ratio = factor(theirs.seconds, one.seconds)
        gaps = ", ".join(
            f"{theirs.psnr[name] - one.psnr[name]:+.2f} dB on {name}"
            for name in SETS
            if name in one.psnr and name in theirs.psnr
        )
        lines.append(
            f"Why not {other}? {ours} took {1000 * one.median:,.0f} ms, {other} {1000 * theirs.median:,.0f} ms "
            f"({ratio.median:.2f} times as long; {ratio.low:.2f} to {ratio.high:.2f} by single rounds); with PSNR "
            f"{one.origin}, {other} has {gaps}. " + verdict(theirs, one)
        )
    return lines


def verdict(theirs: Timed, ours: Timed) -> str:
    """Which of two networks dominates the other, in a sentence, or why neither does."""
    if theirs.dominates(ours):
        return f"{theirs.label} dominates it."
    if ours.dominates(theirs):
        return f"{theirs.label} is dominated by it."
    if theirs.faster_than(ours) or ours.faster_than(theirs):
        return "Neither dominates the other."
    shared = theirs.psnr.keys() & ours.psnr.keys()
    better = next((a for a, b in ((theirs, ours), (ours, theirs)) if all(a.psnr[n] >= b.psnr[n] for n in shared)), None)
    return "Their times overlap, so that this run does not tell which is faster" + (
        f"; the higher PSNR is that of {better.label}." if better else "."
    )
