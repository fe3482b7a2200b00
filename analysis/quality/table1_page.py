"""Table 1: the paper's values and the measured ones, as Markdown, CSV and LaTeX.

Everything measured comes from the records in the results folder, everything printed from analysis/paper. Averages are
means of the four benchmarks' means, as in the paper; percentages are computed from unrounded means.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import paper
from analysis.names import DISPLAY, MSRN_ROW
from analysis.paper import BENCHMARKS
from analysis.quality import conditions
from analysis.quality.columns import (
    AVERAGE,
    Ratio,
    Rows,
    bicubic_deviation,
    measured,
    printed,
    printed_losses,
    published,
    recomputed,
    retained,
)
from analysis.quality.ladder import Loss, Rung, by_todays_recipe, headline, lost, over_seeds
from analysis.quality.training import (
    Measurements,
    differing_conditions,
    readings_note,
    share_with_range,
    short_share,
    training_share,
)
from analysis.text import percent, percentage, small_percent, table
from replication.data.benchmarks import EMBEDDED
from replication.evaluate import BICUBIC, METHODS, NOT_TRAINED
from replication.files import write_text
from replication.images.metrics import NAMED
from replication.records import BY_PROTOCOL, METRICS, NOISE_PSNR, NOISE_SSIM, TRAINING_FACTS, Metric

PAPERS = BY_PROTOCOL["public_code"]
"""What the paper's PSNR and SSIM are compared with; results/calibration.md says why."""


def paper_table(facts: Measurements) -> list[list[str]]:
    """Table 1 in the paper's layout, a heading row first, under the protocol `public_code`."""
    in_paper = paper.table1()
    bicubic, msrn, smsrn = (measured(facts.rows, model, *PAPERS) for model in (BICUBIC, "msrn", "smsrn"))
    columns = [printed("msrn"), printed("smsrn"), bicubic, msrn, smsrn]
    table = [["", *(column.heading for column in columns)]]
    table += [[name, *(column.cell(name) for column in columns)] for name in (*BENCHMARKS, AVERAGE)]

    theirs, ours = in_paper.retained, retained(msrn, smsrn, AVERAGE)
    kept = _kept(ours) if ours else smsrn.missing or msrn.missing
    if ours and not equally_trained(facts):
        kept = "not equally trained"
    table.append(["Retained (SMSRN / MSRN)", "", f"{theirs['psnr']} % / {theirs['ssim']} %", "", "", kept])

    shares = [training_share(training) if (training := facts.trainings[model]) else "" for model in ("msrn", "smsrn")]
    table.append(["Training, share of the paper's", "100 %", "100 %", "none", *shares])

    counts = facts.parameters
    printed_counts = [f"{in_paper.msrn.parameters:,}", f"{in_paper.smsrn.parameters:,} ({theirs['parameters']} %)"]
    share = percent(counts["smsrn"] / counts["msrn"], 2)
    table.append(["Parameters", *printed_counts, "0", f"{counts['msrn']:,}", f"{counts['smsrn']:,} ({share})"])
    return table


CHANNELS: dict[str, tuple[Metric, Metric]] = {"luma": BY_PROTOCOL["matlab"], "RGB": ("psnr_rgb", "ssim_rgb")}
"""PSNR and SSIM of the records by the channels that they are taken on; luma under the protocol `matlab`."""


def equal_table(rows: Rows) -> list[list[str]]:
    """The measured columns on luma and on RGB (PSNR / SSIM), with what SMSRN keeps of MSRN's, here and in the paper."""
    theirs = paper.table1().retained
    heading = ["set", "channels", "Bicubic", "SMSRN", "MSRN", "lost PSNR", "kept (PSNR / SSIM)"]
    table = [[*heading, f"kept in the paper: {theirs['psnr']} % / {theirs['ssim']} %"]]
    in_paper = recomputed("msrn"), recomputed("smsrn")
    for name in (*BENCHMARKS, AVERAGE):
        for channels, (psnr, ssim) in CHANNELS.items():
            bicubic, smsrn, msrn = (measured(rows, model, psnr, ssim) for model in (BICUBIC, "smsrn", "msrn"))
            ours, printed_ratio = retained(msrn, smsrn, name), retained(*in_paper, name)
            assert printed_ratio
            row = [name, channels, *(column.cell(name) for column in (bicubic, smsrn, msrn))]
            row += [loss_text(rows, name, psnr), _kept(ours)] if ours else ["", ""]
            table.append([*row, _kept(printed_ratio) if channels == "luma" else ""])
    return table


