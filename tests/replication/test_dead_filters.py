"""Dead filters are counted by channel and ReLU, over all images together."""

import pytest
import torch
from torch import nn

from replication import dead_filters
from replication.models import build


class Small(nn.Module):
    """Two ReLUs, one of them called as a function: of 6 filters, those are dead that their biases kill."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 1)
        self.relu = nn.ReLU(inplace=True)
        for layer in (self.one, self.two):
            nn.init.constant_(layer.weight, 0.01)
            nn.init.zeros_(layer.get_parameter("bias"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.two(self.relu(self.one(x))))


WHITE, BLACK = torch.ones(1, 3, 5, 6), torch.zeros(1, 3, 7, 4)


def test_alive_on_one_image_is_alive() -> None:
    model = Small()
    assert dead_filters.share(model, [WHITE]) == 0
    assert dead_filters.share(model, [BLACK]) == 1
    assert dead_filters.share(model, [BLACK, WHITE]) == dead_filters.share(model, [WHITE, BLACK]) == 0


def test_the_share_is_of_all_filters() -> None:
    model = Small()
    with torch.no_grad():
        model.get_parameter("one.bias")[1] = -1.0  # what an input of 0..1 adds is at most 27 * 0.01
    assert dead_filters.share(model, [WHITE]) == pytest.approx(1 / 6)
    with torch.no_grad():
        model.get_parameter("two.bias").fill_(-1.0)
    assert dead_filters.share(model, iter([WHITE, BLACK])) == pytest.approx(3 / 6)


def test_a_network_without_relu_is_refused() -> None:
    with pytest.raises(ValueError, match="ReLUs"):
        dead_filters.share(nn.Conv2d(3, 3, 1), [WHITE])


def test_our_networks_have_all_their_relus() -> None:
    """8 blocks of 64, 64, 128 and 128 filters, all open but those of one layer."""
    model = build("smsrn")
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.startswith("body") and name.endswith("pointwise.bias"):
                value.fill_(-1e6 if name == "body.2.conv_5_2.pointwise.bias" else 1e3)
    assert dead_filters.share(model, dead_filters.embedded_images(4)[:1]) == pytest.approx(128 / 3072)
