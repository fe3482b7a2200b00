"""Training recipes: TOML files read into one typed, frozen dataclass."""

import dataclasses
import hashlib
import json
import math
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from replication.errors import UserError

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights a training ends with, except model, scale, seed and images.

    The text at each key is what ``--help`` shows.
    """

    dataset: Annotated[Literal["DIV2K", "any"], "DIV2K requires its 800 training images, any takes what is there"]
    holdout: Annotated[int, "images at the end of the first folder, sorted by name, kept for validation"]
    hr_patch: Annotated[int, "side of a patch in HR pixels"]
    batch_size: Annotated[int, "patches in a step, of all processes together"]
    sampling: Annotated[Literal["image", "area"], "images are drawn equally often, or in proportion to their pixels"]
    flips: Annotated[bool, "mirror half of the patches"]
    rotations: Annotated[bool, "turn patches by multiples of 90 degrees"]
    scaling: Annotated[tuple[float, ...], "factors by which the images are shrunk beforehand, each equally likely"]
    steps: Annotated[int, "optimiser steps in all"]
    steps_per_epoch: Annotated[int, "validation, log and checkpoint come once an epoch"]
    optimizer: Annotated[Literal["adam", "soap"], "soap: SOAP for the matrices among the weights, Adam for the rest"]
    learning_rate: Annotated[float, "Adam's rate"]
    matrix_rate: Annotated[float, "SOAP's rate; 0 without it"]
    rate_by_fan_in: Annotated[bool, "a share of the rate for each layer, see replication.optimizers"]
    beta1: Annotated[float, "Adam's decay of the mean gradient"]
    beta2: Annotated[float, "Adam's decay of the mean squared gradient"]
    epsilon: Annotated[float, "Adam's"]
    gradient_clip: Annotated[float, "largest norm of the gradient; 0 = off"]
    ema_decay: Annotated[float, "decay a step of an average of the weights, kept next to them; 0 = off"]
    warmup_steps: Annotated[int, "steps over which the rate rises at first"]
    schedule: Annotated[
        Literal["constant", "halving", "decay"],
        "then constant, halved every halving_steps, or constant and falling over the last decay_fraction of all steps",
    ]
    halving_steps: Annotated[int, "for the schedule halving"]
    decay_fraction: Annotated[float, "for the schedule decay"]
    start: Annotated[Literal["default", "identity"], "PyTorch's start, or that of replication.models.start"]
    fold_upsampler: Annotated[bool, "compute upsampler and last convolution as one 5x5 convolution"]
    channels_last: Annotated[bool, "memory format"]
    precision: Annotated[
        Literal["fp32", "bf16", "auto"],
        "bf16 is mixed; auto is bf16 where the device has instructions for it, else fp32",
    ]
    fast_depthwise: Annotated[bool, "CPU: depth-wise weight gradients compiled by Numba, where it is installed"]
    keep_memory: Annotated[bool, "CPU: the allocator keeps what it got from the system (glibc)"]
    compile: Annotated[bool, "torch.compile, worth its minutes on a GPU"]

    def __post_init__(self) -> None:
        for name in ("hr_patch", "batch_size", "steps", "steps_per_epoch", "learning_rate", "epsilon"):
            if not getattr(self, name) > 0:
                raise UserError(f"recipe key {name!r}: expected a value above 0, got {getattr(self, name)}")
        for name in ("holdout", "matrix_rate", "gradient_clip", "warmup_steps", "halving_steps", "decay_fraction"):
            if not getattr(self, name) >= 0:
                raise UserError(f"recipe key {name!r}: expected 0 or more, got {getattr(self, name)}")
        if not self.scaling or not all(0 < factor <= 1 for factor in self.scaling):
            raise UserError(f"recipe key 'scaling': expected factors above 0 and at most 1, got {list(self.scaling)}")
        for name in ("beta1", "beta2", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"recipe key {name!r}: expected 0 or more and less than 1, got {getattr(self, name)}")
        if self.decay_fraction > 1:
            raise UserError(f"recipe key 'decay_fraction': expected at most 1, got {self.decay_fraction}")
        if self.schedule == "halving" and not self.halving_steps:
            raise UserError("recipe key 'halving_steps': expected a value above 0 for the schedule 'halving', got 0")
        if self.optimizer == "soap" and not self.matrix_rate:
            raise UserError("recipe key 'matrix_rate': expected a value above 0 for the optimizer 'soap', got 0")

    def rate(self, step: int) -> float:
        """Learning rate of optimiser step ``step``, counted from 0 to ``steps`` - 1."""
        factor = 1.0
        if step < self.warmup_steps:
            factor = (step + 1) / (self.warmup_steps + 1)
        if self.schedule == "halving":
            factor *= 0.5 ** (step // self.halving_steps)
        if self.schedule == "decay" and step >= self.decay_begin:
            # 1 - sqrt falls fast at first; ends lower than a line or a cosine of that length (Hägele et al. 2024).
            factor *= 1 - math.sqrt((step - self.decay_begin) / (self.steps - self.decay_begin))
        return self.learning_rate * factor

    @property
    def decay_begin(self) -> int:
        """First step of the schedule "decay" at which the rate falls."""
        return round(self.steps * (1 - self.decay_fraction))

    @property
    def seen_pixels(self) -> int:
        """HR pixels that the whole training looks at: the budget that two recipes are compared by."""
        return self.steps * self.batch_size * self.hr_patch**2

    def as_dict(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    def digest(self) -> str:
        """SHA-256 of the recipe's values, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()


