"""A user's network and its inputs, by the name that the command line gives: MODULE:NAME, FILE.py:NAME, or published."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from analysis.networks.catalogue import COUNTED
from analysis.networks.copies import first_line
from analysis.networks.inputs import Inputs
from replication.errors import UserError


def user_network(name: str, option: str = "--network") -> nn.Module:
    """The network that ``name`` names: one of `COUNTED`, or ``module:network``, importable from this folder.

    What the module has by that name is a network, or a class or function that makes one without arguments. Raises
    UserError, in one line, when there is no such thing, when it fails, and when what it returns is no torch network.
    """
    if name in COUNTED:
        return COUNTED[name].factory()
    found = named(name, option, f"MODULE:NETWORK or one of {', '.join(COUNTED)}")
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise UserError(f"{option}: expected a network, function or class as {name}, got {type(found).__name__}")
    try:
        network = found()
    except Exception as error:  # somebody else's code
        raise UserError(f"{option}: {name} fails without arguments: {first_line(error)}") from error
    if not isinstance(network, nn.Module):
        raise UserError(f"{option}: expected {name} to return a torch.nn.Module, got {type(network).__name__}")
    return network


def user_inputs(name: str) -> Inputs:
    """What the function ``module:function`` gives: a tuple is arguments by position, a dictionary by keyword.

    A tuple of both is both; anything else is the one argument. Raises UserError in one line.
    """
    function = named(name, "--inputs-from", "MODULE:FUNCTION")
    if not callable(function):
        raise UserError(f"--inputs-from: expected a function as {name}, got {type(function).__name__}")
    try:
        result = function()
    except Exception as error:  # somebody else's code
        raise UserError(f"--inputs-from: {name} fails without arguments: {first_line(error)}") from error
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
    folder = str(Path(name).resolve().parent if name.endswith(".py") else Path.cwd())
    sys.path.insert(0, folder)
    try:
        if not name.endswith(".py"):
            return importlib.import_module(name)
        specification = importlib.util.spec_from_file_location(Path(name).stem, name)
        if specification is None or specification.loader is None or not Path(name).is_file():
            raise UserError(f"{option}: expected a Python file, found none: {name}")
        module = importlib.util.module_from_spec(specification)
        sys.modules[Path(name).stem] = module
        specification.loader.exec_module(module)
        return module
    except UserError:
        raise
    except Exception as error:  # somebody else's module: importing it can do anything
        raise UserError(f"{option}: cannot import {name!r}: {first_line(error)}") from error
    finally:
        sys.path.remove(folder)
