"""Claims on training and data: what cannot be seen from outside, and is adopted here."""

from collections.abc import Callable

import torch

from analysis.claims.finding import Finding, Recomputed, Sources, yes_or_no
from analysis.paper import BENCHMARKS
from replication import optimizers, recipe
from replication.crops import PAPERS
from replication.data import benchmarks
from replication.records import TrainingRun

UNSEEN = "What the authors ran cannot be seen from outside. Read from the recipe `replication/recipes/paper.toml`"


def setting(reason: str = "", **keys: Callable[[recipe.Recipe], str]) -> Callable[[Sources], Finding]:
    """A setting of the paper's training that the recipe ``paper`` adopts: ``keys`` read it, and type nothing."""

    def recompute(sources: Sources) -> Finding:
        used = recipe.load("paper")
        values: dict[str, Recomputed] = {name.replace("_", " "): value(used) for name, value in keys.items()}
        made = [_recipe(run) for run in sources.runs]
        same = sum(all(value(one) == value(used) for value in keys.values()) for one in made)
        recorded = f"It is so in {same} of the {len(made)} trainings recorded here." if made else ""
        return Finding(values, " ".join(part for part in (f"{UNSEEN}.", reason, recorded) if part), adopted=True)

    return recompute


def _recipe(run: TrainingRun) -> recipe.Recipe:
    """The recipe of a run, for the options that it shares with today's."""
    today = recipe.load("paper").as_dict()
    return recipe.from_dict(today | {key: run.recipe[key] for key in today.keys() & run.recipe.keys()}, run.file_name)


def augmentations(used: recipe.Recipe) -> str:
    """The augmentations that a recipe turns on."""
    on = {"scaling": len(used.scaling) > 1, "rotation": used.rotations, "flipping": used.flips}
    return ", ".join(name for name, is_on in on.items() if is_on)


def optimiser(used: recipe.Recipe) -> str:
    """The class of the optimiser that is built from a recipe."""
    return " and ".join(type(one).__name__ for one in optimizers.build(torch.nn.Conv2d(4, 4, 1), used))


LOSSES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean absolute error": lambda difference: difference.abs().mean(),
    "mean squared error": lambda difference: difference.square().mean(),
    "root mean squared error": lambda difference: difference.square().mean().sqrt(),
    "sum of absolute errors": lambda difference: difference.abs().sum(),
}


def loss(used: recipe.Recipe) -> str:
    """What the training loop minimises, by its value on two tensors."""
    from replication.train import objective  # brings the whole training loop, which no other claim needs

    one, other = torch.tensor([0.0, 0.5, 2.0]), torch.tensor([1.0, 0.25, 2.5])
    found = [name for name, function in LOSSES.items() if torch.isclose(objective(one, other), function(one - other))]
    return ", ".join(found) or "another"


def same_training(sources: Sources) -> Finding:
    """Whether both networks are trained here by one process."""
    pairs = sources.rungs
    listed = "; ".join(rung.name for rung in pairs)
    reason = (
        "What the authors ran cannot be seen from outside. Here a pair of trainings counts as equal if recipe, seed, "
        f"images, their order and precision are the same; recorded and measured: {listed or 'none'} "
        "(results/training_ladder.md)."
    )
    return Finding({"one process for both": yes_or_no(bool(pairs))}, reason, adopted=True)


def pictured_images(sources: Sources) -> Finding:
    """The set that each pictured image belongs to."""
    names = {name for _, name in PAPERS}
    values: dict[str, Recomputed] = {
        image: name for name in BENCHMARKS for image in benchmarks.manifest()[name] if image in names
    }
    return Finding(values, "Each is an image of that set, by the names under which the sets are published.")
