"""Training: from a run folder to weights, predictions and metrics."""

from __future__ import annotations

from typing import Any

__all__ = ["Engine", "execute", "predict"]


def __getattr__(name: str) -> Any:
    # The parts import torch; asking for a name is soon enough.
    if name == "execute":
        from medfusion.training.execution import execute

        return execute
    if name == "predict":
        from medfusion.training.prediction import predict

        return predict
    if name == "Engine":
        from medfusion.training.engine import Engine

        return Engine
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
