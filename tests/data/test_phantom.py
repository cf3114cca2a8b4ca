"""The phantom: its Bayes AUCs are true, its images carry their signal, its leaks are found."""

import json
import time

import numpy as np
import pytest

from medfusion.data import Cohort, png, read_image
from medfusion.data.phantom import scene, write_phantom
from medfusion.data.phantom.truth import (
    STAGE_SHARES,
    STAGE_WEIGHT,
    Truth,
    stage_scores,
    table_signal,
)
from medfusion.errors import SplitError, StorageError
from medfusion.spec import Experiment


def auc(score, event):
    from scipy.stats import rankdata

    ranks = rankdata(score)
    cases = event.sum()
    return (ranks[event].sum() - cases * (cases + 1) / 2) / (cases * (len(event) - cases))


def expected_auc(chance):
    """AUC of the chances themselves, over all labels that could be drawn with them."""
    chance = np.sort(chance)
    controls = np.cumsum(1 - chance) - (1 - chance) / 2
    return chance @ controls / (chance.sum() * (1 - chance).sum())


def logistic(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("image", "table", "interaction", "prevalence"),
    [(2, 2, 0, 0.35), (2, 0, 0, 0.5), (0, 1, 0, 0.1), (1, 1, 2, 0.35), (0, 0, 3, 0.4)],
)
def test_bayes_auc_is_what_a_million_draws_give(image, table, interaction, prevalence):
    truth = Truth(image, table, interaction).with_prevalence(prevalence)
    exact = truth.bayes_auc()
    assert exact == pytest.approx(truth.bayes_auc(points=901), abs=2e-5)
    rng = np.random.default_rng(0)
    n = 1_000_000
    u = rng.standard_normal(n)
    stage = rng.choice(4, n, p=STAGE_SHARES)
    v = table_signal(rng.standard_normal(n), rng.standard_normal(n), stage)
    chance = logistic(truth.log_odds(u, v))
    assert chance.mean() == pytest.approx(prevalence, abs=0.001)
    assert expected_auc(chance) == pytest.approx(exact[0], abs=5e-4)
    # Given one signal, the other is integrated out by Gauss and Hermite's rule.
    places, weights = np.polynomial.hermite_e.hermegauss(80)
    weights /= weights.sum()
    given_u = np.zeros(n // 10)
    for score, share in zip(stage_scores(), STAGE_SHARES, strict=True):
        middle = STAGE_WEIGHT * score
        sd = np.sqrt(1 - STAGE_WEIGHT**2)
        for place, weight in zip(places, weights, strict=True):
            given_u += share * weight * logistic(truth.log_odds(u[::10], middle + sd * place))
    assert expected_auc(given_u) == pytest.approx(exact[1], abs=2e-3)
    given_v = sum(
        weight * logistic(truth.log_odds(place, v[::10]))
        for place, weight in zip(places, weights, strict=True)
    )
    assert expected_auc(given_v) == pytest.approx(exact[2], abs=2e-3)


def test_useless_signals_have_auc_one_half():
    full, image, table = Truth(0, 2, 0).with_prevalence(0.3).bayes_auc()
    assert image == pytest.approx(0.5, abs=1e-6)
    assert full == pytest.approx(table, abs=1e-6)
    # u is symmetric, so u * v says nothing of its sign to one who sees v alone.
    assert Truth(0, 0, 3).with_prevalence(0.5).bayes_auc()[2] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("prevalence", [0.2, 0.5])
def test_a_crossed_label_tells_nothing_from_either_side(prevalence):
    truth = Truth(0, 0, 0, crossed=1).with_prevalence(prevalence)
    both, image, table = truth.bayes_auc()
    assert image == pytest.approx(0.5, abs=1e-6)
    assert table == pytest.approx(0.5, abs=1e-6)
    assert both > 0.75
    rng = np.random.default_rng(0)
    n = 1_000_000
    u = rng.standard_normal(n)
    v = table_signal(
        rng.standard_normal(n), rng.standard_normal(n), rng.choice(4, n, p=STAGE_SHARES)
    )
    chance = logistic(truth.log_odds(u, v))
    assert chance.mean() == pytest.approx(prevalence, abs=0.001)
    assert expected_auc(chance) == pytest.approx(both, abs=1e-3)
    for signal in (u, v):  # in every tenth of either signal the share of events is the same
        tenth = np.argsort(np.argsort(signal)) * 10 // n
        shares = np.bincount(tenth, weights=chance) / np.bincount(tenth)
        assert shares == pytest.approx([prevalence] * 10, abs=0.005)


@pytest.mark.parametrize(
    ("label", "weights"),
    [("image", (1, 0, 0)), ("table", (0, 1, 0)), ("additive", (1, 1, 0))],
)
def test_labels_by_name_are_those_by_weight(tmp_path, label, weights):
    image, table, interaction = weights
    named = write_phantom(tmp_path / "a", subjects=40, size=16, label=label)
    given = write_phantom(
        tmp_path / "b", subjects=40, size=16, image_weight=image, table_weight=table,
        interaction=interaction,
    )  # fmt: skip
    assert (named.target == given.target).all()
    assert named.bayes_auc == given.bayes_auc


def test_the_cohort_follows_its_truth(tmp_path):
    phantom = write_phantom(tmp_path, subjects=1500, size=16, seed=2)
    facts = json.loads((tmp_path / "phantom.json").read_text())
    truth = Truth(**facts["log_odds"])
    event = phantom.target == 1
    assert event.mean() == pytest.approx(0.35, abs=0.04)
    assert auc(truth.log_odds(phantom.u, phantom.v), event) == pytest.approx(
        phantom.bayes_auc, abs=0.02
    )
    assert facts["bayes_auc"] == phantom.bayes_auc
    assert phantom.v.mean() == pytest.approx(0, abs=0.08)
    assert phantom.v.std() == pytest.approx(1, abs=0.07)
    assert abs(np.corrcoef(phantom.u, phantom.v)[0, 1]) < 0.08


def test_the_table_holds_its_signal_exactly(tmp_path):
    phantom = write_phantom(tmp_path, subjects=200, size=16)
    cohort = Cohort.load(Experiment.from_yaml(phantom.experiment))
    stages = {"I": 0, "II": 1, "III": 2, "IV": 3}
    stage = np.array([stages[name] for name in cohort.table.text("stage")])
    age, marker = cohort.table.numbers("age"), cohort.table.numbers("marker")
    np.testing.assert_allclose(table_signal((age - 60) / 12, (marker - 10) / 3, stage), phantom.v)


def test_the_image_holds_its_signal(tmp_path):
    phantom = write_phantom(tmp_path, subjects=300)
    cohort = Cohort.load(Experiment.from_yaml(phantom.experiment))
    area = np.array([(read_image(path) > 145).mean() for path in cohort.image_paths["image"]])
    shape = np.stack([np.ones(300), np.sqrt(area), area], axis=1)
    fitted = shape @ np.linalg.lstsq(shape, phantom.u, rcond=None)[0]
    r2 = 1 - ((phantom.u - fitted) ** 2).sum() / ((phantom.u - phantom.u.mean()) ** 2).sum()
    assert r2 > 0.9


def test_masks_are_where_the_lesion_is(tmp_path):
    phantom = write_phantom(tmp_path, subjects=12)
    for name in phantom.ids:
        image = read_image(str(tmp_path / "images" / f"{name}_image.png"))[..., 0].astype(float)
        mask = read_image(str(tmp_path / "masks" / f"{name}_image.png"))[..., 0]
        assert set(np.unique(mask)) == {0, 255}
        assert image[mask == 255].mean() > image[mask == 0].mean() + 50
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "experiment.yaml", "images", "masks", "phantom.json", "table.csv",
    ]  # fmt: skip


