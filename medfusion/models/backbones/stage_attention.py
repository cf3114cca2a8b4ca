"""Attention blocks behind the stages of an encoder, without touching the encoder's own weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from medfusion.models.backbones.stages import Stage, end_of
from medfusion.registry import create


class StageAttention(nn.ModuleDict):
    """One attention block per chosen stage, by the stage's number.

    The blocks work from hooks on the body: its modules and the names of its weights stay as they
    were, so that published weights load, and freezing the body leaves the blocks trainable. A copy
    of the whole encoder has blocks of its own.

    Args:
        settings: Spec of the blocks.
        body: A timm model; it must outlive this module together with it.
        chosen: Stages of it that get a block.
    """

    def __init__(self, settings: Any, body: nn.Module, chosen: Sequence[Stage]) -> None:
        super().__init__(
            {str(stage.number): create(settings, channels=stage.channels) for stage in chosen}
        )
        self._kept: dict[str, Tensor] | None = None
        for stage in chosen:
            hook = _Insertion(self, str(stage.number))
            end_of(body, stage.module).register_forward_hook(hook)

    @contextmanager
    def keeping(self) -> Iterator[Mapping[str, Tensor]]:
        """Gather the gates of one run of the body, such as "3/channel"; complete at the end.

        They are computed anyway, so this costs nothing. Gradient checkpointing runs blocks again
        later, on the way back: nothing is gathered then.

        Raises:
            RuntimeError: A stage was not run through its block.
        """
        kept: dict[str, Tensor] = {}
        self._kept = kept
        try:
            yield kept
        finally:
            self._kept = None
        missing = set(self) - {name.partition("/")[0] for name in kept}
        if missing:
            msg = f"the encoder left out the attention blocks of its stages {sorted(missing)}"
            raise RuntimeError(msg)

    def weigh(self, number: str, features: Tensor) -> Tensor:
        """Return a stage's map after its block, and keep the gates where asked to."""
        attended = self[number](features)
        if self._kept is not None:
            for name, gates in attended.gates.items():
                self._kept[f"{number}/{name}"] = gates
        weighed: Tensor = attended.map
        return weighed


class _Insertion:
    """A hook that deep copies follow, as they would not follow a closure."""

    def __init__(self, owner: StageAttention, number: str) -> None:
        self.owner, self.number = owner, number

    def __call__(self, _module: nn.Module, _inputs: Any, features: Tensor) -> Tensor:
        return self.owner.weigh(self.number, features)
