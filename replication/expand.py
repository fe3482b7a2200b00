"""Turn a trained SMSRN into an MSRN with the same output: where a training of MSRN can begin.

Every depth-wise separable convolution is a standard one with the weight W[o, i] = pointwise[o, i] · depthwise[i] and
the bias pointwise_bias + pointwise @ depthwise_bias. That is exact at the border, too, because the point-wise layer
follows the padding. So MSRN contains SMSRN, and what separability costs is what MSRN learns beyond this start.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from replication import weights
from replication.errors import Parser, run
from replication.models import build
from replication.models.layers import SeparableConv2d
from replication.models.msrn import MSRN


def standard_kernel(layer: SeparableConv2d) -> tuple[Tensor, Tensor]:
    """Weight (N, D, k, k) and bias (N) of the standard convolution that equals ``layer``."""
    pointwise, depthwise = layer.pointwise.weight[:, :, 0, 0], layer.depthwise.weight[:, 0]
    assert layer.pointwise.bias is not None
    assert layer.depthwise.bias is not None
    weight = torch.einsum("oi,ihw->oihw", pointwise, depthwise)
    return weight, layer.pointwise.bias + pointwise @ layer.depthwise.bias


@torch.no_grad()
def expand(smsrn: MSRN, msrn: MSRN) -> None:
    """Give ``msrn`` the parameters with which it computes what ``smsrn`` computes; their sizes must be the same."""
    state = {}
    separable = {name: layer for name, layer in smsrn.named_modules() if isinstance(layer, SeparableConv2d)}
    for name, layer in separable.items():
        state[f"{name}.weight"], state[f"{name}.bias"] = standard_kernel(layer)
    inside = tuple(f"{name}." for name in separable)
    state |= {name: value for name, value in smsrn.state_dict().items() if not name.startswith(inside)}
    msrn.load_state_dict(state)


def main(argv: Sequence[str] | None = None) -> int:
    """Read SMSRN's weights, expand them, and write MSRN's."""
    parser = Parser(
        prog="python -m replication.expand",
        description=f"{__doc__}\nThe new file's metadata names the weights that it came from.",
        epilog="""examples:
  python -m replication.expand runs/smsrn_x4-cpu/final.safetensors runs/expanded.safetensors
  python -m replication.train --model msrn --data data/train/BSDS400 --initial runs/expanded.safetensors""",
    )
    parser.add_argument("smsrn", type=Path, help="weights of SMSRN (.safetensors)")
    parser.add_argument("msrn", type=Path, help="where MSRN's weights are written")
    parser.add_argument("--scale", type=int, default=4, help="upscaling factor (default: %(default)s)")
    arguments = parser.parse_args(argv)
    smsrn, msrn = (build(name, scale=arguments.scale) for name in ("smsrn", "msrn"))
    facts = weights.load_file(smsrn, arguments.smsrn, model="smsrn", scale=arguments.scale)
    expand(smsrn, msrn)
    grown = {**facts, "model": "msrn", "expanded_from": weights.digest(arguments.smsrn)}
    weights.write(arguments.msrn, msrn, grown, dtype=torch.float32)
    print(f"wrote {arguments.msrn}")
    return 0


if __name__ == "__main__":
    run(main)
