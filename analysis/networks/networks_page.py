"""The page on the published networks, counted and compared with what was published."""

from pathlib import Path

from analysis import paper
from analysis.names import MSRN_ROW
from analysis.networks.catalogue import (
    CONVENTION,
    COUNTED,
    EXPLAINED,
    RECURSIVE,
    SHOWN,
    counted,
    macs_agree,
    parameters_agree,
    unshared,
    weights,
)
from analysis.networks.counter import on_meta
from analysis.text import percent, table, wrap
from replication.files import write_text
from replication.models.zoo import CARN


def markdown() -> str:
    """The page as Markdown."""
    carn = sum(p.numel() for p in on_meta(lambda: CARN(scales=(4,))).parameters())
    parts = [
        "# The published networks, counted",
        "Made by `python -m analysis networks`; the networks are in `replication/models/zoo.py`, what was published in "
        "`analysis/paper/sota_x4.csv`.",
        CONVENTION,
        networks_table(),
        "![PSNR on Set5 against multiply-adds](figure1_macs.png)",
        "agrees: our count rounds to the printed one; last digit: it is less than one of the last printed digit away. "
        "Networks up to 2017 were often reported by their weights, without biases. "
        f"CARN is published with the upsamplers of x2, x3 and x4; the path of x4 alone has {carn:,} parameters.",
        "## What other printed numbers count",
        explained_table(),
        "## Recursion saves parameters, not computation",
        recursion_text(),
        recursion_table(),
    ]
    return "\n\n".join(wrap(part) if not part.startswith(("#", "|")) else part for part in parts) + "\n"


def networks_table() -> str:
    """Each network: its input, counted and published parameters and MACs, and whether they agree."""
    rows = []
    for name in SHOWN:
        published = paper.published_row(name)
        network = COUNTED[name]
        rows.append(
            [
                "MSRN" if name == MSRN_ROW else name,
                f"{'luma' if network.channels == 1 else 'RGB'}, {'enlarged' if network.enlarged else 'LR'}",
                f"{counted(name).params:,}",
                f"{weights(name):,}",
                "" if published.parameters is None else f"{published.parameters:,}",
                parameters_agree(name, published.parameters),
                f"{counted(name).macs / 1e9:,.2f}",
                "" if published.gmacs is None else f"{published.gmacs:,}",
                macs_agree(name, published.gmacs),
            ]
        )
    headers = ["network", "input", "parameters", "weights", "published", "agrees", "G MACs", "published", "agrees"]
    return table(rows, headers, "github")


def explained_table() -> str:
    """The printed numbers that count something else, each with that computed."""
    rows = [
        f"| {'MSRN' if one.network == MSRN_ROW else one.network} | {one.quantity} | {one.printed:,} | "
        f"{one.value():,.{1 if one.quantity == 'G MACs' else 0}f} | {one.text} |"
        for one in EXPLAINED
    ]
    return "\n".join(
        ["| network | quantity | printed | computed | the printed number |", "|---|---|--:|--:|---|", *rows]
    )


def recursion_text() -> str:
    """The paper's claim of section 2.3 about recursive networks, in numbers."""
    drcn, drrn, vdsr = counted("DRCN"), counted("DRRN"), counted("VDSR")
    return (
        "Section 2.3 of the paper says that DRCN and DRRN save parameters by applying the same filters again and "
        "again, but no computation. Counted, and each rebuilt with weights of its own for every application and "
        "counted again: the MACs are the same, because each application costs what its kernel costs. Beside VDSR, "
        f"which works at the same resolution without recursion, DRRN has {drrn.params / vdsr.params:.2f} times the "
        f"parameters and {drrn.macs / vdsr.macs:.1f} times the MACs, DRCN {drcn.params / vdsr.params:.2f} and "
        f"{drcn.macs / vdsr.macs:.1f} times."
    )


def recursion_table() -> str:
    """Recursive networks, with shared weights and with weights of their own for each application."""
    rows = []
    for name in RECURSIVE:
        shared, separate = counted(name).params, unshared(name).params
        macs, separate_macs = counted(name).macs / 1e9, unshared(name).macs / 1e9
        rows.append(
            [
                name,
                f"{max(layer.calls for layer in counted(name).convolutions)}",
                f"{separate:,}",
                f"{shared:,}",
                percent(1 - shared / separate),
                f"{separate_macs:,.1f}",
                f"{macs:,.1f}",
                percent(1 - macs / separate_macs),
            ]
        )
    headers = ["network", "applied", "separate", "shared", "parameters saved", "G MACs separate", "shared", "saved"]
    return table(rows, headers, "github")


def write(results: Path) -> list[Path]:
    """Write ``networks.md`` into the results folder; return its path."""
    return [write_text(results / "networks.md", markdown())]
