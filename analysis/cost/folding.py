"""What folding saves, as one object of facts: layers after each step, ways to fold the tail, borders, verification."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from analysis.cost import closed_form
from analysis.cost.closed_form import FACTORS, Layer
from analysis.cost.folded import FoldedTail, best_tail, folded_msrn, folded_smsrn, folded_tails
from analysis.cost.verify import Check, verify_folded

SCALES = tuple(FACTORS)

Network = Callable[[int], list[Layer]]
"""Scale -> layers."""

NETWORKS: dict[str, tuple[Network, Network]] = {
    "SMSRN": (closed_form.smsrn, folded_smsrn),
    "MSRN": (closed_form.msrn, folded_msrn),
}
"""Each network as it is trained and as `replication.fold.fold` makes it."""


def steps(trained: Network, folded: Network, scale: int) -> dict[str, list[Layer]]:
    """A network's layers after each step of folding, by the step's name."""
    before = [layer for layer in trained(scale) if not layer.name.startswith("tail")]
    tails = {tail.start: tail for tail in folded_tails(scale)}
    biased = [replace(layer, bias=layer.bias or layer.groups > 1) for layer in folded(scale)]
    return {
        "as trained": trained(scale),
        "upsampler and last layer as one": [*before, *tails["tail.2.0"].layers],
        "the 3x3 before them too, where cheaper": [*before, *best_tail(scale).layers],
        "the last block's 1x1 into the tail's": biased,
        "depth-wise biases into point-wise ones": folded(scale),
    }


@dataclass(frozen=True)
class Folding:
    """All that the page on folding shows.

    ``steps``: layers by network, scale and step. ``tails``: every way to fold the tail, by scale; ``best``: the one
    that is used. ``checks``: closed form against the folded networks.
    """

    steps: Mapping[str, Mapping[int, Mapping[str, list[Layer]]]]
    tails: Mapping[int, list[FoldedTail]]
    best: Mapping[int, FoldedTail]
    checks: tuple[Check, ...]

    @property
    def verified(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)


def folding() -> Folding:
    """Compute and verify all of it: some minutes."""
    return Folding(
        {name: {scale: steps(*networks, scale) for scale in SCALES} for name, networks in NETWORKS.items()},
        {scale: folded_tails(scale) for scale in SCALES},
        {scale: best_tail(scale) for scale in SCALES},
        tuple(check for scale in SCALES for check in verify_folded(scale)),
    )
