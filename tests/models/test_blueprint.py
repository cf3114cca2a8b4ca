"""A model's shapes and costs on the meta device are those of the real one."""

from pathlib import Path

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from medfusion import registry, spec
from medfusion.errors import InputError, UnknownNameError
from medfusion.models import MultimodalModel, facts
from medfusion.models.blueprint import PARTS, Inputs, blueprint

INPUTS = Inputs(
    views={"front": (3, 32, 32), "side": (3, 32, 32), "scan": (3, 32, 32)},
    instances={"scan": 4},
    places=("scan",),
    edges=[9, 5],
    categories=[4, 6],
    outputs=3,
)
KINDS = [
    (family, kind)
    for family in ("fusion", "views", "instances", "table", "head", "attention")
    for kind in registry.list_kinds("views" if family == "instances" else family)
]
ROWS = 5


def settings_of(family, kind):
    made, _ = registry.describe("views" if family == "instances" else family, kind)
    image = {"name": "test_resnet", "attention": made() if family == "attention" else None}
    chosen = {} if family == "attention" else {family: made()}
    return spec.Model(image=spec.TimmEncoder(**image), modality_dropout=0.0, **chosen)


def real(settings, inputs):
    """Return the real model, and a run of it on rows that show everything."""
    model = MultimodalModel(
        settings,
        views=inputs.views,
        numeric=len(inputs.edges),
        categories=inputs.categories,
        outputs=inputs.outputs,
        folder=Path(),
        instances=dict(inputs.instances),
        bins=[list(map(float, range(count))) for count in inputs.edges],
        segmented=inputs.segmented,
    )
    several = {name: (count,) for name, count in inputs.instances.items()}
    batch = {
        "images": {
            name: torch.randn(ROWS, *several.get(name, ()), *shape)
            for name, shape in inputs.views.items()
        },
        "image_present": torch.ones(ROWS, len(inputs.views)).bool(),
        "numeric": torch.randn(ROWS, len(inputs.edges)),
        "numeric_present": torch.ones(ROWS, len(inputs.edges)).bool(),
        "categorical": torch.ones(ROWS, len(inputs.categories), dtype=torch.int64),
        "instance_present": {k: torch.ones(ROWS, n).bool() for k, (n,) in several.items()},
    }
    return model, lambda: model(**batch)


def weights_in(module):
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_every_part_costs_what_the_real_one_does(family, kind):
    settings = settings_of(family, kind)
    inputs = Inputs(**{**vars(INPUTS), "segmented": "front" if kind == "segmentation" else None})
    found = blueprint(settings, inputs)
    model, run = real(settings, inputs)
    assert found.parameters == weights_in(model)
    for name, part in found.parts.items():
        wanted = weights_in(model.get_submodule(PARTS[name]))
        if name == "image" and model.image.attention is not None:
            wanted -= weights_in(model.image.attention)
        assert part.parameters == wanted, name
    model.train()
    with FlopCounterMode(display=False) as counter:
        output = run()
    assert found.multiply_adds == pytest.approx(counter.get_total_flops() / 2 / ROWS, rel=0.02)
    shape = found.parts["head"].shapes["vector"]
    assert shape == tuple(output.logits.shape[1:])
    assert found.parts["fusion"].shapes["z"] == (settings.fusion.dim,)


def kept_by(model, run):
    """Return the bytes that a run keeps for the way back, weights aside."""
    own = {tensor.untyped_storage().data_ptr() for tensor in model.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        run()
    return sum(kept.values())


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
def test_memory_is_what_autograd_keeps(name):
    settings = spec.Model(image=spec.TimmEncoder(name=name), modality_dropout=0.0)
    inputs = Inputs(views={"photo": (3, 64, 64)}, edges=[9], categories=[4])
    found = blueprint(settings, inputs)
    model, run = real(settings, inputs)
    model.train()
    images = ROWS * 3 * 64 * 64 * 4
    # On a processor, attention and GELU keep a little more or less than what a GPU's kernels do.
    assert ROWS * found.subject_bytes == pytest.approx(kept_by(model, run) + images, rel=0.25)
    assert found.fixed_bytes == pytest.approx(16 * found.parameters, rel=0.02)
    assert found.training_bytes(64) == found.fixed_bytes + 64 * found.subject_bytes


def test_the_encoder_is_that_of_its_facts():
    known = facts("resnet18", (64, 64), batch=32)
    found = blueprint(spec.Model(), Inputs(views={"photo": (3, 64, 64)}))
    image = found.parts["image"]
    assert (image.parameters, image.multiply_adds) == (known.parameters, known.multiply_adds)
    assert image.shapes["map"] == known.map
    assert found.training_bytes(32) == pytest.approx(known.training_bytes, rel=0.05)


def test_what_is_frozen_costs_no_gradients():
    inputs = Inputs(views={"photo": (3, 64, 64)})
    free = blueprint(spec.Model(), inputs)
    frozen = blueprint(spec.Model(image=spec.TimmEncoder(trainable="none")), inputs)
    assert frozen.parts["image"].trained == 0
    assert frozen.parameters == free.parameters
    assert frozen.training_bytes(32) < 0.5 * free.training_bytes(32)


def test_slices_in_parts_keep_one_part():
    inputs = Inputs(views={"ct": (1, 32, 32)}, instances={"ct": 100}, places=("ct",))
    whole = blueprint(spec.Model(instances_at_once=10_000), inputs)
    parts = blueprint(spec.Model(instances_at_once=50), inputs)
    assert whole.multiply_adds == parts.multiply_adds
    kept = parts.training_bytes(8) - parts.fixed_bytes - 8 * parts.subject_bytes
    assert kept == 50 * parts.image_bytes
    assert whole.training_bytes(8) - parts.training_bytes(8) == 750 * parts.image_bytes


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"name": "hiera_tiny_224"}, "64 x 64 or 96 x 96"),
        ({"name": "vit_small_patch32_384"}, "set the view's size to 64 or 96"),
        ({"name": "test_resnet", "attention": spec.CBAM(stages=(9,))}, "no stage 9"),
    ],
)
def test_what_does_not_fit_is_said(image, message):
    with pytest.raises(InputError, match=message):
        blueprint(spec.Model(image=spec.TimmEncoder(**image)), Inputs(views={"p": (3, 80, 80)}))


def test_unknown_names_and_nothing_at_all():
    inputs = Inputs(views={"photo": (3, 64, 64)})
    with pytest.raises(UnknownNameError, match="resnet18"):
        blueprint(spec.Model(image=spec.TimmEncoder(name="resnet-18")), inputs)
    with pytest.raises(InputError, match="nothing to learn"):
        blueprint(spec.Model(), Inputs())
