"""Make a finished training run the weights that ship with the package.

The weights become half precision when that leaves the measured PSNR as it is; the log goes along, and the digest
into ``weights/SHA256SUMS``. Model card and curve are made by `replication.model_card`, after measuring.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch

from replication import checkpoint, evaluate, history, runs, weights
from replication.errors import Parser, UserError, run
from replication.files import write_bytes, write_text
from replication.models import build
from replication.models.msrn import MSRN

LARGEST_CHANGE = 0.005
"""Half precision may move the mean luma PSNR by this much, in dB."""


def finished(run_folder: Path) -> tuple[MSRN, checkpoint.Checkpoint]:
    """The network of a finished run in single precision, and its last checkpoint.

    Raises UserError when the folder holds no checkpoint or the run has not reached its last step.
    """
    found = checkpoint.newest(run_folder)
    if found.progress.step != found.run["steps"]:
        raise UserError(f"{run_folder}: the run is at step {found.progress.step} of {found.run['steps']}: --resume it")
    model = build(found.run["model"], scale=found.run["scale"])
    weights.load(model, found.part("model"), str(run_folder))
    return model, found


def half_precision_change(model: MSRN, data: Path | None) -> tuple[str, float]:
    """How rounding the parameters to half precision moves the mean luma PSNR, as `evaluate.psnr_change`.

    The arithmetic is single precision either way.
    """
    rounded = copy.deepcopy(model)
    rounded.load_state_dict({key: value.half().float() for key, value in model.state_dict().items()})
    return evaluate.psnr_change(model, rounded, model.scale, data)


def ship(run_folder: Path, data: Path | None) -> list[Path]:
    """Write weights, log and digest of a finished run into `weights.FOLDER`; return the paths.

    Raises UserError when the run is not finished or its log is missing; what ships stays as it was then.
    """
    model, last = finished(run_folder)
    logged = run_folder / "log.csv"
    if not logged.is_file():
        raise UserError(f"{logged}: expected the run's log, found nothing")
    measured_on, change = half_precision_change(model, data)
    dtype = torch.float16 if abs(change) <= LARGEST_CHANGE else torch.float32
    facts = {
        **last.run,
        **history.in_all(last.run, last.progress.step, last.progress.seconds),
        "half_precision": {"measured_on": measured_on, "change_db": change, "used": dtype == torch.float16},
    }
    path = weights.FOLDER / f"{last.run['model']}_x{last.run['scale']}.safetensors"
    weights.write(path, model, facts, dtype=dtype)
    log = path.with_suffix(".csv")
    write_bytes(log, logged.read_bytes())
    sums = {found.name: weights.digest(found) for found in sorted(weights.FOLDER.glob("*.safetensors"))}
    write_text(weights.FOLDER / weights.SUMS, "".join(f"{value}  {name}\n" for name, value in sums.items()))
    return [path, log, weights.FOLDER / weights.SUMS]


def main(argv: Sequence[str] | None = None) -> int:
    """Ship the runs that are named."""
    parser = Parser(
        prog="python -m replication.ship",
        description=__doc__,
        epilog="""examples:
  python -m replication.ship runs/smsrn_x4-cpu runs/msrn_x4-cpu
  tox -e ship -- runs/smsrn_x4-cpu        # the same, then measures, and makes card, tables and figures anew""",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder of a finished training run")
    parser.add_data()
    parser.add_results()
    arguments = parser.parse_args(argv)
    for folder in arguments.runs:
        for path in [*ship(folder, arguments.data), runs.save(arguments.results, folder)]:
            print(f"wrote {path}")
    print("next: python -m replication, python -m replication.model_card, python -m analysis")
    return 0


if __name__ == "__main__":
    run(main)
