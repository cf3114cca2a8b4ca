"""Latents that attend to one modality after the other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.attention_layer import AttentionLayer
from medfusion.models.fusion.contract import Fusion
from medfusion.registry import register


@register(spec.PerceiverFusion)
class PerceiverFusion(Fusion):
    """Perceiver latents (Jaegle et al. 2021) that pass through the modalities (Hemker et al. 2024).

    L learned latents attend to the slot and the tokens of each modality in turn, in the order of
    `modalities`, then to each other; several passes share one set of weights:

        l = AttentionLayer_m(l, keys = [h_m; U_m tokens]) where m is present, for each m
        l = AttentionLayer(l, keys = l)
        z = relu(W mean_l LN(l) + b)

    An absent modality is skipped: nothing stands in its place, and a row without any is what the
    latents make of themselves. Attention layers are those of `AttentionLayer`, but what is read from
    a modality is not normed first, unlike in the papers: how strong a feature is would be lost, and
    nothing else of the modality goes past the attention.

    With `return_weights` set, `aux["attention/<modality>"]` holds the attention of the latents over
    that modality's slot and tokens, zero where it is absent: [B, layers, heads, L, 1 + T_m].

    https://arxiv.org/abs/2103.03206, https://arxiv.org/abs/2311.09115

    Args:
        settings: Its spec.
        widths: Width of each modality's features.

    Example:
        >>> fusion = PerceiverFusion(
        ...     spec.PerceiverFusion(dim=8, latents=3), widths={"image": Width(8, 8)}
        ... )
        >>> fusion.latents.shape
        torch.Size([3, 8])
    """

    def __init__(self, settings: spec.PerceiverFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim, absence=False)
        self.return_weights = False
        dim, heads, dropout = settings.dim, settings.heads, settings.dropout
        self.passes = settings.layers
        self.latents = nn.Parameter(torch.randn(settings.latents, dim) * 0.02)
        self.project_tokens = nn.ModuleDict(
            {name: nn.Linear(width.tokens, dim) for name, width in widths.items()}
        )
        self.read = nn.ModuleDict(
            {name: AttentionLayer(dim, heads, dropout, norm_keys=False) for name in widths}
        )
        self.mix = AttentionLayer(dim, heads, dropout)
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        slots = self.slots(feats, present)
        latents = self.latents.expand(len(slots), -1, -1)
        every = torch.ones_like(latents[..., 0], dtype=torch.bool)
        seen: dict[str, list[Tensor]] = {name: [] for name in self.modalities}
        keys = {
            name: torch.cat(
                [slots[:, m, None], self.project_tokens[name](feats[name].tokens)], dim=1
            )
            for m, name in enumerate(self.modalities)
        }
        for _ in range(self.passes):
            for m, name in enumerate(self.modalities):
                there = present[:, m, None]
                mask = torch.cat([there, feats[name].mask], dim=1)
                read, weights = self.read[name](latents, keys[name], mask, self.return_weights)
                latents = torch.where(there[..., None], read, latents)
                if weights is not None:
                    seen[name].append(weights)
            latents, _ = self.mix(latents, latents, every, want_weights=False)
        mean = self.norm(latents).mean(dim=1)
        aux = {f"attention/{name}": torch.stack(w, dim=1) for name, w in seen.items() if w}
        return FusionOutput(self.dropout(torch.relu(self.out(mean))), aux)

    def token_attention(self, aux: Mapping[str, Tensor], modality: str) -> Tensor | None:
        """Return the mean attention of the latents over passes and heads, [B, T]."""
        found = aux.get(f"attention/{modality}")
        return None if found is None else found.float().mean(dim=(1, 2, 3))[:, 1:]
