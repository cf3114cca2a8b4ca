"""What every table encoder of the registry keeps to."""

from pathlib import Path

import pytest
import torch

from medfusion import registry, spec
from medfusion.models import MultimodalModel

BINS = [[-1.5, -0.5, 0.0, 0.5], [], [0.0, 1.0]]
KINDS = registry.list_kinds("table")
SMALL = {
    "mlp": {"hidden": (6,)},
    "ft-transformer": {"embedding": 8, "heads": 2},
    "tabm": {"hidden": (6,), "members": 3},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind, *, seed=0, numeric=3, categories=(5, 2), bins=BINS, **settings):
    torch.manual_seed(seed)
    wanted, _ = registry.describe("table", kind)
    return registry.create(
        wanted(**{**SMALL[kind], **settings}),
        numeric=numeric,
        categories=list(categories),
        bins=bins,
    )


def inputs(rows=6):
    torch.manual_seed(1)
    there = torch.rand(rows, 3) > 0.3
    codes = torch.stack([torch.arange(rows) % 5, torch.arange(rows) % 2], dim=1)
    if rows > 1:
        there[0], codes[0] = False, 0
    return torch.randn(rows, 3), there, codes


@every_kind
@pytest.mark.parametrize("rows", [0, 1, 6])
def test_shapes_mask_and_gradients(kind, rows):
    encoder, (numeric, there, codes) = make(kind), inputs(rows)
    features = encoder(numeric, there, codes)
    assert features.vector.shape == (rows, encoder.width.vector)
    assert features.tokens.shape == (rows, 5, encoder.width.tokens)
    assert torch.equal(features.mask, torch.cat([there, codes != 0], dim=1))
    if encoder.members:
        assert features.members.shape == (rows, encoder.members, encoder.width.vector)
    else:
        assert features.members is None
    (features.vector.square().sum() + features.tokens.sum()).backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@every_kind
def test_absent_cells_are_not_read_forward_or_backward(kind):
    gradients, vectors = [], []
    numeric, there, codes = inputs()
    for values in (numeric, torch.where(there, numeric, torch.nan)):
        encoder = make(kind).eval()
        features = encoder(values, there, codes)
        (features.vector.sum() + features.tokens.sum()).backward()
        vectors.append(features.vector)
        gradients.append([p.grad for p in encoder.parameters()])
    torch.testing.assert_close(vectors[1], vectors[0], rtol=0, atol=0)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@every_kind
@pytest.mark.parametrize("embeddings", ["ple", "linear"])
def test_saved_and_loaded_it_is_the_same(kind, embeddings):
    encoder, batch = make(kind, embeddings=embeddings), inputs()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter))
    other = make(kind, embeddings=embeddings, seed=9)
    other.load_state_dict(encoder.state_dict())
    one, two = encoder.eval()(*batch), other.eval()(*batch)
    torch.testing.assert_close(two.vector, one.vector, rtol=0, atol=0)
    torch.testing.assert_close(two.tokens, one.tokens, rtol=0, atol=0)
    binned = [name for name in encoder.state_dict() if "piecewise" in name]
    assert bool(binned) == (embeddings == "ple")


@every_kind
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision(kind, dtype):
    encoder, batch = make(kind).eval(), inputs()
    full = encoder(*batch).vector
    with torch.autocast("cpu", dtype=dtype):
        half = encoder(*batch).vector
    half.float().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())
    torch.testing.assert_close(half.float(), full, rtol=0.1, atol=0.1)


@every_kind
@pytest.mark.parametrize(("numeric", "categories"), [(3, ()), (0, (4, 2)), (1, (2,))])
def test_columns_of_one_kind_only(kind, numeric, categories):
    encoder = make(kind, numeric=numeric, categories=categories, bins=BINS[:numeric])
    codes = torch.ones(4, len(categories)).long()
    features = encoder(torch.randn(4, numeric), torch.ones(4, numeric).bool(), codes)
    assert features.vector.isfinite().all()
    assert features.tokens.shape[1] == numeric + len(categories)


@every_kind
def test_a_row_does_not_depend_on_the_others(kind):
    encoder, (numeric, there, codes) = make(kind).eval(), inputs()
    whole = encoder(numeric, there, codes).vector
    alone = encoder(numeric[2:3], there[2:3], codes[2:3]).vector
    torch.testing.assert_close(alone[0], whole[2], rtol=1e-5, atol=1e-6)


@every_kind
@pytest.mark.parametrize(
    "fusion", [spec.GatedFusion(dim=8), spec.CrossAttentionFusion(dim=8)], ids=lambda s: s.kind
)
def test_in_a_fusion_and_alone(kind, fusion):
    wanted, _ = registry.describe("table", kind)
    numeric, there, codes = inputs()
    for views in ({}, {"photo": (1, 32, 32)}):
        torch.manual_seed(0)
        model = MultimodalModel(
            spec.Model(
                image=spec.TimmEncoder(name="test_resnet"),
                table=wanted(**SMALL[kind]),
                fusion=fusion,
            ),
            views=views,
            numeric=3,
            categories=[5, 2],
            outputs=2,
            folder=Path(),
            bins=BINS,
        ).eval()
        batch = {
            "images": {name: torch.randn(6, *shape) for name, shape in views.items()},
            "image_present": torch.arange(6)[:, None].ge(1).expand(6, len(views)),
            "numeric_present": there,
            "categorical": codes,
        }
        logits = model(numeric=numeric, **batch).logits
        assert logits.shape == (6, 2)
        assert logits.isfinite().all()
        spoilt = model(numeric=torch.where(there, numeric, torch.nan), **batch).logits
        torch.testing.assert_close(spoilt, logits, rtol=0, atol=0)
