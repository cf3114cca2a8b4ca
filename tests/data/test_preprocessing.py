"""Preprocessing: equal to scikit-learn's and NumPy's, blind to all but the training rows."""

import json

import numpy as np
import pytest

from medfusion.data import Cohort, Preprocessing
from medfusion.data.preprocessing import STATISTICS_IMAGES
from medfusion.spec import MLPEncoder

VIEW = {"photo": {"column": "image", "size": [16, 16], "channels": 1}}


def test_scaling_is_scikit_learns(plain, experiment):
    from sklearn.preprocessing import StandardScaler

    columns = plain(100)
    cohort = Cohort.load(experiment(numeric=["age"]))
    ages = np.array(columns["age"], dtype=float)[:, None]
    train = cohort.rows("train")
    scaler = StandardScaler().fit(ages[train])
    np.testing.assert_allclose(cohort.numeric, scaler.transform(ages), rtol=1e-6, atol=1e-6)
    assert cohort.preprocessing.medians["age"] == np.median(ages[train])


def test_other_rows_change_nothing(plain, experiment, write_image):
    names = [f"images/{i}.png" for i in range(50)]
    rng = np.random.default_rng(0)
    for name in names:
        write_image(name, rng.integers(0, 256, (16, 16)))
    columns = plain(50, image=names)
    exp = experiment(images=VIEW, numeric=["age"], categorical=["sex"])
    before = Cohort.load(exp)
    for index in range(50):
        if columns["split"][index] != "train":
            columns["age"][index] = "100000"
            columns["sex"][index] = "other"
            write_image(names[index], 255)
    plain(50, **columns)
    after = Cohort.load(exp)
    assert after.preprocessing == before.preprocessing
    assert after.preprocessing.to_json() == before.preprocessing.to_json()
    train = before.rows("train")
    assert (after.numeric[train] == before.numeric[train]).all()
    held = np.setdiff1d(np.arange(50), train)
    assert (after.categorical[held, 0] == 1).all()
    assert after.fingerprint != before.fingerprint


def test_constant_and_empty_columns(plain, experiment):
    flat = ["5" if i % 5 < 3 else str(i) for i in range(50)]
    gone = ["" if i % 5 < 3 else str(i) for i in range(50)]
    plain(
        50,
        flat=flat,
        gone=gone,
        empty=[""] * 50,
        word=["" if i % 5 < 3 else "x" for i in range(50)],
    )
    cohort = Cohort.load(experiment(numeric=["flat", "gone", "empty"], categorical=["word"]))
    assert cohort.preprocessing.sds == {"flat": 0.0, "gone": None, "empty": None}
    assert (cohort.numeric == 0).all()
    assert cohort.numeric_present[:, 0].all()
    assert not cohort.numeric_present[:, 1:].any()
    assert cohort.preprocessing.categories == {"word": ()}
    assert cohort.preprocessing.cardinalities == (2,)
    assert set(cohort.categorical[:, 0].tolist()) == {0, 1}
    Preprocessing.from_json(cohort.preprocessing.to_json())


def test_absurd_numbers_stay_finite(plain, experiment):
    columns = plain(50)
    columns["age"][4] = "1e300"  # a test row
    plain(50, **columns)
    cohort = Cohort.load(experiment(numeric=["age"]))
    assert np.isfinite(cohort.numeric).all()


def test_image_statistics_are_numpys(plain, experiment, write_image):
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (50, 16, 16))
    names = [f"images/{i}.png" for i in range(50)]
    for name, image in zip(names, pixels, strict=True):
        write_image(name, image)
    names[0] = ""
    plain(50, image=names)
    cohort = Cohort.load(experiment(images=VIEW))
    train = [row for row in cohort.rows("train") if row != 0]
    assert cohort.preprocessing.image_means["photo"][0] == pytest.approx(
        pixels[train].mean() / 255, abs=1e-6
    )
    assert cohort.preprocessing.image_stds["photo"][0] == pytest.approx(
        pixels[train].std() / 255, abs=1e-6
    )


def test_given_flat_and_absent_images(plain, experiment, write_image):
    write_image("flat.png", 51)
    plain(20, image=["flat.png"] * 20, none=[""] * 20)
    views = {
        "photo": VIEW["photo"],
        "given": VIEW["photo"] | {"mean": [0.3], "std": [0.1]},
        "none": VIEW["photo"] | {"column": "none"},
    }
    made = Cohort.load(experiment(images=views)).preprocessing
    assert made.image_means["photo"][0] == pytest.approx(0.2, abs=1e-6)
    assert made.image_stds["photo"][0] == 1 / 255
    assert made.image_means["given"] == (0.3,)
    assert made.image_stds["given"] == (0.1,)
    assert made.image_stds["none"][0] > 0


def test_statistics_stop_at_enough_images(plain, experiment, write_image, monkeypatch):
    from medfusion.data.samples import ImageSamples

    write_image("a.png", 10)
    plain(1000, image=["a.png"] * 1000)
    decoded = []
    fetch = ImageSamples.fetch
    monkeypatch.setattr(
        ImageSamples, "fetch", lambda self, paths: decoded.extend(paths) or fetch(self, paths)
    )
    Cohort.load(experiment(images=VIEW))
    assert len(decoded) == 1 + STATISTICS_IMAGES, "one to see that the file can be read"


