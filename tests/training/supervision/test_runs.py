"""Runs with supervision of attention: recorded part by part, resumed to the same weights."""

import json

import numpy as np
import pytest

from medfusion.errors import InputError
from medfusion.runs import RunFolder
from medfusion.spec import override
from medfusion.training import checkpoint, execute

PARTS = ["supervision/mask", "supervision/class-activation", "supervision/consistency"]

KINDS = (
    "{kind: mask}",
    "{kind: class-activation}",
    "{kind: consistency, scale: 0.2, outputs: 0.1}",
    "{kind: mask, match: inside, start: 1}",
)


@pytest.fixture(scope="module")
def supervised(phantom):
    """The phantom with every supervision, of which one begins late and is there twice."""
    return override.apply(
        phantom,
        [
            "data.images.image.mask={column: image_mask}",
            f"training.supervision=[{', '.join(KINDS)}]",
            "model.image.name=test_vit2",
            "training.epochs=2",
            "training.accumulate=2",
        ],
    )


def test_a_stopped_run_goes_on_to_the_same_weights(supervised, tmp_path, stop_after):
    whole, parts = (RunFolder.create(supervised, tmp_path) for _ in range(2))
    assert execute(whole.path).state == "finished"
    execute(parts.path, [stop_after(parts, 3)])
    assert execute(parts.path).state == "finished"
    one, other = (
        checkpoint.load(run.path / "checkpoints" / "best.safetensors")[0] for run in (whole, parts)
    )
    assert one.keys() == other.keys()
    assert all(one[name].equal(other[name]) for name in one)

    lines = (whole.path / "events.jsonl").read_text("utf-8").splitlines()
    steps = [event for event in map(json.loads, lines) if event["kind"] == "step"]
    assert set(steps[0]["parts"]) == {"task", *PARTS, "supervision/mask-2"}
    assert all(np.isfinite(list(step["parts"].values())).all() for step in steps)
    assert all(steps[-1]["parts"][name] > 0 for name in PARTS)
    late = [step["parts"]["supervision/mask-2"] > 0 for step in steps]
    assert late == [step["epoch"] == 2 for step in steps]
    assert "auc" in whole.metrics["test"]


@pytest.mark.parametrize("name", ["test_vit2", "test_vit"])
def test_gradient_checkpointing_works_or_is_refused(supervised, name, tmp_path):
    asked = override.apply(
        supervised,
        [f"model.image.name={name}", "training.gradient_checkpointing=true", "training.epochs=1"],
    )
    run = RunFolder.create(asked, tmp_path)
    if name == "test_vit":
        with pytest.raises(InputError, match="set it to false"):
            execute(run.path)
    else:
        assert execute(run.path).state == "finished"


def test_a_map_of_one_position_is_refused(supervised, tmp_path):
    asked = override.apply(supervised, ["data.images.image.size=[16, 16]"])
    run = RunFolder.create(asked, tmp_path)
    with pytest.raises(InputError, match=r"a single position of image \(16 x 16 pixels\)"):
        execute(run.path)
