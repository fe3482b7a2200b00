"""What folding saves: the algebra of `replication.fold` in one page, with the closed form of each step."""

from collections.abc import Callable, Iterable
from pathlib import Path

from analysis.cost.closed_form import Layer, total_macs, total_params
from analysis.cost.folding import Folding
from analysis.cost.verify_text import comparisons
from analysis.text import CONVENTION, percent, table, wrap
from replication.files import write_text

INPUT = 256
"""Height and width in pixels of the LR input for which the border's share is shown."""

ALGEBRA = (
    (
        "The tail",
        "No activation stands between the tail's layers, so they are one linear map of the LR feature map. A "
        "convolution commutes with a pixel shuffle up to the size of its kernel: a layer of radius r behind shuffles "
        "by ρ altogether reaches r/ρ LR pixels. The whole is therefore one convolution whose radius is the sum of "
        "r/ρ, rounded up, with scale² outputs for each colour, and one pixel shuffle by the scale. Its weights are "
        "found backwards: start from one output pixel, pass through each layer by the transposed convolution and the "
        "inverse of the shuffle, and what arrives at the feature map is how much each of its values counts. How far "
        "back to fold is decided by the multiply-adds:",
    ),
    (
        "The last block",
        "Only the tail's 1x1 (weight W for this block) reads the last block's output x + C s + c, where s are its "
        "branches and C, c its own 1x1. W (x + C s + c) = W x + (W C) s + W c: one 1x1 on the branches in place of "
        "two layers, W joins the weight for x, and W c the bias. 1x1 layers know no neighbours: exact everywhere. (A "
        "1x1 of a concatenation is the sum of 1x1 layers of its parts; the folded network computes these sums and "
        "concatenates nothing there, which changes no count.)",
    ),
    (
        "Depth-wise biases",
        "A depth-wise bias b passes through the 1x1 weight P behind it, nothing pads in between: P (D x + b) + p = "
        "P D x + (P b + p). Exact everywhere.",
    ),
    (
        "The mean shift",
        "Behind the tail the mean is a bias of the folded convolution. Before the head it stays a subtraction: the "
        "head pads x - mean with zeros, so folded into the head's bias it would need padding by the mean, a colour, "
        "in place of zero. That saves no multiply-add and costs what it saves: three values written for each pixel.",
    ),
)


def steps_table(facts: Folding, network: str, total: Callable[[Iterable[Layer]], int]) -> str:
    """``total`` of ``network`` after each step, a column for each scale; last, what is left of it."""
    columns = facts.steps[network].values()
    totals = {step: [total(column[step]) for column in columns] for step in next(iter(columns))}
    first, *_, last = totals.values()
    rows = [[step, *(f"{value:,}" for value in values)] for step, values in totals.items()]
    rows.append(["left", *(percent(after / before) for before, after in zip(first, last, strict=True))])
    return table(rows, [network, *(f"x{scale}" for scale in facts.best)], "github")


def start_table(facts: Folding) -> str:
    """Multiply-adds of the tail as it is, and folded from each of its layers to its end."""
    plain_tail = ["not folded"]
    folded: dict[str, dict[int, str]] = {}
    kernels: dict[str, int] = {}
    for scale, steps in facts.steps["SMSRN"].items():
        tail = [layer for layer in steps["as trained"] if layer.name.startswith("tail")]
        kernels |= {layer.name: layer.kernel for layer in tail}
        plain_tail.append(f"{total_macs(tail):,}")
        for option in facts.tails[scale]:
            kernel = option.layers[-1].kernel
            cost = f"{total_macs(option.layers):,} ({kernel}x{kernel})"
            best = option.start == facts.best[scale].start
            folded.setdefault(option.start, {})[scale] = f"**{cost}**" if best else cost
    rows = [
        [f"from {start} ({kernels[start]}x{kernels[start]})", *(costs.get(scale, "") for scale in facts.best)]
        for start, costs in folded.items()
    ]
    return table([plain_tail, *rows], ["MACs per LR pixel", *(f"x{scale}" for scale in facts.best)], "github")


