"""What stands next to every comparison of two trainings: seeds, how the recipe came about, the validation images."""

from collections.abc import Mapping
from typing import Any

from analysis.names import DISPLAY
from analysis.text import percent
from replication.recipe import load
from replication.records import TrainingRun

RECIPE = (
    "The recipe's rates were chosen in short runs of SMSRN by its validation images, and MSRN was then seen to train "
    "at them, too (replication/recipes/cpu.toml): with rates of its own MSRN may do better. SOAP's rate was halved "
    "when it was seen to kill filters; trainings by another recipe than today's say in what it differs."
)


def other_recipe(ours: Mapping[str, Any]) -> str:
    """In what a short training differs from the paper's besides its length, by its own recipe."""
    theirs = load("paper").as_dict()
    different = []
    if ours["optimizer"] != theirs["optimizer"]:
        different.append(f"{OPTIMIZERS[ours['optimizer']]} ({OPTIMIZERS[theirs['optimizer']]})")
    if ours["batch_size"] != theirs["batch_size"]:
        different.append(f"{ours['batch_size']} patches a step ({theirs['batch_size']})")
    if ours["hr_patch"] != theirs["hr_patch"]:
        different.append(f"patches of {ours['hr_patch']} HR pixels a side ({theirs['hr_patch']})")
    if (list(ours["scaling"]) == [1.0]) != (list(theirs["scaling"]) == [1.0]):
        different.append("no scaling where the setting names none (scaling)")
    if not different:
        return ""
    return (
        f"The trainings are of another kind than the paper's, which is in brackets: {', '.join(different)}, other "
        "images. A share of the paper's training compares the pixels that were seen, and nothing else."
    )


OPTIMIZERS = {"adam": "Adam", "soap": "SOAP"}


DEAD = (
    "A dead filter here is one behind whose ReLU nothing comes on any of the embedded photographs: it adds nothing to "
    "them. Other images may make it fire, and further training may bring it back. Steps that are too large for a layer "
    "kill filters, and a network that has lost many is smaller than its design: where the two networks have lost "
    "different shares, the loss may not be that of separability alone."
)


def dead_text(*runs: TrainingRun) -> str:
    """The share of filters that are dead at the end of one training, or from the least to the most of several."""
    shares = [run.dead_filters for run in runs if run.dead_filters is not None]
    if len(shares) < len(runs):
        return "unknown"
    least, most = percent(min(shares)), percent(max(shares))
    return most if least == most else f"{least.removesuffix(' %')} to {most}"


ONE_SEED = "one seed of each network: how much a difference varies with the seed is not known from it."


def validation_text(last: Mapping[str, float]) -> str:
    """Which network the validation images put first at the end of the training; ``last``: PSNR in dB by network."""
    values = ", ".join(f"{DISPLAY[model]} {value:.3f} dB" for model, value in last.items())
    first = max(last, key=lambda model: last[model])
    gap = max(last.values()) - min(last.values())
    order = f"{DISPLAY[first]} first by {gap:.3f} dB" if gap else "both level"
    return f"On the validation images, which are no benchmark: {values}; {order}."