def _kept(ratio: Ratio) -> str:
    return f"{percentage(ratio.psnr, 2)} / {percentage(ratio.ssim, 2)}"


def literature_table(rows: Rows) -> list[list[str]]:
    """What other papers print, each under the protocol that it follows: bicubic `matlab`, networks the public code."""
    known = published("Bicubic", "Bicubic (published)")
    bicubic = measured(rows, BICUBIC, *BY_PROTOCOL["matlab"])
    columns = [published(MSRN_ROW, "MSRN (its authors' code, 2019)")]
    columns += [measured(rows, model, "psnr_public_code", "ssim_unrounded") for model in ("msrn", "smsrn")]
    table = [["", known.heading, bicubic.heading, "deviation", *(column.heading for column in columns)]]
    for name in (*BENCHMARKS, AVERAGE):
        before, now = known.score(name), bicubic.score(name)
        deviation = f"{now.psnr - before.psnr:+.3f} / {now.ssim - before.ssim:+.5f}" if before and now else ""
        table.append([name, known.cell(name), bicubic.cell(name), deviation, *(one.cell(name) for one in columns)])
    return table


def loss_text(rows: Rows, name: str, metric: Metric = PAPERS[0]) -> str:
    """Decibels lost on a set or on average, with a bootstrap interval over the images; "" where not measured."""
    loss = lost(rows, name, metric)
    return str(loss) if loss else ""


def separability_table(rows: Rows) -> list[list[str]]:
    """What the separable convolution costs in quality: decibels lost, and shares retained, per set."""
    in_paper = recomputed("msrn"), recomputed("smsrn")
    on_rgb = measured(rows, "msrn", *PAPERS), measured(rows, "smsrn", *PAPERS)
    on_luma = measured(rows, "msrn", *BY_PROTOCOL["matlab"]), measured(rows, "smsrn", *BY_PROTOCOL["matlab"])
    heading = ["", "lost PSNR, paper", "lost PSNR, measured", "PSNR kept, paper", "PSNR kept, measured"]
    table = [[*heading, "SSIM kept, paper", "SSIM (RGB) kept, measured", "SSIM (luma) kept, measured"]]
    missing = on_rgb[1].missing or on_rgb[0].missing
    for name in (*BENCHMARKS, AVERAGE):
        theirs, rgb, luma = (retained(full, light, name) for full, light in (in_paper, on_rgb, on_luma))
        assert theirs
        row = [name, f"{theirs.lost_db:.2f} dB", loss_text(rows, name) if rgb else missing]
        row += [percentage(theirs.psnr, 2), percentage(rgb.psnr, 2) if rgb else missing]
        row += [percentage(theirs.ssim, 2), percentage(rgb.ssim, 2) if rgb else missing]
        row += [percentage(luma.ssim, 2) if luma else missing]
        table.append(row)
    return table


def embedded_table(rows: Rows) -> list[list[str]]:
    """The embedded set, which any machine can measure without a download."""
    table = [["", "images", "PSNR (luma)", "SSIM (luma)", "PSNR (RGB)", "SSIM (RGB)"]]
    for model in METHODS:
        row = rows[EMBEDDED, model]
        if row.record:
            table.append([DISPLAY[model], str(len(row.record.images)), *row.record.cells()])
        else:
            table.append([DISPLAY[model], row.status, "", "", "", ""])
    return table


