"""The page of equations 1-5 and of what both networks cost, as text for a terminal or as Markdown."""

from collections.abc import Callable, Iterable
from pathlib import Path

from analysis.cost import closed_form
from analysis.cost.closed_form import Layer
from analysis.cost.equations import KERNELS, PRINTED, PRINTED_CHANNELS, PRINTED_MEAN, mean_saving, ratio
from analysis.cost.study import Study, as_json
from analysis.cost.verify import SIZES
from analysis.cost.verify_text import comparisons
from analysis.text import CONVENTION, heading, percent, table, versions, wrap
from replication.files import write_text


def as_text(result: Study, *, markdown: bool = False) -> str:
    """The whole study for people: plain text for a terminal, or Markdown."""
    title = f"Cost of MSRN and SMSRN at x{result.scale} (width {result.width}, {result.blocks} blocks)"
    sections = [
        ("Equations 1-5: multiply-adds per output position", equations_text),
        ("The paper's percentages", percentages_text),
        ("The whole networks", networks_text),
        ("What the whole network saves", saving_text),
        ("Verification", verification_text),
    ]
    parts = [heading(title, 1, markdown=markdown), wrap(CONVENTION)]
    for name, section in sections:
        parts += [heading(name, 2, markdown=markdown), section(result, "github" if markdown else "simple")]
        if markdown and section in PICTURES:
            parts.append(PICTURES[section])
    return "\n\n".join(parts) + "\n"


def equations_text(result: Study, style: str) -> str:
    """The table of equations 1-5."""
    rows = [
        [
            f"k={row['kernel']}, D={row['in_channels']}, N={row['out_channels']}",
            *(f"{row[name]:,}" for name in ("standard", "depthwise", "pointwise", "separable")),
            f"{row['ratio']:.4f}",
            percent(1 - row["ratio"]),
        ]
        for row in result.equations
    ]
    formulas = ["(1) k²·D·N", "(2) k²·D", "(3) D·N", "(4) D·(k²+N)", "(5) 1/N+1/k²", "saved"]
    text = "Standard (1), depth-wise (2), point-wise (3), separable (4) convolution; (5) is (4) over (1)."
    return f"{wrap(text)}\n\n{table(rows, ['layer', *formulas], style)}"


def percentages_text(result: Study, style: str) -> str:
    """The percentages that the paper derives from equation 5, and exact ones. Independent of the arguments."""
    rows = []
    for kernel, printed_ratio, printed_saving in PRINTED:
        exact = ratio(kernel, PRINTED_CHANNELS)
        rows += [
            [f"ratio for k = {kernel}, N = {PRINTED_CHANNELS}", printed_ratio, f"{float(exact):.6f}"],
            [f"saving for k = {kernel}, N = {PRINTED_CHANNELS}", printed_saving, percent(1 - exact, 2)],
        ]
    rows.append(["mean of the two savings", PRINTED_MEAN, percent(mean_saving(), 2)])
    return table(rows, ["section 3.2", "printed", "computed"], style)


def networks_text(result: Study, style: str) -> str:
    """Parameters and MACs of both networks by group of layers and in total, and per 1280x720 output."""
    msrn, smsrn = result.networks["msrn"], result.networks["smsrn"]
    tables = [
        group_table("parameters", closed_form.total_params, result, style),
        group_table("MACs per LR pixel", closed_form.total_macs, result, style),
    ]
    before, after = (closed_form.gmacs_720p(layers, result.scale) for layers in (msrn, smsrn))
    width, height = closed_form.OUTPUT_WIDTH, closed_form.OUTPUT_HEIGHT
    text = f"For a {width}x{height} output: MSRN {before:.1f} G MACs, SMSRN {after:.1f} G MACs"
    if width % result.scale or height % result.scale:
        text += (
            f". No LR image gives exactly this output at x{result.scale} ({width}x{height} is not divisible): "
            "the values are the cost per area, not that of an image that can be run."
        )
    else:
        text += f" (LR input {width // result.scale}x{height // result.scale})."
    return "\n\n".join([*tables, wrap(text)])


PICTURES = {
    equations_text: "![The convolutions of Figure 2, to scale](figures/figure2.png)\n\n"
    "![Equation 5 over the number of output channels](figures/equation5.png)",
    networks_text: "![Multiply-adds by group of layers](figures/macs_by_group.png)",
}
"""What follows a section of the page."""


