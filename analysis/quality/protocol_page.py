"""The page on metric protocols: which one explains the paper's PSNR and SSIM."""

from collections.abc import Sequence
from pathlib import Path

from analysis.names import DISPLAY, SCALE
from analysis.quality.calibration import Calibrated, calibrated
from analysis.quality.calibration_words import conclusion as evidence
from analysis.quality.protocol import (
    LITERATURE,
    SSIM_FIT_FROM,
    Candidate,
    Difference,
    Protocols,
    Ranking,
    protocols,
)
from analysis.quality.training import training_share
from analysis.text import table, wrap
from replication.evaluate import NOT_TRAINED
from replication.files import write_text
from replication.measure_protocol import CHANNELS, SHAVES, WINDOWS


def differences_table(differences: Sequence[Difference]) -> str:
    """The paper's numbers compared with the literature's."""
    rows = []
    for one in differences:
        row = [one.benchmark, f"{one.psnr:.2f}", f"{one.published:.2f}", f"{one.psnr - one.published:+.2f}"]
        for ssim, usual in one.ssim.values():
            row += [f"{ssim:.4f}", f"{usual:.4f}", f"{ssim - usual:+.4f}"]
        rows.append(row)
    headers = ["", "MSRN PSNR, paper", "its authors", "differ", "MSRN SSIM, paper", "usual on luma", "differ"]
    return table(rows, [*headers, "SMSRN SSIM, paper", "usual on luma", "differ"], "github")


def candidates_table(candidates: Sequence[Candidate], models: Sequence[str], digits: int) -> str:
    """What each combination moves, the nearest to the paper's difference first."""
    rows = []
    for one in candidates:
        moved = [one.mean(model) for model in models]
        cells = [f"{value:+.{digits}f}" for value in moved if value is not None]
        rows.append([words(one.combination), *cells, f"{one.distance:.{digits}f}"])
    names = [f"moves {DISPLAY[model]}" for model in models]
    return table(rows, ["combination", *names, "from the paper's"], "github")


def conclusion(ranking: Ranking | None) -> str:
    """What the measurements say of the paper's protocol, in words."""
    if ranking is None:
        return "Nothing is recorded on a set of the paper's table, so nothing is concluded."
    fits = " and ".join(title(channel) for channel in ranking.fitting)
    excluded = [f"{title(channel)} (at least {distance:.1f} dB)" for channel, distance in ranking.excluded.items()]
    by_channel = [f"{words(one.combination)}: {one.distance:.4f}" for one in ranking.ssim_by_channel]
    channel, other = title(str(ranking.ssim[0].combination[0])), ranking.other_window
    return (
        f"PSNR: the nearest combination, {words(ranking.psnr[0].combination)}, is {ranking.psnr[0].distance:.2f} dB "
        f"away; counted as near as that are those within {ranking.spread.repeated:.2f} dB more, because "
        f"{ranking.spread.words()}. They are on {fits}. Rounding is not decided by this: the published values that it "
        "starts from are of both kinds; the direct evidence decides it. Too far from the paper: "
        f"{'; '.join(excluded) or 'none'}. SSIM, distance from the paper's difference by channel: "
        f"{'; '.join(by_channel)}; the literature's own protocol: {ranking.literature.distance:.4f}. With the "
        f"{other.combination[2]} window {channel} is {other.distance:.4f} away. So the paper's PSNR fits {fits}, and "
        f"its SSIM fits {channel}."
    )


def title(channel: str) -> str:
    """A channel's name for running text."""
    name, _, detail = channel.partition(", ")
    return f"{name} ({detail})" if detail else name


def words(combination: tuple[str | int, ...]) -> str:
    """A combination in words."""
    channel, shave, *window = combination
    return ", ".join([title(str(channel)), f"border {shave}", *(f"{name} window" for name in window)])


def markdown(facts: Protocols, direct: Calibrated) -> str:
    """The page as Markdown. ``direct``: networks that others trained, measured here."""
    parts = [
        "# Which protocol is it?",
        "Made by `python -m analysis protocol` from `records/protocol/`.",
        wrap("The paper does not name the channel, the border or the SSIM window of its PSNR and SSIM."),
        "## Direct evidence",
        wrap(f"{evidence(direct)} The details: [calibration.md](calibration.md)."),
        "## Supporting evidence: what each choice moves",
        wrap(
            "Independent of that: what the choices move, measured, and which choice moves numbers as far as the "
            "paper's are from those that others publish on luma."
        ),
        wrap(conclusion(facts.ranking)),
        "## What the paper's numbers differ by",
        differences_table(facts.differences),
        wrap(
            "PSNR: against the same network as its authors publish it. SSIM, usual on luma: what published networks "
            f"from {SSIM_FIT_FROM} dB on (analysis/paper/sota_x4.csv) have at the same PSNR, by a line through them."
        ),
    ]
    if facts.ranking:
        parts += [
            "## What each choice moves: PSNR (dB)",
            wrap(f"Against {words(LITERATURE[:2])}; mean over the sets that are recorded."),
            candidates_table(facts.ranking.psnr, facts.ranking.models, 2),
            "## What each choice moves: SSIM",
            wrap(f"Against {words(LITERATURE)}; mean over the sets that are recorded."),
            candidates_table(facts.ranking.ssim, facts.ranking.models, 4),
            wrap(
                "From the paper's: root mean square, over sets and methods, of what a choice moves less what the paper "
                "differs by. Each network is compared with its own column of the paper, bicubic with MSRN's; bicubic "
                "images are blurrier than any network's, and a choice need not move both equally."
            ),
        ]
    parts += [
        "## The choices",
        "\n".join(f"- {name}: {meaning}." for name, meaning in {**CHANNELS, **WINDOWS}.items())
        + f"\n- Border: {', '.join(map(str, SHAVES))} pixels left out along each side.",
        "## Records",
        records_table(facts),
    ]
    return "\n\n".join(parts) + "\n"


def records_table(facts: Protocols) -> str:
    """Where each measurement is, with what the literature's protocol and RGB give."""
    rows = []
    for one in facts.measured:
        share = training_share(one.training) if one.training else ""
        luma = f"{one.psnr['luma, rounded', SCALE]:.2f} / {one.ssim[LITERATURE]:.4f}"
        rgb = f"{one.psnr['RGB', SCALE]:.2f} / {one.ssim['RGB', SCALE, 'Gaussian']:.4f}"
        date, where = one.environment.get("date", ""), one.environment.get("machine", "")
        rows.append([f"`{one.file_name}`", str(one.images), luma, rgb, share, date, where])
    headers = [
        "record",
        "images",
        "luma",
        "RGB",
        "share of the paper's training (by other readings)",
        "recorded",
        "machine",
    ]
    untrained = [DISPLAY[model] for model in facts.untrained]
    note = f"\n\n{', '.join(untrained)}: {NOT_TRAINED}, so not measured." if untrained else ""
    return table(rows, headers, "github") + note


def write(results: Path) -> list[Path]:
    """Write ``protocol.md`` from the records in the results folder; return its path. Measures nothing."""
    return [write_text(results / "protocol.md", markdown(protocols(results), calibrated(results)))]
