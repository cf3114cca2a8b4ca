"""Weights from a safetensors file into a timm model, all of them or an error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load_file
from timm.models import load_pretrained, model_entrypoint
from torch import Tensor, nn

from medfusion.errors import WeightsError

SHOWN = 5
"""Number of keys that a message names."""

_HEAD = frozenset({"fc", "head", "head_dist", "classifier", "fc_norm", "norm_head", "pre_logits"})


def load_weights(model: Any, path: Path, *, name: str, channels: int) -> None:
    """Load a safetensors file into a timm model that was made without a classifier.

    Layouts that timm knows are converted; a first layer for RGB is adapted to the number of
    channels (one channel: the sum over RGB), position embeddings to the size; the classifier is
    left out. Every other weight of the model must be in the file and every other key of the file
    in the model: nothing is skipped in silence.

    Args:
        model: As `timm.create_model(name, num_classes=0)` makes it.
        path: The file.
        name: Its architecture.
        channels: Number of input channels of the model.

    Raises:
        WeightsError: The file is missing or damaged, or its keys or shapes do not fit.
    """
    tensors = _read(path)
    config: dict[str, Any] = {**model.pretrained_cfg, "source": "", "state_dict": dict(tensors)}
    first = config.get("first_conv")
    stem = tensors.get(f"{first}.weight") if isinstance(first, str) else None
    if stem is not None and stem.ndim == 4 and stem.shape[1] == channels:
        config["input_size"] = (channels, *config["input_size"][1:])
    missing: list[str] = []
    unexpected: list[str] = []

    def note(_: nn.Module, keys: Any) -> None:
        missing.extend(keys.missing_keys)
        unexpected.extend(keys.unexpected_keys)
        # Judged below, key by key; timm would only log them.
        keys.missing_keys.clear()
        keys.unexpected_keys.clear()

    handle = model.register_load_state_dict_post_hook(note)
    converter = _converter(name)
    try:
        load_pretrained(
            model,
            pretrained_cfg=config,
            num_classes=0,
            in_chans=channels,
            filter_fn=converter,
            strict=False,
        )
    except (
        AssertionError,
        AttributeError,
        IndexError,
        KeyError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        msg = f"{path}: these weights do not fit {name!r}: {_shapes(error)}"
        raise WeightsError(msg) from None
    finally:
        handle.remove()
    heads = _HEAD | {key.partition(".")[0] for key in _classifiers(config)}
    unexpected = [key for key in unexpected if key.partition(".")[0] not in heads]
    if missing or unexpected:
        problems = [
            f"{what} {len(keys)} ({_some(keys)})"
            for what, keys in (("it lacks", missing), ("it has unknown", unexpected))
            if keys
        ]
        msg = f"{path}: these weights do not fit {name!r}: {' and '.join(problems)}"
        raise WeightsError(msg)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        msg = f"{path}: there is no such file; model.image.weights is a safetensors file"
        raise WeightsError(msg)
    try:
        tensors = load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        msg = f"{path}: cannot be read as safetensors ({error}); other formats are not loaded"
        raise WeightsError(msg) from None
    if not tensors:
        msg = f"{path}: holds no weights"
        raise WeightsError(msg)
    broken = [k for k, v in tensors.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        msg = f"{path}: holds weights that are not numbers: {_some(broken)}"
        raise WeightsError(msg)
    # Half precision is for storage; the model computes in its own.
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}


def _converter(name: str) -> Any:
    # By timm's convention each module of models brings the function that reads the layouts in
    # which their weights were first published.
    module = sys.modules[model_entrypoint(name.partition(".")[0]).__module__]
    return getattr(module, "checkpoint_filter_fn", None) or getattr(module, "_filter_fn", None)


def _classifiers(config: dict[str, Any]) -> tuple[str, ...]:
    found = config.get("classifier") or ()
    return (found,) if isinstance(found, str) else tuple(found)


def _shapes(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    sizes = [line for line in lines if line.startswith("size mismatch")]
    return _some(sizes or lines or [type(error).__name__], "; ")


def _some(keys: list[str], between: str = ", ") -> str:
    more = f"{between}and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return between.join(keys[:SHOWN]) + more
