"""Claims on the structure of the networks: what of it the printed numbers of parameters and others' counts decide.

`analysis.cost.designs` counts designs that differ in everything said here. What is read from its one common choice of
sizes is found, not put in; the multiply-adds that others published for MSRN are a second witness.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch

from analysis import paper
from analysis.claims.finding import Finding, Recomputed, Sources, exact, yes_or_no
from analysis.cost import closed_form, designs, equations
from analysis.cost.closed_form import Layer, Sizes, msrn, smsrn, standard_conv
from analysis.names import MSRN_ROW
from analysis.networks import catalogue
from analysis.paper import LAST_YEAR
from analysis.paper.printed import half_unit
from analysis.text import percent, percentage
from replication.models import build, count_parameters
from replication.models.layers import SeparableConv2d
from replication.models.layers import standard_conv as standard_layer
from replication.models.msrn import MultiScaleBlock


def named(layers: Sequence[Layer], name: str) -> Layer:
    """The layer of that name."""
    return next(layer for layer in layers if layer.name == name)


def common_sizes() -> Sizes | None:
    """The only sizes that a network with each of the printed totals can have; None where there are none or several."""
    common = designs.paper_search().common
    return common[0] if len(common) == 1 else None


def published_macs_fit(sizes: Sizes) -> bool:
    """Whether the standard network has the multiply-adds published for MSRN: its weights times the LR pixels."""
    printed = paper.published_row(MSRN_ROW).gmacs
    assert printed
    weights = sum(layer.weights for layer in closed_form.network(standard_conv, sizes))
    pixels = Fraction(closed_form.OUTPUT_WIDTH * closed_form.OUTPUT_HEIGHT, sizes.scale**2)
    return abs(weights * pixels / 10**9 - Fraction(printed)) <= half_unit(str(printed))


def decided(words: Callable[[Sizes], dict[str, Recomputed]], **choices: Sequence[Any]) -> Finding:
    """A finding on fields of `Sizes` that two witnesses decide: the printed totals, and the MACs that others published.

    ``words``: the claim's values, from the sizes. ``choices``: for each field the values that it could have. Where the
    two witnesses do not agree on one value of each, the claim gets none.
    """
    search, sizes = designs.paper_search(), common_sizes()
    start = sizes or Sizes()
    values, fits = words(start), {}
    for field, others in choices.items():
        fits[field] = [value for value in others if published_macs_fit(replace(start, **{field: value}))]
    if sizes is None or any(fitting != [getattr(sizes, field)] for field, fitting in fits.items()):
        values = dict.fromkeys(values, f"{len(search.common)} choices of sizes, others' MACs fit {fits}")
    tried = "; ".join(
        f"{field.replace('_', ' ')} {', '.join(map(_short, others))}: only "
        f"{', '.join(map(_short, fits[field])) or 'none'}"
        for field, others in choices.items()
    )
    reason = (
        f"Of {search.wide:,} designs of other scales, image channels, widths, numbers of blocks, kernels, second "
        f"layers and fusions (results/identify.md), {len(search.common)} choice of sizes meets both printed totals. "
        f"The {paper.published_row(MSRN_ROW).gmacs} G multiply-adds that others published for MSRN (weights times LR "
        f"pixels) fit, of {tried}."
    )
    return Finding(values, reason)


def _short(value: Any) -> str:
    return " and ".join(f"{kernel}x{kernel}" for kernel in value) if isinstance(value, tuple) else str(value)


def scale(sources: Sources) -> Finding:
    """The enlargement of the networks, and its inverse."""
    found = decided(
        lambda sizes: {"enlarged by": exact(sizes.scale), "downsampled by": exact(Fraction(1, sizes.scale))},
        scale=designs.SCALES,
    )
    table = paper.literature("msrn-at-scales")["Set5"]
    printed = paper.table1().msrn.scores["Set5"].psnr
    nearest = min(table, key=lambda factor: abs(float(table[factor]) - printed))
    values = (
        found.values if exact(int(nearest)) == found.values["enlarged by"] else dict.fromkeys(found.values, nearest)
    )
    listed = ", ".join(f"{value} dB at x{factor}" for factor, value in table.items())
    reason = (
        f"{found.reason} MSRN's authors have {listed} on Set5; the paper's {printed:.2f} dB is nearest to x{nearest}."
    )
    return Finding(values, reason)


def kernel_sizes(sources: Sources) -> Finding:
    """The kernels of the branches."""

    def values(sizes: Sizes) -> dict[str, Recomputed]:
        small, large = min(sizes.kernels), max(sizes.kernels)
        return {"first": exact(small), "second": exact(large), "how many": exact(len({small, large}))}

    return decided(values, kernels=designs.KERNELS)


def fusion(sources: Sources) -> Finding:
    """The layer that joins the blocks' outputs."""

    def values(sizes: Sizes) -> dict[str, Recomputed]:
        fewer = sizes.width < (sizes.blocks + 1) * sizes.width
        return {"kernel": exact(sizes.fusion), "channels become fewer": yes_or_no(fewer)}

    return decided(values, fusion=(1, 3))


