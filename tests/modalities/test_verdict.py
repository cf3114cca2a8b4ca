"""What the verdict says, and when: worked out from gains alone."""

import numpy as np
import pytest

from medfusion.errors import InputError
from medfusion.evaluation.multiplicity import holm
from medfusion.modalities import Settings
from medfusion.modalities.candidates import candidates_of, experiment_of, fusion_kinds
from medfusion.modalities.gain import Gain
from medfusion.modalities.robustness import patterns
from medfusion.modalities.verdict import Names, cases_needed, judge, lead_of
from medfusion.spec import Experiment

NAMES = Names(
    "AUC",
    {"gated": "gated", "film": "film", "image": "the image alone", "table": "the table alone",
     "logistic": "logistic regression on the table alone"},
)  # fmt: skip


def gain(first, value, ci, p, second="image", n=600, p_holm=None):
    return Gain(first, second, value, ci, p, p if p_holm is None else p_holm, n=n)


@pytest.mark.parametrize("seed", range(20))
def test_holm_is_that_of_statsmodels(seed):
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(seed).random(1 + seed % 7) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-15)
    assert holm([]) == []


def test_fusion_gains():
    found = judge([gain("gated", 0.021, (0.004, 0.038), 0.01)], "gated", 0.01, NAMES)
    assert (found.outcome, found.fusion, found.reference) == ("pays", "gated", "image")
    assert found.text == (
        "Fusion (gated) gains 0.021 AUC [0.004, 0.038] over the image alone (p = 0.010)."
    )


def test_fusion_does_not_pay():
    found = judge([gain("gated", 0.001, (-0.006, 0.008), 0.8)], "gated", 0.01, NAMES)
    assert found.outcome == "does-not-pay"
    assert found.sentence == (
        "Fusion does not pay here: gated gains 0.001 AUC [\N{MINUS SIGN}0.006, 0.008] over the "
        "image alone (p = 0.800); a gain of 0.01 AUC or more is ruled out."
    )
    found = judge([gain("gated", -0.03, (-0.05, -0.01), 0.001)], "gated", 0.01, NAMES)
    assert "loses 0.030 AUC [0.010, 0.050] against the image alone" in found.sentence
    found = judge([gain("gated", 0.004, (0.001, 0.007), 0.01)], "gated", 0.01, NAMES)
    assert found.outcome == "does-not-pay"  # real, but too small to matter


def test_undecided_says_how_many_cases_would_decide():
    found = judge([gain("gated", 0.004, (-0.012, 0.020), 0.6)], "gated", 0.01, NAMES)
    assert found.outcome == "undecided"
    assert found.cases_needed == 6200  # 600 * 3.2 ** 2, rounded up to two digits
    assert "the interval includes no gain and a gain of 0.01" in found.sentence
    assert "About 6,200 cases would be needed" in found.sentence
    assert cases_needed(gain("gated", 0.0, None, None), 0.01) is None


def test_a_gain_must_stand_after_holm():
    gains = [
        gain("gated", 0.02, (0.001, 0.04), 0.04, p_holm=0.08),
        gain("film", 0.01, (-0.01, 0.03), 0.3, p_holm=0.3),
    ]
    found = judge(gains, "gated", 0.01, NAMES)
    assert found.outcome == "undecided"
    assert "does not stand once 2 fusions are allowed for" in found.sentence
    gains[1] = gain("film", 0.05, (0.02, 0.08), 0.001, p_holm=0.002)
    found = judge(gains, "gated", 0.01, NAMES)
    assert (found.outcome, found.fusion) == ("pays", "film")
    assert "The fusion that validation would choose (gated)" in found.sentence
    assert "adjusted for 2 fusions" in found.sentence


def test_what_falls_is_better():
    names = Names("RMSE", NAMES.candidates, unit=" years", smaller=True)
    found = judge([gain("gated", 0.5, (0.2, 0.8), 0.001)], "gated", 0.05, names)
    assert found.sentence == (
        "Fusion (gated) lowers RMSE by 0.500 years [0.200, 0.800] over the image alone (p = 0.001)."
    )


