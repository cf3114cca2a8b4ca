"""Cohorts: every mistake in the data is named with its rows; what is missing stays missing."""

import os

import numpy as np
import pytest

from medfusion.data import Cases, Cohort, Preprocessing
from medfusion.errors import DataRootError, ImageReadError, SplitError, TableError

VIEW = {"photo": {"column": "image", "size": [16, 16], "channels": 1}}


@pytest.fixture
def imaged(plain, write_image):
    """A plain table with one small image per row, row 3 without one."""

    def make(n=20, **extra):
        names = [f"images/{i}.png" for i in range(n)]
        rng = np.random.default_rng(1)
        for name in names:
            write_image(name, rng.integers(0, 256, (16, 16)))
        names[3] = ""
        return plain(n, **({"image": names} | extra))

    return make


def test_everything_lines_up(imaged, experiment, tmp_path):
    columns = imaged(age=["50", "", *["60.5"] * 18], sex=["f", "m", "", "z", *["x"] * 16])
    cohort = Cohort.load(experiment(images=VIEW, numeric=["age"], categorical=["sex"]))
    assert cohort.ids == columns["id"]
    assert cohort.groups == columns["id"]
    assert len(cohort) == 20
    assert cohort.image_paths["photo"][0] == str(tmp_path / "images" / "0.png")
    assert cohort.image_paths["photo"][3] is None
    assert cohort.image_present[:, 0].tolist() == [i != 3 for i in range(20)]
    assert cohort.numeric_present[:3, 0].tolist() == [True, False, True]
    assert cohort.numeric.dtype == np.float32
    assert cohort.numeric[1, 0] == 0
    assert cohort.categorical[:4, 0].tolist() == [2, 3, 0, 1]
    assert cohort.target.tolist() == columns["y"]
    assert cohort.classes == ("0", "1")
    assert cohort.rows("val").tolist() == [3, 8, 13, 18]
    assert [len(cohort.rows(s)) for s in ("train", "val", "test")] == [12, 4, 4]
    subject = cohort.subject(1)
    assert (subject.id, subject.split, subject.group) == ("0001", "train", "0001")
    assert subject.label == str(columns["y"][1])
    assert subject.values == {"age": None, "sex": "m"}
    assert subject.images == {"photo": str(tmp_path / "images" / "1.png")}
    with pytest.raises(SplitError, match="did you mean 'train'"):
        cohort.rows("trian")


def test_wholly_missing_modalities_are_kept(imaged, experiment):
    imaged(age=["", *["60"] * 19], image=["", *[f"images/{i}.png" for i in range(1, 20)]])
    cohort = Cohort.load(experiment(images=VIEW, numeric=["age"]))
    assert not cohort.image_present[0, 0]
    assert not cohort.table_present[0]
    assert cohort.table_present[1:].all()


def test_table_alone_and_images_alone(imaged, experiment):
    imaged()
    table = Cohort.load(experiment(numeric=["age"]))
    assert table.image_paths == {}
    assert table.image_present.shape == (20, 0)
    images = Cohort.load(experiment(images=VIEW))
    assert images.numeric.shape == (20, 0)
    assert images.categorical.shape == (20, 0)
    assert not images.table_present.any()


def test_two_views(imaged, experiment):
    imaged(second=["images/0.png"] * 10 + [""] * 10)
    views = VIEW | {"side": VIEW["photo"] | {"column": "second"}}
    cohort = Cohort.load(experiment(images=views))
    assert list(cohort.image_paths) == ["photo", "side"]
    assert cohort.image_present.shape == (20, 2)
    assert cohort.image_present[:, 1].tolist() == [True] * 10 + [False] * 10


def test_unknown_columns(plain, experiment):
    plain(20)
    with pytest.raises(TableError, match=r"data.numeric: there is no column 'agee'; did you mean"):
        Cohort.load(experiment(numeric=["agee"]))


