import pytest
import torch

from replication import optimizers, recipe
from replication.models import build
from replication.recipe import Recipe

SOAP_RECIPE = {"optimizer": "soap", "learning_rate": "1e-3", "matrix_rate": "4e-3"}


def plan(**changes: str) -> Recipe:
    return recipe.load("cpu", SOAP_RECIPE | changes)


def rates(model: str, plan: Recipe) -> dict[str, tuple[str, float]]:
    """Optimiser and rate of every parameter at step 600 of a rate of 1e-3."""
    network = build(model)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = optimizers.build(network, plan)
    optimizers.set_rate(found, 1e-3)
    groups = [(type(optimizer).__name__, group) for optimizer in found for group in optimizer.param_groups]
    assert sum(len(group["params"]) for _, group in groups) == len(names), "each parameter once"
    return {names[id(parameter)]: (kind, group["lr"]) for kind, group in groups for parameter in group["params"]}


def test_wide_weights_go_to_soap_and_the_rest_to_adam() -> None:
    smsrn, msrn = rates("smsrn", plan()), rates("msrn", plan())
    assert smsrn["tail.1.weight"] == msrn["tail.1.weight"] == ("SOAP", pytest.approx(4e-3))  # 3x3 over 64 channels
    assert smsrn["body.0.conv_3_1.pointwise.weight"] == ("SOAP", pytest.approx(3 * 4e-3))  # sqrt(576 / 64)
    assert smsrn["body.0.conv_3_1.depthwise.weight"] == ("Adam", pytest.approx(8e-3))  # sqrt(576 / 9)
    assert msrn["body.0.conv_5_2.weight"] == ("SOAP", pytest.approx(4e-3 * (576 / (25 * 128)) ** 0.5))
    assert msrn["head.0.weight"][0] == "Adam", "27 inputs"
    for found in (smsrn, msrn):
        assert {value for name, value in found.items() if name.endswith("bias")} == {("Adam", 1e-3)}


def test_without_soap_and_shares_all_is_adam_at_one_rate() -> None:
    found = rates("smsrn", plan(optimizer="adam", rate_by_fan_in="false"))
    assert set(found.values()) == {("Adam", 1e-3)}


def test_the_average_forgets_its_start_and_follows_the_weights() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    average = {"weight": torch.zeros(1, 1)}
    with torch.no_grad():
        model.weight.fill_(1.0)
    for step in range(3):
        optimizers.moving_average(average, model, 0.999, step)
    assert average["weight"].item() == pytest.approx(1 - (1 / 10) * (2 / 11) * (3 / 12))
    before = average["weight"].item()
    optimizers.moving_average(average, model, 0.9, 10_000)
    assert average["weight"].item() == pytest.approx(1 - (1 - before) * 0.9)
