"""The examples in docstrings of the functions that people call give what they say."""

import doctest
from importlib import import_module

import pytest

EXAMPLES = {
    "replication.models": "build",
    "replication.images.resize": "imresize",
    "replication.images.metrics": "psnr",
    "replication.fold": "fold",
    "replication.upscale": "upscale",
    "replication.lighten": "lighten",
    "analysis.networks.counter": "count",
}


@pytest.mark.parametrize(("module", "function"), EXAMPLES.items())
def test_examples(module: str, function: str) -> None:
    imported = import_module(module)
    finder = doctest.DocTestFinder(recurse=False)
    (found,) = finder.find(getattr(imported, function), name=function, globs=vars(imported).copy())
    assert found.examples, "no example"
    assert doctest.DocTestRunner().run(found).failed == 0