def border_table(facts: Folding) -> str:
    """What exactness along the border takes: extent, stored values, multiply-adds."""
    rows = []
    for scale, tail in facts.best.items():
        border, folded = tail.border, list(facts.steps["SMSRN"][scale].values())[-1]
        share = border.macs(INPUT, INPUT) / (total_macs(folded) * INPUT**2)
        stored = f"{border.values:,}", f"{border.values + total_params(folded):,}"
        rows.append([f"x{scale}", border.outputs, border.inputs, *stored, f"{border.side_macs:,}", percent(share, 2)])
    headers = ["scale", "output pixels", "from input pixels", "stored values", "with SMSRN's parameters"]
    return table(rows, [*headers, "MACs per border pixel", f"of SMSRN's at {INPUT}x{INPUT}"], "github")


def border_text(facts: Folding) -> str:
    """Why the border differs and how it is made exact."""
    paragraphs = [
        "Every layer pads with zeros, the inner ones too: what they would compute outside the image is cut off. The "
        "folded convolution has no inner maps and cuts nothing, so its outermost output pixels differ; without more "
        "(`exact_border=False`) they stay so. Write each cut of the rows as 1 - T - B, where T keeps only what is "
        "above the image and B what is below, the columns alike with L and R, and multiply out. The term with none of "
        "them is the folded convolution. Terms with T change only the first rows, terms with B the last; a term with "
        "both would need a path from above the image to below it. There is none, even in an image of one pixel, as "
        "long as the inner layers (without the first and the last) together reach no further than one pixel; tails "
        "for which they do are not folded that far back. "
        "So the exact output is the folded convolution plus four corrections of sides (T, B, L, R) and four of "
        "corners (TL, TR, BL, BR). Each is linear in a few outermost pixels of the feature map. Its kernel is found "
        "as above, with and without the cuts, by inclusion and exclusion: TL = (both) - (T alone) - (L alone) + "
        "(none). The corrections hold nothing learned; they are buffers, in addition to the parameters counted above:",
        border_table(facts),
    ]
    return "\n\n".join(text if text.startswith("|") else wrap(text) for text in paragraphs)


def markdown(facts: Folding) -> str:
    """The page."""
    before, *_, after = (total_macs(layers) for layers in facts.steps["SMSRN"][4].values())
    intro = (
        "A trained network can be computed with fewer multiply-adds and the same output, because some of its layers "
        "have nothing non-linear between them: `replication.fold.fold` makes that network. SMSRN at x4 goes from "
        f"{before:,} to {after:,} MACs per LR pixel. This page is made by `python -m analysis fold`."
    )
    parts = ["# Folding the linear layers", wrap(intro), wrap(CONVENTION), "## What each step saves"]
    for network in facts.steps:
        for what, total in (("MACs per LR pixel", total_macs), ("Parameters", total_params)):
            parts += [f"{what}, {network}:", steps_table(facts, network, total)]
    parts.append("## The algebra")
    for name, text in ALGEBRA:
        parts.append(wrap(f"**{name}.** {text}"))
        if name == "The tail":
            parts.append(start_table(facts))
    compared = (
        "Closed form against networks that `fold` made of MSRN and SMSRN with random weights, against fvcore's "
        "counts on them, and their outputs against those of the networks as they were."
    )
    verification = comparisons(compared, facts.checks, ("compared", "expected"), "github")
    parts += ["## The border", border_text(facts), "## Verification", verification]
    return "\n\n".join(parts) + "\n"


def save(facts: Folding, results: Path) -> list[Path]:
    """Write ``fold.md`` to ``results``; return its path. Raises UserError naming a path that cannot be written."""
    return [write_text(results / "fold.md", markdown(facts))]
