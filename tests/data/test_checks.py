"""Data checks: planted mistakes are found, their clean twins are not."""

import numpy as np
import pytest
from PIL import Image

from medfusion.data import Cohort, leakage
from medfusion.data.checks import run_checks
from medfusion.data.likeness import near_duplicates

VIEW = {"photo": {"column": "image", "size": [16, 16], "channels": 1}}
BINARY = ("no", "yes")


def outcome(cohort, name):
    return next(check for check in run_checks(cohort) if check.name == name)


def labels(n, seed, prevalence=0.3):
    return (np.random.default_rng(seed).random(n) < prevalence).astype(np.int64)


def numeric_leaks(rng, y):
    """Columns that give y away, each beside a twin of the same make that does not."""
    n = len(y)
    noise = rng.normal(size=n)
    yield "shifted", 10 * y + noise, 1.5 * y + noise
    yield "inverted", -10 * y + noise, -1.5 * y + noise
    yield "coded", y, rng.permutation(y)
    yield "rounded", np.round(8 * y + noise), np.round(noise * 8)
    yield "tiny", 1e-9 * (y + 0.01 * noise), 1e-9 * noise
    blank = np.where(y == 1, noise, np.nan)
    yield "given for one class", blank, np.where(rng.random(n) < 0.3, noise, np.nan)


def categorical_leaks(rng, y):
    n = len(y)
    yield "renamed", np.where(y == 1, "ward", "home"), rng.choice(["ward", "home"], n)
    several = np.array(["a", "b", "c", "d"])
    yield "several levels", several[2 * y + rng.integers(0, 2, n)], rng.choice(several, n)
    half = (y == 0) & (rng.random(n) < 0.6)
    rare = rng.random(n) < 0.4
    yield (
        "follow-up",
        np.where(half, "follow_up", rng.choice(["histology", "consensus"], n)),
        np.where(rare, "follow_up", rng.choice(["histology", "consensus"], n)),
    )
    yield (
        "missing for one class",
        np.where((y == 0) & (rng.random(n) < 0.7), "", "known"),
        np.where(rng.random(n) < 0.5, "", "known"),
    )


def cells(values):
    return [None if str(value) in ("", "nan") else str(value) for value in values]


PLANTED = [
    pytest.param(kind, index, n, seed, id=f"{kind.__name__}-{index}-{n}-{seed}")
    for kind, count in ((numeric_leaks, 6), (categorical_leaks, 4))
    for index in range(count)
    for n, seed in ((200, 0), (1500, 1), (300, 2))
]


@pytest.mark.parametrize(("kind", "index", "n", "seed"), PLANTED)
def test_planted_leaks_are_found_and_their_twins_are_not(kind, index, n, seed):
    y = labels(n, seed)
    name, leak, clean = list(kind(np.random.default_rng(seed + 100), y))[index]
    assert leakage.find(name, cells(leak), y, BINARY) is not None
    assert leakage.find(name, cells(clean), y, BINARY) is None


