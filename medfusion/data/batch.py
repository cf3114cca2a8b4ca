"""One batch of rows as tensors."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Rows as a model takes them. B rows, V views, N numeric and K categorical columns.

    Attributes:
        images: float32 [B, C, H, W] per view, normalised; a missing image is all zeros. Of a view
            with instances [B, S, C, H, W].
        image_present: bool [B, V], views in the order of the experiment.
        numeric: float32 [B, N], scaled; 0 where missing.
        numeric_present: bool [B, N].
        categorical: int64 [B, K]; 0 missing, 1 not seen in training, from 2 on known values.
        target: int64 class index or float32 number [B], of a segmentation the class of each pixel
            int64 [B, H, W]; None for rows without a target.
        row: int64 [B], positions in the cases that were loaded.
        instance_present: bool [B, S] per view with instances (slices, images of a bag).
        masks: Class of each pixel, uint8 [B, H, W], for the views that have masks: moved as the
            images are, 255 where nothing is known, 0 in rows without a mask.
        mask_present: bool [B] for the same views.
    """

    images: dict[str, Tensor]
    image_present: Tensor
    numeric: Tensor
    numeric_present: Tensor
    categorical: Tensor
    target: Tensor | None
    row: NDArray[np.int64]
    instance_present: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    masks: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    mask_present: dict[str, Tensor] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device; on the processor the tensors stay the same."""
        return Batch(
            images={name: images.to(device) for name, images in self.images.items()},
            image_present=self.image_present.to(device),
            numeric=self.numeric.to(device),
            numeric_present=self.numeric_present.to(device),
            categorical=self.categorical.to(device),
            target=None if self.target is None else self.target.to(device),
            row=self.row,
            instance_present={
                name: present.to(device) for name, present in self.instance_present.items()
            },
            masks={name: masks.to(device) for name, masks in self.masks.items()},
            mask_present={name: there.to(device) for name, there in self.mask_present.items()},
        )