def test_duplicate_and_empty_ids(plain, experiment):
    columns = plain(20)
    plain(20, id=["0001", *columns["id"][1:]])
    with pytest.raises(TableError, match="0001 in line 2, line 3"):
        Cohort.load(experiment(numeric=["age"]))
    plain(20, id=["", *columns["id"][1:]])
    with pytest.raises(TableError, match="is empty in line 2"):
        Cohort.load(experiment(numeric=["age"]))


def test_empty_groups(plain, experiment):
    plain(20, patient=["p1", "", *["p2"] * 18])
    with pytest.raises(TableError, match="ids: 0001"):
        Cohort.load(experiment(numeric=["age"], group="patient"))


def test_a_group_in_two_splits(plain, experiment):
    plain(20, patient=[f"p{i // 2}" for i in range(20)])
    with pytest.raises(SplitError, match="p1 in train and val"):
        Cohort.load(experiment(numeric=["age"], group="patient"))


@pytest.mark.parametrize("gap", ["", "NA", "NaN"])
def test_missing_targets_are_listed(plain, experiment, gap):
    plain(20, y=[0, 1, gap, 1, gap, *[0, 1, 1] * 5])
    with pytest.raises(TableError, match=r"missing in 2 of 20 rows; ids: 0002, 0004"):
        Cohort.load(experiment(numeric=["age"]))


def test_one_class(plain, experiment):
    plain(20, y=[1] * 20)
    with pytest.raises(TableError, match="one value only"):
        Cohort.load(experiment(numeric=["age"]))
    plain(20, y=[int(i % 5 == 4) for i in range(20)])
    with pytest.raises(SplitError, match="training split holds one class only"):
        Cohort.load(experiment(numeric=["age"]))


def test_binary_targets(plain, experiment):
    plain(20, y=["ill", "well"] * 10)
    cohort = Cohort.load(experiment(numeric=["age"]))
    assert cohort.classes == ("ill", "well")
    target = {"kind": "binary", "column": "y", "positive": "ill"}
    turned = Cohort.load(experiment(numeric=["age"], target=target))
    assert turned.classes == ("well", "ill")
    assert (turned.target == 1 - cohort.target).all()
    with pytest.raises(TableError, match="did you mean 'ill'"):
        Cohort.load(experiment(numeric=["age"], target=target | {"positive": "Ill"}))
    plain(20, y=["a", "b", "c", "a"] * 5)
    with pytest.raises(TableError, match=r"has 3 values \('a', 'b', 'c'\); use kind: multiclass"):
        Cohort.load(experiment(numeric=["age"]))


def test_multiclass_targets(plain, experiment):
    plain(20, y=["10", "9", "2", "10"] * 5)
    target = {"kind": "multiclass", "column": "y"}
    cohort = Cohort.load(experiment(numeric=["age"], target=target))
    assert cohort.classes == ("2", "9", "10")
    given = Cohort.load(
        experiment(numeric=["age"], target=target | {"classes": ["10", "9", "2", "1"]})
    )
    assert given.classes == ("10", "9", "2", "1")
    assert [given.classes[i] for i in given.target] == [cohort.classes[i] for i in cohort.target]
    with pytest.raises(TableError, match=r"holds '2', which data.target.classes does not name"):
        Cohort.load(experiment(numeric=["age"], target=target | {"classes": ["10", "9"]}))
    plain(20, y=["a", "b", "a", "c", "b"] * 4)
    with pytest.raises(TableError, match="'c', which is no class of the training split"):
        Cohort.load(experiment(numeric=["age"], target=target))


def test_regression_targets(plain, experiment):
    plain(20, y=[f"{i},5" for i in range(20)])
    target = {"kind": "regression", "column": "y", "unit": "mm"}
    cohort = Cohort.load(
        experiment(numeric=["age"], target=target, split={"kind": "stratified-grouped"})
    )
    assert cohort.classes == ()
    assert cohort.target.tolist() == [i + 0.5 for i in range(20)]
    assert cohort.target.dtype == np.float64
    plain(20, y=["high", *["1"] * 19])
    with pytest.raises(TableError, match="line 2: 'high'"):
        Cohort.load(experiment(numeric=["age"], target=target))


