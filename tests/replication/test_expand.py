from pathlib import Path

import pytest
import torch

from replication import weights
from replication.errors import UserError
from replication.expand import expand, main
from replication.models import build
from replication.models.msrn import MSRN


def random_smsrn() -> MSRN:
    """SMSRN with every parameter random, biases included."""
    torch.manual_seed(0)
    model = build("smsrn")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.eval()


@pytest.mark.parametrize("size", [(9, 13), (1, 1), (2, 5)])
@torch.no_grad()
def test_the_expanded_network_computes_the_same_borders_included(size: tuple[int, int]) -> None:
    smsrn, msrn = random_smsrn(), build("msrn").eval()
    x = torch.rand(1, 3, *size)
    before = msrn(x)
    expand(smsrn, msrn)
    expected, found = smsrn(x), msrn(x)
    scale = expected.abs().max()
    assert (found - expected).abs().max() < 1e-5 * scale
    assert (before - expected).abs().max() > 0.1 * scale


def test_the_command_writes_weights_that_name_their_origin(tmp_path: Path) -> None:
    smsrn = random_smsrn()
    source, target = tmp_path / "smsrn.safetensors", tmp_path / "msrn.safetensors"
    weights.write(source, smsrn, {"model": "smsrn", "scale": 4, "step": 7}, dtype=torch.float32)
    main([str(source), str(target)])
    msrn = build("msrn").eval()
    facts = weights.load_file(msrn, target, model="msrn", scale=4)
    assert (facts["expanded_from"], facts["step"]) == (weights.digest(source), 7)
    x = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(msrn(x), smsrn(x), rtol=1e-4, atol=1e-4)
    with pytest.raises(UserError, match="holds msrn x4, expected smsrn x4"):
        main([str(target), str(tmp_path / "x.safetensors")])
    assert not (tmp_path / "x.safetensors").exists()
