"""What a run of a model costs, worked out on the meta device: shapes without numbers."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Cost(NamedTuple):
    """What one run costs.

    Attributes:
        multiply_adds: Of convolutions, matrix products and attention.
        peak: Bytes of activations alive at once without gradients.
        saved: Bytes of activations kept for the way back.
    """

    multiply_adds: int
    peak: int
    saved: int


def measure(model: nn.Module, forward: Callable[[Tensor], Any], images: Tensor) -> Cost:
    """Return what a run costs.

    Attention is taken as PyTorch's memory-efficient kernels do it: no matrix of all pairs of
    positions is kept.

    Args:
        model: On the meta device.
        forward: What is run: a method of the model.
        images: On the meta device.

    Example:
        >>> with torch.device("meta"):
        ...     layer, images = nn.Conv2d(3, 8, 3, padding=1), torch.zeros(1, 3, 16, 16)
        >>> cost = measure(layer, layer, images)
        >>> cost.multiply_adds == 16 * 16 * 8 * 3 * 9, cost.peak == 4 * 16 * 16 * (3 + 8)
        (True, True)
    """
    meter = Meter()
    model.eval()
    with torch.no_grad(), meter, RealKernels():
        meter.add(images)
        output = forward(images)
    del output
    kept = Saved(model)
    model.train()
    with torch.enable_grad(), saved_tensors_hooks(kept.note, as_it_is), RealKernels():
        output = forward(images)
    del output
    return Cost(meter.operations // 2, meter.peak, kept.bytes)


ROWS = 1009
"""Rows of a batch that costs are told apart with: a prime, so what it divides grows with rows."""


class Share(NamedTuple):
    """What a part of a model costs in training.

    Attributes:
        multiply_adds: For one row, forwards.
        row_bytes: What it keeps of a row for the way back.
        fixed_bytes: What it keeps whatever the number of rows.
    """

    multiply_adds: int = 0
    row_bytes: int = 0
    fixed_bytes: int = 0

    def plus(self, other: Share, times: int = 1) -> Share:
        """Return both together, the other one so many times for each row."""
        return Share(
            self.multiply_adds + times * other.multiply_adds,
            self.row_bytes + times * other.row_bytes,
            self.fixed_bytes + other.fixed_bytes,
        )


def measure_parts(
    model: nn.Module, run: Callable[[], Any], parts: Mapping[str, Sequence[nn.Module]]
) -> tuple[Any, dict[str, Share], dict[str, list[Any]]]:
    """Return what a run in training costs, part by part.

    Args:
        model: On the meta device.
        run: Runs it forwards on `ROWS` rows.
        parts: Its modules by part; what belongs to none counts for "". A part within another does
            not count for that one.

    Returns:
        What the run returned, the costs, and what the modules of each part gave.

    Example:
        >>> with torch.device("meta"):
        ...     model, rows = nn.Linear(8, 4), torch.zeros(ROWS, 8)
        >>> _, shares, _ = measure_parts(model, lambda: model(rows), {"layer": [model]})
        >>> shares["layer"]
        Share(multiply_adds=32, row_bytes=32, fixed_bytes=0)
    """
    meter, kept = Meter(), Saved(model)
    given: dict[str, list[Any]] = {}
    found = dict.fromkeys(["", *parts], (0, 0, 0))
    open_parts, since = [""], [(0, 0, 0)]

    def settle() -> None:
        """Count what was done since the last border between parts for the part that did it."""
        now = (meter.operations, kept.growing, kept.bytes - kept.growing)
        done = [a - b for a, b in zip(now, since[0], strict=True)]
        before = found[open_parts[-1]]
        found[open_parts[-1]] = (before[0] + done[0], before[1] + done[1], before[2] + done[2])
        since[0] = now

    def enter(name: str) -> Callable[..., None]:
        def note(*_: Any) -> None:
            settle()
            open_parts.append(name)

        return note

    def leave(name: str) -> Callable[..., None]:
        def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
            settle()
            open_parts.pop()
            given.setdefault(name, []).append(output)

        return note

    handles = [
        handle
        for name, modules in parts.items()
        for module in modules
        for handle in (
            module.register_forward_pre_hook(enter(name)),
            module.register_forward_hook(leave(name)),
        )
    ]
    model.train()
    try:
        with (
            torch.enable_grad(),
            meter,
            saved_tensors_hooks(kept.note, as_it_is),
            RealKernels(),
        ):
            output = run()
        settle()
    finally:
        for handle in handles:
            handle.remove()
    shares = {
        name: Share(operations // (2 * ROWS), growing // ROWS, fixed)
        for name, (operations, growing, fixed) in found.items()
    }
    return output, shares, given


class Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count operations, and follow the storages that they make until they are let go."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.now = self.peak = 0
        self._known: set[int] = set()

    def add(self, tensor: Tensor) -> None:
        """Count a tensor from now on, until nothing holds its storage."""
        storage = tensor.untyped_storage()
        key = storage._cdata  # noqa: SLF001 - the identity of a storage has no public name
        if key in self._known:
            return
        self._known.add(key)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.operations += count(*args, **kwargs, out_val=output)
        if not func.is_view:
            for made, returned in zip(
                output if isinstance(output, tuple | list) else (output,),
                func._schema.returns,  # noqa: SLF001
                strict=False,
            ):
                # What is written in place was there before.
                if isinstance(made, Tensor) and returned.alias_info is None:
                    self.add(made)
        return output


class Saved:
    """Bytes of what autograd keeps, each storage once; weights do not count.

    `growing` of them lie in storages that a number of rows divides, see `ROWS`.
    """

    def __init__(self, model: nn.Module) -> None:
        own = [*model.parameters(), *model.buffers()]
        self._known = {tensor.untyped_storage()._cdata for tensor in own}  # noqa: SLF001
        self._held: list[Any] = []  # a storage that is let go could lend its identity to another
        self.bytes = self.growing = 0

    def note(self, tensor: Tensor) -> Tensor:
        """Count a tensor that autograd keeps, and hand it back."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self._known:  # noqa: SLF001
            self._known.add(storage._cdata)  # noqa: SLF001
            self._held.append(storage)
            self.bytes += storage.nbytes()
            if storage.nbytes() % ROWS == 0:
                self.growing += storage.nbytes()
        return tensor


