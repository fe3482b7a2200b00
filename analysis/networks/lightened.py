"""Networks lightened: counted before and after, with what equation 5 predicts, which must be what is counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

from torch import nn

from analysis.cost.closed_form import OUTPUT_HEIGHT, OUTPUT_WIDTH
from analysis.names import MSRN_ROW
from analysis.networks.catalogue import COUNTED, SHOWN, counted
from analysis.networks.copies import is_lazy
from analysis.networks.counter import Convolved, Count, count, initialised, on_meta
from analysis.networks.inputs import Inputs, given
from replication.errors import UserError
from replication.lighten import USED_DIRECTLY, Change, Choose, Report, everything, lighten, papers_choice


@dataclass(frozen=True)
class Lightened:
    """One network before and after, for one input, with its convolutions before."""

    title: str
    before: Count
    after: Count
    report: Report
    layers: dict[str, Convolved]
    lighter: nn.Module = field(repr=False)

    @property
    def replaced_macs(self) -> int:
        """MACs of the replaced layers, before."""
        return sum(self.layers[change.name].macs for change in self.report.changes)

    @property
    def kept_macs(self) -> int:
        """MACs of all else: what cannot shrink, or was not chosen."""
        return self.before.macs - self.replaced_macs

    @property
    def predicted_macs(self) -> Fraction:
        """MACs after, by equation 5 for each replaced layer."""
        return self.kept_macs + sum(
            (self.layers[change.name].macs * change.exact_ratio for change in self.report.changes), Fraction(0)
        )

    @property
    def used(self) -> list[Change]:
        """The replaced layers that this input runs through."""
        return [change for change in self.report.changes if self.layers[change.name].calls]


def study(
    title: str,
    module: nn.Module,
    inputs: Sequence[int] | Inputs,
    choose: Choose = everything,
    *,
    from_weights: bool = False,
    before: Count | None = None,
) -> Lightened:
    """Lighten ``module`` and count both for one run on ``inputs``: a shape (B, C, H, W), or `Inputs`.

    ``before``: the count of ``module`` on these inputs, where it is known.

    Layers whose weight the network reads past them are left alone. Raises UserError when there is no convolution to
    replace or none of them runs, when the network or the lightened one does not run, and when the lightened one has
    other MACs than equation 5 predicts.
    """
    asked = inputs if isinstance(inputs, Inputs) else given(tuple(inputs))
    before = before or _counted(title, "the given network", module, asked)
    if is_lazy(module):
        module = initialised(module, asked)
    keep = dict.fromkeys(before.outside, USED_DIRECTLY)
    lighter, report = lighten(module, choose=choose, from_weights=from_weights, keep=keep)
    if not report.changes:
        raise UserError(
            f"{title}: expected a standard convolution with a kernel larger than 1x1, found none to replace"
            + "".join(f"; {name}: {reason}" for name, reason in list(report.left.items())[:3])
        )
    layers = {layer.name: layer for layer in before.convolutions}
    if not any(layers[change.name].calls for change in report.changes):
        names = ", ".join(change.name for change in report.changes[:3])
        raise UserError(f"{title}: none of the convolutions that can be replaced runs ({names}): nothing would change")
    if not before.macs:
        raise UserError(f"{title}: expected multiply-adds that depend on the input, found none")
    after = _counted(title, "the lightened network", lighter, asked)
    case = Lightened(title, before, after, report, layers, lighter)
    if case.predicted_macs != after.macs:
        raise UserError(
            f"{title}: expected {float(case.predicted_macs):,.0f} MACs after the replacement, by equation 5, counted "
            f"{after.macs:,}: a replaced layer still runs somewhere, or the network depends on what its layers are"
        )
    return case


def _counted(title: str, which: str, module: nn.Module, inputs: Inputs) -> Count:
    try:
        return count(module, inputs)
    except UserError as error:
        raise UserError(f"{title}: " + str(error).replace("the network", which, 1)) from error


@cache
def published() -> tuple[Lightened, ...]:
    """The published networks, every standard convolution replaced, and MSRN with the paper's choice of layers."""
    cases = []
    for name in SHOWN:
        if name == "SMSRN":
            continue
        network = COUNTED[name]
        shape = network.input_shape(OUTPUT_HEIGHT, OUTPUT_WIDTH)
        module, before = on_meta(network.factory), counted(name)
        if name == MSRN_ROW:
            cases.append(study("MSRN, paper's layers", module, shape, papers_choice, before=before))
            cases.append(study("MSRN, all layers", module, shape, before=before))
        else:
            cases.append(study(name, module, shape, before=before))
    return tuple(cases)
