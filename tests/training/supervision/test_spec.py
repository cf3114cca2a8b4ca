"""Supervision of attention in an experiment: the same in every language, refused where it cannot be."""

import pytest

from medfusion import Experiment
from medfusion.errors import SpecError
from medfusion.spec import override

ALL = (
    "training.supervision=[{kind: mask, weight: 0.3, start: 1, ramp: 2, rise: cosine}, "
    "{kind: class-activation}, {kind: consistency, scale: 0.2, outputs: 0.5}]"
)
MASK = "data.images.image.mask={column: image_mask}"


def test_the_experiment_is_the_same_in_every_language(phantom):
    asked = override.apply(phantom, [MASK, ALL])
    assert Experiment.from_mapping(asked.model_dump(mode="json"), folder=asked.folder) == asked
    assert Experiment.from_yaml_text(asked.to_yaml()) == asked
    assert "spec.MaskSupervision(weight=0.3" in asked.code
    assert phantom.training.supervision == ()


def test_without_images_it_is_idle(phantom):
    slip = [ALL.replace("mask, ", "class-activation, ").replace(", rise: cosine", "")]
    alone = override.apply(phantom, [*slip, "data.images={}"])
    assert "training.supervision is idle: data.images is empty" in alone.idle


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["training.supervision=[{kind: mask}]"], "it needs masks: give a view's mask"),
        (["training.supervision=[{kind: msk}]"], "did you mean 'mask'"),
        ([MASK, "training.supervision=[{kind: mask, views: [imag]}]"], "did you mean 'image'"),
        ([MASK, "training.supervision=[{kind: mask, regions: [lesio]}]"], "did you mean 'lesion'"),
        (
            [MASK, "training.supervision=[{kind: mask, map: attention}]"],
            "gated does not attend to positions of the image; fusions that do: cross-attention",
        ),
        (
            [MASK, "training.supervision=[{kind: mask}]", "model.image.trainable=none"],
            "the image encoder is frozen",
        ),
        (
            ["training.supervision=[{kind: consistency, flip: false, rotate: false}]"],
            "all off, so there is nothing to compare",
        ),
        (
            [
                "training.supervision=[{kind: class-activation}]",
                "data.target={kind: regression, column: bmi}",
                "data.numeric=[age]",
            ],
            "a regression target has none of its own; targets that fit: binary",
        ),
        (
            [
                "training.supervision=[{kind: consistency}]",
                "data.target={kind: segmentation, column: image_mask}",
            ],
            "the target is the class of every pixel already",
        ),
        (
            [
                "training.supervision=[{kind: consistency}]",
                "data.images.image.instances={kind: bag}",
            ],
            "every view stands for several images",
        ),
    ],
)
def test_what_cannot_be_is_refused(phantom, changes, message):
    with pytest.raises(SpecError, match=r"training\.supervision") as error:
        override.apply(phantom, changes)
    assert message in str(error.value)
