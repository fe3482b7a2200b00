"""The published networks lightened: counted before and after, with what equation 5 predicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from torch import nn

from analysis.cost.closed_form import OUTPUT_HEIGHT, OUTPUT_WIDTH
from analysis.names import MSRN_ROW
from analysis.networks.catalogue import COUNTED, SHOWN
from analysis.networks.counter import Convolved, Count, convolutions, count, on_meta
from replication.errors import UserError
from replication.lighten import Change, Choose, Report, everything, lighten, papers_choice


@dataclass(frozen=True)
class Lightened:
    """One network before and after, for one input, with its convolutions before."""

    title: str
    before: Count
    after: Count
    report: Report
    layers: dict[str, Convolved]

    @property
    def replaced_macs(self) -> int:
        """MACs of the replaced layers, before."""
        return sum(self.layers[change.name].macs for change in self.report.changes)

    @property
    def kept_macs(self) -> int:
        """MACs of all else: what cannot shrink, or was not chosen."""
        return self.before.macs - self.replaced_macs

    @property
    def predicted_macs(self) -> float:
        """MACs after, by equation 5 for each replaced layer."""
        shrunk = sum(self.layers[change.name].macs * change.ratio for change in self.report.changes)
        return self.kept_macs + shrunk

    @property
    def used(self) -> list[Change]:
        """The replaced layers that this input runs through."""
        return [change for change in self.report.changes if self.layers[change.name].calls]


def study(title: str, module: nn.Module, input_shape: Sequence[int], choose: Choose = everything) -> Lightened:
    """Lighten ``module`` with fresh weights and count both for one input of ``input_shape`` (B, C, H, W).

    Raises UserError when it has no convolution to replace or does not run on such an input.
    """
    lighter, report = lighten(module, choose=choose)
    if not report.changes:
        raise UserError(
            f"{title}: expected a standard convolution with a kernel larger than 1x1, found none to replace"
            + "".join(f"; {name}: {reason}" for name, reason in list(report.left.items())[:3])
        )
    layers = {layer.name: layer for layer in convolutions(module, input_shape)}
    return Lightened(title, count(module, input_shape), count(lighter, input_shape), report, layers)


@cache
def published() -> tuple[Lightened, ...]:
    """The published networks, every standard convolution replaced, and MSRN with the paper's choice of layers."""
    cases = []
    for name in SHOWN:
        if name == "SMSRN":
            continue
        network = COUNTED[name]
        shape = network.input_shape(OUTPUT_HEIGHT, OUTPUT_WIDTH)
        module = on_meta(network.factory)
        if name == MSRN_ROW:
            cases.append(study("MSRN, paper's layers", module, shape, papers_choice))
            cases.append(study("MSRN, all layers", module, shape))
        else:
            cases.append(study(name, module, shape))
    return tuple(cases)
