"""The head that classes pixels: over any encoder, led by the table, sound where images are missing."""

from pathlib import Path

import pytest
import torch

from medfusion import spec
from medfusion.models import MultimodalModel
from medfusion.models.backbones.pyramid import Level, Pyramid
from medfusion.models.heads import SegmentationHead

ENCODERS = ["test_resnet", "test_convnext", "test_efficientnet", "test_vit", "test_vit2"]


def made(name="test_resnet", size=32, views=("photo",), segmented="photo", outputs=3, **changes):
    torch.manual_seed(0)
    settings = spec.Model(
        image=spec.TimmEncoder(name=name),
        fusion=spec.GatedFusion(dim=8),
        head=spec.SegmentationHead(width=4, widest=32),
        **changes,
    )
    return MultimodalModel(
        settings, views=dict.fromkeys(views, (1, size, size)), numeric=2, categories=[3],
        outputs=outputs, folder=Path(), segmented=segmented,
    )  # fmt: skip


def batch(rows=4, size=32, views=("photo",), seed=1):
    torch.manual_seed(seed)
    return {
        "images": {view: torch.randn(rows, 1, size, size) for view in views},
        "image_present": torch.ones(rows, len(views)).bool(),
        "numeric": torch.randn(rows, 2),
        "numeric_present": torch.ones(rows, 2).bool(),
        "categorical": torch.randint(0, 3, (rows, 1)),
    }


@pytest.mark.parametrize("name", ENCODERS)
def test_any_encoder_gives_logits_for_every_pixel(name):
    model = made(name)
    inputs = batch()
    logits = model(**inputs).logits
    assert logits.shape == (4, 3, 32, 32)
    logits.square().mean().backward()
    for part in (model.image, model.table, model.head):
        gradients = [p.grad for p in part.parameters() if p.requires_grad]
        assert all(g is None or bool(g.isfinite().all()) for g in gradients)
        # The table reaches the pixels by the modulation alone, which starts at none.
        assert part is model.table or any(g is not None and bool(g.any()) for g in gradients)


@pytest.mark.parametrize(
    "name", ["swin_tiny_patch4_window7_224", "test_maxvit", "test_mambaout", "test_nfnet"]
)
def test_maps_are_found_in_any_layout(name):
    from medfusion.models.backbones import TimmEncoder

    encoder = TimmEncoder(spec.TimmEncoder(name=name), channels=1, sizes=[(64, 64)], folder=Path())
    pyramid = Pyramid(encoder, 1, (64, 64))
    sides = [level.height for level in pyramid.levels]
    assert sides == sorted(set(sides), reverse=True)
    assert sides[0] in (16, 32)
    assert len(sides) >= 3
    assert pyramid.levels[-1].channels == encoder.width.tokens
    with torch.no_grad(), pyramid.keeping() as kept:
        encoder(torch.zeros(2, 1, 64, 64))
    shapes = [tuple(level.shape[1:]) for level in kept.values()]
    assert shapes == [tuple(level) for level in pyramid.levels[:-1]]


def test_sizes_that_are_no_power_of_two():
    for size, levels in [
        ((30, 45), [Level(4, 15, 23), Level(6, 8, 12)]), ((7, 7), [Level(4, 7, 7)]),
        ((64, 48), [Level(5, 4, 3)]), ((33, 20), [Level(3, 33, 20), Level(4, 2, 2)]),
    ]:  # fmt: skip
        head = SegmentationHead(
            spec.SegmentationHead(width=2), width=3, outputs=2, levels=levels, size=size
        )
        maps = [torch.randn(1, *level) for level in levels]
        assert head(torch.zeros(1, 3), maps).shape == (1, 2, *size)


def test_the_table_moves_the_pixels_a_little_at_first_and_learns_at_once():
    model = made().eval()
    first, second = batch(), batch()
    second["numeric"] = second["numeric"] + 3
    with torch.no_grad():
        one, other = model(**first).logits, model(**second).logits
    assert 0 < (one - other).abs().mean() < 0.1 * one.std()
    model = made(segmented="photo")
    model(**first).logits.square().mean().backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in model.table.parameters())


def test_without_modulation_only_the_image_counts():
    head = SegmentationHead(
        spec.SegmentationHead(modulate=False),
        width=3,
        outputs=2,
        levels=[Level(4, 4, 4)],
        size=(8, 8),
    )
    maps = [torch.randn(2, 4, 4, 4)]
    assert torch.equal(head(torch.zeros(2, 3), maps), head(torch.ones(2, 3), maps))


@pytest.mark.parametrize("views", [("photo",), ("photo", "other"), ("other", "photo")])
def test_an_absent_image_changes_no_other_row(views):
    model = made(views=views).eval()
    inputs = batch(views=views)
    with torch.no_grad():
        whole = model(**inputs).logits
        inputs["image_present"][1, views.index("photo")] = False
        inputs["images"]["photo"][1] = torch.nan
        logits = model(**inputs).logits
    assert logits.isfinite().all()
    for row in (0, 2, 3):
        torch.testing.assert_close(logits[row], whole[row], atol=1e-4, rtol=1e-3)
    # Each row's maps are its own, wherever others are missing.
    alone = {
        "images": {view: image[2:3] for view, image in inputs["images"].items()},
        **{k: v[2:3] for k, v in inputs.items() if k != "images"},
    }
    with torch.no_grad():
        torch.testing.assert_close(model(**alone).logits[0], whole[2], atol=1e-4, rtol=1e-3)


def test_only_the_segmented_view_is_read_pixel_by_pixel():
    model = made(views=("photo", "other"), segmented="other").eval()
    torch.nn.init.zeros_(model.head.condition.weight)  # what is fused does not count
    inputs = batch(views=("photo", "other"))
    with torch.no_grad():
        whole = model(**inputs).logits
        inputs["images"]["photo"] += 1
        assert torch.equal(model(**inputs).logits, whole)
        inputs["images"]["other"] += 1
        assert not torch.equal(model(**inputs).logits, whole)


def test_not_one_image():
    model = made()
    inputs = batch()
    inputs["image_present"][:] = False
    for mode in (model.train(), model.eval()):
        assert mode(**inputs).logits.isfinite().all()


def test_in_training_the_image_is_never_hidden():
    model = made(modality_dropout=0.9)
    seen = []
    model.image.register_forward_hook(lambda _m, args, _o: seen.append(len(args[0])))
    for _ in range(5):
        model(**batch(rows=8))
    assert set(seen) == {8}


def test_a_batch_of_one_half_precision_and_saved_weights():
    model = made()
    assert model.train()(**batch(rows=1)).logits.isfinite().all()
    with torch.autocast("cpu", torch.bfloat16):
        assert model.eval()(**batch()).logits.isfinite().all()
    again = made(outputs=3)
    again.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval()(**batch()).logits, model.eval()(**batch()).logits)


def test_gradient_checkpointing_changes_no_result():
    first, second = made("test_resnet"), made("test_resnet")
    second.load_state_dict(first.state_dict())
    second.set_grad_checkpointing()
    results = []
    for model in (first, second):
        model.eval()
        model(**batch()).logits.square().mean().backward()
        results.append([p.grad for p in model.image.parameters()])
    for a, b in zip(*results, strict=True):
        assert (a is None and b is None) or torch.allclose(a, b, atol=1e-6)
