"""The page on metric protocols: which one explains the paper's PSNR and SSIM."""

from collections.abc import Sequence
from pathlib import Path

from analysis import paper
from analysis.names import DISPLAY, MSRN_ROW, SCALE
from analysis.paper import BENCHMARKS
from analysis.quality.protocol import (
    LITERATURE,
    PAN_RGB_SSIM,
    RETRAINED,
    SSIM_FIT_FROM,
    Candidate,
    Measured,
    compared,
    current,
    expected_ssim,
    paper_psnr_moves,
    paper_ssim_moves,
    psnr_candidates,
    ssim_candidates,
)
from analysis.quality.training import training_share
from analysis.text import table, wrap
from replication import weights
from replication.evaluate import BICUBIC, METHODS, NOT_TRAINED
from replication.files import write_text
from replication.measure_protocol import CHANNELS, SHAVES, WINDOWS


def differences_table() -> str:
    """The paper's numbers compared with the literature's."""
    in_paper, repository = paper.table1(), paper.published_row(MSRN_ROW)
    rows = []
    for name in BENCHMARKS:
        msrn, smsrn = in_paper.msrn.scores[name], in_paper.smsrn.scores[name]
        rows.append(
            [
                name,
                f"{msrn.psnr:.2f}",
                f"{repository.psnr[name]:.2f}",
                f"{paper_psnr_moves(name):+.2f}",
                *(
                    text
                    for model, score in (("msrn", msrn), ("smsrn", smsrn))
                    for text in (
                        f"{score.ssim:.4f}",
                        f"{expected_ssim(name, score.psnr):.4f}",
                        f"{paper_ssim_moves(name, model):+.4f}",
                    )
                ),
            ]
        )
    headers = ["", "MSRN PSNR, paper", "its authors", "differ", "MSRN SSIM, paper", "usual on luma", "differ"]
    return table(rows, [*headers, "SMSRN SSIM, paper", "usual on luma", "differ"], "github")


def candidates_table(candidates: Sequence[Candidate], measured: Sequence[Measured], digits: int) -> str:
    """What each combination moves, the nearest to the paper's difference first."""
    models = [model for model in METHODS if any(one.model == model for one in measured)]
    rows = []
    for one in candidates:
        moved = [one.mean(model) for model in models]
        cells = [f"{value:+.{digits}f}" for value in moved if value is not None]
        rows.append([words(one.combination), *cells, f"{one.distance:.{digits}f}"])
    names = [f"moves {DISPLAY[model]}" for model in models]
    return table(rows, ["combination", *names, "from the paper's"], "github")


def conclusion(measured: Sequence[Measured]) -> str:
    """What the measurements say of the paper's protocol, in words."""
    usable = compared(measured)
    if not usable:
        return "Nothing is recorded on a set of the paper's table, so nothing is concluded."
    psnr, ssim = psnr_candidates(usable), ssim_candidates(usable)
    near = [one for one in psnr if one.distance <= psnr[0].distance + RETRAINED]
    fitting = list(dict.fromkeys(str(one.combination[0]) for one in near))
    fits = " and ".join(title(channel) for channel in fitting)
    far = {channel: min(one.distance for one in psnr if one.combination[0] == channel) for channel in CHANNELS}
    excluded = [f"{title(channel)} (at least {far[channel]:.1f} dB)" for channel in CHANNELS if channel not in fitting]
    nearest = [next(one for one in ssim if one.combination[0] == channel) for channel in CHANNELS]
    by_channel = sorted(nearest, key=lambda one: one.distance)
    channel, _, window = ssim[0].combination
    other = next(one for one in ssim if one.combination[0] == channel and one.combination[2] != window)
    literature = next(one for one in ssim if one.combination == LITERATURE)
    return (
        f"PSNR: the nearest combinations, equal within the {RETRAINED} dB by which two trainings of one network "
        f"differ, are on {fits}; border and rounding move less than that. Too far from the paper: "
        f"{'; '.join(excluded) or 'none'}. SSIM, distance from the paper's difference by channel: "
        f"{'; '.join(f'{words(one.combination)}: {one.distance:.4f}' for one in by_channel)}; the literature's own "
        f"protocol: {literature.distance:.4f}. With the {other.combination[2]} window {title(str(channel))} is "
        f"{other.distance:.4f} away. So the paper's PSNR fits {fits}, and its SSIM fits {title(str(channel))}."
    )