def rgb_channels(sources: Sources) -> Finding:
    """Channels of the image, and what networks of the years before the paper take."""
    found = decided(lambda sizes: {"channels": exact(sizes.channels)}, channels=designs.CHANNELS)
    recent = [name for name in catalogue.SHOWN if 2017 <= (paper.published_row(name).year or 0) <= LAST_YEAR]
    rgb = [name for name in recent if catalogue.COUNTED[name].channels == 3]
    luma = [name for name in recent if name not in rgb]
    reason = (
        f"{found.reason} Of {len(recent)} networks of 2017 to {LAST_YEAR} that are built here, {len(rgb)} take RGB "
        f"(not: {', '.join(luma) or 'none'})."
    )
    return Finding(found.values, reason)


def block_channels(sources: Sources) -> Finding:
    """Channels inside a block, those of SMSRN's being those of MSRN's."""

    def values(sizes: Sizes) -> dict[str, Recomputed]:
        return {
            "each first layer": exact(sizes.width),
            "concatenated": exact(2 * sizes.width),
            "concatenated at the end": exact(2 * sizes.second * sizes.width),
            "last kernel": exact(sizes.block_fusion),
            "reduced to": exact(sizes.width),
        }

    return decided(values, width=designs.WIDTHS, second=(1, 2), block_fusion=(1, 3))


def same_structure(sources: Sources) -> Finding:
    """Whether one set of sizes gives both networks."""
    search = designs.paper_search()
    reason = (
        f"Of {search.wide:,} designs {len(search.common)} choice of sizes meets both totals, so MSRN and SMSRN differ "
        "in their convolutions alone."
    )
    scope = "sizes; connections and orders of concatenation have no parameters and follow MSRN's public code"
    return Finding({"one structure": yes_or_no(len(search.common) == 1)}, reason, scope)


def large_kernels(sources: Sources) -> Finding:
    """Which share of MSRN's parameters its larger kernels have."""
    total = closed_form.total_params(msrn())
    shares = {
        kernel: Fraction(sum(layer.params for layer in msrn() if layer.kernel == kernel), total) for kernel in (1, 3, 5)
    }
    listed = ", ".join(f"{kernel}x{kernel} layers {percent(share)}" for kernel, share in shares.items())
    return Finding(
        {"the 5x5 layers have most parameters": yes_or_no(shares[5] > Fraction(1, 2))},
        f"Of MSRN's {total:,} parameters the {listed}.",
    )


def replaced_layers(sources: Sources) -> Finding:
    """The layers that are separable in the design with SMSRN's printed total."""
    (design,) = designs.paper_search().found[paper.table1().smsrn.parameters]
    block = {"block first pair", "block second pair"}
    more = sorted(design.separable - block)
    only_block = replace(design, separable=frozenset(block)).params
    return Finding(
        {"the block's convolutions are separable": yes_or_no(block <= design.separable)},
        f"The design with the printed total has these groups of layers separable: "
        f"{', '.join(sorted(design.separable))}. "
        f"With the block's alone the network has {only_block:,} parameters instead of {design.params:,}.",
        f"the block; the printed number needs the {', '.join(more)} separable, too, which the text does not say",
    )