FIELDS: dict[str, Any] = typing.get_type_hints(Recipe)
"""Recipe keys and their types."""
MEANINGS: dict[str, str] = {
    key: kind.__metadata__[0] for key, kind in typing.get_type_hints(Recipe, include_extras=True).items()
}
"""Recipe keys and what they mean."""


def names() -> list[str]:
    """The recipes that ship with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str, overrides: Mapping[str, str] | None = None) -> Recipe:
    """Read a shipped recipe by name, or a TOML file by path, with ``overrides`` given as text in place of its values.

    Raises UserError for a file that is missing or no TOML, and names a key that is unknown, absent or of a wrong type.
    """
    path = FOLDER / f"{name}.toml" if name in names() else Path(name)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(names())
        raise UserError(f"recipe {name!r}: expected one of {known} or a TOML file ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"recipe {path} is no valid TOML: {error}") from error
    for key, text in (overrides or {}).items():
        values[key] = _checked(key, _parse(text), source="command line")
    return from_dict(values, source=str(path))


def optimizers_in_words(values: Mapping[str, Any]) -> str:
    """The optimisers of a recipe's ``values`` with their rates."""
    adam = f"Adam {values['learning_rate']:g}"
    if values.get("optimizer") != "soap":
        return adam
    return f"SOAP {values['matrix_rate']:g} for matrices, {adam} for the rest"


def differing(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Those ``values`` of a recipe that the shipped recipe ``name`` has otherwise today."""
    today = load(name).as_dict()
    return {key: value for key, value in values.items() if key in today and value != today[key]}


def from_dict(values: Mapping[str, Any], source: str) -> Recipe:
    """Build a recipe from plain values, checking every key and type. Raises UserError naming ``source`` and the key."""
    for key in values:
        if key not in FIELDS:
            raise UserError(f"{source}: unknown recipe key {key!r}; known are {', '.join(FIELDS)}")
    for key in FIELDS:
        if key not in values:
            raise UserError(f"{source}: recipe key {key!r} is missing")
    return Recipe(**{key: _checked(key, value, source) for key, value in values.items()})


def _checked(key: str, value: Any, source: str) -> Any:
    """``value`` as the type that ``key`` has; whole numbers are accepted where a float is expected."""
    kind = FIELDS[key]
    if typing.get_origin(kind) is Literal:
        if value in typing.get_args(kind):
            return value
    elif typing.get_origin(kind) is tuple:
        if isinstance(value, list | tuple) and all(_is_number(item) for item in value):
            return tuple(float(item) for item in value)
    elif kind is float:
        if _is_number(value):
            return float(value)
    elif type(value) is kind:  # not isinstance: True is an int in Python
        return value
    raise UserError(f"{source}: recipe key {key!r}: expected {expected(kind)}, got {value!r}")


def expected(kind: Any) -> str:
    """A recipe value's type in words."""
    if typing.get_origin(kind) is Literal:
        return " or ".join(repr(choice) for choice in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return "a list of numbers"
    return {int: "a whole number", float: "a number", bool: "true or false"}[kind]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _parse(text: str) -> Any:
    """A command line's text as the TOML value it stands for; what is no TOML value is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def same_but_length(one: Recipe, other: Recipe, steps_done: int) -> bool:
    """Whether ``one`` and ``other`` make the same first ``steps_done`` steps: equal but for how long they go on."""
    if steps_done > min(one.steps, other.steps):
        return False
    aligned = dataclasses.replace(one, steps=other.steps, decay_fraction=other.decay_fraction)
    return aligned == other and all(one.rate(step) == other.rate(step) for step in range(steps_done))
