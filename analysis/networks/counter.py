"""Count the parameters, multiply-adds, activations and memory traffic of any torch network.

The network runs once on torch's meta device: shapes without values, so that full size costs neither memory nor time.
Where that cannot be, as in a network that branches on values, it runs on its own device on random numbers. Every
operator of the run is noted (`analysis.networks.operators`) with the layer that asked for it, and whether it depends on
the input at all: a network that merges its kernels each time it runs does so for nothing but its weights.

Convention as everywhere here: bias is in the parameters and not in the MACs; activations, additions, normalisation,
pooling, interpolation and pixel shuffles are 0 MACs. `analysis.networks.checks` compares the count with others.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from analysis.networks import operators
from analysis.networks.copies import META, copied, first_line, is_lazy, reachable
from analysis.networks.inputs import Inputs, given
from analysis.networks.layers import LAYERS, biased_values, formula, has_bias_formula, kind_of
from replication.errors import UserError


@dataclass
class Layer:
    """One layer, or one operator that a module's forward calls directly, and what the run asks of it.

    ``macs`` of the operators that depend on the input, ``constant_macs`` of those that do not; ``bias`` additions of a
    bias; ``activations`` elements of the outputs of all operators with MACs; ``bytes`` read and written if each
    operator reads its arguments and writes its outputs once. ``formula``: the MACs by the layer's shape alone, of the
    calls that depend on the input; None where no formula applies.
    """

    name: str
    kind: str
    module: nn.Module = field(repr=False)
    calls: int = 0
    params: int = 0
    macs: int = 0
    constant_macs: int = 0
    bias: int = 0
    activations: int = 0
    bytes: int = 0
    formula: int | None = None


@dataclass(frozen=True)
class Convolved:
    """One convolution module and what a run asks of it.

    ``positions``: at how many places the whole kernel is applied, over all calls and the batch: output pixels of a
    convolution, input pixels of a transposed one.
    """

    name: str
    module: _ConvNd
    calls: int
    positions: int

    @property
    def weights(self) -> int:
        """Number of kernel weights, without bias."""
        return self.module.weight.numel()

    @property
    def macs(self) -> int:
        """Multiply-adds of all calls."""
        return self.weights * self.positions


@dataclass(frozen=True)
class Count:
    """A network's learned values and what one run asks of it; see `Layer` for the units.

    ``free``: calls of operators that are 0 MACs by agreement; ``unknown``: of operators that this count has no rule
    for, so that it is not whole. ``by_operator`` and ``by_torch``: MACs, whether or not they depend on the input,
    counted here and by torch's own FLOP counter (None: it has no rule). ``unused``: registered parameters that no
    operator read. ``outside``: layers whose parameters something else than the layer itself read.
    """

    params: int
    macs: int
    constant_macs: int
    bias: int
    activations: int
    bytes: int
    layers: tuple[Layer, ...] = field(repr=False)
    free: Mapping[str, int] = field(repr=False)
    unknown: Mapping[str, int]
    by_operator: Mapping[str, int] = field(repr=False)
    by_torch: Mapping[str, int | None] = field(repr=False)
    unused: Mapping[str, int] = field(repr=False)
    outside: frozenset[str] = field(repr=False)
    inputs: Inputs = field(repr=False)
    device: str
    module: nn.Module = field(repr=False)

    @property
    def flops(self) -> int:
        """Two for each multiply-add."""
        return 2 * self.macs

    @property
    def convolutions(self) -> list[Convolved]:
        """Every convolution module of the network with its use, in the order of the modules' names.

        One that is called several times, or reached by several names, appears once, under its first name.
        """
        rows = {id(layer.module): layer for layer in self.layers}
        found = []
        for name, module in self.module.named_modules():
            if isinstance(module, _ConvNd):
                row = rows.get(id(module))
                macs = row.formula if row and row.formula is not None else 0
                found.append(Convolved(name, module, row.calls if row else 0, macs // module.weight.numel()))
        return found


def on_meta(factory: Callable[[], nn.Module]) -> nn.Module:
    """Build a network on the meta device: no memory, no random numbers."""
    with torch.device("meta"):
        return factory()


def count(module: nn.Module, *inputs: Any, keywords: Mapping[str, Any] | None = None) -> Count:
    """Count ``module`` for one run on ``inputs``, without touching it.

    An input is a shape, batch included (``(1, 3, 64, 64)`` or ``"1x3x64x64:float16"``; its type is that of the
    network's values unless given), or a tensor or whatever else the network takes, which is passed as it is.
    ``keywords``: the same by name. Instead of all that, one `Inputs`.

    Raises UserError when the network does not run on such an input.

    >>> found = count(nn.Conv2d(3, 8, 3, padding=1), (1, 3, 10, 10))
    >>> found.params, found.macs, found.flops
    (224, 21600, 43200)
    """
    asked = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], Inputs) else given(*inputs, keywords=keywords)
    try:
        return _counted(copied(module, meta=True), asked, META)
    except (Exception, SystemExit) as on_meta:  # somebody else's forward: values may help
        device = next((value.device for value in module.parameters()), torch.device("cpu"))
        if device == META:
            raise _does_not_run(asked, on_meta) from on_meta
    return _counted_with_values(module, asked, device)


def _counted_with_values(module: nn.Module, inputs: Inputs, device: torch.device) -> Count:
    network = copied(module, meta=False)
    try:
        with torch.random.fork_rng(devices=[]):
            return _counted(network, inputs, device)
    except (Exception, SystemExit) as error:  # as above, and now for good
        raise _does_not_run(inputs, error) from error


def _does_not_run(inputs: Inputs, error: BaseException) -> UserError:
    return UserError(f"the network does not run on an input of shape {inputs}: {first_line(error)}")


def initialised(module: nn.Module, inputs: Inputs) -> nn.Module:
    """A copy of ``module`` whose lazy layers have learned their shapes from a run on ``inputs``."""
    network = copied(module, meta=False)
    try:
        with torch.random.fork_rng(devices=[]):
            _run(network, inputs, torch.device("cpu"))
    except Exception as error:  # somebody else's forward
        raise _does_not_run(inputs, error) from error
    return network


def _run(network: nn.Module, inputs: Inputs, device: torch.device) -> Any:
    positional, keywords = inputs.made(network, device)
    with _plain_operators(), torch.no_grad(), torch.device(device):
        return network(*positional, **keywords)


@contextmanager
def _plain_operators() -> Iterator[None]:
    """No fused kernels that hide what is computed: attention and recurrent layers as their matrix products."""
    attention = torch.backends.mha.get_fastpath_enabled()
    recurrent: Any = (torch.backends.mkldnn, torch.backends.cudnn)
    before = [library.enabled for library in recurrent]
    torch.backends.mha.set_fastpath_enabled(False)
    for library in recurrent:
        library.enabled = False
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(attention)
        for library, enabled in zip(recurrent, before, strict=True):
            library.enabled = enabled


def _counted(network: nn.Module, inputs: Inputs, device: torch.device) -> Count:
    if is_lazy(network):
        _run(network, inputs, device)
    positional, keywords = inputs.made(network, device)
    watch = Watch(network, (positional, keywords))
    with watch, _plain_operators(), torch.no_grad(), torch.device(device):
        network(*positional, **keywords)
    return watch.result(inputs, device)


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator of a run: its layer, its cost, and whether it depends on the input."""

    def __init__(self, network: nn.Module, inputs: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.network = network
        self.names = _names(network)
        self.rows: dict[tuple[int, str], Layer] = {}
        self.stack: list[nn.Module] = []
        self.free: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.by_operator: Counter[str] = Counter()
        self.by_torch: dict[str, int | None] = {}
        self.outside: set[str] = set()
        self.read: set[int] = set()
        self.dependent: dict[int, StorageWeakRef] = {}
        self.owners = _owners(network)
        self.hooks = ExitStack()
        for leaf in tree_leaves(inputs):
            for _, value in reachable(leaf):
                self._mark(value)
        self.no_inputs = not self.dependent

    # ------------------------------------------------------------ where the run is

    def __enter__(self) -> "Watch":
        for handle in (
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, with_kwargs=True),
        ):
            self.hooks.callback(handle.remove)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *problem: Any) -> None:
        super().__exit__(*problem)  # type: ignore[no-untyped-call]
        self.hooks.close()

    def _enter(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        self.stack.append(module)

    def _leave(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        while self.stack and self.stack.pop() is not module:  # a module that raised, and was caught, never left
            pass
        if any(isinstance(one, LAYERS) for one in self.stack):
            return
        if isinstance(module, LAYERS) or any(True for _ in module.parameters(recurse=False)):
            row = self._row(module, "")
            row.calls += 1
            macs = formula(module, args, kwargs, output)
            if macs is not None:
                depends = self.no_inputs or any(map(self._depends, _tensors(output)))
                row.formula = (row.formula or 0) + (macs if depends else 0)
                if depends and has_bias_formula(module):
                    row.bias += biased_values(module, args, kwargs, output)

    def _row(self, module: nn.Module, operator: str) -> Layer:
        key = id(module), operator
        if key not in self.rows:
            name = self.names.get(id(module), f"({type(module).__name__}, not registered)")
            where = type(module).__name__
            self.rows[key] = Layer(name, f"{operator} in {where}" if operator else kind_of(module), module)
        return self.rows[key]

    def _place(self, operator: str) -> Layer:
        for module in self.stack:
            if isinstance(module, LAYERS):
                return self._row(module, "")
        return self._row(self.stack[-1] if self.stack else self.network, operator)

    # ------------------------------------------------------------ what it does

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        view = operators.is_view(func)
        taken, made = _tensors((args, kwargs)), _tensors(output)
        random = torch.Tag.nondeterministic_seeded in func.tags
        dependent = self.no_inputs or random or self._in_recurrent_layer() or any(map(self._depends, taken))
        if dependent:
            changed = [args[0]] if args and func._schema.is_mutable else []
            for tensor in (*made, *tree_leaves(changed), *tree_leaves((kwargs or {}).get("out"))):
                self._mark(tensor)
        if not view:
            self._note(func, args, kwargs or {}, output, taken, made, dependent)
        return output

    def _note(
        self,
        func: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,
        taken: list[Tensor],
        made: list[Tensor],
        dependent: bool,
    ) -> None:
        self._note_parameters(taken)
        name, rule = operators.name_of(func), operators.rule_of(func)
        sparse = any(one.layout != torch.strided for one in taken)  # by their shapes, counted as full ones
        moved = sum(map(_bytes, {id(one): one for one in taken}.values())) + sum(map(_bytes, made))
        if name in operators.CHOOSING and taken and made:  # only what is chosen must be read
            moved -= max(0, _bytes(taken[0]) - _bytes(made[0]))
        if rule is None or sparse:
            (self.free if rule is None and operators.is_free(func) else self.unknown)[name] += 1
            self._place("").bytes += moved
            return
        row = self._place(name)
        first = next(one for one in made)
        macs = rule(args, first)
        row.bytes += moved
        if not isinstance(row.module, LAYERS):
            row.calls += 1
        if dependent:
            row.macs += macs
            if not has_bias_formula(row.module):
                row.bias += operators.bias_additions(func, args, first)
            row.activations += first.numel()
        else:
            row.constant_macs += macs
        self.by_operator[name] += macs
        theirs = operators.macs_by_torch(func, args, kwargs, output)
        known = self.by_torch.get(name, 0)
        self.by_torch[name] = None if theirs is None or known is None else known + theirs

    def _in_recurrent_layer(self) -> bool:
        """The first step of a recurrent layer works on a state of zeros, and is part of its cost all the same."""
        return bool(self.stack) and isinstance(self.stack[-1], nn.RNNBase | nn.RNNCellBase)

    def _note_parameters(self, taken: list[Tensor]) -> None:
        inside = {id(module) for module in self.stack}
        for tensor in taken:
            key = _storage(tensor)
            if key is None or key not in self.owners:
                continue
            self.read.add(key)
            if (owners := self.owners[key]) and not any(owner in inside for owner in owners):
                self.outside |= {self.names[owner] for owner in owners}

    def _depends(self, tensor: Tensor) -> bool:
        key = _storage(tensor)
        return key is None or key in self.dependent

    def _mark(self, tensor: Any) -> None:
        if isinstance(tensor, Tensor) and (key := _storage(tensor)) is not None and key not in self.dependent:
            # the reference keeps the address from being used again
            self.dependent[key] = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]

    # ------------------------------------------------------------ what came out

    def result(self, inputs: Inputs, device: torch.device) -> Count:
        """The count, after the run."""
        seen: set[int] = set()
        rows = []
        for name, module in self.network.named_modules():
            own = module.parameters() if isinstance(module, LAYERS) else module.parameters(recurse=False)
            new = {id(value): value.numel() for value in own if id(value) not in seen}
            seen |= set(new)
            if new:
                self._row(module, "").params = sum(new.values())
            rows += [row for row in self.rows.values() if row.module is module and row.name == (name or "(network)")]
        rows += [row for row in self.rows.values() if not any(row is one for one in rows)]
        unused = {
            name: value.numel()
            for name, value in self.network.named_parameters()
            if _storage(value) not in self.read and value.numel()
        }
        return Count(
            params=sum(value.numel() for value in self.network.parameters()),
            macs=sum(row.macs for row in rows),
            constant_macs=sum(row.constant_macs for row in rows),
            bias=sum(row.bias for row in rows),
            activations=sum(row.activations for row in rows),
            bytes=sum(row.bytes for row in rows),
            layers=tuple(row for row in rows if row.calls or row.params or row.macs or row.bytes),
            free=dict(self.free),
            unknown=dict(self.unknown),
            by_operator=dict(self.by_operator),
            by_torch=self.by_torch,
            unused=unused,
            outside=frozenset(self.outside),
            inputs=inputs,
            device=str(device),
            module=self.network,
        )


def _names(network: nn.Module) -> dict[int, str]:
    """The first name of every module; for those that are not registered, the way to them."""
    names = {id(module): name or "(network)" for name, module in network.named_modules()}
    for path, value in reachable(network):
        if isinstance(value, nn.Module):
            names.setdefault(id(value), f"{path} (not registered)")
    return names


def _owners(network: nn.Module) -> dict[int, list[int]]:
    """For the memory of every parameter, the layers that hold it; none where it hangs on another kind of module."""
    owners: dict[int, list[int]] = {}
    for value in network.parameters():
        if (key := _storage(value)) is not None:
            owners.setdefault(key, [])
    for module in network.modules():
        if isinstance(module, LAYERS) and not isinstance(module, torch.jit.ScriptModule):
            for value in module.parameters():
                if (key := _storage(value)) is not None:
                    owners[key].append(id(module))
    return owners


def _tensors(values: Any) -> list[Tensor]:
    return [one for one in tree_leaves(values) if isinstance(one, Tensor)]


def _storage(tensor: Tensor) -> int | None:
    """What identifies the memory of a tensor; None for kinds without (sparse ones), or not initialised."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError, ValueError):
        return None


def _bytes(tensor: Tensor) -> int:
    """Bytes of memory behind a tensor's values: one that is repeated without being copied counts once."""
    if tensor.layout != torch.strided:
        return tensor.numel() * tensor.element_size()
    sizes = (size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)
    return prod(sizes) * tensor.element_size() if tensor.numel() else 0