def title(channel: str) -> str:
    """A channel's name for running text."""
    name, _, detail = channel.partition(", ")
    return f"{name} ({detail})" if detail else name


def words(combination: tuple[str | int, ...]) -> str:
    """A combination in words."""
    channel, shave, *window = combination
    return ", ".join([title(str(channel)), f"border {shave}", *(f"{name} window" for name in window)])


def markdown(measured: Sequence[Measured]) -> str:
    """The page as Markdown, from recorded measurements."""
    usable = compared(measured)
    pan, msrn = paper.published_row("PAN"), paper.table1().msrn.scores["Set5"]
    parts = [
        "# Which protocol is it?",
        "Made by `python -m analysis protocol` from `records/protocol/`.",
        wrap(
            "The paper does not name the channel, the border or the SSIM window of its PSNR and SSIM. Below: how far "
            "its numbers are from those that others publish on luma; what each choice moves, measured; and which "
            "choice moves numbers as far as that."
        ),
        "## The result",
        wrap(conclusion(measured)),
        "## What the paper's numbers differ by",
        differences_table(),
        wrap(
            "PSNR: against the same network as its authors publish it. SSIM, usual on luma: what published networks "
            f"from {SSIM_FIT_FROM} dB on (analysis/paper/sota_x4.csv) have at the same PSNR, by a line through them. "
            f"A second witness: PAN has {pan.psnr['Set5']:.2f} dB and an SSIM of {pan.ssim['Set5']:.4f} on Set5 (luma) "
            f"and {PAN_RGB_SSIM} over R, G and B by its authors' log, which is {PAN_RGB_SSIM - pan.ssim['Set5']:+.4f}; "
            f"the paper's MSRN has {msrn.psnr:.2f} dB and {msrn.ssim:.4f}."
        ),
    ]
    if usable:
        parts += [
            "## What each choice moves: PSNR (dB)",
            wrap(f"Against {words(LITERATURE[:2])}; mean over the sets that are recorded."),
            candidates_table(psnr_candidates(usable), usable, 2),
            "## What each choice moves: SSIM",
            wrap(f"Against {words(LITERATURE)}; mean over the sets that are recorded."),
            candidates_table(ssim_candidates(usable), usable, 4),
            wrap(
                "From the paper's: root mean square, over sets and methods, of what a choice moves less what the paper "
                "differs by. Each network is compared with its own column of the paper, bicubic with MSRN's; bicubic "
                "images are blurrier than any network's, and a choice need not move both alike."
            ),
        ]
    parts += [
        "## The choices",
        "\n".join(f"- {name}: {meaning}." for name, meaning in {**CHANNELS, **WINDOWS}.items())
        + f"\n- Border: {', '.join(map(str, SHAVES))} pixels left out along each side.",
        "## Records",
        records_table(measured),
    ]
    return "\n\n".join(parts) + "\n"


def records_table(measured: Sequence[Measured]) -> str:
    """Where each measurement is, with what the literature's protocol and RGB give."""
    rows = []
    for one in measured:
        share = training_share(one.training) if one.training else ""
        luma = f"{one.psnr['luma, rounded', SCALE]:.2f} / {one.ssim[LITERATURE]:.4f}"
        rgb = f"{one.psnr['RGB', SCALE]:.2f} / {one.ssim['RGB', SCALE, 'Gaussian']:.4f}"
        date, where = one.environment.get("date", ""), one.environment.get("machine", "")
        rows.append([f"`{one.file_name}`", str(one.images), luma, rgb, share, date, where])
    headers = ["record", "images", "luma", "RGB", "share of the paper's training", "recorded", "machine"]
    untrained = [DISPLAY[model] for model in METHODS if model != BICUBIC and not weights.shipped(model, SCALE)]
    note = f"\n\n{', '.join(untrained)}: {NOT_TRAINED}, so not measured." if untrained else ""
    return table(rows, headers, "github") + note


def write(results: Path) -> list[Path]:
    """Write ``protocol.md`` from the records in the results folder; return its path. Measures nothing."""
    path = results / "protocol.md"
    write_text(path, markdown(current(results)))
    return [path]
