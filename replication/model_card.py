"""Model cards: what shipped weights are, how they were made, and what they measure.

Each is made from the facts inside the weights file and from the records of its measurements, so that nothing on it is
typed in.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from replication import recipe, records, weights
from replication.curve import common_limits, draw_curve, read_log
from replication.data.benchmarks import BENCHMARKS, EMBEDDED
from replication.errors import Parser, UserError, run
from replication.files import write_text
from replication.models import MODELS, build, count_parameters
from replication.models.msrn import SCALES

LONGER = 10
"""How many times as many steps the card's suggestion for going on takes."""


def card(model: str, scale: int, known: Sequence[records.Evaluation], runs: Sequence[records.TrainingRun]) -> str:
    """The card of the shipped ``model`` at ``scale`` as Markdown, with what ``known`` and ``runs`` say of it."""
    path = weights.shipped(model, scale)
    assert path, f"{model} x{scale} is not shipped"
    facts = weights.read(path).metadata
    digest = weights.digest(path)
    plan = facts["recipe"]
    rounding = facts["half_precision"]
    seen = f"{facts['step']:,} steps of {plan['batch_size']} patches of {plan['hr_patch']}x{plan['hr_patch']} pixels"
    start = "nearest-neighbour upsampling (replication/models/start.py)" if plan["start"] == "identity" else "random"
    if facts["initial"]:
        start = f"the weights with SHA-256 `{facts['initial'][:16]}...`"
    trainings = [*facts.get("earlier", []), facts]
    rows = [
        ("file", f"`{path.name}`, SHA-256 `{digest}`"),
        ("network", f"{model.upper()} x{scale}, {count_parameters(build(model, scale=scale)):,} parameters"),
        ("input and output", f"RGB in 0..1, (B, 3, H, W) to (B, 3, {scale}H, {scale}W)"),
        ("training images", f"{facts['data']} (SHA-256 of the decoded images `{facts['data_digest'][:16]}...`)"),
        (
            "training length",
            f"{seen}: {100 * facts['paper_fraction']:.2f} % of the pixels that the recipe `paper` sees; more or less "
            "by other readings of the paper (results/assumptions.md)",
        ),
        ("recipe", f"SHA-256 `{facts['recipe_digest'][:16]}...`; its values travel inside the file"),
        ("start, seed", f"{start}; seed {facts['seed']}"),
        ("optimiser", recipe.optimizers_in_words(plan)),
        ("trained in", f"{facts['precision']}, {facts['threads']} thread{'s' if facts['threads'] > 1 else ''}"),
        ("machine", f"{facts['machine']}; {facts['hours']:.1f} hours by the clock, not alone on it"),
        ("packages", ", ".join(f"{name} {value}" for name, value in facts["versions"].items() if name != "date")),
        ("started", facts["versions"]["date"] + " (UTC)"),
        ("precision", _precision(rounding)),
        ("dead filters", _dead(digest, runs)),
        ("made by", _made_by(trainings)),
    ]
    return (
        f"# {model.upper()} x{scale}\n\n"
        f"Made by `python -m replication.model_card` from the weights file and `results/records/`.\n"
        f"{_several(len(trainings))}\n"
        f"{tabulate(rows, ('what', 'value'), tablefmt='github')}\n\n"
        f"## Measured\n\n{_measured(model, scale, digest, known)}\n\n"
        f"## Training\n\n![loss and validation PSNR]({path.stem}.png)\n\nThe axes are those of all cards.\n\n"
        f"Numbers: [{path.stem}.csv]({path.stem}.csv). To go on from them, with a fresh warm-up:\n\n"
        f"    {_longer(facts, path, runs)}\n\n"
        f"{_needs(facts)}\n\n"
        "## Licence and limits\n\n"
        "MIT, as the package. The training images are no part of it; for most of them no licence is stated, or one\n"
        "for non-commercial research and education (docs/data.md): whether that binds the weights, judge yourself.\n"
        "Trained for bicubic downsampling only: real photographs, compressed ones above all, are blurred and noisy in\n"
        "other ways, and their artefacts are enlarged with them. The budget is a small fraction of the paper's, and\n"
        "the images are others: how far the PSNR is from the paper's says nothing of its method. What separability\n"
        "costs is seen in pairs of equal trainings alone (results/training_ladder.md). Details that the\n"
        "low-resolution image lost are guessed: not for evidence.\n"
    )


def made_by(command: str, values: Mapping[str, Any]) -> str:
    """The ``command`` of a run by which today's package makes the same weights; ``values``: those of its recipe.

    A shipped recipe may have changed since: what it has otherwise today becomes options. Without the state that the run
    branched from, which saves time and changes nothing.
    """
    name = re.findall(r"--recipe (\S+)", command)[0]
    changed = recipe.differing(values, name) if name in recipe.names() else {}
    options = {f"--{key.replace('_', '-')}": json.dumps(value).strip('"') for key, value in changed.items()}
    added = [f"{option} {shlex.quote(text)}" for option, text in options.items() if option not in command.split()]
    return " ".join([re.sub(r" --trunk \S+", "", command), *added])


