"""Claims on the structure of the networks: layers, channels and numbers of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from analysis import paper
from analysis.claims.finding import Finding, Recomputed, Sources, exact, yes_or_no
from analysis.cost import closed_form, designs, equations
from analysis.cost.closed_form import Layer
from analysis.names import MSRN_ROW
from analysis.text import percentage
from replication.models import build, count_parameters

if TYPE_CHECKING:
    pass


def msrn() -> list[Layer]:
    """MSRN x4 in closed form."""
    return closed_form.msrn()


def smsrn() -> list[Layer]:
    """SMSRN x4 in closed form."""
    return closed_form.smsrn()


def named(layers: Sequence[Layer], name: str) -> Layer:
    """The layer of that name."""
    return next(layer for layer in layers if layer.name == name)


OURS = "This is so in the network whose number of parameters is the printed one (claims parameters-msrn and -smsrn)."


def scale(sources: Sources) -> Finding:
    """The enlargement of the networks, and its inverse."""
    factor = msrn()[-1].resolution
    reason = f"The upsampler with the printed number of parameters makes {factor}x{factor} pixels of one; 1/{factor}"
    return Finding(
        {"enlarged by": exact(factor), "downsampled by": exact(Fraction(1, factor))},
        f"{reason} is {1 / factor}.",
    )


def kernel_sizes(sources: Sources) -> Finding:
    """The kernels larger than 1x1."""
    sizes = sorted({layer.kernel for layer in msrn() if layer.kernel > 1})
    points = sum(layer.kernel == 1 for layer in msrn())
    values = {"first": exact(sizes[0]), "second": exact(sizes[-1]), "how many": exact(len(sizes))}
    return Finding(values, f"The kernels larger than 1x1. Beside them MSRN has {points} layers of 1x1. {OURS}")


def fusion(sources: Sources) -> Finding:
    """The layer that fuses the blocks' outputs."""
    layer = named(msrn(), "tail.0")
    values: dict[str, Recomputed] = {
        "kernel": exact(layer.kernel),
        "channels become fewer": yes_or_no(layer.out_channels < layer.in_channels),
    }
    return Finding(
        values, f"The outputs of the blocks and the head: {layer.in_channels} to {layer.out_channels}. {OURS}"
    )


def rgb_channels(sources: Sources) -> Finding:
    """Channels of the image at both ends."""
    first, last = msrn()[0].in_channels, msrn()[-1].out_channels
    value: Recomputed = exact(first) if first == last else f"{first} in, {last} out"
    return Finding({"channels": value}, f"Input and output of both networks. {OURS}")


def pointwise_kernel(sources: Sources) -> Finding:
    """The kernel of a point-wise convolution."""
    same = equations.standard(1, 64, 128) == equations.pointwise(64, 128)
    kernel = closed_form.separable_conv("", "", 3, 64, 128)[-1].kernel
    return Finding(
        {"kernel": exact(kernel)}, f"Equation 1 with W_k = 1 is {'' if same else 'NOT '}equation 3: the same operation."
    )


def block_channels(sources: Sources) -> Finding:
    """Channels inside a block of SMSRN."""
    layers = smsrn()
    firsts = [named(layers, f"body.0.{name}_1.pointwise").out_channels for name in ("conv_3", "conv_5")]
    last = named(layers, "body.0.confusion")
    values: dict[str, Recomputed] = {
        "each first layer": exact(firsts[0]) if firsts[0] == firsts[1] else str(firsts),
        "concatenated": exact(named(layers, "body.0.conv_3_2.depthwise").in_channels),
        "concatenated at the end": exact(last.in_channels),
        "last kernel": exact(last.kernel),
        "reduced to": exact(last.out_channels),
    }
    return Finding(values, f"Read from the layers of a block. {OURS}")


def parameters(name: str) -> Callable[[Sources], Finding]:
    """The number of parameters of one network: closed form, built, and how many other designs have it."""

    def recompute(sources: Sources) -> Finding:
        closed = closed_form.total_params({"msrn": msrn, "smsrn": smsrn}[name]())
        built = count_parameters(build(name))
        search = designs.paper_search()
        members = search.found.get(closed, [])
        value: Recomputed = exact(closed) if closed == built else f"{closed:,} in closed form, {built:,} built"
        reason = (
            f"Counted in closed form and in the built network. Of {search.size:,} designs {len(members)} "
            f"{'has' if len(members) == 1 else 'have'} this total: {members[0].words() if members else 'none'}."
        )
        return Finding({"parameters": value}, reason)

    return recompute


def share(sources: Sources) -> Finding:
    """SMSRN's parameters in percent of MSRN's."""
    light, full = closed_form.total_params(smsrn()), closed_form.total_params(msrn())
    part = Fraction(100 * light, full)
    rounded = f"{float(part):.2f} with two decimals, {float(part):.1f} with one"
    reason = f"{light:,} / {full:,} = {percentage(part, 4)}: {rounded}."
    return Finding({"SMSRN's parameters, % of MSRN's": exact(part)}, reason)


def msrn_luma(sources: Sources) -> Finding:
    """What another paper did."""
    original, repository = paper.published_row("MSRN (paper)"), paper.published_row(MSRN_ROW)
    reason = (
        "About another paper's network, which is not here. Its published number of parameters "
        f"({original.parameters:,}, rounded) is not that of the RGB network of its authors' later code "
        f"({repository.parameters:,}), which is this paper's."
    )
    return Finding({}, reason, undecided=True)


# Training and data