def test_empty_split(plain, experiment):
    plain(20, split=["train"] * 10 + ["test"] * 10)
    with pytest.raises(SplitError, match="the val split has no rows"):
        Cohort.load(experiment(numeric=["age"]))


def test_unreadable_images_are_all_listed(imaged, experiment, tmp_path):
    imaged()
    (tmp_path / "images" / "5.png").unlink()
    (tmp_path / "images" / "6.png").write_bytes(b"no image")
    content = (tmp_path / "images" / "7.png").read_bytes()
    (tmp_path / "images" / "7.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "images" / "8.png").unlink()
    (tmp_path / "images" / "8.png").mkdir()
    with pytest.raises(ImageReadError) as error:
        Cohort.load(experiment(images=VIEW))
    message = str(error.value)
    assert "4 image(s)" in message
    for row in (5, 6, 7, 8):
        assert f"line {row + 2}: {tmp_path / 'images' / f'{row}.png'}: " in message
    assert "--skip-unreadable" in message


def test_skipped_images_are_recorded(imaged, experiment, tmp_path):
    imaged()
    (tmp_path / "images" / "5.png").unlink()
    cohort = Cohort.load(experiment(images=VIEW, numeric=["age"], skip_unreadable=True))
    assert len(cohort) == 19
    assert "0005" not in cohort.ids
    assert cohort.table.where(5) == "line 8"
    flow = cohort.summary()["flow"]
    assert flow == {
        "rows": 20,
        "excluded": [{"reason": "image cannot be read", "count": 1, "ids": ["0005"]}],
        "analysed": 19,
    }
    check = next(check for check in cohort.checks if check.name == "unreadable files")
    assert (check.outcome, check.count, check.rows) == ("WARN", 1, ["0005"])


def test_nothing_left(plain, experiment):
    plain(20, image=["none.png"] * 20)
    with pytest.raises(TableError, match="not one row is left"):
        Cohort.load(experiment(images=VIEW, skip_unreadable=True))


def test_paths_outside_the_root(imaged, experiment, tmp_path):
    imaged(image=["../secret.png", *[""] * 19])
    with pytest.raises(DataRootError, match=r"line 2: '../secret.png' leads outside"):
        Cohort.load(experiment(images=VIEW))
    with pytest.raises(DataRootError, match="there is no folder"):
        Cohort.load(experiment(images=VIEW, root="nowhere"))
    (tmp_path / "inner").mkdir()
    imaged()
    with pytest.raises(ImageReadError, match="inner"):
        Cohort.load(experiment(images=VIEW, root="inner"))


def test_images_of_other_sizes_and_modes(plain, experiment, tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    modes = ["L", "RGB", "RGBA", "P", "I;16", "1"]
    names = []
    for index in range(20):
        mode = modes[index % len(modes)]
        size = (8 + 5 * index, 40 - index)
        if mode == "I;16":
            image = Image.fromarray(rng.integers(0, 65536, size[::-1]).astype(np.uint16))
        else:
            colour = Image.fromarray(rng.integers(0, 256, (*size[::-1], 3)).astype(np.uint8))
            image = colour.convert(mode)
        names.append(f"images/{index}.png")
        image.save(tmp_path / names[-1])
    plain(20, image=names)
    for channels in (1, 3):
        view = {"photo": VIEW["photo"] | {"channels": channels}}
        cohort = Cohort.load(experiment(images=view))
        assert cohort.image_present.all()
        assert len(cohort.preprocessing.image_means["photo"]) == channels


def test_saved_split_and_preprocessing_are_used_as_they_are(plain, experiment):
    plain(60)
    exp = experiment(numeric=["age"], categorical=["sex"], split={"kind": "grouped"})
    first = Cohort.load(exp)
    saved = dict(zip(first.ids, first.split.tolist(), strict=True))
    again = Cohort.load(
        exp, split=saved, preprocessing=Preprocessing.from_json(first.preprocessing.to_json())
    )
    assert (again.split == first.split).all()
    assert (again.numeric == first.numeric).all()
    assert again.preprocessing == first.preprocessing
    assert again.fingerprint == first.fingerprint
    turned = {"train": "val", "val": "train", "test": "test"}
    swapped = Cohort.load(exp, split={name: turned[side] for name, side in saved.items()})
    assert (swapped.rows("train") == first.rows("val")).all()


def test_fingerprint_sees_table_and_images(imaged, experiment, write_image, tmp_path):
    columns = imaged()
    exp = experiment(images=VIEW, numeric=["age"])
    first = Cohort.load(exp).fingerprint
    os.utime(tmp_path / "images" / "0.png")
    assert Cohort.load(exp).fingerprint == first
    write_image("images/0.png", 7)
    changed = Cohort.load(exp).fingerprint
    assert changed != first
    imaged(age=["1", *columns["age"][1:]])
    assert Cohort.load(exp).fingerprint not in {first, changed}


def test_cases_need_no_target(imaged, experiment, write_csv, tmp_path):
    imaged()
    exp = experiment(images=VIEW, numeric=["age"], categorical=["sex"]).resolved()
    cohort = Cohort.load(exp)
    new = tmp_path / "elsewhere"
    new.mkdir()
    write_csv(
        {"sex": ["f", "zz"], "age": ["61", ""], "image": ["images/1.png", ""], "id": ["n1", "n2"]},
        name="elsewhere/new.csv",
    )
    cases = Cases.load(exp.data, new / "new.csv", cohort.preprocessing)
    assert cases.ids == ["n1", "n2"]
    assert cases.image_paths["photo"] == [str(tmp_path / "images" / "1.png"), None]
    assert cases.categorical[:, 0].tolist() == [2, 1]
    assert cases.numeric_present[:, 0].tolist() == [True, False]
    expected = (61 - cohort.preprocessing.means["age"]) / cohort.preprocessing.sds["age"]
    assert cases.numeric[0, 0] == pytest.approx(expected, rel=1e-6)
    assert cases.classes == ("0", "1")
    assert cases.subject(0).label is None
    with pytest.raises(ImageReadError):
        Cases.load(exp.data, new / "new.csv", cohort.preprocessing, root=new)
    write_csv({"id": ["1"], "image": [""], "age": ["3"]}, name="elsewhere/new.csv")
    with pytest.raises(TableError, match="no column 'sex'"):
        Cases.load(exp.data, new / "new.csv", cohort.preprocessing)


def test_skin_ham(shared_data):
    from medfusion.spec import Experiment

    document = {
        "medfusion": 1,
        "data": {
            "table": str(shared_data / "skin_ham" / "metadata.csv"),
            "id": "image_id",
            "group": "lesion_id",
            "images": {"photo": {"column": "image_path", "size": [64, 64]}},
            "numeric": ["age"],
            "categorical": ["sex", "localization"],
            "target": {"kind": "binary", "column": "malignant"},
            "split": {"kind": "column", "column": "split"},
        },
    }
    cohort = Cohort.load(Experiment.from_mapping(document))
    assert [len(cohort.rows(s)) for s in ("train", "val", "test")] == [1526, 345, 312]
    assert {check.name: check.outcome for check in cohort.checks} == dict.fromkeys(
        [check.name for check in cohort.checks], "PASS"
    )
    unused = next(check for check in cohort.checks if check.name == "leaks among unused columns")
    assert "dx_type" in unused.message
    document["data"]["categorical"].append("dx_type")
    leaky = Cohort.load(Experiment.from_mapping(document))
    failed = [check for check in leaky.checks if check.outcome != "PASS"]
    assert [check.name for check in failed] == ["target leakage"]
    assert failed[0].message.startswith("dx_type: 'follow_up'")
    assert failed[0].rows[0] == "ISIC_0024320"
