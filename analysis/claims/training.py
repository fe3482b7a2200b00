"""Claims on training and data: what cannot be seen from outside, and what the recipe repeats."""

from collections.abc import Callable

from analysis import paper
from analysis.claims.finding import Finding, Recomputed, Sources, exact
from analysis.claims.quality import measured_kept
from analysis.paper import BENCHMARKS
from replication import recipe
from replication.data import benchmarks

UNSEEN = "What the authors ran cannot be seen from outside."


def setting(reason: str, **keys: Callable[[recipe.Recipe], str]) -> Callable[[Sources], Finding]:
    """A setting of the paper's training: repeated by the recipe ``paper``, but what was run cannot be seen."""

    def recompute(sources: Sources) -> Finding:
        used = recipe.load("paper")
        values: dict[str, Recomputed] = {
            name.replace("_", " "): f"{value(used)} (recipe)" for name, value in keys.items()
        }
        text = UNSEEN + (" The recipe `replication/recipes/paper.toml` repeats what is printed." if keys else "")
        return Finding(values, f"{text} {reason}".strip(), undecided=True)

    return recompute


def augmentations(used: recipe.Recipe) -> str:
    """The augmentations that a recipe turns on."""
    on = {"scaling": len(used.scaling) > 1, "rotation": used.rotations, "flipping": used.flips}
    return ", ".join(name for name, is_on in on.items() if is_on)


def same_training(sources: Sources) -> Finding:
    """Whether the authors trained both networks under equal conditions."""
    return Finding({}, f"{UNSEEN} {measured_kept(sources, 'psnr')}", undecided=True)


def four_sets(sources: Sources) -> Finding:
    """The sets of Table 1 that are known here."""
    known = [name for name in paper.table1().msrn.scores if name in benchmarks.SIZES]
    sizes = ", ".join(f"{name} ({benchmarks.SIZES[name]} images)" for name in known)
    return Finding({"data sets": exact(len(known))}, f"The rows of Table 1: {sizes}.")


def pictured_images(sources: Sources) -> Finding:
    """The set that each pictured image belongs to."""
    names = {"baby", "comic", "102061", "img004"}
    values: dict[str, Recomputed] = {
        image: name for name in BENCHMARKS for image in benchmarks.manifest()[name] if image in names
    }
    return Finding(values, "Each is an image of that set, by the names under which the sets are published.")


_PATCH = "Whether the 256 pixels are HR or LR is not said (see results/assumptions.md)."

_LOSS = "Training here uses the mean absolute error, too (replication/train.py)."
