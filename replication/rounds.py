"""Timing things against each other in rounds of shuffled order, so that other load affects all of them equally."""

import random
from collections.abc import Callable, Hashable, Mapping
from time import perf_counter
from typing import TypeVar

from tqdm import tqdm

Key = TypeVar("Key", bound=Hashable)
Step = Callable[[], object]


def seconds_of(step: Step) -> float:
    """Seconds of one run."""
    begin = perf_counter()
    step()
    return perf_counter() - begin


def in_rounds(
    steps: Mapping[Key, Step], rounds: int, label: str, *, warm_up: bool = True,
    release: Mapping[Key, Step] | None = None,
) -> dict[Key, list[float]]:  # fmt: skip
    """Seconds of each step in each of ``rounds``; in every round each runs once, in an order of its own.

    ``warm_up``: one round goes before them, which is not counted. ``release``: what frees the memory that a step
    leaves behind; it runs after the step and is no part of its time. ``label`` stands before the progress bar.
    """
    seconds: dict[Key, list[float]] = {key: [] for key in steps}
    order, shuffled = list(steps), random.Random(0)
    with tqdm(total=(rounds + warm_up) * len(order), desc=label, unit="run", disable=None) as bar:
        for number in range(rounds + warm_up):
            shuffled.shuffle(order)
            for key in order:
                spent = seconds_of(steps[key])
                if release:
                    release[key]()
                if number >= warm_up:
                    seconds[key].append(spent)
                bar.update()
    return seconds
