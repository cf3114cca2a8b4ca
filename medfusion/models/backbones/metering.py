"""What a run of a model costs, worked out on the meta device: shapes without numbers."""

from __future__ import annotations

import weakref
from collections.abc import Callable
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
    meter = _Meter()
    model.eval()
    with torch.no_grad(), meter, RealKernels():
        meter.add(images)
        output = forward(images)
    del output
    kept = _Saved(model)
    model.train()
    with torch.enable_grad(), saved_tensors_hooks(kept.note, _as_it_is), RealKernels():
        output = forward(images)
    del output
    return Cost(meter.operations // 2, meter.peak, kept.bytes)


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count operations, and follow the storages that they make until they are let go."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.now = self.peak = 0
        self._known: set[int] = set()

    def add(self, tensor: Tensor) -> None:
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


class _Saved:
    """Bytes of what autograd keeps, each storage once; weights do not count."""

    def __init__(self, model: nn.Module) -> None:
        own = [*model.parameters(), *model.buffers()]
        self._known = {tensor.untyped_storage()._cdata for tensor in own}  # noqa: SLF001
        self._held: list[Any] = []  # a storage that is let go could lend its identity to another
        self.bytes = 0

    def note(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._known:  # noqa: SLF001
            self._known.add(storage._cdata)  # noqa: SLF001
            self._held.append(storage)
            self.bytes += storage.nbytes()
        return tensor


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


class RealKernels(TorchFunctionMode):
    """Attention and batch norm as kernels do them, in place of the meta device's plain forms.

    The plain form of attention keeps all pairs of positions, and that of batch norm is slow to
    work out. Values are not computed: for the meta device only.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is nn.functional.scaled_dot_product_attention:
            return _attention(*args, **kwargs)
        if func is nn.functional.batch_norm:
            return _BatchNorm.apply(*(args or (kwargs["input"],))[:1])
        return func(*args, **kwargs)


class _BatchNorm(torch.autograd.Function):
    """The shape of a batch norm, which keeps its input for the way back."""

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
