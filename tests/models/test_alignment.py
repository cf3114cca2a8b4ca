"""Contrastive alignment, and heads for each modality alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from medfusion import spec
from medfusion.errors import SpecError
from medfusion.models import MultimodalModel
from medfusion.models.alignment import ContrastiveAlignment
from medfusion.models.features import Features, Width
from medfusion.spec import Experiment, fusion

WIDTHS = {"image": Width(6, 3), "table": Width(4, 2)}
FUSIONS = [
    member
    for member in vars(fusion).values()
    if isinstance(member, type) and "kind" in getattr(member, "model_fields", {})
]


def align(**settings):
    torch.manual_seed(0)
    return ContrastiveAlignment(spec.ContrastiveAlignment(dim=5, **settings), widths=WIDTHS)


def vectors(rows, seed=1):
    torch.manual_seed(seed)
    return {
        name: Features(
            torch.randn(rows, width.vector), torch.zeros(rows, 0, 1), torch.zeros(rows, 0)
        )
        for name, width in WIDTHS.items()
    }


def info_nce(first, second, temperature):
    """One sum per row, as in the paper."""
    first, second = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (first, second))
    total = 0.0
    for a, b in ((first, second), (second, first)):
        for i in range(len(a)):
            scores = [np.exp(a[i] @ b[j] / temperature) for j in range(len(b))]
            total -= np.log(scores[i] / sum(scores)) / len(a)
    return total / 2


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_alignment_equals_its_formula_on_the_rows_that_have_both(temperature):
    made, feats = align(weight=0.7, temperature=temperature), vectors(9)
    present = torch.ones(9, 2).bool()
    present[2, 0] = present[5, 1] = present[7] = False
    both = present.all(dim=1)
    projected = [made.project[n](feats[n].vector[both]).detach().double().numpy() for n in WIDTHS]
    assert made(feats, present).item() == pytest.approx(
        0.7 * info_nce(*projected, temperature), rel=1e-4
    )
    spoilt = {
        name: f._replace(vector=torch.where(present[:, m, None], f.vector, torch.nan))
        for m, (name, f) in enumerate(feats.items())
    }
    loss = made(spoilt, present)
    assert torch.equal(loss, made(feats, present))
    loss.backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in made.parameters())


def test_swapped_partners_cost_more():
    made, feats = align(), vectors(6)
    everyone = torch.ones(6, 2).bool()
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(made.parameters(), 0.01)
    for _ in range(100):
        optimizer.zero_grad()
        made(feats, everyone).backward()
        optimizer.step()
    swapped = feats | {"table": feats["table"]._replace(vector=feats["table"].vector.roll(1, 0))}
    assert made(feats, everyone) < 0.2 * made(swapped, everyone)


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_fewer_than_two_pairs_cost_nothing(rows):
    present = torch.zeros(rows, 2).bool()
    present[:, 0] = True
    present[:1] = True
    loss = align()(vectors(rows), present)
    assert loss.item() == 0
    assert loss.shape == ()


def test_alignment_is_between_two_modalities():
    with pytest.raises(ValueError, match="between two modalities"):
        ContrastiveAlignment(spec.ContrastiveAlignment(), widths={"image": Width(2, 2)})


def model(kind="image+table", **settings):
    torch.manual_seed(0)
    return MultimodalModel(
        spec.Model(image=spec.TimmEncoder(name="test_resnet"), modality_dropout=0.0, **settings),
        views={"photo": (1, 32, 32)} if "image" in kind else {},
        numeric=2 if "table" in kind else 0,
        categories=[],
        outputs=3,
        folder=Path(),
    )


def rows(kind="image+table"):
    """Four rows: complete, without table, without image, without both."""
    torch.manual_seed(1)
    image, table = "image" in kind, "table" in kind
    return {
        "images": {"photo": torch.randn(4, 1, 32, 32)} if image else {},
        "image_present": torch.tensor([[1], [1], [0], [0]]).bool()[:, : 1 if image else 0],
        "numeric": torch.randn(4, 2 if table else 0),
        "numeric_present": torch.tensor([[1, 1], [0, 0], [1, 0], [0, 0]]).bool()[:, : 2 * table],
        "categorical": torch.zeros(4, 0).long(),
    }


def test_alignment_is_a_named_loss_in_training_only():
    made = model(alignment=spec.ContrastiveAlignment(dim=4))
    batch = rows()
    batch["image_present"][:], batch["numeric_present"][:] = True, True
    assert made.eval()(**batch).losses == {}
    losses = made.train()(**batch).losses
    assert set(losses) == {"alignment"}
    losses["alignment"].backward()
    for encoder in (made.image, made.table):
        assert any(p.grad is not None and p.grad.any() for p in encoder.parameters())
    assert made.train()(**rows()).losses["alignment"].item() == 0  # one pair


@pytest.mark.parametrize("settings", FUSIONS, ids=lambda s: s.model_fields["kind"].default)
def test_alignment_and_heads_go_with_every_fusion(settings):
    plain = model(fusion=settings(dim=8))
    made = model(
        fusion=settings(dim=8),
        alignment=spec.ContrastiveAlignment(),
        auxiliary=spec.AuxiliaryHeads(),
    )
    made.load_state_dict(plain.state_dict(), strict=False)
    assert torch.equal(made.eval()(**rows()).logits, plain.eval()(**rows()).logits)
    torch.manual_seed(2)
    before = plain.train()(**rows())
    torch.manual_seed(2)
    after = made.train()(**rows())
    assert torch.equal(after.logits, before.logits)
    assert set(after.losses) == {*before.losses, "alignment"}
    assert set(after.auxiliary) == {"image", "table"}


@pytest.mark.parametrize("kind", ["image", "table"])
def test_one_modality_has_a_head_and_nothing_to_align(kind):
    made = model(kind, alignment=spec.ContrastiveAlignment(), auxiliary=spec.AuxiliaryHeads())
    output = made.train()(**rows(kind))
    assert output.losses == {}
    assert set(output.auxiliary) == {kind}


def test_auxiliary_heads_see_their_own_modality_only():
    made, batch = model(auxiliary=spec.AuxiliaryHeads()).eval(), rows()
    output = made(**batch)
    assert output.shown["image"].tolist() == [True, True, False, False]
    assert output.shown["table"].tolist() == [True, False, True, False]
    for name, value in output.auxiliary.items():
        assert value.shape == (4, 3)
        assert (value[~output.shown[name]] == 0).all()
        assert (value[output.shown[name]] != 0).any(dim=1).all()
    other = made(**(batch | {"numeric": batch["numeric"] + 1}))
    assert torch.equal(other.auxiliary["image"], output.auxiliary["image"])
    assert not torch.equal(other.auxiliary["table"][0], output.auxiliary["table"][0])
    image = made.image(batch["images"]["photo"][:1]).vector
    torch.testing.assert_close(output.auxiliary["image"][:1], made.auxiliary["image"](image))


def test_a_hidden_modality_is_not_shown():
    batch = {name: value[:1] for name, value in rows().items() if name != "images"}
    batch["images"] = {"photo": rows()["images"]["photo"][:1]}
    made = model(auxiliary=spec.AuxiliaryHeads()).train()
    made.modality_dropout = 0.9
    torch.manual_seed(0)
    seen = [made(**batch).shown for _ in range(30)]
    assert any(not shown["image"] for shown in seen)
    assert any(not shown["table"] for shown in seen)
    assert all(shown["image"] or shown["table"] for shown in seen)


EXPERIMENT = """
data:
  table: t.csv
  id: i
  target: {kind: binary, column: y}
  split: {kind: grouped}
