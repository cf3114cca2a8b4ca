"""On data whose truth is known the verdict comes out as it must."""

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SHARES = (0.5, 0.1, 0.4)


def outcome(comparison):
    results = comparison.results
    values = {one["name"]: one["test"]["value"] for one in results["candidates"]}
    return results["verdict"], values


@pytest.fixture(scope="module")
def verdict_on(make_experiment, compared):
    def find(label, *changes, subjects=500, epochs=5, smallest=0.1, **settings):
        experiment = make_experiment(
            *changes,
            subjects=subjects, seed=1, label=label, shares=SHARES, prevalence=0.5,
            per_group=(1, 1), epochs=epochs, **settings,
        )  # fmt: skip
        return outcome(compared(experiment, fusions=("gated",), smallest_gain=smallest))

    return find


def test_fusion_pays_where_both_tell_something(verdict_on):
    verdict, values = verdict_on("additive", subjects=700)
    assert verdict["outcome"] == "pays", verdict["text"]
    assert verdict["gain"]["ci"][0] > 0
    assert verdict["gain"]["p_holm"] < 0.05
    assert verdict["sentence"].startswith("Fusion (gated) gains 0.")
    assert values["gated"] > max(values["image"], values["table"], values["boosting"])


def test_fusion_pays_where_neither_tells_anything_alone(verdict_on):
    verdict, values = verdict_on(
        "crossed", "model.modality_dropout=0.0", "data.numeric=[age, marker]",
        "data.categorical=[stage]", subjects=700, epochs=14,
    )  # fmt: skip
    assert verdict["outcome"] == "pays", verdict["text"]
    assert values["gated"] > 0.65
    for name in ("image", "table", "logistic", "boosting"):
        assert values[name] == pytest.approx(0.5, abs=0.09), name


@pytest.mark.parametrize("label", ["image", "table"])
def test_fusion_does_not_pay_where_one_tells_all(verdict_on, label):
    verdict, values = verdict_on(label)
    assert verdict["outcome"] == "does-not-pay", verdict["text"]
    assert "Fusion does not pay here" in verdict["sentence"]
    assert verdict["gain"]["ci"][1] < 0.1
    assert values[label] > 0.75
    other = "table" if label == "image" else "image"
    assert values[other] == pytest.approx(0.5, abs=0.09)
    if label == "table":  # log-odds linear in the columns: a line is the best there is
        assert verdict["lead"].startswith("Logistic regression on the table alone")
        assert verdict["reference"] != "image"


def test_with_missing_images_the_rows_are_worth_keeping(make_experiment, compared):
    experiment = make_experiment(
        subjects=700, seed=2, image_weight=1.5, table_weight=3.0, shares=(0.4, 0.1, 0.5),
        prevalence=0.5, per_group=(1, 1), missing_images=0.3, epochs=6,
    )  # fmt: skip
    comparison = compared(experiment, fusions=("gated",), complete_rows=True, rivals=False)
    results = comparison.results
    (gain,) = [one for one in results["gains"] if one["second"] == "complete-rows"]
    assert gain["first"] == "gated"
    assert gain["n"] == 350  # the rows without an image are judged too
    assert gain["ci"][0] > 0, gain
    lacking = next(one for one in results["missing"] if one["pattern"] == "Without image")
    assert lacking["n"] > 80
    assert lacking["values"]["gated"]["value"] > 0.65  # from the table alone
    assert lacking["values"]["complete-rows"]["value"] is None  # one and the same prediction
    seen = {one["pattern"]: one["values"]["gated"]["value"] for one in results["robustness"]}
    assert seen["All as they are"] > max(seen["Image only"], seen["Table only"])
    assert min(seen["Image only"], seen["Table only"]) > 0.55
    assert seen["Nothing"] == 0.5
