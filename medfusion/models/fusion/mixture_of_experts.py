"""A sparse mixture of experts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.contract import Fusion
from medfusion.registry import register

MOST_MODALITIES = 8
"""The bank has a token for each absent modality and each combination of the others."""


@register(spec.MixtureOfExpertsFusion)
class MixtureOfExpertsFusion(Fusion):
    """A mixture of experts (FuseMoE, Han et al. 2024; Flex-MoE, Yun et al. 2024).

    A router that sees all modalities, and which are there, gives each row its k best experts:

        r = W [h_1; ...; h_M; present] + b,  g = softmax(r over its k largest, else 0)
        z = sum_e g_e E_e([h_1; ...; h_M]),  E_e = a layer of width D, ReLU, a linear layer

    As in Flex-MoE, a bank of learned tokens completes what is absent: h_m of an absent modality is
    a token for m and the very combination of the others that are present.

    So that no expert starves, `losses["balance"]` is `balance` times K sum_e f_e p_e, where f_e is
    the share of choices that fell on expert e in the batch and p_e its mean softmax(r) (Fedus et
    al. 2022): 1 at perfect balance. Every expert is computed for every row, as they are small.

    `aux["load"]` holds g, [B, K]: k entries are above zero, rows sum to one; its mean over rows is
    the load of the experts. `aux["router"]` holds softmax(r), [B, K].

    https://arxiv.org/abs/2402.03226, https://arxiv.org/abs/2410.08245,
    https://arxiv.org/abs/2101.03961

    Args:
        settings: Its spec.
        widths: Width of each modality's features.

    Raises:
        InputError: There are too many modalities for a bank of combinations.

    Example:
        >>> widths = {"image": Width(vector=8, tokens=8), "table": Width(vector=3, tokens=2)}
        >>> mixture = MixtureOfExpertsFusion(spec.MixtureOfExpertsFusion(dim=4), widths=widths)
        >>> {name: tuple(tokens.shape) for name, tokens in mixture.bank.items()}
        {'image': (2, 4), 'table': (2, 4)}
    """

    def __init__(
        self, settings: spec.MixtureOfExpertsFusion, *, widths: Mapping[str, Width]
    ) -> None:
        super().__init__(widths, settings.dim, absence=False)
        count, dim = len(widths), settings.dim
        if count > MOST_MODALITIES:
            msg = f"a mixture-of-experts fusion takes {MOST_MODALITIES} modalities, got {count}"
            raise InputError(msg)
        self.top_k, self.balance = settings.top_k, settings.balance
        self.bank = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(2 ** (count - 1), dim) * 0.02) for name in widths}
        )
        self.router = nn.Linear(count * dim + count, settings.experts)
        self.experts = nn.ModuleList(
            nn.Sequential(
                nn.Linear(count * dim, dim),
                nn.ReLU(),
                nn.Dropout(settings.dropout),
                nn.Linear(dim, dim),
            )
            for _ in range(settings.experts)
        )

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        joined = self._completed(self.slots(feats, present), present).flatten(1)
        scores = self.router(torch.cat([joined, present.to(joined.dtype)], dim=1)).float()
        best = scores.topk(self.top_k, dim=1).indices
        chosen = torch.zeros_like(scores, dtype=torch.bool).scatter(1, best, value=True)
        load = scores.masked_fill(~chosen, -torch.inf).softmax(dim=1)
        router = scores.softmax(dim=1)
        said = torch.stack([expert(joined) for expert in self.experts], dim=1)
        z = (load[..., None] * said).sum(dim=1)
        return FusionOutput(z, {"load": load, "router": router}, self._losses(chosen, router))

    def _completed(self, slots: Tensor, present: Tensor) -> Tensor:
        """Return the slots [B, M, D] with tokens of the bank where a modality is absent."""
        filled = []
        for m, name in enumerate(self.modalities):
            others = torch.cat([present[:, :m], present[:, m + 1 :]], dim=1)
            places = 2 ** torch.arange(others.shape[1], device=present.device)
            tokens = self.bank[name][(others * places).sum(dim=1)]
            filled.append(torch.where(present[:, m, None], slots[:, m], tokens))
        return torch.stack(filled, dim=1)

    def _losses(self, chosen: Tensor, router: Tensor) -> dict[str, Tensor]:
        if self.balance == 0:
            return {}
        rows = max(1, len(chosen))
        shares = chosen.sum(dim=0) / (rows * self.top_k)
        means = router.sum(dim=0) / rows
        return {"balance": self.balance * len(self.experts) * (shares * means).sum()}
