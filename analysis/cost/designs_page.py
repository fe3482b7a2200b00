"""The page of all designs that have the paper's numbers of parameters, and its command."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from analysis.cost.closed_form import Sizes
from analysis.cost.designs import (
    BIASES,
    BLOCKS,
    CHANNELS,
    KERNELS,
    MEAN_SHIFT,
    SCALES,
    SEPARABLE_GROUPS,
    WIDTHS,
    Design,
    Search,
    flips,
    paper_search,
    printed_totals,
    search,
)
from analysis.text import as_csv, as_json, heading, table, wrap
from replication.errors import Parser, UserError, run
from replication.files import write_text


def space_text(size: int) -> str:
    """What was varied, and how many designs that makes."""
    pairs = ", ".join(f"{one}x{one} and {two}x{two}" for one, two in KERNELS)
    return (
        f"{size:,} designs: scale {', '.join(map(str, SCALES))} ({len(SCALES)}), an image of "
        f"{' or '.join(map(str, CHANNELS))} channels ({len(CHANNELS)}), width {WIDTHS[0]} to {WIDTHS[-1]} in steps of "
        f"{WIDTHS[1] - WIDTHS[0]} ({len(WIDTHS)}), {BLOCKS[0]} to {BLOCKS[-1]} blocks ({len(BLOCKS)}), branches of "
        f"{pairs} ({len(KERNELS)}), each subset of {len(SEPARABLE_GROUPS)} groups of layers separable "
        f"({', '.join(SEPARABLE_GROUPS)}: {2 ** len(SEPARABLE_GROUPS)}), bias or none in each kind of layer that a "
        f"design has ({', '.join(BIASES)}), and on RGB the {MEAN_SHIFT} parameters of the public code's mean shift "
        "counted or not. Every design is counted once, in closed form, without torch."
    )


LIMITS = (
    "A total says nothing about what has no parameters: the order in which outputs are concatenated, activations, "
    "residual connections, padding. These follow the paper's Figure 3 and the public MSRN code."
)


def wide_text(result: Search) -> str:
    """What is found when the paper's plan of a block is left open, too."""
    met = [f"{total:,} belongs to {len(result.elsewhere[total])} more" for total in result.found]
    common = [Design(sizes, frozenset(), frozenset(BIASES), False).words().partition(";")[0] for sizes in result.common]
    return (
        "The plan of a block left open as well (second layers that put out once or twice the width, a 1x1 or a 3x3 at "
        f"the end of a block and to join the blocks): {result.wide:,} designs, of which {', '.join(met)}. "
        f"Sizes for which both totals are met, by whichever layers are separable: {len(result.common)} "
        f"({'; '.join(common) or 'none'})."
    )


def found_text(result: Search, total: int, style: str) -> str:
    """The members with one total, what each other choice would give, and the nearest others."""
    members = result.found[total]
    parts = [wrap(f"{len(members)} of {result.size:,} designs {'has' if len(members) == 1 else 'have'} {total:,}.")]
    for design in members:
        parts.append(wrap(f"**{design.words()}**." if style == "github" else f"-> {design.words()}."))
        rows = [[words, f"{one.params:,}", f"{one.params - total:+,}"] for words, one in flips(design)]
        parts.append(table(rows, ["with one choice made differently", "parameters", "difference"], style))
    rows = [[one.words(), f"{one.params:,}", f"{one.params - total:+,}"] for one in result.nearest[total]]
    parts.append(wrap("The designs that come nearest without having it:"))
    parts.append(table(rows, ["design", "parameters", "difference"], style))
    return "\n\n".join(parts)


def as_text(result: Search, names: dict[str, int], *, markdown: bool = False) -> str:
    """The whole search for people: plain text for a terminal, or Markdown."""
    style = "github" if markdown else "simple"
    parts = [heading("Which networks have the paper's numbers of parameters", 1, markdown=markdown)]
    if markdown:
        parts += ["Made by `python -m analysis identify`.", "![SMSRN and its block](figures/figure3.png)"]
    parts += [wrap(space_text(result.size)), wrap(LIMITS)]
    for name, total in names.items():
        parts += [heading(f"{name}: {total:,}", 2, markdown=markdown), found_text(result, total, style)]
    if len(names) > 1:
        parts += [heading("With other blocks", 2, markdown=markdown), wrap(wide_text(result))]
    return "\n\n".join(parts) + "\n"


SIZES = tuple(field.name for field in fields(Sizes))
COLUMNS = ("params", *SIZES, "separable", "biases", "mean_shift_counted", "words")
"""Columns of the table of designs."""


def as_dictionary(result: Search, names: dict[str, int]) -> dict[str, Any]:
    """The whole search, for JSON."""

    def row(design: Design) -> dict[str, Any]:
        separable = [group for group in SEPARABLE_GROUPS if group in design.separable]
        biases = [kind for kind in BIASES if kind in design.biases]
        sizes = [getattr(design.sizes, name) for name in SIZES]
        values = (design.params, *sizes, separable, biases, design.mean_shift, design.words())
        return dict(zip(COLUMNS, values, strict=True))

    totals = [
        {
            "name": name,
            "params": total,
            "designs": [row(design) for design in result.found[total]],
            "nearest": [row(design) for design in result.nearest[total]],
        }
        for name, total in names.items()
    ]
    return {"designs_counted": result.size, "totals": totals}


def write(results: Path) -> list[Path]:
    """Write ``identify.md`` into the results folder; return its path."""
    return [write_text(results / "identify.md", as_text(paper_search(), printed_totals(), markdown=True))]


def main(argv: Sequence[str] | None = None) -> int:
    """Search and print; 1 when a total is met by no design. Raises UserError for a total below 1."""
    command = Parser(
        prog="python -m analysis.cost.designs_page",
        description=(
            "Count every network of a design space (scale, channels, width, blocks, kernels, which layers are\n"
            "separable, which have a bias, mean shift counted or not) and show those with exactly these totals, and\n"
            "what each single choice would have changed. `python -m analysis identify` writes the page for the\n"
            "paper's two totals.\n"
            "Exit status: 0, 1 when no design has a total, 2 for bad input."
        ),
        epilog="example:\n  python -m analysis.cost.designs_page --parameters 888953\n",
    )
    command.add_argument(
        "--parameters", type=int, nargs="+", metavar="N", help="totals to look for (default: the paper's two)"
    )
    formats = command.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="print everything as JSON")
    formats.add_argument("--csv", action="store_true", help="print the designs that were found as CSV")
    arguments = command.parse_args(argv)
    totals = arguments.parameters
    if totals and min(totals) < 1:
        raise UserError(f"--parameters: expected numbers of at least 1, got {min(totals)}")
    names = {f"given total {index}": total for index, total in enumerate(totals or (), 1)} or printed_totals()
    result = search(list(dict.fromkeys(totals))) if totals else paper_search()
    if arguments.json:
        print(as_json(as_dictionary(result, names)), end="")
    elif arguments.csv:
        found = [row for one in as_dictionary(result, names)["totals"] for row in one["designs"]]
        print(as_csv(found, COLUMNS), end="")
    else:
        print(as_text(result, names), end="")
    return 0 if all(result.found.values()) else 1


if __name__ == "__main__":
    run(main)