def test_the_same_seed_writes_the_same_files(tmp_path):
    def files(name, **settings):
        write_phantom(tmp_path / name, subjects=30, size=16, **settings)
        root = tmp_path / name
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    first = files("a", seed=3, views=2, missing_images=0.2)
    assert files("b", seed=3, views=2, missing_images=0.2) == first
    assert files("c", seed=4, views=2, missing_images=0.2) != first


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"views": 3, "missing_images": 0.3, "missing_table": 0.2},
        {"image_weight": 0, "sites": 1},
        {"label": "crossed", "prevalence": 0.5},
        {"table_weight": 0, "per_group": (1, 1)},
        {"interaction": 1.0, "noise": 0.0, "prevalence": 0.5, "per_group": (2, 5)},
    ],
)
def test_every_phantom_is_a_clean_experiment(tmp_path, settings):
    phantom = write_phantom(tmp_path, subjects=200, size=16, seed=5, **settings)
    cohort = Cohort.load(Experiment.from_yaml(phantom.experiment))
    assert cohort.ids == phantom.ids
    assert cohort.groups == phantom.groups
    assert (cohort.target == phantom.target).all()
    assert len(cohort.image_paths) == settings.get("views", 1)
    bad = {check.name: check.message for check in cohort.checks if check.outcome != "PASS"}
    if settings.get("sites") == 1:
        assert set(bad) == {"constant columns"}
    else:
        assert bad == {}
    shares = [len(cohort.rows(split)) / 200 for split in ("train", "val", "test")]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.03)
    missing = 1 - cohort.image_present.mean()
    assert missing == pytest.approx(settings.get("missing_images", 0), abs=0.07)
    assert 1 - cohort.table_present.mean() == pytest.approx(
        settings.get("missing_table", 0), abs=0.08
    )
    low, high = settings.get("per_group", (1, 3))
    sizes = np.unique(phantom.groups, return_counts=True)[1]
    assert sizes.max() <= high
    assert np.sort(sizes)[1:].min() >= low


