"""What multiply-adds are worth on this processor: time and memory of networks, and the arithmetic floor.

All is measured in one run, in rounds of shuffled order, so that other load affects all equally. The
floor is the time that a network's MACs would take at the speed of a large matrix product, about the most that torch
reaches on this processor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import nn

from analysis.networks.copies import copied, first_line
from analysis.networks.inputs import Inputs
from replication.benchmark import resident
from replication.errors import UserError
from replication.rounds import Step, in_rounds

SIDE = 1024
"""Rows and columns of the matrices whose product sets the floor."""

PRODUCT = "matrix product"


@dataclass(frozen=True)
class Timed:
    """Seconds of one network in each round, and its MACs.

    ``memory``: bytes by which the first run raised the process's resident memory at its peak; None where the system
    does not report it.
    """

    name: str
    macs: int
    seconds: tuple[float, ...]
    memory: int | None

    @property
    def median(self) -> float:
        """Median seconds."""
        return median(self.seconds)


@dataclass(frozen=True)
class Timing:
    """Networks timed in one run on ``threads`` threads, and the matrix product that sets the floor."""

    networks: tuple[Timed, ...]
    product: Timed
    threads: int

    @property
    def rate(self) -> float:
        """MACs per second of the matrix product."""
        return self.product.macs / self.product.median

    def over_floor(self, one: Timed) -> float:
        """How many times the arithmetic floor the network takes; infinite without MACs."""
        return one.median * self.rate / one.macs if one.macs else float("inf")


def timed(networks: Mapping[str, tuple[nn.Module, int]], inputs: Inputs, *, threads: int, rounds: int) -> Timing:
    """Time each network (with its MACs) on ``inputs``, on the processor, after a first run that is not counted.

    Raises UserError when one does not run.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        steps: dict[str, Step] = {}
        memory: dict[str, int | None] = {}
        for name, (network, _) in networks.items():
            steps[name] = _step(network, inputs)
            memory[name] = _first_run(name, steps[name])
        left, right = (torch.rand(SIDE, SIDE, dtype=torch.float32) for _ in range(2))
        steps[PRODUCT] = lambda: left @ right
        steps[PRODUCT]()
        seconds = in_rounds(steps, rounds, f"{threads} thread(s)", warm_up=False)
    finally:
        torch.set_num_threads(before)
    found = [Timed(name, networks[name][1], tuple(seconds[name]), memory[name]) for name in networks]
    product = Timed(PRODUCT, SIDE**3, tuple(seconds[PRODUCT]), None)
    return Timing(tuple(found), product, threads)


def _step(network: nn.Module, inputs: Inputs) -> Step:
    module = copied(network, meta=False)
    positional, keywords = inputs.made(module, torch.device("cpu"))

    def step() -> object:
        with torch.inference_mode():
            return module(*positional, **keywords)

    return step


def _first_run(name: str, step: Step) -> int | None:
    resettable = Path("/proc/self/clear_refs").exists()
    before = resident("VmRSS") if resettable else 0
    if resettable:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    try:
        step()
    except Exception as error:  # somebody else's forward, now with values
        raise UserError(f"{name} does not run with values: {first_line(error)}") from error
    return max(0, resident("VmHWM") - before) if resettable else None