def disagreements(facts: Measurements) -> str:
    """What this machine measured and did not find as recorded; empty where it confirms the records."""
    wrong = [
        f"{DISPLAY[one.record.key.model]} by up to {one.psnr:.4f} dB and {one.ssim:.5f} (SSIM)"
        for one in facts.confirmations
        if not one.holds
    ]
    if not wrong:
        return ""
    return (
        f"**Not confirmed by the machine that made this page**: it measured {'; '.join(wrong)} away from the record, "
        f"where float arithmetic explains {NOISE_PSNR} dB and {NOISE_SSIM}. Its measurements are in `records/here/`."
    )


def confirmed(facts: Measurements) -> list[str]:
    """What this machine measured and found as recorded, in a line for the terminal."""
    right = [one for one in facts.confirmations if one.holds]
    if not right:
        return []
    names = ", ".join(DISPLAY[one.record.key.model] for one in right)
    psnr, ssim = max(one.psnr for one in right), max(one.ssim for one in right)
    return [f"the embedded set is confirmed here to {psnr:.6f} dB and {ssim:.8f} (SSIM): {names}"]


def records_table(rows: Rows) -> list[list[str]]:
    """Where each measured value was recorded."""
    table = [["record", "set", "model", "images", "recorded", "machine", "torch", "s/image"]]
    for row in rows.values():
        if record := row.record:
            where = record.environment
            table.append(
                [
                    f"`{record.file_name}`",
                    row.benchmark,
                    DISPLAY[row.model],
                    str(len(record.images)),
                    where["date"],
                    where["machine"],
                    where["torch"],
                    f"{record.mean('seconds'):.2f}",
                ]
            )
    return table


def weights_text(facts: Measurements) -> list[str]:
    """One item per network: its weights and how they were trained; then whether the conditions were equal."""
    items, trainings = [], []
    for model in ("msrn", "smsrn"):
        training = facts.trainings[model]
        if training is None:
            items.append(f"- {DISPLAY[model]}: {facts.rows[EMBEDDED, model].status}.")
            continue
        trainings.append(training)
        known = {name: training.get(name, "unknown") for name in (*TRAINING_FACTS, "weights")}
        hours = known["hours"] if known["hours"] == "unknown" else f"{known['hours']:.1f}"
        items.append(
            f"- {DISPLAY[model]}: share of the paper's training budget (patch pixels seen): "
            f"{training_share(training)}. Step {known['step']} of {known['steps']}, {hours} hours on "
            f"{known['machine']}; data: {known['data']}; seed {known['seed']}; recipe "
            f"`{str(known['recipe_digest'])[:12]}`, weights `{known['weights'][:12]}` (starts of their SHA-256)."
            f"{earlier_text(training.get('earlier', []))}"
        )
    if len(trainings) == 2:
        msrn, smsrn = trainings
        differing = differing_conditions(msrn, smsrn)
        items.append(
            f"- **Not under the same conditions** (different: {', '.join(differing)}): what lies between the two is "
            "no loss by separability."
            if differing
            else "- Same recipe, steps, data and seed for both."
        )
        items.append(f"- {conditions.ONE_SEED.capitalize()}")
        items.append(f"- {conditions.RECIPE}")
        if facts.validation:
            items.append(f"- {conditions.validation_text(facts.validation)}")
        items.append(SHORT_RUNS)
    return [*items, *longer_pairs(facts.rungs)]


def longer_pairs(found: Sequence[Rung]) -> list[str]:
    """What pairs reached that were trained for longer than the one that is named first."""
    first = headline(found)
    return [
        f"- Also measured, after a longer training: {rung.name}: MSRN {rung.full.psnr[AVERAGE]:.3f} dB, SMSRN "
        f"{rung.light.psnr[AVERAGE]:.3f} dB on average; the pair of {first.steps:,} steps has "
        f"{first.full.psnr[AVERAGE]:.3f} and {first.light.psnr[AVERAGE]:.3f} dB."
        for rung in found
        if first and AVERAGE in rung.loss and rung.steps > first.steps
    ]


