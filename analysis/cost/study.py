"""The cost of MSRN and SMSRN as one object of facts: equations, layers of both networks, and the verification."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.cost import closed_form
from analysis.cost import verify as verification
from analysis.cost.closed_form import Layer
from analysis.cost.equations import CHANNELS, KERNELS, equation_row
from analysis.cost.verify import Check
from replication.errors import UserError


@dataclass(frozen=True)
class Study:
    """What was asked and what came out; ``checks`` is None when nothing was verified."""

    scale: int
    width: int
    blocks: int
    equations: list[dict[str, int | float]]
    networks: dict[str, list[Layer]]
    checks: list[Check] | None

    @property
    def verified(self) -> bool | None:
        """True: every check holds. False: one does not. None: not verified."""
        return None if self.checks is None else all(check.ok for check in self.checks)

    @property
    def groups(self) -> list[tuple[str, list[Layer], list[Layer]]]:
        """Groups of layers, with those of MSRN and of SMSRN; the whole networks last, as "total"."""
        msrn, smsrn = self.networks["msrn"], self.networks["smsrn"]
        after = closed_form.by_group(smsrn)
        groups = [(name, before, after.get(name, [])) for name, before in closed_form.by_group(msrn).items()]
        return [*groups, ("total", msrn, smsrn)]

    @property
    def macs_saved(self) -> float:
        """SMSRN's saving of MSRN's MACs, 0..1."""
        return 1 - closed_form.total_macs(self.networks["smsrn"]) / closed_form.total_macs(self.networks["msrn"])

    @property
    def params_saved(self) -> float:
        """SMSRN's saving of MSRN's parameters, 0..1."""
        return 1 - closed_form.total_params(self.networks["smsrn"]) / closed_form.total_params(self.networks["msrn"])


def study(
    scale: int = 4,
    width: int = 64,
    blocks: int = 8,
    kernels: Sequence[int] = KERNELS,
    channels: Sequence[tuple[int, int]] = CHANNELS,
    verify: bool = True,
) -> Study:
    """Compute everything that the command shows; ``channels`` are pairs of input and output channels.

    Raises UserError for sizes that make no network or layer, and where verification lacks a package.
    """
    equations = [equation_row(kernel, *pair) for pair in channels for kernel in kernels]
    networks = {
        "msrn": closed_form.msrn(scale, width, blocks),
        "smsrn": closed_form.smsrn(scale, width, blocks),
    }
    checks = None
    if verify:
        try:
            checks = [*verification.verify_equations(equations), *verification.verify(scale, width, blocks)]
        except ModuleNotFoundError as error:
            raise UserError(f"verification needs the package {error.name}: install it, or ask --no-verify") from error
    return Study(scale, width, blocks, equations, networks, checks)


def as_json(result: Study) -> str:
    """The whole study as JSON text."""
    networks: dict[str, Any] = {}
    for name, layers in result.networks.items():
        networks[name] = {
            "params": closed_form.total_params(layers),
            "macs_per_lr_pixel": closed_form.total_macs(layers),
            "gmacs_720p": closed_form.gmacs_720p(layers, result.scale),
            "layers": [
                {**asdict(layer), "params": layer.params, "macs_per_lr_pixel": layer.macs_per_lr_pixel}
                for layer in layers
            ],
        }
    whole = {"equations": result.equations, "networks": networks, "verified": result.verified}
    return json.dumps(whole, indent=2) + "\n"
