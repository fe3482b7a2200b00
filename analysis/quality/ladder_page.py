"""The page on what separability costs at growing budgets."""

from collections.abc import Mapping, Sequence
from itertools import pairwise, permutations
from pathlib import Path

from analysis.names import DISPLAY
from analysis.paper import BENCHMARKS
from analysis.quality import conditions
from analysis.quality.columns import AVERAGE, printed_losses
from analysis.quality.ladder import (
    OTHER_PAIR,
    Loss,
    Member,
    Rung,
    SeedLoss,
    Seeds,
    best_within,
    changes,
    of_one_network,
    over_seeds,
    rungs,
    seeds,
    setting,
    step_ratios,
)
from analysis.quality.training import readings_note
from analysis.text import percent, small_percent, table, wrap
from replication.files import write_text
from replication.records import TrainingRun

SETS = (*BENCHMARKS, AVERAGE)


def loss_cell(loss: Loss | None) -> str:
    """Decibels lost, with the interval."""
    return f"{loss.mean:+.3f} ({loss.low:+.3f} to {loss.high:+.3f})" if loss else "not measured"


def dead_both(rung: Rung) -> str:
    """The share of dead filters in both networks."""
    return f"{conditions.dead_text(rung.full.run)} / {conditions.dead_text(rung.light.run)}"


def validation_text(rung: Rung) -> str:
    """What the separable network loses on the validation images."""
    return "unknown" if rung.validation is None else f"{rung.validation:+.3f}"


def loss_rows(found: Sequence[Rung]) -> list[list[str]]:
    """What the separable network loses after the same steps, by set; a row for each rung."""
    return [
        [
            rung.setting, f"{rung.steps:,}", str(rung.seed), small_percent(rung.share),
            dead_both(rung), validation_text(rung), *(loss_cell(rung.loss.get(name)) for name in SETS),
        ]
        for rung in found
    ]  # fmt: skip


def papers_row() -> list[str]:
    """What SMSRN loses in the paper."""
    return ["the paper: DIV2K", "", "", "100 %", "", "", *(f"{printed_losses()[name]:+.2f}" for name in SETS)]


def loss_table(rows: list[list[str]]) -> str:
    """Rows of `loss_rows` and `papers_row` as a table."""
    share, dead = "share of the paper's training", "dead filters: full / separable"
    return table(rows, ["setting", "steps", "seed", share, dead, "validation", *SETS], "github", "lrrrrrrrrrr")


def over_seeds_table(found: Sequence[SeedLoss]) -> str:
    """What the separable network loses on the mean of several seeds."""
    rows = [
        [
            one.first.setting, f"{one.first.steps:,}", one.seeds, small_percent(one.first.share),
            *(loss_cell(one.loss[name]) for name in SETS),
        ]
        for one in found
    ]  # fmt: skip
    return table(rows, ["setting", "steps", "seeds", "share of the paper's training", *SETS], "github", "lrrrrrrrr")


def seeds_table(found: Sequence[Seeds]) -> str:
    """How far runs lie apart that differ in the seed alone."""
    rows = [
        [
            DISPLAY[one.model], one.setting, f"{one.steps:,}", str(one.count), f"{one.validation:.3f}",
            "not measured" if one.average is None else f"{one.average:.3f}",
        ]
        for one in found
    ]  # fmt: skip
    return table(rows, ["network", "setting", "steps", "seeds", "validation", AVERAGE], "github", "llrrrr")


def recipe_lines(found: Sequence[Rung]) -> list[str]:
    """How many seeds each pair has, and how the recipe was chosen."""
    groups: dict[str, set[int]] = {}
    for rung in found:
        groups.setdefault(rung.length, set()).add(rung.seed)
    several = [f"{name}: {len(some)} seeds of each network." for name, some in groups.items() if len(some) > 1]
    alone = [f"{'All others: ' if several else ''}{conditions.ONE_SEED}"] if len(several) < len(groups) else []
    return [*several, *alone, conditions.RECIPE]


def psnr_table(members: Sequence[Member]) -> str:
    """PSNR of every run of one network, by set."""
    rows = [
        [
            setting(one.run), f"{one.run.steps:,}", str(one.run.seed), f"{one.run.hours:.2f}",
            conditions.dead_text(one.run),
            *(f"{one.psnr[name]:.3f}" if name in one.psnr else "not measured" for name in SETS),
        ]
        for one in members
    ]  # fmt: skip
    return table(rows, ["setting", "steps", "seed", "hours", "dead filters", *SETS], "github", "lrrrrrrrrr")