"""


def test_alignment_without_a_partner_is_an_error_unless_it_is_said():
    text = EXPERIMENT + "model: {alignment: {kind: contrastive}}\n"
    with pytest.raises(SpecError, match=r"model\.alignment is unused"):
        Experiment.from_yaml_text(text.replace("  id: i", "  id: i\n  numeric: [age]"))
    meant = Experiment.from_yaml_text(
        text.replace("  id: i", "  id: i\n  numeric: [age]\n  images: {}")
    )
    assert meant.idle == ["model.alignment is idle: it needs images and columns"]
    assert Experiment.from_yaml_text(meant.to_yaml()) == meant
    assert spec.Model().alignment is None
    assert spec.Model().auxiliary is None
    with pytest.raises(ValidationError):
        spec.ContrastiveAlignment(temperature=0)


def test_heads_of_one_modality_have_no_pixels_to_predict():
    text = (EXPERIMENT + "model: {auxiliary: {weight: 0.5}}\n").replace(
        "  id: i", "  id: i\n  numeric: [age]\n  images: {photo: {column: p, size: [32, 32]}}"
    )
    assert Experiment.from_yaml_text(text).model.auxiliary.weight == 0.5
    with pytest.raises(SpecError, match="not possible for a segmentation"):
        Experiment.from_yaml_text(text.replace("kind: binary", "kind: segmentation"))
