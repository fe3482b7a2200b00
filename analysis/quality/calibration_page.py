"""The page on calibration: do the published numbers of other networks come out of this package's measuring?"""

from collections.abc import Sequence
from pathlib import Path

from analysis import paper
from analysis.paper import BENCHMARKS
from analysis.paper.printed import decimals
from analysis.quality.calibration import Calibrated, Comparison, calibrated
from analysis.quality.calibration_words import conclusion
from analysis.text import table, wrap
from replication.files import write_text
from replication.images.metrics import NAMED


def comparison_table(found: Sequence[Comparison]) -> str:
    """Every published value next to the measured ones."""
    rows = []
    for one in sorted(found, key=lambda one: (BENCHMARKS.index(one.benchmark), one.name)):
        values = [f"{one.psnr[name]:.4f}" for name in NAMED]
        difference = f"{one.difference:+.{max(decimals(one.printed), 3)}f}"
        rows.append([one.benchmark, one.name, one.printed, *values, difference, "yes" if one.agrees else "no"])
    headers = ["set", "network", "published", *NAMED, "public_code - published", "agrees"]
    return table(rows, headers, "github", "llrrrrrl")


def ssim_table(found: Sequence[Comparison]) -> str:
    """SSIM over R, G and B where it is published, and on luma."""
    rows = [
        [one.benchmark, one.name, one.ssim_rgb, f"{one.ssim['public_code']:.4f}", f"{one.ssim['unrounded']:.4f}"]
        for one in found
        if one.ssim_rgb
    ]
    headers = ["set", "network", "published, over R, G, B", "measured, over R, G, B", "measured, on luma"]
    return table(rows, headers, "github", "llrrr")


SCORES = (
    "Images are made and compared as everywhere in this package: MATLAB-compatible bicubic downsampling in 8 bits, "
    "results rounded to 8 bits, a border of 4 pixels left out."
)

NOTES = {
    ("PAN", "B100"): (
        "PAN on B100 and Urban100: its log has a value for each image. Compared by hand (no command repeats that), "
        "those of Set5 and of Set14's colour images come out, and on these two sets nearly every image is off by a "
        "little, in both directions, as if by other rounding of the LR images. The HR images here are the usual ones, "
        "recognised by their pixels; how PAN's LR images were made is not known here. Tried on some images, and none "
        "gives the values of the log: LR images made before the pictures are cropped to a multiple of 4, rounded once "
        "and not after each pass, cut off and not rounded, columns before rows, other padding at the edges, in two "
        "steps of a half, by Pillow's bicubic; HR or LR images that went through YCbCr or JPEG."
    ),
    ("CARN-M", "Set5"): (
        "CARN-M on Set5: its paper prints more than its public weights give; torchSR, which evaluated them again, has "
        "31.88 dB (Coloquinte/torchSR@64321b8, README)."
    ),
}
"""What is known about values that do not come out; shown only where they do not."""


def elsewhere(facts: Calibrated, odd: Comparison) -> str:
    """On which of the other recorded sets the network of ``odd`` does agree; nothing is said of sets not measured."""
    others = [one for one in facts.comparisons if one.name == odd.name and one.benchmark != odd.benchmark]
    agreeing = [one.benchmark for one in others if one.agrees]
    return f"Other sets on which {odd.name} agrees: {', '.join(agreeing) or 'none'} (of {len(others)} recorded)."


def markdown(facts: Calibrated) -> str:
    """The page."""
    notes = [
        f"{text} {elsewhere(facts, one)}" for key, text in NOTES.items() if (one := facts.of(*key)) and not one.agrees
    ]
    parts = [
        "# Calibration: networks that others trained",
        wrap(
            "PSNR in dB of the authors' own weights (PAN, IMDN, CARN-M) and of the pictures that the public MSRN "
            "repository shows, measured by `python -m replication.calibrate` with this package's resize and metrics. "
            "Made by `python -m analysis calibration` from `records/calibration`."
        ),
        wrap(conclusion(facts)),
        "## PSNR",
        comparison_table(facts.comparisons) if facts.comparisons else "Nothing is recorded.",
        *(wrap(note) for note in notes),
    ]
    if any(one.ssim_rgb for one in facts.comparisons):
        parts += ["## SSIM", ssim_table(facts.comparisons)]
    if facts.missing:
        parts.append(wrap(f"Published and not recorded: {', '.join(facts.missing)}."))
    parts += [
        "## Protocols",
        wrap(SCORES),
        "\n".join(f"- `{name}`: {text}." for name, text in NAMED.items()),
        "## Sources",
        "\n".join(f"- {one.name}: {one.source}." for one in paper.references()),
        "## Records",
        records_table(facts),
    ]
    return "\n\n".join(parts) + "\n"


def records_table(facts: Calibrated) -> str:
    """Where each measurement is."""
    rows = [
        [f"`{one.file_name}`", one.benchmark, one.key.model, str(len(one.images)), str(one.key.weights)[:12],
         one.environment["date"], one.environment["machine"]]
        for one in sorted(facts.records, key=lambda one: (BENCHMARKS.index(one.benchmark), one.key.model))
    ]  # fmt: skip
    headers = ["record", "set", "network", "images", "SHA-256 of the file", "recorded", "machine"]
    return table(rows, headers, "github", "lllrlll")


def write(results: Path) -> list[Path]:
    """Write ``calibration.md``; return its path."""
    return [write_text(results / "calibration.md", markdown(calibrated(results)))]
