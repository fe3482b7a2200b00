"""Copies of a network to run: without values on the meta device, or with them; the network itself is never touched."""

import copy
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from replication.errors import UserError

META = torch.device("meta")


def reachable(module: Any) -> Iterator[tuple[str, Any]]:
    """Every tensor and module that a module or another object holds, registered or not, once each, with the way to it.

    Looks into modules, lists, tuples, sets and dictionaries, and into the attributes of other objects.
    """
    waiting: list[tuple[str, Any]] = [("", module)]
    seen: set[int] = set()
    while waiting:
        path, value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            yield path, value
            continue
        if isinstance(value, nn.Module):
            yield path, value
        waiting += [(f"{path}{name}", one) for name, one in reversed(_parts(value, path))]


def _parts(value: Any, path: str) -> list[tuple[str, Any]]:
    dot = "." if path else ""
    if isinstance(value, torch.jit.ScriptModule):
        return [(f"{dot}{name}", one) for name, one in value.named_children()]
    if isinstance(value, nn.Module):
        inner = {**value._parameters, **value._buffers, **value._modules}
        own = {name: one for name, one in vars(value).items() if name not in ("_parameters", "_buffers", "_modules")}
        return [(f"{dot}{name}", one) for name, one in {**inner, **own}.items()]
    if isinstance(value, dict):
        return [(f"[{key!r}]", one) for key, one in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(f"[{index}]", one) for index, one in enumerate(value)]
    if isinstance(value, type) or callable(value) or not hasattr(value, "__dict__"):
        return []
    return [(f"{dot}{name}", one) for name, one in vars(value).items()]


def copied(module: nn.Module, *, meta: bool) -> nn.Module:
    """A copy of ``module`` for evaluation, on the meta device or with its values on its own device.

    Values that are tied stay tied, and tensors that are neither parameters nor buffers come along. Raises UserError for
    a network that Python cannot copy.
    """
    memo: dict[int, Any] = {}
    for path, value in reachable(module):
        if meta and isinstance(value, torch.jit.ScriptModule):
            raise UserError(f"{path or 'the network'} is scripted: its values stay on their device")
        if isinstance(value, UninitializedBuffer) and not meta:
            memo[id(value)] = _made(UninitializedBuffer, value, value.device)
        elif isinstance(value, Tensor) and (meta or not value.is_leaf):
            memo[id(value)] = _on_meta(value) if meta else value.detach().clone()
    memo = {key: value for key, value in memo.items() if value is not None}
    try:
        result: nn.Module = copy.deepcopy(module, memo)
    except Exception as error:  # somebody else's objects: copying can fail in any way
        raise UserError(f"the network cannot be copied (copy.deepcopy): {first_line(error)}") from error
    for part in result.modules():  # not eval(), which never ends where a module holds itself
        if not isinstance(part, torch.jit.ScriptModule):
            part.training = False
        else:
            part.eval()
    return result


def _on_meta(value: Tensor) -> Tensor | None:
    if isinstance(value, UninitializedParameter):
        return cast(Tensor, _made(UninitializedParameter, value, META))
    if isinstance(value, UninitializedBuffer):
        return cast(Tensor, _made(UninitializedBuffer, value, META))
    if type(value) is nn.Parameter:
        return nn.Parameter(value.detach().to(META), requires_grad=value.requires_grad)
    if type(value) is Tensor or isinstance(value, nn.Buffer):
        return value.detach().to(META)
    return None  # some other kind of tensor: it stays as it is, and the real device is used


def _made(kind: Any, value: Tensor, device: torch.device) -> Any:
    return kind(value.requires_grad, device=device, dtype=value.dtype)


def is_lazy(module: nn.Module) -> bool:
    """Whether some layers wait for the first run to learn their input channels."""
    return any(
        isinstance(value, UninitializedParameter | UninitializedBuffer)
        for value in (*module.parameters(), *module.buffers())
    )


def first_line(error: BaseException) -> str:
    """The error's type and the first line of its message."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else 'no message'}"
