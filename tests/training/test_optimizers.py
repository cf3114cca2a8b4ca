"""Every trainable parameter is optimized once; what is frozen stays to the last bit."""

import pytest
import torch

from medfusion import spec
from medfusion.models.multimodal import MultimodalModel
from medfusion.runs import RunFolder
from medfusion.spec import override
from medfusion.training import checkpoint, execute
from medfusion.training.optimizers import make_optimizer


def model_of(trainable="all", fusion=None):
    torch.manual_seed(0)
    settings = spec.Model(
        image=spec.TimmEncoder(name="test_resnet", trainable=trainable),
        fusion=fusion or spec.GatedFusion(dim=8),
    )
    return MultimodalModel(
        settings, views={"a": (3, 32, 32)}, numeric=2, categories=[4], outputs=1, folder="."
    )


FUSIONS = [
    spec.ConcatenateFusion(dim=8),
    spec.GatedFusion(dim=8),
    spec.AttentionFusion(dim=8),
    spec.CrossAttentionFusion(dim=8, heads=2),
    spec.BilinearFusion(dim=8, rank=2),
]


@pytest.mark.parametrize("settings", [spec.AdamW(), spec.Adam(), spec.SGD()], ids=lambda s: s.kind)
@pytest.mark.parametrize("trainable", ["all", "none", 1])
@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda f: f.kind)
def test_every_trainable_parameter_is_in_exactly_one_group(settings, trainable, fusion):
    model = model_of(trainable, fusion)
    optimizer = make_optimizer(model, model.encoder_parameters(), settings)
    given = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(given) == sorted(id(p) for p in model.parameters() if p.requires_grad)


def test_the_encoder_learns_at_its_own_rate_and_vectors_do_not_decay():
    model = model_of()
    optimizer = make_optimizer(
        model,
        model.encoder_parameters(),
        spec.AdamW(lr=0.01, encoder_lr_scale=0.1, weight_decay=0.2),
    )
    encoder = {id(p) for p in model.encoder_parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["lr"] == pytest.approx(0.001 if id(parameter) in encoder else 0.01)
            assert group["weight_decay"] == (0.2 if parameter.ndim >= 2 else 0.0)


@pytest.mark.parametrize("trainable", ["none", "1"])
def test_frozen_weights_and_their_batch_norms_do_not_move_in_a_run(phantom, tmp_path, trainable):
    changes = [
        "training.epochs=1",
        f"model.image={{kind: timm, name: test_resnet, trainable: {trainable}}}",
    ]
    run = RunFolder.create(override.apply(phantom, changes), tmp_path)
    seen = {}

    class Before:
        def on_train_begin(self, engine):
            seen["state"] = {k: v.clone() for k, v in engine.plain_model.state_dict().items()}
            encoder = engine.plain_model.image
            frozen = {n for n, p in encoder.named_parameters() if not p.requires_grad}
            norms = {n.rsplit(".", 1)[0] for n in frozen if n.endswith("weight")}
            seen["frozen"] = {f"image.{n}" for n in frozen} | {
                f"image.{n}" for n, _ in encoder.named_buffers() if n.rsplit(".", 1)[0] in norms
            }

        def __getattr__(self, name):
            return lambda *_: None

    execute(run.path, [Before()])
    tensors, _ = checkpoint.load(run.path / "checkpoints" / "last.safetensors")
    moved = {k for k, v in seen["state"].items() if not torch.equal(v, tensors[f"model.{k}"])}
    assert seen["frozen"]
    assert any("running_mean" in name for name in seen["frozen"])
    assert not moved & seen["frozen"]
    assert any(name.startswith("fusion.") for name in moved)
    assert any(name.startswith("image.") for name in moved) == (trainable != "none")