def binned(cohort, name):
    """Edges of a column and the scaled ones."""
    made = cohort.preprocessing
    return made.bins[name], made.scaled_bins[list(made.means).index(name)]


def with_table(exp, encoder):
    return exp.model_copy(update={"model": exp.model.model_copy(update={"table": encoder})})


def test_bins_are_quantiles_of_the_training_rows(plain, experiment):
    columns = plain(100)
    cohort = Cohort.load(with_table(experiment(numeric=["age"]), MLPEncoder(bins=4)))
    train = np.array(columns["age"], dtype=float)[cohort.rows("train")]
    edges, scaled = binned(cohort, "age")
    assert edges == pytest.approx(np.quantile(train, [0, 0.25, 0.5, 0.75, 1]))
    assert scaled == pytest.approx((np.array(edges) - train.mean()) / train.std(), abs=1e-6)
    inside = cohort.numeric[cohort.rows("train"), 0]
    assert scaled[0] <= inside.min() + 1e-6
    assert scaled[-1] >= inside.max() - 1e-6


def test_no_bins_where_numbers_are_embedded_linearly(plain, experiment):
    plain(100)
    linear = with_table(experiment(numeric=["age"]), MLPEncoder(embeddings="linear"))
    made = Cohort.load(linear).preprocessing
    assert made.bins == {}
    assert made.scaled_bins == ((),)


def test_bins_of_odd_columns(plain, experiment):
    rng = np.random.default_rng(0)
    plain(
        50,
        binary=rng.integers(0, 2, 50).tolist(),
        grades=rng.integers(1, 4, 50).tolist(),
        flat=["7"] * 50,
        gone=["" if i % 5 < 3 else str(i) for i in range(50)],
        few=[str(i) if i in (0, 1, 2, 5) else "" for i in range(50)],
        one=["3" if i == 0 else "" for i in range(50)],
        tied=["0" if i % 10 else str(i) for i in range(50)],
        far=["1e9" if i == 0 else str(1e-7 * i) for i in range(50)],
    )
    names = ["binary", "grades", "flat", "gone", "few", "one", "tied", "far"]
    cohort = Cohort.load(experiment(numeric=names))
    edges = {name: binned(cohort, name)[0] for name in names}
    scaled = {name: binned(cohort, name)[1] for name in names}
    assert edges["binary"] == (0, 1)
    assert {1, 2, 3} <= set(edges["grades"])
    assert edges["flat"] == edges["gone"] == edges["one"] == ()
    assert scaled["flat"] == scaled["gone"] == scaled["one"] == ()
    assert edges["few"] == (0, 1, 2, 5)
    assert edges["tied"][0] == 0
    for name in names:
        assert (np.diff(edges[name]) > 0).all()
        assert (np.diff(np.float32(scaled[name])) > 0).all(), "apart in 32 bits too"
    assert len(scaled["far"]) == 2


def test_the_edges_are_those_of_the_reference(plain, experiment):
    """Each quantile once, as `compute_bins` of rtdl_num_embeddings 0.0.12 has them."""
    rng = np.random.default_rng(1)
    marker = np.round(rng.exponential(size=100), 1)
    plain(100, marker=marker.tolist())
    cohort = Cohort.load(experiment(numeric=["marker"]))
    train = marker[cohort.rows("train")]
    expected = sorted(set(np.quantile(train, np.linspace(0, 1, 17)).tolist()))
    assert len(expected) < 17
    assert binned(cohort, "marker")[0] == pytest.approx(expected)


def test_documents_from_before_there_were_bins_are_read():
    made = Preprocessing(medians={"a": 1.0}, means={"a": 1.0}, sds={"a": 2.0}, classes=("0", "1"))
    document = json.loads(made.to_json())
    assert document.pop("bins") == {}
    document["version"] = 1
    assert Preprocessing.from_json(json.dumps(document)) == made
    assert made.scaled_bins == ((),)


def test_bins_of_unknown_columns_are_damage():
    document = json.loads(Preprocessing(bins={"b": (0.0, 1.0)}).to_json())
    with pytest.raises(ValueError, match="bins name columns"):
        Preprocessing.from_json(json.dumps(document))


def test_json_is_exact():
    made = Preprocessing(
        medians={"a": 0.1 + 0.2, "b": None},
        means={"a": 1e-300, "b": None},
        sds={"a": np.nextafter(1.0, 2.0).item(), "b": None},
        categories={"c": ("ß", '"', "\u2028", "")},
        image_means={"v": (1 / 3,)},
        image_stds={"v": (2 / 3,)},
        classes=("0", "1"),
        bins={"a": (1 / 3, 0.1 + 0.2), "b": ()},
    )
    again = Preprocessing.from_json(made.to_json())
    assert again == made
    assert again.to_json() == made.to_json()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"version": 2}', '{"version": 1}', "{", '{"version": 1, "medians": 3}'],
)
def test_damaged_json(text):
    with pytest.raises(ValueError, match="not a preprocessing document"):
        Preprocessing.from_json(text)


def test_mismatched_columns_are_damage():
    document = json.loads(
        Preprocessing(medians={"a": 1.0}, means={"a": 1.0}, sds={"a": 1.0}).to_json()
    )
    del document["sds"]["a"]
    with pytest.raises(ValueError, match="different columns"):
        Preprocessing.from_json(json.dumps(document))