def test_planted_leaks_are_found(tmp_path):
    def load(leak, **settings):
        phantom = write_phantom(tmp_path / leak, subjects=200, size=16, leak=leak, **settings)
        return Cohort.load(Experiment.from_yaml(phantom.experiment))

    def failed(cohort):
        return [check.name for check in cohort.checks if check.outcome == "FAIL"]

    column = load("column")
    assert failed(column) == ["target leakage"]
    assert "discharge" in next(c.message for c in column.checks if c.outcome == "FAIL")
    twice = load("duplicate-image", missing_images=0.3)
    assert failed(twice) == ["identical images across splits"]
    with pytest.raises(SplitError, match="in train and test"):
        load("group")


def test_600_subjects_take_less_than_three_seconds(tmp_path):
    start = time.process_time()
    write_phantom(tmp_path, subjects=600)
    assert time.process_time() - start < 3


def test_the_scene_has_any_number_of_dimensions():
    rng = np.random.default_rng(0)
    for shape in ((48, 64), (24, 32, 28)):
        pixels, mask = scene.render(rng, shape, 1.0)
        assert pixels.shape == mask.shape == shape
        assert 0 < mask.mean() < 0.3
        assert scene.texture(rng, shape).std() == pytest.approx(1)
        assert scene.texture(rng, shape).mean() == pytest.approx(0, abs=1e-9)


def test_png_is_read_by_another_reader(tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (13, 7)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(png.encode(pixels))
    assert (np.asarray(Image.open(tmp_path / "a.png")) == pixels).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"subjects": 3},
        {"size": 4},
        {"views": 0},
        {"sites": 0},
        {"per_group": (3, 1)},
        {"prevalence": 1.0},
        {"missing_images": 1.5},
        {"label": "crosed"},
    ],
)
def test_settings_that_make_no_cohort(tmp_path, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        write_phantom(tmp_path, **wrong)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot be written"):
        write_phantom(tmp_path / "file" / "phantom", subjects=12)
