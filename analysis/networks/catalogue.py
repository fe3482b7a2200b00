"""The other networks counted: parameters and multiply-adds, the published ones, and what recursion saves."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from torch import nn

from analysis import paper
from analysis.cost.closed_form import OUTPUT_HEIGHT, OUTPUT_WIDTH
from analysis.names import MSRN_ROW
from analysis.networks.counter import Count, count, on_meta
from replication.models import build
from replication.models.zoo import NETWORKS, Network

COUNTED: dict[str, Network] = {
    **NETWORKS,
    "MSRN (repo, 2018-11 retrain)": Network(lambda: build("msrn"), 3),
    MSRN_ROW: Network(lambda: build("msrn"), 3),
    "SMSRN": Network(lambda: build("smsrn"), 3),
}
"""Every row of sota_x4.csv whose network this package can build."""

SHOWN = [name for name in COUNTED if name != "MSRN (repo, 2018-11 retrain)"]
"""The rows of the table: each network once."""

RECURSIVE = ("DRCN", "DRRN", "MemNet")

CONVENTION = (
    f"MACs: one is one multiply-add, for one output of {OUTPUT_WIDTH}x{OUTPUT_HEIGHT} at x4, in G (1e9). Bias is "
    "excluded from the MACs and included in the parameters; weights are the kernels of the convolutions alone. All but "
    "convolutions is 0 MACs."
)


@cache
def counted(name: str) -> Count:
    """Parameters, and MACs for a 1280x720 output, of a network of `COUNTED`."""
    network = COUNTED[name]
    return count(on_meta(network.factory), network.input_shape(OUTPUT_HEIGHT, OUTPUT_WIDTH))


def weights(name: str) -> int:
    """Number of kernel weights of all convolutions, without biases and other learned values."""
    return sum(layer.weights for layer in counted(name).convolutions)


def printed_unit(value: int) -> int:
    """What the last printed digit of a published number of parameters is worth: 57000 was printed as 57K."""
    zeros = len(str(value)) - len(str(value).rstrip("0"))
    return int(10**zeros)


def agreement(value: float | Decimal, printed: int | Decimal, unit: int | Decimal) -> str:
    """Whether ``value`` is what was printed: ``"yes"`` when it rounds to it, ``"last digit"`` when it is less than one
    of the last printed digit away, otherwise ``"no"``.
    """
    distance = abs(Decimal(value) - printed) / unit
    return "yes" if distance <= Decimal("0.5") else "last digit" if distance < 1 else "no"


def parameters_agree(name: str, published: int | None) -> str:
    """Which of our two counts is the published one, in a word or two."""
    if published is None:
        return ""
    unit = printed_unit(published)
    fits = [
        what
        for what, value in (("parameters", counted(name).params), ("weights", weights(name)))
        if agreement(value, published, unit) == "yes"
    ]
    return {0: "no", 1: f"yes: {fits[0] if fits else ''}", 2: "yes"}[len(fits)]


def macs_agree(name: str, published: Decimal | None) -> str:
    """Whether our MACs are the published ones; empty where nothing was published."""
    if published is None:
        return ""
    last_digit = Decimal(1).scaleb(int(published.as_tuple().exponent))
    return agreement(Decimal(counted(name).macs) / 10**9, published, last_digit)


@dataclass(frozen=True)
class Explained:
    """A printed number that is not our count, and what it counts instead.

    ``value`` computes what the text says, in the unit of ``printed``; a test compares the two.
    """

    network: str
    quantity: str
    printed: Decimal
    value: Callable[[], float]
    text: str


def _transposed_at_output() -> float:
    scale_squared = 16
    found = counted("FSRCNN")
    transposed = [layer.macs for layer in found.convolutions if isinstance(layer.module, nn.ConvTranspose2d)]
    return (found.macs + (scale_squared - 1) * sum(transposed)) / 1e9


def _weights_once(name: str) -> float:
    _, _, height, width = COUNTED[name].input_shape(OUTPUT_HEIGHT, OUTPUT_WIDTH)
    return weights(name) * height * width / 1e9


def _one_reconstruction() -> float:
    found = counted("DRCN")
    repeated = [layer.macs // layer.calls for layer in found.convolutions if layer.name.startswith("reconstruction")]
    recursions = next(layer.calls for layer in found.convolutions if layer.name.startswith("inference"))
    return (found.macs - (recursions - 1) * sum(repeated)) / 1e9


def _with_pooling() -> float:
    gates = [layer for layer in counted("RCAN").convolutions if layer.positions == 1 and layer.module.in_channels == 64]
    pooled = sum(layer.module.in_channels for layer in gates) * OUTPUT_HEIGHT * OUTPUT_WIDTH // 16
    return (counted("RCAN").macs + pooled) / 1e9


EXPLAINED = (
    Explained(
        "FSRCNN",
        "G MACs",
        Decimal("4.6"),
        _transposed_at_output,
        "applies the 9x9 transposed convolution at every output pixel. With stride 4 the kernel is applied at every "
        "input pixel, a sixteenth of that.",
    ),
    Explained(
        MSRN_ROW,
        "G MACs",
        Decimal("349.8"),
        lambda: _weights_once(MSRN_ROW),
        "multiplies all weights by the pixels of the LR image. The second layer of the upsampler runs at twice that "
        "resolution, the last layer at four times.",
    ),
    Explained(
        "RCAN",
        "G MACs",
        Decimal(918),
        _with_pooling,
        "is met when each value that enters a global average pooling counts as one MAC, as fvcore counts it.",
    ),
    Explained(
        "SRResNet",
        "parameters",
        Decimal(1_518_000),
        lambda: counted("EDSR-baseline").params,
        "is EDSR-baseline's count: SRResNet without batch normalisation and PReLU and with 3x3 layers at both ends, as "
        "later papers retrained it. The 2017 paper's network has 9x9 ends and more parameters.",
    ),
    Explained(
        "DRCN",
        "G MACs",
        Decimal("9788.7"),
        _one_reconstruction,
        "is printed elsewhere (the table has 17974.3), and applies the reconstruction once instead of after each "
        "recursion.",
    ),
    Explained(
        "MemNet",
        "G MACs",
        Decimal("623.9"),
        lambda: _weights_once("MemNet"),
        "is printed elsewhere (the table has 2662.4), and multiplies all weights by the pixels: each shared layer "
        "counted once, though it is applied six times.",
    ),
    Explained("FSRCNN", "parameters", Decimal(13_000), lambda: counted("FSRCNN").params, "includes biases and PReLU."),
    Explained("VDSR", "parameters", Decimal(666_000), lambda: counted("VDSR").params, "includes biases."),
    Explained("DRRN", "parameters", Decimal(298_000), lambda: counted("DRRN").params, "includes biases."),
    Explained("MemNet", "parameters", Decimal(678_000), lambda: counted("MemNet").params, "includes biases."),
)
"""Printed numbers that differ from our count, or from another printed number (see analysis/paper/SOURCES.md)."""


class Separate(nn.Module):
    """A layer with weights of its own each time that it runs: (`calls` copies, used in turn)."""

    def __init__(self, layer: nn.Module, calls: int) -> None:
        super().__init__()
        self.copies = nn.ModuleList(deepcopy(layer) for _ in range(calls))
        self.turn = 0

    def forward(self, *inputs: Any) -> Any:
        self.turn += 1
        return self.copies[(self.turn - 1) % len(self.copies)](*inputs)


@cache
def unshared(name: str) -> Count:
    """A network of `COUNTED` rebuilt so that no convolution shares weights with another, and counted."""
    network = on_meta(COUNTED[name].factory)
    for layer in counted(name).convolutions:
        if layer.calls > 1:
            network.set_submodule(layer.name, Separate(network.get_submodule(layer.name), layer.calls))
    return count(network, COUNTED[name].input_shape(OUTPUT_HEIGHT, OUTPUT_WIDTH))


def disagreements() -> list[str]:
    """Published numbers that neither our count nor an entry of `EXPLAINED` gives: for a verification."""
    found = []
    for name in SHOWN:
        published = paper.published_row(name)
        for quantity, printed, verdict in (
            ("parameters", published.parameters, parameters_agree(name, published.parameters)),
            ("G MACs", published.gmacs, macs_agree(name, published.gmacs)),
        ):
            known = any((one.network, one.quantity, one.printed) == (name, quantity, printed) for one in EXPLAINED)
            if verdict == "no" and not known:
                found.append(f"{name}: {quantity} {printed} published")
    return found