def test_nothing_to_estimate():
    none = Gain("gated", "image", None, None, None, note="not estimable: only 5 cases")
    found = judge([none], "gated", 0.01, NAMES)
    assert found.outcome == "not-estimable"
    assert "only 5 cases" in found.text


def test_a_rival_that_does_as_well_is_said_first():
    def lead(fusion, single, table):
        pairs = [("gated", fusion), ("image", single), ("table", table)]
        over = [gain(name, sum(ci) / 2, ci, 0.5, "logistic") for name, ci in pairs]
        return lead_of("logistic", *over, 0.01, NAMES)

    below, wide, above = (-0.01, 0.005), (-0.02, 0.03), (0.02, 0.06)
    assert "as good as everything else here" in lead(below, below, below)
    assert "does as well as fusion as far as can be told" in lead(wide, below, below)
    assert "is as good as the neural network on the table" in lead(above, above, below)
    assert "as well as the neural network on the table as far as" in lead(above, above, wide)
    assert lead(above, above, above) == ""


def test_settings_that_make_no_sense():
    with pytest.raises(InputError, match="at least 3"):
        Settings(folds=2)
    with pytest.raises(InputError, match="not both"):
        Settings(folds=3, own_split=True)
    with pytest.raises(InputError, match="above 0"):
        Settings(smallest_gain=0.0)


@pytest.fixture
def experiment(tmp_path):
    def make(**parts):
        data = {
            "table": "t.csv", "id": "id", "numeric": ["age"], "images": {"photo": {"column": "p"}},
            "target": {"kind": "binary", "column": "y"}, "split": {"kind": "grouped"},
        }  # fmt: skip
        document = {"data": data | parts.pop("data", {})} | parts
        return Experiment.from_mapping(document, folder=tmp_path)

    return make


def test_one_modality_is_a_clear_error(experiment):
    for data, said in (({"images": {}}, "no images"), ({"numeric": []}, "no table columns")):
        with pytest.raises(InputError, match=said):
            candidates_of(experiment(data=data), ["gated"])
    with pytest.raises(InputError, match="did you mean 'gated'"):
        candidates_of(experiment(), ["gatde"])


@pytest.mark.parametrize("kind", fusion_kinds())
def test_every_kind_of_fusion_can_be_asked_for(experiment, kind):
    base = experiment(model={"fusion": {"kind": "gated", "dim": 24, "dropout": 0.3}})
    found = {one.name: one for one in candidates_of(base, [kind, kind])}
    assert list(found)[:3] == ["image", "table", kind]
    made = experiment_of(base, found[kind], {}, "one")
    assert made.model.fusion.kind == kind


def test_a_fusion_whose_heads_do_not_divide_the_width_takes_its_own(experiment):
    base = experiment(model={"fusion": {"kind": "gated", "dim": 30}})
    (one,) = [c for c in candidates_of(base, ["cross-attention"]) if c.role == "fusion"]
    assert one.fusion["dim"] == 128
    assert candidates_of(base, ["bilinear"])[2].fusion["dim"] == 30


def test_a_single_modality_keeps_what_is_its_own(experiment):
    base = experiment(
        model={"image": {"name": "resnet10t"}, "table": {"kind": "mlp", "hidden": [7]}},
        training={"optimizer": {"kind": "adamw", "encoder_lr_scale": 0.1}, "epochs": 3,
                  "gradient_checkpointing": True},
    )  # fmt: skip
    image, table = candidates_of(base, ["gated"])[:2]
    alone = experiment_of(base, image, {}, "image")
    assert alone.data.images == base.data.images
    assert (alone.data.numeric, alone.model.table) == ((), None)
    assert alone.model.image == base.model.image
    assert alone.training == base.training
    alone = experiment_of(base, table, {}, "table")
    assert (alone.data.images, alone.model.image) == ({}, None)
    assert alone.model.table.hidden == (7,)
    assert alone.training.optimizer.encoder_lr_scale == 1
    assert alone.training.epochs == 3


def test_patterns_cover_every_view():
    labels = [one.label for one in patterns(["a", "b"])]
    assert labels == ["All as they are", "Images only", "Table only", "Without a", "Without b",
                      "Nothing"]  # fmt: skip