def _made_by(trainings: Sequence[dict[str, Any]]) -> str:
    """The commands of all ``trainings``; each goes on from what ships of the one before."""
    steps: list[str] = []
    for one in trainings:
        if steps:
            steps.append(f"`python -m replication.ship` (SHA-256 `{one['initial'][:16]}...`)")
        steps.append(f"`{made_by(one['command'], one['recipe'])}`")
    return ", then ".join(steps)


def _several(trainings: int) -> str:
    if trainings == 1:
        return ""
    return (
        f"Length, machines and hours are those of {trainings} trainings, one after the other; images, recipe,\n"
        "start, optimiser, precision, threads, packages, date and the curve below are those of the last.\n"
    )


def _precision(rounding: dict[str, Any]) -> str:
    kind = "half" if rounding["used"] else "single"
    change = f"rounding to half moves PSNR on {rounding['measured_on']} by {rounding['change_db']:+.5f} dB"
    return f"stored as {kind} precision ({change}); computed in single"


def _dead(digest: str, runs: Sequence[records.TrainingRun]) -> str:
    share = next((run.dead_filters for run in runs if digest in run.weights.values()), None)
    return (
        "unknown"
        if share is None
        else f"{100 * share:.1f} %: behind their ReLU nothing comes on any embedded photograph"
    )


def _measured(model: str, scale: int, digest: str, known: Sequence[records.Evaluation]) -> str:
    rows = []
    for name in (*BENCHMARKS, EMBEDDED):
        found = records.find(known, benchmark=name, model=model, scale=scale, weights=digest)
        rows.append([name, *(found.cells() if found else ["not measured"])])
    headers = ("set", "PSNR luma", "SSIM luma", "PSNR RGB", "SSIM RGB")
    table = tabulate(rows, headers, tablefmt="github", disable_numparse=True, colalign=("left", *["right"] * 4))
    where = "protocol `matlab`; `results/table1.md` has the dates, and `public_code`, which fits the paper"
    return f"{table}\n\nMeans over the images, in dB, on rounded luma ({where})."


def _longer(facts: dict[str, Any], path: Path, runs: Sequence[records.TrainingRun]) -> str:
    """By the recipe of the last training, with a seed that none had: the same one would draw the same samples again."""
    seeds = [one["seed"] for one in (*facts.get("earlier", []), facts)] + [run.seed for run in runs]
    folders = " ".join(f"data/train/{name}" for name in re.findall(r"images of (\S+)", facts["data"]))
    command = (
        f"python -m replication.train --recipe cpu --model {facts['model']} --scale {facts['scale']} --data {folders} "
        f"--seed {1 + max(seeds)} --steps {LONGER * facts['step']} --initial replication/weights/{path.name} "
        "--output runs/longer"
    )
    return made_by(command, facts["recipe"])


def _needs(facts: dict[str, Any]) -> str:
    """Steps and hours of longer trainings, at the pace of the last one."""
    before = facts["earlier"][-1] if facts.get("earlier") else {"step": 0, "hours": 0}
    pace = (facts["hours"] - before["hours"]) / (facts["step"] - before["step"])
    longer, whole = LONGER * facts["step"], facts["step"] / facts["paper_fraction"]
    return (
        f"At the pace of the last training these {longer:,} steps take {longer * pace:,.0f} hours on that machine.\n"
        f"To see as many pixels as the paper's recipe would take {whole:,.0f} steps of this size, or "
        f"{whole * pace / 24:,.0f} days;\n"
        "on a graphics processor use `--recipe paper` (docs/training.md)."
    )


def write(results: Path, folder: Path = weights.FOLDER) -> list[Path]:
    """Write card and curve of every shipped weights file into ``folder``, all curves on one scale; return the paths.

    Raises UserError naming a damaged record or file.
    """
    known, runs = records.load_all(results), records.load(results, records.TrainingRun)
    shipped = [(model, scale) for model in MODELS for scale in SCALES if weights.shipped(model, scale)]
    logs = {f"{model}_x{scale}": read_log(weights.FOLDER / f"{model}_x{scale}.csv") for model, scale in shipped}
    paths = []
    for model, scale in shipped:
        path = folder / f"{model}_x{scale}.md"
        write_text(path, card(model, scale, known, runs))
        draw_curve(path.with_suffix(".png"), logs[path.stem], common_limits(list(logs.values())))
        paths += [path, path.with_suffix(".png")]
    return paths


def main(argv: Sequence[str] | None = None) -> int:
    """Write the cards and say where."""
    parser = Parser(
        prog="python -m replication.model_card",
        description=__doc__,
        epilog="example:\n  python -m replication.model_card",
    )
    parser.add_results()
    parser.add_argument("--output", type=Path, default=weights.FOLDER, metavar="DIR",
                        help="where they are written (default: into this package, beside the weights)")  # fmt: skip
    arguments = parser.parse_args(argv)
    digests = set(weights.shipped_digests().values())
    if not digests:
        raise UserError("no weights are shipped: `python -m replication.ship RUN` makes those of a finished run")
    if not any(record.key.weights in digests for record in records.load_all(arguments.results)):
        raise UserError(f"{arguments.results}: expected records of the shipped weights, found none; see --results")
    for path in write(arguments.results, arguments.output):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    run(main)