def equal_cost(found: Sequence[Rung], smsrn: Sequence[Member], ratios: Mapping[str, tuple[float, float]]) -> str:
    """For each MSRN than which an SMSRN was trained longer, the best SMSRN that cost no more, as a table.

    ``ratios``: `step_ratios`.
    """
    rows = []
    for rung in found:
        name, msrn = AVERAGE if AVERAGE in rung.full.psnr else BENCHMARKS[0], rung.full
        same = [one for one in smsrn if (setting(one.run), one.run.seed) == (rung.setting, rung.seed)]
        if max(one.run.steps for one in same) == rung.steps:
            continue
        within: dict[str, tuple[Member | None, float]]
        within = {"multiply-adds": (best_within(same, name, macs=msrn.training_macs), msrn.training_macs)}
        for machine, (least, _) in ratios.items():
            steps = rung.steps * least
            within[f"time on {machine}"] = best_within(same, name, steps=steps), steps * macs_per_step(rung.light)
        rows += [
            [
                rung.setting, f"{rung.steps:,}", str(rung.seed), what, f"{one.run.steps:,}",
                percent(one.training_macs / budget, 0), f"{one.psnr[name] - msrn.psnr[name]:+.3f} ({name})",
            ]
            for what, (one, budget) in within.items()
            if one
        ]  # fmt: skip
    headers = ["setting", "MSRN's steps", "seed", "no more", "SMSRN's steps", "budget used", "SMSRN less MSRN (dB)"]
    return table(rows, headers, "github", "lrrlrrr") if rows else ""


def macs_per_step(one: Member) -> float:
    """Multiply-adds of one step's forward pass."""
    return one.training_macs / one.run.steps


def cost_text(ratios: Mapping[str, tuple[float, float]]) -> str:
    """What the costs of `equal_cost` are."""
    times = "".join(
        f" On {machine} a step of MSRN takes as long as {least:.1f} to {most:.1f} of SMSRN: the lower number counts."
        for machine, (least, most) in ratios.items()
    )
    return (
        "The recorded SMSRN of the same setting and seed that is best on the four benchmarks among those that "
        "cost no more than MSRN did, wherever a longer training of SMSRN than MSRN's is recorded. Where it used much "
        "less than that budget, no training that comes nearer is, and the comparison is in MSRN's favour. "
        "Multiply-adds are those of training, where the upsamplers of both networks are folded; times are by "
        f"[the steps](training_speed.md).{times}"
    )


def most_lengths(found: Sequence[Rung]) -> list[Rung]:
    """The pairs of seed 0 in the setting that has most lengths of training, today's before others, by steps."""
    ladders: dict[str, list[Rung]] = {}
    for rung in sorted(found, key=lambda rung: (len(changes(rung.full.run)), rung.steps)):
        if rung.seed == 0 and AVERAGE in rung.loss:
            ladders.setdefault(rung.setting, []).append(rung)
    return max(ladders.values(), key=len, default=[])


def tendency(found: Sequence[Rung]) -> str:
    """What the rungs of one seed and setting say of longer trainings."""
    ladder = most_lengths(found)
    if len(ladder) < 3:
        return (
            f"Lengths of training with the same images and seed: {len(ladder)}. Those are too few to tell how the loss "
            "goes on with the budget, so nothing is said of the paper's."
        )
    growth = ", ".join(f"{b.loss[AVERAGE].mean - a.loss[AVERAGE].mean:+.3f}" for a, b in pairwise(ladder))
    return (
        f"From {ladder[0].steps:,} to {ladder[-1].steps:,} steps ({ladder[0].setting}, seed 0) the average loss "
        f"changes by {growth} dB from rung to rung. {chance(over_seeds(found))}{restarted(found)}What it is at the "
        "paper's budget cannot be said from that."
    )


def restarted(found: Sequence[Rung]) -> str:
    """What each restarted pair gained upon the one that it went on from; empty without any."""
    pairs = [rung for rung in found if AVERAGE in rung.loss]
    pairs.sort(key=lambda rung: (rung.steps, rung.seed))
    gains = [
        f"to {after.steps:,} steps {_gain(before.full, after.full)} and {_gain(before.light, after.light)}"
        for before, after in permutations(pairs, 2)
        if after.full.run.earlier and goes_on(after.full.run, before.full.run)
    ]
    changed = "The averages of restarted pairs changed from those of the pair before"
    return f"{changed}: {'; '.join(gains)}. " if gains else ""


