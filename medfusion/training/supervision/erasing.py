"""Self-guidance: without what it looked at, the model no longer knows the class."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from medfusion import spec
from medfusion.data.batch import Batch
from medfusion.models import ModelOutput
from medfusion.models.backbones.freezing import still_statistics
from medfusion.registry import register
from medfusion.training.objective import forward, target_of
from medfusion.training.supervision.contract import SupervisionTerm, evidence_of, mean_over


@register(spec.ClassActivationSupervision)
class ErasingTerm(SupervisionTerm):
    """Attention mining of Li et al. 2018 (GAIN, https://arxiv.org/abs/1802.10171).

    From the Grad-CAM A of the class, relu(L) divided by its largest value, and the image I,

        T(A) = 1 / (1 + exp(-steepness (A - threshold))),  I* = I - T(A) * I,  loss = chance(I*)

    where chance is the probability of the class that the model gives the erased images, the table
    as before: a map that misses part of what tells the class leaves it in I*. Erased pixels have
    the mean of the training images, as all images are normalised. All views are erased at once.

    The classes are those that hold: the event, the true class, the labels with a mark; of several
    labels of a row the mean. Rows in which none holds, or whose map is zero, do not count. Batch
    norms norm the erased images by themselves and do not learn from them.
    """

    def measure(self, model: Any, batch: Batch, output: ModelOutput) -> Tensor:
        """Return the mean loss over the rows that count; see `SupervisionTerm.measure`."""
        evidence = evidence_of(output)
        held = self.task.holding(output.logits, target_of(batch))
        seen = torch.stack([evidence.shown[name] for name in self.views], dim=1).any(dim=1)
        if not bool((seen & held.any(dim=1)).any()):
            return output.logits.new_zeros((), dtype=torch.float32)
        erased, there = dict(batch.images), torch.zeros_like(seen)
        for name, found in self.maps(evidence, batch).items():
            activated = found.relu()
            most = activated.amax(dim=(1, 2), keepdim=True)
            there = there | (most[:, 0, 0] > 0)
            erased[name] = self._erase(
                batch.images[name], activated / torch.where(most > 0, most, 1.0)
            )
        with still_statistics(model):
            again = forward(model, dataclasses.replace(batch, images=erased))
        counts = seen & there & held.any(dim=1)
        if again.evidence is not None:  # modality dropout may hide other rows this time
            shown = [again.evidence.shown[name] for name in self.views]
            counts = counts & torch.stack(shown, dim=1).any(dim=1)
        chances = self.task.chances(again.logits.float())
        chance = torch.where(held, chances, 0.0).sum(dim=1) / held.sum(dim=1).clamp(min=1)
        return mean_over(chance, counts)

    def _erase(self, images: Tensor, activated: Tensor) -> Tensor:
        size = (images.shape[2], images.shape[3])
        large = functional.interpolate(activated[:, None], size=size, mode="bilinear")
        gone = torch.sigmoid(self.settings.steepness * (large - self.settings.threshold))
        return images - gone.to(images.dtype) * images