def as_it_is(tensor: Tensor) -> Tensor:
    """Return what was kept."""
    return tensor


_BY_PLACE = frozenset({nn.functional.batch_norm, nn.functional.layer_norm, nn.functional.gelu})
"""Functions that keep their input, and whose plain forms on the meta device are slow."""

_FILLING = frozenset({"add_", "clamp_", "erfinv_", "fill_", "mul_", "normal_", "uniform_", "zero_"})
"""Methods that give a weight its first values."""


class RealKernels(TorchFunctionMode):
    """Attention and norms as kernels do them, in place of the meta device's plain forms.

    The plain form of attention keeps all pairs of positions, and those of norms are slow to work
    out, as is filling weights. Values are not computed: for the meta device only.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is nn.functional.scaled_dot_product_attention:
            return _attention(*args, **kwargs)
        if func in _BY_PLACE:
            return _ByPlace.apply(*(args or (kwargs["input"],))[:1])
        if getattr(func, "__name__", "") in _FILLING:
            filled = args[0] if args else kwargs.get("tensor")
            if isinstance(filled, nn.Parameter):
                return filled
        return func(*args, **kwargs)


class _ByPlace(torch.autograd.Function):
    """The shape of a function place by place, which keeps its input for the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return gradients[0]


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    if query.ndim != 4 or enable_gqa or key.shape[1] != query.shape[1]:
        return torch._C._nn.scaled_dot_product_attention(  # noqa: SLF001
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
    if attn_mask is not None:
        shape = (*query.shape[:3], key.shape[2])
        attn_mask = attn_mask.to(query.dtype).expand(shape)
    output: Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(  # noqa: SLF001
        query, key, value, attn_mask, True, dropout_p, is_causal, scale=scale
    )[0]
    return output
