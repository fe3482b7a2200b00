"""What a network is given: shapes and types written as text or as tuples, tensors, keywords."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from replication.errors import UserError


@dataclass(frozen=True)
class Shape:
    """A tensor to be made: its sizes, and its type (None: that of the network's own values)."""

    sizes: tuple[int, ...]
    dtype: torch.dtype | None = None

    def __str__(self) -> str:
        sizes = "x".join(map(str, self.sizes)) or "scalar"
        return sizes if self.dtype is None else f"{sizes}:{str(self.dtype).removeprefix('torch.')}"


@dataclass(frozen=True)
class Inputs:
    """The arguments of one run: shapes, tensors or whatever else the network takes, by position and by keyword."""

    positional: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        named = [f"{name}={_words(value)}" for name, value in self.keywords.items()]
        return ", ".join([*map(_words, self.positional), *named]) or "nothing"

    def made(self, module: nn.Module, device: torch.device) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with a tensor in place of every shape, on ``device``.

        Random numbers in 0..1 where values matter, the same each time; zeros for whole numbers, which may be indices.
        """
        random = torch.Generator().manual_seed(0)

        def make(value: Any) -> Any:
            if isinstance(value, Tensor):
                return value.to(device)
            if not isinstance(value, Shape):
                return value
            dtype = value.dtype or own_dtype(module)
            if device.type == "meta" or not dtype.is_floating_point:
                return torch.zeros(value.sizes, dtype=dtype, device=device)
            return torch.rand(value.sizes, generator=random).to(device, dtype)

        positional, keywords = tree_map(make, (self.positional, dict(self.keywords)))
        return positional, keywords


def _words(value: Any) -> str:
    if isinstance(value, Tensor):
        return str(Shape(tuple(value.shape), value.dtype))
    if isinstance(value, tuple | list):
        return "(" + ", ".join(map(_words, value)) + ")"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_words(one)}" for name, one in value.items()) + "}"
    return str(value)


def own_dtype(module: nn.Module) -> torch.dtype:
    """The type of the network's first floating-point value; float32 where it has none."""
    for value in (*module.parameters(), *module.buffers()):
        if value.is_floating_point():
            return value.dtype
    return torch.float32


def given(*positional: Any, keywords: Mapping[str, Any] | None = None) -> Inputs:
    """Inputs of what a caller passes: a tuple of whole numbers or text like ``1x3x64x64:float16`` is a shape.

    Everything else is handed to the network as it is, and so is all that `Inputs` holds.
    """
    return Inputs(tuple(map(_read, positional)), {name: _read(value) for name, value in (keywords or {}).items()})


def _read(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"\d+(x\d+)*(:\w+)?", value):
        return parse_shape(value)
    if isinstance(value, tuple) and value and all(isinstance(one, int) and not isinstance(one, bool) for one in value):
        return Shape(value)
    return value


def parse_shape(text: str) -> Shape:
    """The shape that ``1x3x64x64`` or ``2x10:int64`` writes. Raises UserError naming the text."""
    sizes, _, dtype = text.partition(":")
    numbers = sizes.replace(" ", "").split("x")
    found = getattr(torch, dtype, None) if dtype else None
    if not all(one.isdecimal() and int(one) > 0 for one in numbers) or (dtype and not isinstance(found, torch.dtype)):
        raise UserError(f"--input: expected a shape like 1x3x64x64 or 2x10:int64, got {text!r}")
    return Shape(tuple(map(int, numbers)), found)


def parse(words: Sequence[Sequence[str]]) -> Inputs:
    """Inputs as the command line writes them, one list of words for each ``--input``.

    Separate numbers (``3 180 320``) are one sample, and a batch of 1 is put before them. With ``x`` the shape is whole
    (``1x3x180x320:float16``), and ``name=`` before it passes it as a keyword. Raises UserError for anything else.
    """
    positional: list[Shape] = []
    keywords: dict[str, Shape] = {}
    for group in words:
        if len(group) > 1 or group[0].isdecimal():
            last, colon, dtype = group[-1].partition(":")
            if not all(one.isdecimal() for one in (*group[:-1], last)):
                raise UserError(
                    f"--input: expected whole numbers (3 180 320) or one shape (1x3x64x64), got {' '.join(group)!r}; "
                    "each further input has an --input of its own, and NETWORK comes first"
                )
            positional.append(parse_shape("x".join(["1", *group[:-1], last]) + colon + dtype))
            continue
        name, equals, text = group[0].rpartition("=")
        if not equals:
            positional.append(parse_shape(text))
        elif not name.isidentifier() or name in keywords:
            raise UserError(f"--input: expected name=SHAPE with a new name, got {group[0]!r}")
        else:
            keywords[name] = parse_shape(text)
    return Inputs(tuple(positional), keywords)
