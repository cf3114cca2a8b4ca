"""The contract of all fusions: one signature, and what "absent" means, kept in one place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion.models.features import Features, FusionOutput, Width


class Fusion(nn.Module):
    """Base of all fusions: M modalities with a `present` mask become one vector.

    `forward` is the same for all. Before a fusion sees anything, the content of absent modalities
    and of masked tokens is replaced by zeros (by selection, so that NaN does not pass either), and
    in `slots` a learned token e_m takes the place of an absent modality. So the output never
    depends on what an absent modality holds, and a row without any modality stays finite.

    Args:
        widths: Width of each modality's features; its order is the order of the columns of
            `present`. The order of the features handed over does not matter.
        dim: D, width of the fused features.
        slot: Width of h_m where it is not D.
        absence: Whether absent modalities have a learned token; where a fusion leaves them out or
            has tokens of its own, `slots` holds zeros in their place.

    Example:
        >>> import torch
        >>> from medfusion import spec
        >>> from medfusion.models.fusion import GatedFusion
        >>> fusion = GatedFusion(spec.GatedFusion(dim=4), widths={"table": Width(3, 2)})
        >>> table = Features(torch.ones(5, 3), torch.ones(5, 6, 2), torch.ones(5, 6).bool())
        >>> fusion({"table": table}, torch.ones(5, 1).bool()).z.shape
        torch.Size([5, 4])
    """

    def __init__(
        self,
        widths: Mapping[str, Width],
        dim: int,
        *,
        slot: int | None = None,
        absence: bool = True,
    ) -> None:
        super().__init__()
        if not widths:
            msg = "a fusion needs at least one modality"
            raise ValueError(msg)
        self.modalities = tuple(widths)
        self.dim = dim
        slot = slot or dim
        self.project = nn.ModuleDict(
            {name: nn.Linear(width.vector, slot) for name, width in widths.items()}
        )
        self.absent = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(slot) * 0.02) for name in widths if absence}
        )

    def forward(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse.

        Args:
            feats: Features of every modality, in any order.
            present: Which modality a row has, bool [B, M] in the order of `modalities`.

        Returns:
            Fused features [B, D] and what panels plot.

        Raises:
            ValueError: Modalities or shapes do not fit those of the constructor.
        """
        if set(feats) != set(self.modalities):
            msg = f"this fusion was made for {sorted(self.modalities)}, got {sorted(feats)}"
            raise ValueError(msg)
        if present.dtype != torch.bool or present.shape[1:] != (len(self.modalities),):
            msg = f"present must be bool [B, {len(self.modalities)}], got {present.dtype} {tuple(present.shape)}"
            raise ValueError(msg)
        clean = {
            name: _without_absent(feats[name], present[:, m])
            for m, name in enumerate(self.modalities)
        }
        return self.fuse(clean, present)

    @abstractmethod
    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse features of which absent parts are zero; arguments as those of `forward`."""

    def token_attention(self, aux: Mapping[str, Tensor], modality: str) -> Tensor | None:
        """Return how much is made of each token of a modality, [B, T]; None where that is not known.

        Fusions with `return_weights` know it only where that is set.

        Args:
            aux: What this fusion returned with the fused features.
            modality: Whose tokens.
        """
        del aux, modality
        return None

    def slots(self, feats: Mapping[str, Features], present: Tensor) -> Tensor:
        """Return h_m = W_m x_m + b_m, or the learned token e_m where absent: [B, M, slot]."""
        filled = [
            torch.where(
                present[:, m, None],
                self.project[name](feats[name].vector),
                self.absent.get(name, 0.0),
            )
            for m, name in enumerate(self.modalities)
        ]
        return torch.stack(filled, dim=1)


def _without_absent(feats: Features, present: Tensor) -> Features:
    # Zeros go in before any layer: a NaN hidden behind a later mask would still reach the
    # gradient of the weights, as 0 * NaN.
    mask = feats.mask & present[:, None]
    return Features(
        vector=torch.where(present[:, None], feats.vector, 0.0),
        tokens=torch.where(mask[..., None], feats.tokens, 0.0),
        mask=mask,
    )
