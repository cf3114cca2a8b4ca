"""The whole registry: every fusion with every aggregator and head, every encoder with one fusion.

What must hold of any model whatever it is made of: shapes, finite numbers forwards and backwards,
gradient for every encoder that has something to see, no trace of what is absent, and the same
outputs from saved weights.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

import medfusion.models.multimodal  # noqa: F401 - registers every kind
from medfusion import registry, spec
from medfusion.models import MultimodalModel
from medfusion.models.image_families import FAMILIES

VIEWS = {"front": (3, 32, 32), "side": (3, 32, 32)}
OUTPUTS = 3
DIM = 16
LIGHT = {"dim": DIM, "heads": 2, "hidden": 8, "width": 4, "rank": 2, "latents": 3, "experts": 3}
"""Small values for the settings that kinds have in common."""

ROWS = list(itertools.product([True, False], repeat=3))
"""Each subset of two views and the table."""

FEW = [(True, True, True), (True, False, True), (False, True, False), (False, False, False)]
"""Some of them, for large encoders."""


def light(family: str, kind: str):
    """Return a spec with small settings."""
    made, _ = registry.describe(family, kind)
    fields = made.model_fields
    chosen = {}
    for name, value in LIGHT.items():
        if name in fields:
            default = fields[name].default
            chosen[name] = (value,) if isinstance(default, tuple) else value
    return made(**chosen)


def batch(rows, size: int = 32, seed: int = 0):
    """Return inputs whose rows show the front, the side and the table, or not."""
    torch.manual_seed(seed)
    shown = torch.tensor(rows)
    table = shown[:, 2]
    return {
        "images": {name: torch.randn(len(rows), 3, size, size) for name in VIEWS},
        "image_present": shown[:, :2],
        "numeric": torch.randn(len(rows), 2),
        "numeric_present": table[:, None] & torch.tensor([True, False]),
        "categorical": torch.randint(1, 4, (len(rows), 2)) * table[:, None],
    }


def spoilt(inputs):
    """Return the same with NaN wherever nothing is present, and the views in another order."""
    present = inputs["image_present"]
    images = {
        name: torch.where(present[:, v, None, None, None], inputs["images"][name], torch.nan)
        for v, name in enumerate(VIEWS)
    }
    numeric = torch.where(inputs["numeric_present"], inputs["numeric"], torch.nan)
    return {**inputs, "images": dict(reversed(images.items())), "numeric": numeric}


def make(model: spec.Model, size: int = 32, seed: int = 0) -> MultimodalModel:
    torch.manual_seed(seed)
    return MultimodalModel(
        model,
        views=dict.fromkeys(VIEWS, (3, size, size)),
        numeric=2,
        categories=[4, 4],
        outputs=OUTPUTS,
        folder=Path(),
        segmented="front" if model.head.kind == "segmentation" else None,
    )


def check(settings: spec.Model, size: int = 32, rows=ROWS) -> None:
    """Assert what must hold of every model."""
    model, inputs = make(settings, size), batch(rows, size)
    pixels = (size, size) if settings.head.kind == "segmentation" else ()
    model.train()
    output = model(**spoilt(inputs))
    assert output.logits.shape == (len(rows), OUTPUTS, *pixels)
    assert torch.isfinite(output.logits).all(), "not finite forwards"
    loss = output.logits.square().sum() + sum(output.losses.values())
    loss.backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), f"not finite backwards: {name}"
    for part in ("image", "table"):
        reached = sum(
            float(p.grad.abs().sum())
            for p in getattr(model, part).parameters()
            if p.grad is not None
        )
        assert reached > 0, f"no gradient reaches the encoder of the {part}"
    model.zero_grad(set_to_none=True)

    model.eval()
    with torch.no_grad():
        wanted = model(**inputs).logits
        found = model(**spoilt(inputs)).logits
    assert torch.isfinite(wanted).all()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    full, empty = wanted[0], wanted[-1]
    assert not torch.allclose(full, empty), "what is shown makes no difference"

    saved = save({name: value.contiguous() for name, value in model.state_dict().items()})
    del model, output, loss  # several copies of a large encoder are much
    restored = make(settings, size, seed=1)
    restored.load_state_dict(load(saved))
    restored.eval()
    with torch.no_grad():
        again = restored(**inputs).logits
    assert torch.equal(again, wanted), "saved weights give other outputs"


def small(**parts) -> spec.Model:
    """Return a model of small parts, of which some are given."""
    defaults = {"image": spec.TimmEncoder(name="test_resnet"), "fusion": light("fusion", "gated")}
    return spec.Model(**{**defaults, "modality_dropout": 0.0, **parts})


@pytest.mark.parametrize("head", registry.list_kinds("head"))
@pytest.mark.parametrize("fusion", registry.list_kinds("fusion"))
@pytest.mark.parametrize("aggregator", registry.list_kinds("views"))
def test_every_fusion_with_every_aggregator_and_head(fusion, aggregator, head):
    check(
        small(
            views=light("views", aggregator),
            fusion=light("fusion", fusion),
            head=light("head", head),
        )
    )


@pytest.mark.parametrize("fusion", registry.list_kinds("fusion"))
@pytest.mark.parametrize("table", registry.list_kinds("table"))
def test_every_fusion_with_every_table_encoder(fusion, table):
    check(small(table=light("table", table), fusion=light("fusion", fusion)))


@pytest.mark.parametrize("fusion", registry.list_kinds("fusion"))
@pytest.mark.parametrize("block", registry.list_kinds("attention"))
def test_every_fusion_with_every_attention_block(fusion, block):
    image = spec.TimmEncoder(name="test_resnet", attention=light("attention", block))
    check(small(image=image, fusion=light("fusion", fusion)))


# Cross-attention reads the positions of the map and their mask, which others only pool.
@pytest.mark.parametrize("name", [member.name for family in FAMILIES for member in family.members])
def test_every_encoder_with_a_light_fusion(name):
    check(
        small(image=spec.TimmEncoder(name=name), fusion=light("fusion", "cross-attention")),
        size=28 if "patch14" in name else 32,
        rows=FEW,
    )