@pytest.mark.parametrize("seed", range(20))
def test_clean_columns_of_every_kind_pass(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(30, 800))
    y = labels(n, seed, prevalence=rng.uniform(0.05, 0.6))
    y[:2] = [0, 1]
    columns = {
        "noise": rng.normal(size=n),
        "good marker": y * 2 + rng.normal(size=n),
        "age in fives": 5 * rng.integers(2, 18, n),
        "many levels": [f"level {i}" for i in rng.integers(0, n // 3, n)],
        "own id": [f"id{i}" for i in range(n)],
        "rare level": np.where(rng.random(n) < 0.05, "rare", "usual"),
        "risk group": np.where(rng.random(n) < 0.2 + 0.4 * y, "high", "low"),
        "constant": ["x"] * n,
        "empty": [""] * n,
    }
    for name, values in columns.items():
        assert leakage.find(name, cells(values), y, BINARY) is None, name


def test_chance_among_few_rows_is_no_leak():
    y = np.array([0, 1] * 4)
    assert leakage.find("perfect", cells(y), y, BINARY) is None


@pytest.mark.parametrize("seed", range(3))
def test_multiclass_and_regression_leaks(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 300)
    names = ("a", "b", "c")
    assert leakage.find("code", cells(y), y, names)
    assert leakage.find("word", cells(np.array(["x", "y", "z"])[y]), y, names)
    assert leakage.find("one class", cells(np.where(y == 1, "x", "other")), y, names)
    assert leakage.find("noise", cells(rng.integers(0, 3, 300)), y, names) is None
    assert leakage.find("marker", cells(y + rng.normal(size=300)), y, names) is None
    size = rng.normal(size=300)
    assert leakage.find("scaled", cells(3 * size + 1), size, ())
    assert leakage.find("monotone", cells(-np.exp(size)), size, ())
    assert leakage.find("related", cells(size + 0.5 * rng.normal(size=300)), size, ()) is None
    assert leakage.find("group", cells(rng.choice(["a", "b"], 300)), size, ()) is None


def test_leak_in_use_fails_and_unused_is_told(plain, experiment):
    y = labels(200, 0).tolist()
    outcome_words = ["dead" if value else "alive" for value in y]
    plain(200, y=y, status=outcome_words, comment=[f"text {i}" for i in range(200)])
    used = Cohort.load(experiment(numeric=["age"], categorical=["status"]))
    check = outcome(used, "target leakage")
    assert check.outcome == "FAIL"
    assert check.message.startswith("status: ranks the target with AUC 1.000")
    assert check.count == 1
    unused = Cohort.load(experiment(numeric=["age"]))
    assert outcome(unused, "target leakage").outcome == "PASS"
    told = outcome(unused, "leaks among unused columns")
    assert told.outcome == "PASS"
    assert "status" in told.message


def test_test_rows_do_not_count_as_leaks(plain, experiment):
    y = labels(200, 1)
    plain(200, y=y.tolist(), mark=[int(v) if i % 5 > 2 else i % 2 for i, v in enumerate(y)])
    cohort = Cohort.load(experiment(numeric=["mark"]))
    assert outcome(cohort, "target leakage").outcome == "PASS"


@pytest.fixture
def images(plain, write_image):
    names = [f"images/{i}.png" for i in range(20)]
    for index, name in enumerate(names):
        write_image(name, 5 * index)
    plain(20, image=names)
    return names


def test_identical_images(images, experiment, write_image):
    exp = experiment(images=VIEW)
    clean = Cohort.load(exp)
    assert outcome(clean, "identical images across splits").outcome == "PASS"
    assert outcome(clean, "identical images within a split").outcome == "PASS"
    write_image(images[3], 0)  # a val row like row 0 of train
    write_image(images[1], 10)  # two train rows
    found = Cohort.load(exp)
    across = outcome(found, "identical images across splits")
    assert (across.outcome, across.count, across.rows) == ("FAIL", 1, ["0000", "0003"])
    assert "0000 (train) = 0003 (val)" in across.message
    within = outcome(found, "identical images within a split")
    assert (within.outcome, within.rows) == ("WARN", ["0001", "0002"])


def test_columns_without_information(plain, experiment):
    plain(50, flat=["5"] * 50, gone=[""] * 50, word=["a"] * 50)
    exp = experiment(numeric=["age", "flat", "gone"], categorical=["sex", "word"])
    check = outcome(Cohort.load(exp), "constant columns")
    assert (check.outcome, check.count) == ("WARN", 3)
    for text in ("flat (one value)", "gone (no value)", "word (one value)"):
        assert text in check.message
    clean = Cohort.load(experiment(numeric=["age"], categorical=["sex"]))
    assert outcome(clean, "constant columns").outcome == "PASS"


def test_mostly_missing(plain, experiment, write_image):
    write_image("a.png")
    plain(
        50,
        few=["1" if i % 4 == 0 else "" for i in range(50)],
        half=["1" if i % 2 == 0 else "" for i in range(50)],
        image=["a.png" if i % 4 == 0 else "" for i in range(50)],
    )
    check = outcome(Cohort.load(experiment(numeric=["few", "half"], images=VIEW)), "missing values")
    assert (check.outcome, check.count) == ("WARN", 2)
    assert "few (74%), images of photo (74%)" in check.message


def test_unseen_categories(plain, experiment):
    columns = plain(50)
    columns["sex"][3] = columns["sex"][8] = "x"
    plain(50, **columns)
    check = outcome(Cohort.load(experiment(categorical=["sex"])), "unseen categories")
    assert (check.outcome, check.count, check.rows) == ("WARN", 2, ["0003", "0008"])
    assert "sex: 'x' (2 rows)" in check.message


@pytest.mark.parametrize(
    ("kind", "make", "found"),
    [
        ("categorical", lambda i: f"MRN{i}", True),
        ("numeric", lambda i: 4000 + i, True),
        ("numeric", lambda i: 7 * i, True),
        ("categorical", lambda i: f"2024-{i % 12 + 1:02d}-{i % 28 + 1:02d}", True),
        ("categorical", lambda i: f"{i % 28 + 1}.{i % 12 + 1}.2024", True),
        ("numeric", lambda i: 20240101 + 100 * (i % 12) + i % 28, True),
        ("numeric", lambda i: 60 + i / 7, False),
        ("numeric", lambda i: (i * 7919) % 100_003, False),
        ("numeric", lambda i: 30 + i % 40, False),
        ("categorical", lambda i: f"site {i % 9}", False),
    ],
)
def test_identifiers_and_dates(plain, experiment, kind, make, found):
    plain(60, column=[make(i) for i in range(60)])
    check = outcome(Cohort.load(experiment(**{kind: ["column"]})), "id-like columns")
    assert check.outcome == ("WARN" if found else "PASS")


def test_class_balance_and_classes_per_split(plain, experiment):
    plain(200, y=[int(i % 5 == 0 and i < 40) for i in range(200)])
    cohort = Cohort.load(experiment(numeric=["age"]))
    balance = outcome(cohort, "class balance")
    assert (balance.outcome, balance.count) == ("WARN", 1)
    assert "0 112, 1 8" in balance.message
    classes = outcome(cohort, "classes per split")
    assert classes.outcome == "WARN"
    assert "val has no 1; test has no 1" in classes.message


def test_a_clean_cohort_passes_everything(plain, experiment):
    plain(200)
    cohort = Cohort.load(experiment(numeric=["age"], categorical=["sex"]))
    assert [check.name for check in cohort.checks if check.outcome != "PASS"] == []
    assert len({check.name for check in cohort.checks}) == len(cohort.checks) == 14


def test_hostile_names_pass_through(plain, experiment):
    name = '<script>alert(1)\u2028</script>"'
    plain(60, **{name: ["=cmd()", "<b>"] * 30})
    cohort = Cohort.load(experiment(categorical=[name]))
    assert cohort.summary()["table1"][0]["levels"] == ["<b>", "=cmd()"]


def picture(seed, side=96):
    """Blobs of several sizes, as a lesion or an organ has."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[:side, :side] / side
    total = np.zeros((side, side))
    for _ in range(8):
        centre, width = rng.random(2), rng.uniform(0.05, 0.4)
        total += rng.normal() * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / width**2)
    total = (total - total.min()) / np.ptp(total)
    return Image.fromarray((40 + 180 * total).astype(np.uint8))


def test_images_that_look_alike(experiment, plain, tmp_path):
    names = [f"{row}.png" for row in range(60)]
    for row, name in enumerate(names):
        picture(row).save(tmp_path / name)
    plain(60, image=names)
    exp = experiment(images=VIEW)
    clean = Cohort.load(exp)
    check = outcome(clean, "images that look alike across splits")
    assert (check.outcome, check.count) == ("PASS", 0)
    assert "60 images" in check.message
    train, test = (int(clean.rows(split)[0]) for split in ("train", "test"))
    copies = [
        picture(train).resize((48, 48), Image.Resampling.BICUBIC),
        picture(train).point(lambda level: 1.1 * level + 5),
        picture(train).crop((1, 1, 95, 95)),
    ]
    for copy in copies:
        copy.save(tmp_path / names[test])
        check = outcome(Cohort.load(exp), "images that look alike across splits")
        assert (check.outcome, check.count) == ("WARN", 1)
        assert set(check.rows) == {clean.ids[train], clean.ids[test]}
        assert clean.ids[test] in check.message
    # In one split it is no leak; images of one level are like no other.
    picture(train).resize((48, 48)).save(tmp_path / names[int(clean.rows("train")[1])])
    for row in (test, int(clean.rows("val")[0])):
        Image.fromarray(np.full((96, 96), 60 + row, np.uint8)).save(tmp_path / names[row])
    check = outcome(Cohort.load(exp), "images that look alike across splits")
    assert check.outcome == "PASS"


def test_few_images_of_many_are_looked_at(monkeypatch, experiment, plain, tmp_path):
    names = [f"{row}.png" for row in range(60)]
    for row, name in enumerate(names):
        picture(row).save(tmp_path / name)
    plain(60, image=names)
    monkeypatch.setattr("medfusion.data.checks.LOOKED_AT", 40)
    check = outcome(Cohort.load(experiment(images=VIEW)), "images that look alike across splits")
    assert "40 of 60 images" in check.message


def test_different_lesions_do_not_look_alike(shared_data):
    files = sorted(str(path) for path in (shared_data / "skin_ham" / "images").glob("*.jpg"))[::2]
    assert near_duplicates(files) == []