def earlier_text(stages: Sequence[dict[str, Any]]) -> str:
    """The trainings before the last, whose steps are among those of the weights; empty without any."""
    parts = [
        f"to step {one['step']}: data: {one['data']}, seed {one['seed']}, recipe `{one['recipe_digest'][:12]}`"
        for one in stages
    ]
    return f" Trainings before the last: {'; '.join(parts)}." if parts else ""


def equally_trained(facts: Measurements) -> bool:
    """Whether nothing is known to differ between the trainings of the shipped weights."""
    msrn, smsrn = facts.trainings["msrn"], facts.trainings["smsrn"]
    return not msrn or not smsrn or not differing_conditions(msrn, smsrn)


def warning(facts: Measurements) -> str:
    """A sentence where the conditions of the shipped weights differ; empty where they do not."""
    if equally_trained(facts):
        return ""
    msrn, smsrn = (facts.trainings[model] or {} for model in ("msrn", "smsrn"))
    differing = ", ".join(differing_conditions(msrn, smsrn))
    return (
        f"**The shipped weights, measured in this table, are the best there are; they were not trained equally "
        f"(different: {differing}), so their differences do not say what separability costs. The next section does.**"
    )


def equally_trained_table(found: Sequence[Rung]) -> list[list[str]]:
    """PSNR lost after equal trainings: the paper's, today's recipe's over several seeds, the first pair's."""
    columns: dict[str, tuple[dict[str, Loss], Sequence[Rung]]] = {}
    for one in over_seeds([rung for rung in found if by_todays_recipe(rung.full.run)]):
        columns[f"{one.first.length}, mean of {len(one.rungs)} seeds"] = one.loss, one.rungs
    first = headline(found)
    if first and all(first not in same for _, same in columns.values()):
        columns[f"{first.length}, seed {first.seed}"] = first.loss, [first]
    table = [["", "the paper", *columns]]
    for name, printed_loss in printed_losses().items():
        table.append([name, f"{printed_loss:.2f} dB", *(str(loss[name]) for loss, _ in columns.values())])
    shares = (share_with_range(same[0].share) for _, same in columns.values())
    table.append(["Training, share of the paper's", "100 %", *shares])
    for model, part in (("msrn", "full"), ("smsrn", "light")):
        runs = ([getattr(rung, part).run for rung in same] for _, same in columns.values())
        table.append([f"Dead filters, {DISPLAY[model]}", "", *(conditions.dead_text(*some) for some in runs)])
    return table


EQUAL = (
    "PSNR on luma (`public_code`) that SMSRN loses against MSRN after trainings that differ in the network alone, far "
    "shorter ones than the paper's. In brackets the 95 % interval: over the seeds where there are several, else over "
    "the images of a set. [The ladder](training_ladder.md) has all lengths of training."
)


SHORT_RUNS = (
    "- **Both runs are short**: what SMSRN loses here against MSRN is what it loses after so few steps. Trained to the "
    "end, it may lose more or less."
)


def bicubic_share(rows: Rows) -> str:
    """How much of the paper's MSRN bicubic interpolation retains: what a percentage of decibels is worth."""
    ratio = retained(printed("msrn"), measured(rows, BICUBIC, *PAPERS), AVERAGE)
    if ratio is None:
        return ""
    return (
        f"A share of decibels says little: plain bicubic interpolation, with no parameters, keeps "
        f"{percentage(ratio.psnr)} of the PSNR of the paper's MSRN, though it is {ratio.lost_db:.2f} dB worse. Look "
        "at the decibels lost."
    )


PROTOCOL = (
    "HR images are cropped to a multiple of 4; LR images are made by MATLAB-compatible bicubic downsampling in 8 bits. "
    "Results are rounded to 8 bits and compared without a border of 4 pixels. SSIM: Gaussian 11x11 window, sigma 1.5, "
    "data range 255; on RGB, the mean over the channels. Each set's value is the mean over its images, the average is "
    "the mean over the four sets, and only what is printed is rounded.\n\n"
    + "\n".join(f"- `{name}`: {text}." for name, text in NAMED.items())
)