def block_residual(sources: Sources) -> Finding:
    """Whether a block here adds its input: with a last layer that gives nothing, it returns it."""
    block = MultiScaleBlock(SeparableConv2d, 8)
    for parameter in block.confusion.parameters():
        torch.nn.init.zeros_(parameter)
    given = torch.linspace(-1, 1, 8 * 9).view(1, 8, 3, 3)
    with torch.no_grad():
        same = torch.equal(block(given), given)
    source = paper.literature("msrn-block")
    does = f"`{source['says']}` ({source['source']})"
    reason = f"Adding has no parameters, so no count shows it. MSRN's authors do it: {does}."
    return Finding({"input is added": yes_or_no(same)}, reason, adopted=True)


def depthwise_alone(sources: Sources) -> Finding:
    """How many output channels of the depth-wise layer a change in one input channel reaches."""
    layer = SeparableConv2d(8, 4, 3).depthwise
    given = torch.zeros(1, 8, 5, 5)
    changed = given.clone()
    changed[0, 2] = 1
    with torch.no_grad():
        reached = [int(channel) for channel in (layer(changed) - layer(given)).abs().amax((0, 2, 3)).nonzero()]
    reason = (
        f"Channel 2 of 8 changed: the output changes in channel {', '.join(map(str, reached))}. A layer that mixed "
        "channels would have N times the weights of equation 2, and SMSRN another total (parameters-smsrn)."
    )
    return Finding({"each channel on its own": yes_or_no(reached == [2])}, reason)


def equal_maps(sources: Sources) -> Finding:
    """What the equations assume of kernels and maps, on the layers that are built here."""
    kernels = {layer.kernel_size for layer in build("msrn").modules() if isinstance(layer, torch.nn.Conv2d)}
    given = torch.zeros(1, 4, 6, 9)
    with torch.no_grad():
        shapes = {conv(4, 8, kernel)(given).shape for conv in (standard_layer, SeparableConv2d) for kernel in (3, 5)}
    values: dict[str, Recomputed] = {
        "W_k = H_k": yes_or_no(all(high == wide for high, wide in kernels)),
        "equal output maps": yes_or_no(shapes == {torch.Size((1, 8, 6, 9))}),
    }
    reason = "Read from the built layers, on a map of 6 x 9: W = H is assumed, too, and not needed, as both cancel."
    return Finding(values, reason)


def pointwise_kernel(sources: Sources) -> Finding:
    """The kernel for which equation 1 is equation 3."""
    same = [
        kernel
        for kernel in (1, 3, 5)
        if all(equations.standard(kernel, d, n) == equations.pointwise(d, n) for d in (3, 64) for n in (64, 128))
    ]
    value: Recomputed = exact(same[0]) if len(same) == 1 else str(same)
    return Finding({"kernel": value}, f"Of W_k = 1, 3, 5, equation 1 equals equation 3 for {same}: the same operation.")


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


def first_msrn(channels: int) -> list[Layer]:
    """The network of MSRN's first code (OLD/model.py) at x4: the same blocks, one upsampling layer for both factors."""
    width, blocks = Sizes().width, Sizes().blocks
    layers = standard_conv("conv_input", "head", 3, channels, width)
    layers += [layer for layer in msrn() if layer.group.startswith("block")]
    layers += standard_conv("bottle", "tail 1x1", 1, (blocks + 1) * width, width)
    layers += standard_conv("conv", "upsampler", 3, width, width * Sizes().scale ** 2)
    return [*layers, *standard_conv("conv_output", "last", 3, width, channels)]


def msrn_luma(sources: Sources) -> Finding:
    """The channels of the network of MSRN's paper, by its published number of parameters and by its authors' words."""
    published, code = paper.published_row("MSRN (paper)").parameters, paper.literature("msrn-on-luma")
    assert published
    totals = {channels: closed_form.total_params(first_msrn(channels)) for channels in designs.CHANNELS}
    unit = catalogue.printed_unit(published)
    fitting = [channels for channels, total in totals.items() if abs(total - published) * 2 <= unit]
    value: Recomputed = (
        exact(fitting[0]) if fitting == [code["channels"]] else f"{fitting}, in the code {code['channels']}"
    )
    listed = ", ".join(f"{total:,} with {channels}" for channels, total in totals.items())
    reason = (
        f'Its authors: "{code["says"]}" ({code["source"]}). That code\'s network has {listed} channels; published are '
        f"{published:,}, rounded. The network of their later code, which is this paper's, takes RGB."
    )
    return Finding({"channels": value}, reason)
