"""Dead filters: those behind whose ReLU nothing comes, wherever in whichever of some images.

A dead filter adds nothing to them, and gets no gradient from them. Other images may make it fire, so a share is always
one on certain images: those that validate while training, the embedded photographs in records. Steps that are too large
for a layer kill filters; a network that has lost many is smaller than its design, which comparisons must say.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from replication import validation
from replication.data import benchmarks

RELUS = (torch.ops.aten.relu.default, torch.ops.aten.relu_.default)


class _Peaks(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The largest output by channel of each ReLU, in the order in which they run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in RELUS:
            self.found.append(result.amax((0, 2, 3)))
        return result


def share(model: nn.Module, images: Iterable[Tensor]) -> float:
    """Share of ``model``'s filters with a ReLU that are dead on ``images``, each (1, 3, H, W) in 0..1.

    Raises ValueError for a model that uses no ReLU.
    """
    model.eval()
    peaks: list[Tensor] = []
    for image in images:
        with torch.no_grad(), _Peaks() as mode:
            model(image)
        peaks = [torch.maximum(*pair) for pair in zip(peaks, mode.found, strict=True)] if peaks else mode.found
    if not peaks:
        raise ValueError("expected a network with ReLUs and an image, found none")
    return float((torch.cat(peaks) <= 0).float().mean())


def embedded_images(scale: int) -> list[Tensor]:
    """The embedded photographs, shrunk by ``scale``: (1, 3, H, W) in 0..1."""
    return [validation.low(image.load(), scale) for image in benchmarks.embedded().images]