def group_table(what: str, total: Callable[[Iterable[Layer]], int], result: Study, style: str) -> str:
    """One quantity of both networks by group of layers, with each group's share of its network."""
    _, msrn, smsrn = result.groups[-1]
    rows = [
        [
            name,
            f"{total(before):,}",
            percent(total(before) / total(msrn)),
            f"{total(after):,}",
            percent(total(after) / total(smsrn)),
            percent(total(after) / total(before), 2),
        ]
        for name, before, after in result.groups
    ]
    return table(rows, [what, "MSRN", "share", "SMSRN", "share", "SMSRN / MSRN"], style)


def saving_text(result: Study, style: str) -> str:
    """How much the whole network saves, and why that is not the paper's average of two layers."""
    msrn, smsrn = result.networks["msrn"], result.networks["smsrn"]
    same = set(msrn) & set(smsrn)
    replaced = [layer for layer in msrn if layer not in same]
    replacement = [layer for layer in smsrn if layer not in same]
    rows = []
    for what, total in (("MACs", closed_form.total_macs), ("parameters", closed_form.total_params)):
        rows.append(
            [
                what,
                percent(1 - total(replacement) / total(replaced)),
                percent(total(replaced) / total(msrn)),
                percent(1 - total(smsrn) / total(msrn)),
            ]
        )
    macs, params = rows
    layer_savings = [f"{kernel}x{kernel}: {percent(1 - ratio(kernel, PRINTED_CHANNELS))}" for kernel in KERNELS]
    narrow = [
        f"{layer.kernel}x{layer.kernel} {percent(1 - ratio(layer.kernel, layer.out_channels))}"
        for layer in closed_form.by_group(msrn)["block first pair"][:2]
    ]
    unchanged_groups = [
        name for name, layers in closed_form.by_group(msrn).items() if all(layer in same for layer in layers)
    ]
    share_before = closed_form.total_macs(same) / closed_form.total_macs(msrn)
    share_after = closed_form.total_macs(same) / closed_form.total_macs(smsrn)
    paragraphs = [
        f"SMSRN as a whole saves {macs[-1]} of MSRN's MACs and {params[-1]} of its parameters. The paper's "
        f"{PRINTED_MEAN} is not the network's saving: it is the plain mean of two layers' savings at "
        f"N = {PRINTED_CHANNELS} ({', '.join(layer_savings)}).",
        f"Part of the network stays standard and cannot shrink: {', '.join(unchanged_groups)}. That part is "
        f"{percent(share_before)} of MSRN's MACs and becomes {percent(share_after)} of SMSRN's; were all the rest "
        f"free, the saving could not pass {percent(1 - share_before)}. Among the replaced layers, too, the plain mean "
        f"is not the saving: the blocks' first pair has N = {result.width} ({', '.join(narrow)}), and 5x5 layers "
        f"weigh more than 3x3 ones; taken together, the replaced layers save {macs[1]}.",
        "The whole saving is the saving of the replaced layers times their share of MSRN:",
    ]
    products = table(rows, ["", "saved in replaced layers", "their share of MSRN", "whole network saves"], style)
    return "\n\n".join([*(wrap(paragraph) for paragraph in paragraphs), products])


def verification_text(result: Study, style: str) -> str:
    """How many comparisons of each kind were made and failed, and each one that failed."""
    if result.checks is None:
        return "Not verified (--no-verify)."
    sizes = ", ".join(f"{height}x{width}" for height, width in SIZES)
    tool = "fvcore {fvcore} (torch {torch})".format(**versions())
    intro = f"Closed form against the built networks, and against the counts of {tool} on LR inputs of {sizes}."
    return comparisons(intro, result.checks, ("compared, exactly", "closed form"), style)


def save(result: Study, results: Path) -> list[Path]:
    """Write ``cost_ratio.md`` and ``.json`` to ``results``. Raises UserError naming a path that cannot be written."""
    paths = [results / "cost_ratio.md", results / "cost_ratio.json"]
    write_text(paths[0], as_text(result, markdown=True))
    write_text(paths[1], as_json(result))
    return paths
