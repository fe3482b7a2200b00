import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from replication import kernels
from replication.models import build
from replication.models.layers import SeparableConv2d

Gradients = dict[str, Tensor]


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def gradients(layer: nn.Module, x: Tensor, *, autocast: bool) -> Gradients:
    """Gradients of a weighted sum of the output, with respect to input and parameters."""
    x = x.clone().requires_grad_()
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        output = layer(x)
    weights = torch.rand(output.shape, generator=torch.Generator().manual_seed(1))
    (output.float() * weights).sum().backward()
    assert x.grad is not None
    return {
        "x": x.grad,
        **{name: value.grad.clone() for name, value in layer.named_parameters() if value.grad is not None},
    }


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("size", [(9, 14), (5, 5), (3, 2), (1, 1)])
@pytest.mark.parametrize("kernel", [5, 7])
def test_gradients_are_those_of_the_plain_operator(
    autocast: bool, size: tuple[int, int], kernel: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Conv2d(20, 20, kernel, padding=kernel // 2, groups=20))
    x = torch.rand(3, 20, *size).contiguous(memory_format=torch.channels_last)
    plain = gradients(layer, x, autocast=autocast)
    names = list(layer.state_dict())
    assert kernels.fast_depthwise(layer) == 1
    assert list(layer.state_dict()) == names
    fast = gradients(layer, x, autocast=autocast)
    assert fast.keys() == plain.keys() == {"x", "0.weight", "0.bias"}
    for name, value in plain.items():
        tolerance = {"rtol": 2e-2, "atol": 2e-1} if autocast else {"rtol": 1e-4, "atol": 1e-4}
        torch.testing.assert_close(fast[name], value, **tolerance, msg=name)


def test_the_number_of_threads_does_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = nn.Sequential(nn.Conv2d(32, 32, 5, padding=2, groups=32))
    kernels.fast_depthwise(layer)
    found = []
    for number in (1, 2, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda number=number: number)
        found.append(
            gradients(layer, torch.rand(2, 32, 11, 8, generator=torch.Generator().manual_seed(0)), autocast=False)
        )
    assert all(torch.equal(found[0]["0.weight"], other["0.weight"]) for other in found[1:])


def test_the_large_depthwise_layers_of_smsrn_are_found_and_none_of_msrn() -> None:
    smsrn = build("smsrn")
    assert kernels.fast_depthwise(smsrn) == 16  # two 5x5 in each of 8 blocks
    assert kernels.fast_depthwise(smsrn) == 0, "they are replaced already"
    assert kernels.fast_depthwise(build("msrn")) == 0


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 8, 5, padding=2),
        nn.Conv2d(8, 16, 5, padding=2, groups=8),
        nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False),
        nn.Conv2d(8, 8, 5, padding=2, groups=8, stride=2),
        nn.Conv2d(8, 8, 5, padding=4, groups=8, dilation=2),
        nn.Conv2d(8, 8, 5, padding=0, groups=8),
        nn.Conv2d(8, 8, 5, padding=2, groups=8, padding_mode="reflect"),
        nn.Conv2d(8, 8, (5, 3), padding=(2, 1), groups=8),
        nn.Conv2d(8, 8, 4, padding=2, groups=8),
    ],
)
def test_other_layers_are_left_alone(layer: nn.Module) -> None:
    model = nn.Sequential(layer)
    assert kernels.fast_depthwise(model) == 0
    assert model[0] is layer


def test_without_numba_the_plain_operator_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    layer = SeparableConv2d(8, 8, 5)
    assert kernels.fast_depthwise(layer) == 0
    assert isinstance(layer.depthwise, nn.Conv2d)


def test_pytorch_keeps_its_number_of_threads() -> None:
    """A Numba kernel with threads of its own would change it: both share OpenMP."""
    program = (
        "import torch; from torch import nn; from replication import kernels; torch.set_num_threads(1);"
        "layer = nn.Sequential(nn.Conv2d(8, 8, 5, padding=2, groups=8)); assert kernels.fast_depthwise(layer);"
        "layer(torch.rand(1, 8, 9, 9)).sum().backward(); print(torch.get_num_threads())"
    )
    root = Path(kernels.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


KEEP = """
import resource, sys, torch
from replication import kernels
if sys.argv[1] == "keep":
    assert kernels.keep_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    torch.ones(30 << 20)
before = faults()
for _ in range(10):
    torch.ones(30 << 20)
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_kept_memory_is_not_fetched_again() -> None:
    """Ten tensors of 120 MiB one after the other: page by page from the system, or from what was kept."""
    root = Path(kernels.__file__).parents[1]
    faults = {
        mode: int(
            subprocess.run(
                [sys.executable, "-c", KEEP, mode], cwd=root, capture_output=True, text=True, check=True
            ).stdout
        )
        for mode in ("plain", "keep")
    }
    # A block may be fetched once more where the heap lies badly; without keeping it is fetched each time.
    assert faults["keep"] < faults["plain"] / 3


def test_denormals_are_flushed_only_meanwhile() -> None:
    small, factor = torch.tensor(1e-30), torch.tensor(1e-9)
    assert small * factor != 0
    with kernels.denormals_flushed():
        assert small * factor == 0
    assert small * factor != 0
