"""What stands next to every comparison of two trainings: seeds, how the recipe came about, the validation images."""

from collections.abc import Mapping, Sequence

from analysis.names import DISPLAY

RECIPE = (
    "The recipe's rates were chosen in short runs of SMSRN by its validation images, and MSRN was then seen to train "
    "at them, too (replication/recipes/cpu.toml): with rates of its own MSRN may do better."
)


def seeds_text(seeds: Sequence[int]) -> str:
    """How many seeds there are, and what that means for a difference."""
    count = len(set(seeds))
    if count == 1:
        return "One seed of each network: how much of a difference is chance of the training is not known from it."
    return f"{count} seeds of each network."


def validation_text(last: Mapping[str, float]) -> str:
    """Which network the validation images put first at the end of the training; ``last``: PSNR in dB by network."""
    values = ", ".join(f"{DISPLAY[model]} {value:.3f} dB" for model, value in last.items())
    first = max(last, key=lambda model: last[model])
    gap = max(last.values()) - min(last.values())
    order = f"{DISPLAY[first]} first by {gap:.3f} dB" if gap else "both level"
    return f"On the validation images, which are no benchmark: {values}; {order}."
