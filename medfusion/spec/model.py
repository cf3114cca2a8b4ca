"""The model part of an Experiment: encoders, fusion, head."""

from __future__ import annotations

from pydantic import Field

from medfusion.spec.aggregator import GatedAttentionViews, MeanViews, Views
from medfusion.spec.alignment import Alignment, AuxiliaryHeads
from medfusion.spec.base import Int, Real, Spec
from medfusion.spec.fusion import Fusion, GatedFusion
from medfusion.spec.head import Head, LinearHead
from medfusion.spec.image_encoder import ImageEncoder
from medfusion.spec.table_encoder import MLPEncoder, TableEncoder


class Model(Spec):
    """One encoder per kind of input, a fusion, a head."""

    image: ImageEncoder | None = None
    """Encoder of images, shared by all views; resnet18 by default where there are images."""
    views: Views = MeanViews()
    """How several views of one subject become one."""
    instances: Views = GatedAttentionViews()
    """How the slices of a volume, or the images of a bag, become one view; each such view has its own."""
    instances_at_once: Int = Field(256, ge=2)
    """Slices or images of bags that the encoder takes at once; with more of them in a step, training computes them twice, so that memory stays bounded."""
    table: TableEncoder | None = None
    """Encoder of the table's columns; an MLP by default where there are columns."""
    fusion: Fusion = GatedFusion()
    """How the modalities become one."""
    head: Head = LinearHead()
    """From fused features to outputs."""
    alignment: Alignment | None = None
    """Loss that brings image and table of a subject together; none by default."""
    auxiliary: AuxiliaryHeads | None = None
    """A head for each modality alone, to keep both encoders learning; none by default."""
    modality_dropout: Real = Field(0.1, ge=0, lt=1)
    """Chance that a present modality is hidden from a subject while training; never all of them."""

    @property
    def numeric_bins(self) -> int:
        """Bins per numeric column that the table's encoder wants; 0 where it wants none."""
        table = self.table or MLPEncoder()
        return table.bins if table.embeddings == "ple" else 0