def goes_on(after: TrainingRun, before: TrainingRun) -> bool:
    """Whether a restarted run began with the weights that another ended with."""
    names = ("step", "seed", "data", "recipe_digest")
    return all(after.earlier[-1][name] == getattr(before, name) for name in names)


def _gain(before: Member, after: Member) -> str:
    return f"that of {DISPLAY[after.run.model]} by {after.psnr[AVERAGE] - before.psnr[AVERAGE]:+.3f} dB"


def chance(joined: Sequence[SeedLoss]) -> str:
    """How much the seed alone changes the difference between two pairs' average losses; empty if that is not known."""
    spread = max((one.deviation for one in joined), default=None)
    if spread is None:
        return ""
    return (
        f"By the seed alone such a change would vary by {2**0.5 * spread:.3f} dB (standard deviation), were the "
        "lengths trained independently. "
    )


def markdown(results: Path) -> str:
    """The page."""
    found = rungs(results)
    smsrn, msrn = (of_one_network(results, model) for model in ("smsrn", "msrn"))
    parts = [
        "# What separability costs, at growing budgets",
        wrap(
            "Pairs of trainings that differ in the network alone: same recipe, images and order of samples, each with "
            "its learning rate decayed to zero; the number of threads may differ, which changes the last bits of sums. "
            "A rung is one length of training; rungs of different lengths share the steps at constant rate (the "
            "trunk). A restarted pair goes on from the weights of a shorter one, with a new warm-up, once or more "
            "often: its steps are those of all its trainings, its setting and seed those of "
            "the last; [runs.md](runs.md) lists each. Made by "
            "`python -m analysis ladder` from `records/runs` and the measurements of each run's final weights."
        ),
        "## Lost PSNR",
        wrap(
            "PSNR on luma (`public_code`) of MSRN minus SMSRN in dB, with the 95 % interval of a bootstrap over the "
            "images of each set: how much the choice of test images matters. How much the seed matters is seen where "
            "there are several seeds. The validation images, which are in no benchmark, come without an interval."
        ),
        loss_table([*loss_rows(found), papers_row()]) if found else "No pair is recorded and measured yet.",
        wrap(f"{tendency(found)} {readings_note()}"),
        "![PSNR against the length of training](figures/ladder.png)" if found else "",
        wrap(conditions.DEAD) if found else "",
        wrap(conditions.other_recipe(found[0].full.run.recipe)) if found else "",
        "\n".join(f"- {line}" for line in recipe_lines(found)) if found else "",
    ]
    if joined := over_seeds(found):
        text = (
            "The mean over pairs that differ in the seed alone, with its 95 % interval by Student's t: how much the "
            "seed matters. Wide where the seeds are few."
        )
        parts += ["## Lost PSNR over the seeds", wrap(text), over_seeds_table(joined)]
    if apart := seeds(results):
        text = (
            "Largest minus smallest PSNR in dB among runs that differ in the seed (start and samples). Some began with "
            "the steps of a longer run of the same seed, which changes nothing, or ran on another processor or on more "
            "threads, which changes the last bits of their sums. Restarted runs are left out."
        )
        parts += ["## Seeds", wrap(text), seeds_table(apart)]
    if others := rungs(results, OTHER_PAIR):
        text = (
            "The paper expects that its step lightens other networks, too. EDSR-baseline with all its k x k layers "
            "separable (as `replication.lighten` makes it) against EDSR-baseline, by the same recipe."
        )
        parts += ["## Another network", wrap(text), loss_table(loss_rows(others))]
    ratios = step_ratios(results)
    if lines := equal_cost(found, smsrn, ratios):
        parts += ["## At equal cost", wrap(cost_text(ratios)), lines]
    for name, members in (("SMSRN", smsrn), ("MSRN", msrn)):
        if members:
            parts += [f"## All measured runs of {name}", psnr_table(members)]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(results: Path) -> list[Path]:
    """Write ``training_ladder.md``; return its path."""
    return [write_text(results / "training_ladder.md", markdown(results))]
