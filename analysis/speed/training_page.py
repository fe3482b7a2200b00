"""The page on what a training step costs, from the records of `replication.benchmark_training`."""

from pathlib import Path

from analysis.names import DISPLAY
from analysis.text import percent, table, wrap
from replication import recipe, records
from replication.files import write_text
from replication.records import TrainingSpeed

LIGHT = "smsrn"
"""The network that the others' steps are compared with."""


def step_table(record: TrainingSpeed) -> str:
    """Each variant's median, against the network's first, its arithmetic floor and SMSRN's step of the same kind."""
    plain: dict[str, float] = {}
    light = {one.variant: one.median for one in record.steps if one.network == LIGHT}
    rows = []
    for one in record.steps:
        first = plain.setdefault(one.network, one.median)
        floor = record.floor.get(one.network)
        cells = [f"{1000 * one.median:.0f}", percent(one.spread, 0), f"{first / one.median:.2f}"]
        cells.append(f"{one.median / floor:.1f}" if floor else "")
        compared = one.network != LIGHT and one.variant in light
        cells.append(f"{one.median / light[one.variant]:.1f}" if compared else "")
        rows.append([DISPLAY[one.network], one.variant, *cells])
    headers = [
        "network",
        "step",
        "ms",
        "spread",
        "times as fast as plain",
        "times the floor",
        f"times {DISPLAY[LIGHT]}'s",
    ]
    return table(rows, headers, "github", "llrrrrr")


def operator_table(shares: dict[str, float]) -> str:
    """Shares of a step's time by operator, largest first."""
    rows = [[f"`{name}`", percent(share)] for name, share in sorted(shares.items(), key=lambda one: -one[1])]
    return table(rows, ["operator", "share"], "github")


def paper_days(record: TrainingSpeed) -> dict[str, float]:
    """Days that the recipe ``paper`` would take by network, at the pace of the record's plain step for each pixel."""
    plan, plain = recipe.load("paper"), dict[str, float]()
    for one in record.steps:
        plain.setdefault(one.network, one.median)  # the plain loop stands first
    pixels = record.batch_size * record.hr_patch**2
    return {network: seconds * plan.seen_pixels / pixels / 86_400 for network, seconds in plain.items()}


def section(record: TrainingSpeed) -> list[str]:
    """The part of the page that shows one record."""
    where, size = record.environment, record.hr_patch // record.scale
    networks = list(dict.fromkeys(one.network for one in record.steps))
    floors = [f"{DISPLAY[one]} {1000 * record.floor[one]:.0f} ms" for one in networks if one in record.floor]
    ratios = [
        f"of {DISPLAY[one]} takes {record.floor[one] / record.floor[LIGHT]:.1f}"
        for one in networks
        if one != LIGHT and {one, LIGHT} <= record.floor.keys()
    ]
    loading = [
        f"{DISPLAY[one]} {percent(record.loading[one], signed=True)}" for one in networks if one in record.loading
    ]
    parts = [
        f"## {where['machine']}, {where['instructions']}",
        wrap(
            f"Recorded {where['date']}: {record.threads} thread{'s' if record.threads > 1 else ''}; PyTorch "
            f"{where['torch']}; {record.batch_size} patches of {size}x{size} LR pixels, x{record.scale}; images: "
            f"{record.images}; recipe `{record.recipe[:12]}` (start of its SHA-256). Medians of {record.rounds} steps, "
            "all variants in one run in shuffled order; spread: the farthest single step from the median. Each step "
            "has one shortcut more than the one above it. A training clips its gradients besides; these steps do not."
        ),
        step_table(record),
    ]
    if floors:
        parts.append(
            wrap(
                f"Arithmetic floor: {', '.join(floors)}. It is the step's multiply-adds, forward and twice backward, "
                "at the rate of a large single-precision matrix product in the same run."
            )
        )
    if ratios:
        parts.append(
            wrap(
                f"By multiply-adds, the upsampler folded, a step {' and '.join(ratios)} times as long as one of "
                f"{DISPLAY[LIGHT]}; the last column has what the processor makes of that."
            )
        )
    days = " and ".join(f"{value:.0f} days for {DISPLAY[one]}" for one, value in paper_days(record).items())
    parts.append(wrap(f"The recipe `paper`, at the plain step's pace for each pixel of a patch, would take {days}."))
    if loading:
        parts.append(
            wrap(
                f"Images that are loaded, in place of fixed tensors, change the time of a step: {', '.join(loading)}. "
                "What is within the spread is noise."
            )
        )
    for one in networks:
        if shares := record.operators.get(one):
            parts += [f"### Where the time of the fastest step of {DISPLAY[one]} goes", operator_table(shares)]
    return parts


def markdown(found: list[TrainingSpeed]) -> str:
    """The page, the newest record first."""
    newest_first = sorted(found, key=lambda one: (one.environment["date"], one.file_name), reverse=True)
    parts = [
        "# What a training step costs",
        "Measured by `python -m replication.benchmark_training`; made by `python -m analysis training_speed`.",
        *(part for record in newest_first for part in section(record)),
    ]
    return "\n\n".join(parts) + "\n"


def write(results: Path) -> list[Path]:
    """Write ``training_speed.md`` into the results folder from what is recorded; return its path."""
    return [write_text(results / "training_speed.md", markdown(records.load(results, TrainingSpeed)))]
