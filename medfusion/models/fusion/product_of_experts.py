"""The product of Gaussian experts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.contract import Fusion
from medfusion.registry import register

START = -2.0
"""Log variance that experts start near: they outweigh the prior, and samples keep close."""

FARTHEST = 10.0
"""Bound of log variances, so that a precision is never infinite."""


@register(spec.ProductOfExpertsFusion)
class ProductOfExpertsFusion(Fusion):
    """The product of Gaussians of MVAE (Wu and Goodman 2018, https://arxiv.org/abs/1802.05335).

    Each modality has an opinion on the latent, N(mu_m, v_m), and so has the prior, N(0, 1). Their
    product is a Gaussian again; a modality that is absent is simply not a factor:

        mu_m = h_m,  log v_m = V_m x_m + c_m
        1 / v = 1 + sum_m present_m / v_m,  mu = v sum_m present_m mu_m / v_m

    In training z is drawn from N(mu, v), and `losses["kl"]` is `kl` times the mean over rows of
    KL(N(mu, v) | N(0, 1)), as in a variational bottleneck (Alemi et al. 2017,
    https://arxiv.org/abs/1612.00410); elsewhere, and with kl 0, z = mu. A row without any modality
    is the prior. Log variances are kept within -10 and 10.

    `aux["weights"]` holds each factor's share of the precision, [B, M + 1], the prior last, mean
    over the latent; rows sum to one. `aux["mean"]` and `aux["variance"]` hold mu and v, [B, D].

    Args:
        settings: Its spec.
        widths: Width of each modality's features.

    Example:
        >>> fusion = ProductOfExpertsFusion(
        ...     spec.ProductOfExpertsFusion(dim=2), widths={"table": Width(3, 1)}
        ... ).eval()
        >>> table = Features(torch.ones(1, 3), torch.ones(1, 3, 1), torch.ones(1, 3).bool())
        >>> fusion({"table": table}, torch.tensor([[False]])).z
        tensor([[0., 0.]], grad_fn=<MulBackward0>)
    """

    def __init__(
        self, settings: spec.ProductOfExpertsFusion, *, widths: Mapping[str, Width]
    ) -> None:
        super().__init__(widths, settings.dim, absence=False)
        self.kl = settings.kl
        layers = {name: nn.Linear(width.vector, settings.dim) for name, width in widths.items()}
        for layer in layers.values():
            nn.init.constant_(layer.bias, START)
        self.log_variance = nn.ModuleDict(layers)
        self.dropout = nn.Dropout(settings.dropout)

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        means = self.slots(feats, present).float()
        logs = [self.log_variance[name](feats[name].vector) for name in self.modalities]
        precisions = torch.exp(-torch.stack(logs, dim=1).float().clamp(-FARTHEST, FARTHEST))
        precisions = torch.where(present[..., None], precisions, 0.0)
        whole = 1 + precisions.sum(dim=1)
        variance = 1 / whole
        mean = variance * (precisions * means).sum(dim=1)
        shares = torch.cat([precisions, torch.ones_like(whole)[:, None]], dim=1) / whole[:, None]
        aux = {"weights": shares.mean(dim=2), "mean": mean, "variance": variance}
        if self.kl == 0:
            return FusionOutput(self.dropout(mean), aux)
        divergence = 0.5 * (variance + mean.square() - 1 + whole.log()).sum(dim=1)
        z = mean
        if self.training:
            z = mean + variance.sqrt() * torch.randn_like(mean)
        losses = {"kl": self.kl * divergence.sum() / max(1, len(mean))}
        return FusionOutput(self.dropout(z), aux, losses)
