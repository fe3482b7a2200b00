"""A user's network and its inputs, by the name that the command line gives: MODULE:NAME, FILE.py:NAME, or published."""

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from analysis.names import MSRN_ROW
from analysis.networks.catalogue import COUNTED
from analysis.networks.copies import first_line
from analysis.networks.inputs import Inputs
from replication.errors import UserError

FOREIGN = (Exception, SystemExit)
"""What somebody else's code may raise: a script may end the program where it is imported or called."""


def published_name(name: str) -> str:
    """``name`` as `COUNTED` spells it, where it is the name of a published network in any case; else as it is."""
    known = {"msrn": MSRN_ROW, **{one.lower(): one for one in COUNTED}}
    return known.get(name.lower(), name)


def user_network(name: str) -> nn.Module:
    """The network that ``name`` names: one of `COUNTED`, or ``module:network``, importable from this folder.

    What the module has by that name is a network, or a class or function that makes one without arguments. Raises
    UserError, in one line, when there is no such thing, when it fails, and when what it returns is no torch network.
    """
    if name in COUNTED:
        return COUNTED[name].factory()
    close = difflib.get_close_matches(name, COUNTED, n=3) or COUNTED
    found = named(name, "NETWORK", f"MODULE:NETWORK, FILE.py:NETWORK or a published one ({', '.join(close)})")
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise UserError(f"NETWORK: expected a network, function or class as {name}, got {type(found).__name__}")
    network = _called(found, name, "NETWORK")
    if not isinstance(network, nn.Module):
        raise UserError(f"NETWORK: expected {name} to return a torch.nn.Module, got {type(network).__name__}")
    return network


def _called(function: Callable[[], Any], name: str, option: str) -> Any:
    try:
        with _own_arguments(name):
            return function()
    except FOREIGN as error:
        raise UserError(f"{option}: {name} fails without arguments: {first_line(error)}") from error


@contextmanager
def _own_arguments(name: str) -> Iterator[None]:
    """No arguments of this command for code that parses some where it is imported or called."""
    before, sys.argv = sys.argv, [name]
    try:
        yield
    finally:
        sys.argv = before


def user_inputs(name: str) -> Inputs:
    """What the function ``module:function`` gives: a tuple is arguments by position, a dictionary by keyword.

    A tuple of both is both; anything else is the one argument. Raises UserError in one line.
    """
    function = named(name, "--inputs-from", "MODULE:FUNCTION")
    if not callable(function):
        raise UserError(f"--inputs-from: expected a function as {name}, got {type(function).__name__}")
    result = _called(function, name, "--inputs-from")
    if isinstance(result, tuple) and len(result) == 2:
        positional, keywords = result
        if isinstance(positional, tuple) and isinstance(keywords, Mapping):
            return Inputs(positional, keywords)
    if isinstance(result, Mapping):
        return Inputs((), {str(key): value for key, value in result.items()})
    return Inputs(result if isinstance(result, tuple) else (result,))


def named(name: str, option: str, expected: str) -> Any:
    """What ``MODULE:NAME`` or ``FILE.py:NAME`` names, with dots in NAME for what is inside."""
    module_name, colon, inner = name.rpartition(":")
    if not (module_name and colon and inner):
        raise UserError(f"{option}: expected {expected}, got {name!r}")
    found: Any = _imported(module_name, option)
    for part in inner.split("."):
        if not hasattr(found, part):
            raise UserError(f"{option}: expected something called {inner!r} in {module_name!r}, found none")
        found = getattr(found, part)
    return found


def _imported(name: str, option: str) -> ModuleType:
    is_file = name.endswith(".py")
    folder = str(Path(name).resolve().parent if is_file else Path.cwd())
    sys.path.insert(0, folder)
    try:
        with _own_arguments(name):
            return _of_file(Path(name), option) if is_file else importlib.import_module(name)
    except UserError:
        raise
    except FOREIGN as error:
        hint = "; a file of a package is named as package.module:NETWORK" if "relative import" in str(error) else ""
        raise UserError(f"{option}: cannot import {name!r}: {first_line(error)}{hint}") from error
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:  # behind all others, for what the network imports when it is made or runs
            sys.path.append(folder)


def _of_file(path: Path, option: str) -> ModuleType:
    """The module of a file, under a name that hides no other module's."""
    name = f"_file_{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None or not path.is_file():
        raise UserError(f"{option}: expected a Python file, found none: {path}")
    module = sys.modules[name] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
