"""Roles of columns: guesses on real tables, and what an assignment changes."""

import random

import pytest

from medfusion.data import remedies, roles
from medfusion.data.checks import Check
from medfusion.data.distribution import missing_map, spread
from medfusion.data.role_guess import look, propose
from medfusion.data.row_order import Order, RowOrder
from medfusion.data.table import read_table
from medfusion.data.table_files import table_files
from medfusion.errors import UnknownNameError

EMPTY = {"guess": "categorical", "distinct": 3}


def proposed(path):
    table = read_table(path)
    return propose(table, look(table), path.name, path.parent)


@pytest.mark.parametrize(
    ("path", "target", "never"),
    [
        ("skin_ham/metadata.csv", {"kind": "binary", "column": "malignant"}, {"dx", "dx_type"}),
        ("survival_tables/whas500.csv", {"kind": "survival", "time": "time", "event": "event"}, {"los"}),
        ("survival_tables/flchain.csv", {"kind": "survival", "time": "time", "event": "event"}, {"chapter"}),
    ],
)  # fmt: skip
def test_known_leaks_are_never_features(shared_data, path, target, never):
    data = proposed(shared_data / path)
    assert data["target"] == target
    assert data["split"] == {"kind": "column", "column": "split"}
    assert not never & {*data["numeric"], *data["categorical"]}


def test_skin_images_and_groups_are_found(shared_data):
    data = proposed(shared_data / "skin_ham" / "metadata.csv")
    assert (data["id"], data["group"]) == ("image_id", "lesion_id")
    assert data["images"] == {"image": {"column": "image_path", "size": [128, 128]}}
    assert data["numeric"] == ["age"]
    assert data["categorical"] == ["sex", "localization"]


def test_volumes_are_slices(shared_data):
    data = proposed(shared_data / "hippocampus" / "index.csv")
    assert data["images"]["image"]["instances"] == {"kind": "slices"}


def test_any_sequence_of_assignments_keeps_every_column_in_one_role():
    draw = random.Random(1)
    data = {"table": "t.csv"}
    names = ["a", "b", "c", "d", "e"]
    for _ in range(2000):
        column, role = draw.choice(names), draw.choice(roles.ROLES)
        before = repr(data)
        made = roles.assign(data, column, role, EMPTY)
        assert repr(data) == before
        data = made
        found = roles.roles_of(data)
        assert found.get(column, "unused") == role
        for single in ("id", "group", "target", "time", "event", "split"):
            assert sum(one == single for one in found.values()) <= 1
        features = [*data.get("numeric", []), *data.get("categorical", [])]
        assert len(features) == len(set(features))
        assert all(found[name] in ("numeric", "categorical") for name in features)


@pytest.mark.parametrize(
    ("column", "facts", "kind"),
    [
        ("ill", {"guess": "categorical", "distinct": 2}, "binary"),
        ("site", {"guess": "categorical", "distinct": 7}, "multiclass"),
        ("gleason_grade", {"guess": "numeric", "distinct": 5, "min": 1, "max": 5}, "ordinal"),
        ("digit", {"guess": "numeric", "distinct": 10, "min": 0, "max": 9}, "multiclass"),
        ("weight", {"guess": "numeric", "distinct": 80, "min": 40.5, "max": 120}, "regression"),
        ("mask", {"guess": "image", "distinct": 80}, "segmentation"),
    ],
)
def test_the_kind_of_a_target_follows_from_its_column(column, facts, kind):
    assert roles.target_kind(column, facts) == kind


def test_damaged_documents_have_no_roles():
    for data in ({"images": 3, "numeric": "age", "target": [], "split": None, "id": 4},
                 {"images": {"a": None}, "target": {"tasks": 3, "columns": [1]}}):  # fmt: skip
        assert roles.roles_of(data) == {}
        assert roles.assign(data, "x", "id", {})["id"] == "x"
    with pytest.raises(UnknownNameError):
        roles.assign({}, "x", "king", {})


def test_remedies_change_only_what_they_name():
    document = {"name": "n", "data": {"numeric": ["a", "b"], "target": {"kind": "binary"}}}
    check = Check("constant columns", "WARN", "", 1, columns=["a"])
    [remedy] = remedies.remedies(check)
    made = remedies.apply(document, remedy.action, remedy.columns)
    assert made == {"name": "n", "data": {"numeric": ["b"], "target": {"kind": "binary"}}}
    made = remedies.apply(document, "draw_split", ())
    assert made["data"]["split"] == {"kind": "stratified-grouped"}
    assert remedies.apply({}, "weigh_classes", ())["training"] == {"class_weights": "balanced"}
    assert remedies.apply({"data": None}, "skip_unreadable", ())["data"] == {
        "skip_unreadable": True
    }


def test_orders_equal_a_plain_sort(tmp_path):
    draw = random.Random(2)
    cells = [draw.choice(["", "3", "10", "-2", "0.5"]) for _ in range(300)]
    words = [draw.choice(["", "b", "A", "c"]) for _ in range(300)]
    lines = [f"{n},{a},{b}" for n, (a, b) in enumerate(zip(cells, words, strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(["id,number,word", *lines]))
    order = RowOrder(read_table(tmp_path / "t.csv"))
    known = [n for n in range(300) if cells[n]]
    rest = [n for n in range(300) if not cells[n]]
    assert order.rows(Order(by="number")).tolist() == [
        *sorted(known, key=lambda n: float(cells[n])), *rest,
    ]  # fmt: skip
    down = sorted(known, key=lambda n: -float(cells[n]))
    assert order.rows(Order(by="number", down=True)).tolist() == [*down, *rest]
    assert order.rows(Order(column="word", value="A")).tolist() == [
        n for n in range(300) if words[n] == "A"
    ]
    found = order.rows(Order(by="word", column="number", value="10"))
    shown = [words[n] for n in found if words[n]]
    assert shown == sorted(shown, key=str.casefold)


def test_spreads_count_every_row_once(tmp_path):
    draw = random.Random(3)
    values = [draw.choice(["", *map(str, range(40)), "2.5"]) for _ in range(500)]
    names = [f"L{draw.randrange(30)}" for _ in range(500)]
    by = [draw.choice(["x", "y"]) for _ in range(500)]
    for cells in (values, names):
        facts, counts = spread(cells, by)
        assert counts.sum(axis=1).tolist() == facts["n"]
        assert sum(facts["n"]) + sum(facts["missing"]) == 500
    lines = [f"{n},{value}" for n, value in enumerate(values)]
    (tmp_path / "t.csv").write_text("\n".join(["id,value", *lines]))
    table = read_table(tmp_path / "t.csv")
    order = RowOrder(table).rows(Order(by="value"))
    levels = missing_map(table, order)
    assert levels[0].max() == 0
    assert (levels[1][:100] == 0).all()  # missing values are sorted to the end
    assert levels[1][-1] == 255


def test_tables_of_a_folder_are_listed_from_the_nearest_on(tmp_path):
    for path in ("a.csv", "deep/b.tsv", "deep/er/c.xlsx", ".git/d.csv", "picture.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    found, complete = table_files(tmp_path)
    assert [one["path"] for one in found] == ["a.csv", "deep/b.tsv", "deep/er/c.xlsx"]
    assert complete
