"""Which command to run in place of a module that is none: said by ``python -m`` of such a module, in one line."""

import sys
from collections.abc import Mapping
from pathlib import Path

INSTEAD = {
    "replication": "replication",
    "replication.backends": "replication.upscale",
    "replication.batch": "replication.upscale",
    "replication.checkpoint": "replication.train",
    "replication.data": "replication.data",
    "replication.data.patches": "replication.train",
    "replication.depthwise_gradient": "replication.train",
    "replication.fold": "replication.export",
    "replication.images": "replication.upscale",
    "replication.images.metrics": "replication.evaluate",
    "replication.kernels": "replication.train",
    "replication.lighten": "analysis.lighten",
    "replication.models": "replication.evaluate",
    "replication.models.zoo": "replication.benchmark_networks",
    "replication.network": "replication.upscale",
    "replication.optimizers": "replication.train",
    "replication.phone": "replication.export",
    "replication.recipe": "replication.train",
    "replication.run": "replication.train",
    "replication.runtimes": "replication.upscale",
    "replication.sharing": "replication.upscale",
    "replication.validation": "replication.train",
    "replication.weights": "replication.export",
}
"""The command that uses a module, by the module or the package that it is in; the longest name decides."""


def explain(instead: Mapping[str, str]) -> None:
    """Exit with one line if ``python -m`` is about to run a module that is no command; else do nothing.

    A package calls this where it begins, because no later code of it runs before such a module.
    """
    if sys.argv[:1] != ["-m"]:  # what stands there while Python looks for the module, and never else
        return
    module = sys.orig_argv[-len(sys.argv)].removeprefix("-m")
    command = command_for(module, instead)
    if command:
        print(f"error: {module} is not a command; run: python -m {command} --help", file=sys.stderr)
        sys.exit(2)


def command_for(module: str, instead: Mapping[str, str]) -> str | None:
    """The command in place of ``module``; None if it is one itself, is not there, or belongs to others."""
    place = Path(__file__).parents[1].joinpath(*module.split("."))
    sources = [place.with_name(f"{place.name}.py"), place / "__main__.py"]
    if not (place / "__init__.py").is_file() and not sources[0].is_file():
        return None
    if any(path.is_file() and '\nif __name__ == "__main__":\n' in path.read_text(encoding="utf-8") for path in sources):
        return None
    above = module
    while above and above not in instead:
        above = above.rpartition(".")[0]
    return instead.get(above)
