"""Cross-attention between the tokens of modalities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.attention_layer import AttentionLayer, masked_mean
from medfusion.models.fusion.contract import Fusion
from medfusion.registry import register


@register(spec.CrossAttentionFusion)
class CrossAttentionFusion(Fusion):
    """Tokens of each modality attend to those of the others (Lu et al. 2019, Tan and Bansal 2019).

    Positions of the feature map and columns of the table are the tokens; the slot h_m leads them
    as a class token. Per layer and modality

        t_m += MultiHead(query = LN(t_m), key = value = LN(tokens of the others))
        t_m += FFN(LN(t_m))

    and z = relu(W [s_1; ...; s_M] + b), where s_m is the normed slot plus the mean of the normed
    tokens. Only tokens that are there are keys, slots never are; where there is no key nothing is
    added. A single modality attends to its own tokens.

    With `return_weights` set, `aux["attention/<modality>"]` holds the attention of that modality's
    queries (slot first, then its tokens) over the tokens of the other modalities, in the order of
    `modalities`: [B, layers, heads, 1 + T_m, keys].

    https://arxiv.org/abs/1908.02265, https://arxiv.org/abs/1908.07490

    Args:
        settings: Its spec.
        widths: Width of each modality's features.
    """

    def __init__(self, settings: spec.CrossAttentionFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim)
        self.return_weights = False
        self.project_tokens = nn.ModuleDict(
            {name: nn.Linear(width.tokens, settings.dim) for name, width in widths.items()}
        )
        self.layers: Any = nn.ModuleList(
            nn.ModuleDict(
                {
                    name: AttentionLayer(settings.dim, settings.heads, settings.dropout)
                    for name in widths
                }
            )
            for _ in range(settings.layers)
        )
        self.norm = nn.LayerNorm(settings.dim)
        self.out = nn.Linear(len(widths) * settings.dim, settings.dim)
        self.dropout = nn.Dropout(settings.dropout)

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        slots = self.slots(feats, present)
        states = {
            name: torch.cat(
                [slots[:, m, None], self.project_tokens[name](feats[name].tokens)], dim=1
            )
            for m, name in enumerate(self.modalities)
        }
        seen: dict[str, list[Tensor]] = {name: [] for name in self.modalities}
        for layer in self.layers:
            before = states
            states = {}
            for name in self.modalities:
                others = [n for n in self.modalities if n != name] or [name]
                keys = torch.cat([before[n][:, 1:] for n in others], dim=1)
                mask = torch.cat([feats[n].mask for n in others], dim=1)
                states[name], weights = layer[name](before[name], keys, mask, self.return_weights)
                if weights is not None:
                    seen[name].append(weights)
        summaries = [_summary(self.norm(states[n]), feats[n].mask) for n in self.modalities]
        aux = {f"attention/{name}": torch.stack(w, dim=1) for name, w in seen.items() if w}
        return FusionOutput(self.dropout(torch.relu(self.out(torch.cat(summaries, dim=1)))), aux)

    def token_attention(self, aux: Mapping[str, Tensor], modality: str) -> Tensor | None:
        """Return the mean attention of the other modalities' queries over layers and heads, [B, T]."""
        asking = [n for n in self.modalities if n != modality] or [modality]
        if f"attention/{modality}" not in aux:
            return None
        length = {n: aux[f"attention/{n}"].shape[3] - 1 for n in self.modalities}
        found = []
        for name in asking:
            others = [n for n in self.modalities if n != name] or [name]
            start = sum(length[n] for n in others[: others.index(modality)])
            own = aux[f"attention/{name}"][..., start : start + length[modality]]
            found.append(own.float().mean(dim=(1, 2, 3)))
        return torch.stack(found).mean(dim=0)


def _summary(states: Tensor, mask: Tensor) -> Tensor:
    return states[:, 0] + masked_mean(states[:, 1:], mask)
