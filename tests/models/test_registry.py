"""The whole registry: every fusion with every aggregator and head, every encoder with a light fusion.

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

VIEWS = {"front": (3, 32, 32), "side": (3, 32, 32)}
OUTPUTS = 3
DIM = 16
LIGHT = {"dim": DIM, "heads": 2, "hidden": 8, "width": 4, "rank": 2, "latents": 3, "experts": 3}
"""Small values for the settings that kinds have in common."""

ROWS = [(front, side, table) for front, side, table in itertools.product([True, False], repeat=3)]


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


def batch(size: int = 32, seed: int = 0):
    """Return inputs with one row for each subset of two views and the table."""
    torch.manual_seed(seed)
    shown = torch.tensor(ROWS)
    table = shown[:, 2]
    return {
        "images": {name: torch.randn(len(ROWS), 3, size, size) for name in VIEWS},
        "image_present": shown[:, :2],
        "numeric": torch.randn(len(ROWS), 2),
        "numeric_present": table[:, None] & torch.tensor([True, False]),
        "categorical": torch.randint(1, 4, (len(ROWS), 2)) * table[:, None],
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
    )


def check(settings: spec.Model, size: int = 32) -> None:
    """Assert what must hold of every model."""
    model, inputs = make(settings, size), batch(size)
    model.train()
    output = model(**inputs)
    assert output.logits.shape == (len(ROWS), OUTPUTS)
    loss = output.logits.square().sum() + sum(output.losses.values())
    loss.backward()
    assert torch.isfinite(output.logits).all(), "not finite forwards"
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

    model.eval()
    with torch.no_grad():
        wanted = model(**inputs).logits
        found = model(**spoilt(inputs)).logits
    assert torch.isfinite(wanted).all()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)

    restored = make(settings, size, seed=1)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    restored.load_state_dict(load(save(weights)))
    restored.eval()
    with torch.no_grad():
        again = restored(**inputs).logits
    assert torch.equal(again, wanted), "saved weights give other outputs"


FUSIONS = registry.list_kinds("fusion")
AGGREGATORS = registry.list_kinds("views")
HEADS = [kind for kind in registry.list_kinds("head") if kind in {"linear", "mlp"}]


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_every_fusion_with_every_aggregator_and_head(fusion, aggregator):
    for head in HEADS:
        check(
            spec.Model(
                image=spec.TimmEncoder(name="test_resnet"),
                views=light("views", aggregator),
                fusion=light("fusion", fusion),
                head=light("head", head),
                modality_dropout=0.0,
            )
        )
