"""A run with attention blocks: trained, stopped and resumed, loaded, the same in every language."""

import pytest

from medfusion import Experiment
from medfusion.errors import SpecError
from medfusion.runs import RunFolder
from medfusion.spec import override
from medfusion.training import checkpoint, execute, prediction


@pytest.fixture(scope="module")
def attended(phantom):
    """The phantom with gates behind the last stages of its encoder."""
    return override.apply(
        phantom, ["model.image.attention={kind: cbam, stages: [3, 4]}", "training.epochs=2"]
    )


def test_the_experiment_is_the_same_in_every_language(attended):
    document = attended.model_dump(mode="json")
    assert Experiment.from_mapping(document, folder=attended.folder) == attended
    assert "attention=spec.CBAM(stages=[3, 4])" in attended.code
    with pytest.raises(SpecError, match=r"model\.image\.attention.*did you mean 'cbam'"):
        override.apply(attended, ["model.image.attention.kind=cbm"])
    with pytest.raises(SpecError, match=r"model\.image\.attention\.stage: .*did you mean 'stages'"):
        override.apply(attended, ["model.image.attention={kind: se, stage: [1]}"])


def test_a_stopped_run_goes_on_to_the_same_weights(attended, phantom_folder, tmp_path, stop_after):
    whole, parts = (RunFolder.create(attended, tmp_path) for _ in range(2))
    execute(whole.path)
    execute(parts.path, [stop_after(parts, 3)])
    assert execute(parts.path).state == "finished"
    one, other = (
        checkpoint.load(run.path / "checkpoints" / "best.safetensors")[0] for run in (whole, parts)
    )
    assert {name.split(".")[2] for name in one if ".attention." in name} == {"3", "4"}
    assert one.keys() == other.keys()
    assert all(one[name].equal(other[name]) for name in one)
    ids, predicted, _ = prediction.predict(parts, phantom_folder / "table.csv")
    again = dict(zip(ids, predicted[:, 1], strict=True))
    own = {row["id"]: float(row["prob_1"]) for row in parts.predictions}
    assert {name: again[name] for name in own} == pytest.approx(own, abs=1e-6)


def test_a_run_says_that_an_encoder_has_attention_of_its_own(phantom, tmp_path):
    exp = override.apply(
        phantom,
        [
            "model.image={kind: timm, name: mobilenetv3_small_050, attention: {kind: se, stages: [1]}}",
            "training.epochs=1",
        ],
    )
    run = RunFolder.create(exp, tmp_path)
    execute(run.path)
    told = (run.path / "events.jsonl").read_text("utf-8")
    assert "stage 1 of mobilenetv3_small_050 has attention of its own" in told