def markdown(facts: Measurements) -> str:
    """The whole page."""
    rows = facts.rows
    both_channels = equal_table(rows)
    parts = [
        "# Table 1: MSRN and SMSRN at x4, in the paper and measured",
        "PSNR (dB) on luma as the public EDSR and MSRN code takes it / SSIM as the mean over R, G and B, which the "
        "paper's values fit: together the protocol `public_code`. [Calibration](calibration.md) shows which published "
        "values come out under it.",
        _markdown_table(paper_table(facts)),
        warning(facts),
        readings_note(),
        "## What separability costs: equal trainings",
        EQUAL,
        _markdown_table(equally_trained_table(facts.rungs)),
        conditions.DEAD if facts.rungs else "",
        conditions.other_recipe(facts.rungs[0].full.run.recipe) if facts.rungs else "",
        "## The shipped weights" + ("" if equally_trained(facts) else ", not equally trained"),
        "PSNR on luma under `public_code`; in brackets the 95 % interval of a bootstrap over the images, which says "
        "nothing of seeds. The paper's percentages are recomputed from its printed per-set values; SSIM on luma is "
        "under `matlab`. " + bicubic_share(rows),
        _markdown_table(separability_table(rows)),
        "## As the literature measures",
        "PSNR (dB) / SSIM, both on luma. Bicubic under `matlab`, as its published values; the networks' PSNR under "
        "`public_code` and their SSIM under `unrounded`, as their authors'. Published values and their sources: "
        "analysis/paper/SOURCES.md.",
        _markdown_table(literature_table(rows)),
        "## The shipped weights on luma and on RGB",
        "PSNR (dB) / SSIM of the shipped weights, both on luma (`matlab`) and both on RGB; lost PSNR with the interval "
        "of a bootstrap over the images. What the paper's SMSRN keeps is recomputed from its values per set; it "
        "prints PSNR on luma and, as it seems, SSIM on RGB.",
        _markdown_table(both_channels, numbers=both_channels[0][2:]),
        "## The embedded set",
        "The photographs inside scikit-image: measured by `python -m replication` on any machine, without a download. "
        "Luma under `matlab`.",
        _markdown_table(embedded_table(rows)),
        disagreements(facts),
        "## Protocol",
        PROTOCOL,
        "## Weights",
        "\n".join(weights_text(facts)),
        "## Records",
        "Every measured value comes from these files in `records/`, where it stands per image.",
        _markdown_table(records_table(rows), numbers=("images", "s/image")),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _markdown_table(rows: list[list[str]], numbers: Sequence[str] | None = None) -> str:
    """``rows`` with the headings first; columns named in ``numbers`` (default: all but the first) to the right."""
    numbers = rows[0][1:] if numbers is None else numbers
    return table(rows[1:], rows[0], "pipe", "".join("r" if heading in numbers else "l" for heading in rows[0]))


def latex(facts: Measurements) -> str:
    """The paper's layout and the literature's, as two booktabs tabulars."""
    parts = [
        "% Table 1, PSNR (dB, luma) / SSIM (mean over R, G, B), protocol public_code. Needs the package booktabs.",
        _latex_table(paper_table(facts)),
        "% The same, PSNR (dB) / SSIM both on luma, with published values.",
        _latex_table(literature_table(facts.rows)),
    ]
    return "\n".join(parts)


def _latex_table(table: list[list[str]]) -> str:
    lines = [" & ".join(cell.replace("%", r"\%") for cell in row) + r" \\" for row in table]
    body = [rf"\begin{{tabular}}{{l{'r' * (len(table[0]) - 1)}}}", r"\toprule", lines[0], r"\midrule", *lines[1:]]
    return "\n".join([*body, r"\bottomrule", r"\end{tabular}"]) + "\n"


NOT_STATED = ("psnr_channel_not_stated", "ssim_channel_not_stated")
CSV_HEADER = ("set", "model", "origin", "images", *METRICS, *NOT_STATED, "parameters", "weights")
CSV_HEADER += ("paper_fraction", "date", "machine", "status")


def csv_text(facts: Measurements) -> str:
    """One line per set, model and origin ("paper", "published", "measured"); measured means are unrounded."""
    lines: list[dict[str, object]] = []
    for model, column in paper.table1().columns.items():
        for name, score in column.scores.items():
            values = dict(zip(NOT_STATED, (f"{score.psnr:.2f}", f"{score.ssim:.4f}"), strict=True))
            lines.append(_printed_line(name, model, "paper", column.parameters) | values)
    for model, source in ((BICUBIC, "Bicubic"), ("msrn", MSRN_ROW)):
        row = paper.published_row(source)
        for name in BENCHMARKS:
            values = {"psnr_y": f"{row.psnr[name]:.2f}", "ssim_y": f"{row.ssim[name]:.4f}"}
            lines.append(_printed_line(name, model, "published", row.parameters or 0) | values)
    counts = {BICUBIC: 0, **facts.parameters}
    for (name, model), found in facts.rows.items():
        line: dict[str, object] = {"set": name, "model": model, "origin": "measured", "parameters": counts[model]}
        if record := found.record:
            line |= {metric: f"{record.mean(metric):.6f}" for metric in METRICS}
            line |= {
                "images": len(record.images),
                "weights": record.key.weights,
                "paper_fraction": (record.training or {}).get("paper_fraction", ""),
                "date": record.environment["date"],
                "machine": record.environment["machine"],
                "status": "recorded",
            }
        else:
            line["status"] = found.status
        lines.append(line)
    frame = pd.DataFrame(lines, columns=list(CSV_HEADER), dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")


def _printed_line(name: str, model: str, origin: str, parameters: int) -> dict[str, object]:
    return {"set": name, "model": model, "origin": origin, "parameters": parameters, "status": "printed"}


def summary(facts: Measurements) -> list[str]:
    """What the table comes to, in a few lines: for the closing words of the whole job."""
    rows = facts.rows
    lines = confirmed(facts)
    here = [name for name in BENCHMARKS if rows[name, BICUBIC].record]
    if deviation := bicubic_deviation(rows):
        lines.append(
            f"bicubic on {', '.join(here)}: at most {deviation[0]:.4f} dB and {deviation[1]:.5f} (SSIM) from what is "
            "published"
        )
    if longest := headline(facts.rungs):
        lines.append(
            f"SMSRN loses {longest.loss[AVERAGE]} on average after {longest.steps:,} equal "
            f"steps of each network, {small_percent(longest.share)} of the paper's training (interval over the images, "
            f"`public_code`); {printed_losses()[AVERAGE]:.2f} dB in the paper"
        )
    means = {model: one.average for model in ("smsrn", "msrn") if (one := measured(rows, model, *PAPERS)).average}
    if means:
        listed = " and ".join(
            f"{DISPLAY[model]} {mean.psnr:.2f} dB ({short_share(facts.trainings[model])} of the paper's training)"
            for model, mean in means.items()
            if mean
        )
        equal = "" if equally_trained(facts) else ", not equally trained"
        lines.append(f"the shipped weights{equal}: {listed} on average")
    for status in sorted({row.status for row in rows.values() if row.record is None}):
        missing = [f"{DISPLAY[model]} on {name}" for (name, model), row in rows.items() if row.status == status]
        if status == NOT_TRAINED:
            missing = sorted({DISPLAY[model] for (_, model), row in rows.items() if row.status == status})
        lines.append(f"{status}: {', '.join(missing)}")
    return lines


def save(facts: Measurements, results: Path) -> list[Path]:
    """Write table1.md, table1.csv and table1.tex to the results folder; return their paths."""
    texts = {"md": markdown(facts), "csv": csv_text(facts), "tex": latex(facts)}
    for suffix, text in texts.items():
        write_text(results / f"table1.{suffix}", text)
    return [results / f"table1.{suffix}" for suffix in texts]
