"""The data browser's kernel side: questions in, the draft and answers out."""

import base64
import json
import subprocess
import sys
import time

import numpy as np
import pytest

from medfusion.data import png
from medfusion.errors import TableError
from medfusion.widgets import assets, plotly_library, table_upload
from medfusion.widgets.data_browser import DataBrowser

HOSTILE = '<img src=x onerror="window.hacked = 1">{{7*7}}${alert(1)}'
ROWS = 60


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with a table and its images; the browser side is not needed."""
    monkeypatch.setattr(assets, "read", lambda name: f"/* {name} */")
    monkeypatch.setattr(plotly_library, "shared", lambda: None)
    monkeypatch.setenv("MEDFUSION_CACHE", str(tmp_path / "cache"))
    home = tmp_path / "home"
    (home / "images").mkdir(parents=True)
    monkeypatch.chdir(home)
    rng = np.random.default_rng(0)
    lines = ["case,patient_id,photo,age,sex,malignant,follow_up_date,note"]
    for n in range(ROWS):
        pixels = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
        (home / "images" / f"{n}.png").write_bytes(png.encode(pixels))
        age = "" if n % 10 == 0 else str(30 + n * 7 % 41)
        date = f"2024-03-{1 + n % 28:02}"
        lines.append(
            f"C{n},P{n // 2},images/{n}.png,{age},{'fm'[n % 2]},{(n // 3) % 2},{date},x{n}"
        )
    (home / "skin.csv").write_text("\n".join(lines))
    return home


def ask(panel, question, /, **values):
    reply, buffers = panel.answer({"kind": "ask", "id": "1", "name": question, "values": values})
    if "error" in reply:
        return reply["error"]
    json.dumps(reply)
    return (reply["values"], buffers) if buffers else reply["values"]


def test_a_table_is_chosen_and_its_columns_are_understood():
    browser = DataBrowser()
    found = ask(browser, "data_tables")
    assert [one["path"] for one in found["tables"]] == ["skin.csv"]
    assert found["complete"]
    facts = ask(browser, "data_open", path="skin.csv")
    assert facts["rows"] == ROWS
    assert browser.state["data"]["roles"] == {
        "case": "id",
        "patient_id": "group",
        "photo": "image",
        "age": "numeric",
        "sex": "categorical",
        "malignant": "target",
    }
    assert browser.draft.get(("data", "target")) == {"kind": "binary", "column": "malignant"}
    assert browser.draft.get(("data", "split")) == {"kind": "stratified-grouped"}
    assert browser.draft.get(("data", "images", "photo", "size")) == [64, 64]
    notes = {column["name"]: column["notes"] for column in facts["columns"]}
    assert notes["follow_up_date"] == [("date", "")]
    assert notes["note"] == [("identifier", "")]
    assert browser.experiment.data.table == "skin.csv"


def test_a_correction_is_a_step_that_can_be_taken_back():
    browser = DataBrowser("skin.csv")
    ask(browser, "data_assign", column="sex", role="target")
    assert browser.draft.get(("data", "target", "column")) == "sex"
    assert browser.state["data"]["roles"].get("malignant") is None
    ask(browser, "data_assign", column="malignant", role="label")
    assert browser.draft.get(("data", "target", "columns")) == ["sex", "malignant"]
    ask(browser, "undo")
    ask(browser, "undo")
    assert browser.state["data"]["roles"]["malignant"] == "target"
    assert browser.state["data"]["roles"]["sex"] == "categorical"
    assert ask(browser, "data_assign", column="sex", role="king")["type"] == "UnknownNameError"
    assert ask(browser, "data_assign", column="none", role="id")["type"] == "TableError"


def test_a_new_browser_goes_on_where_the_last_was(folder):
    first = DataBrowser("skin.csv")
    ask(first, "data_assign", column="age", role="unused")
    again = DataBrowser("skin.csv")
    assert "age" not in again.state["data"]["roles"]
    assert again.yaml == first.yaml
    (folder / "skin.yaml").write_text(first.yaml)
    assert DataBrowser("skin.yaml", name="other").state["data"] == first.state["data"]
    with pytest.raises(TableError, match="there is no such file"):
        DataBrowser("none.csv")


def test_a_listed_table_never_leaves_the_folder_and_a_typed_one_may(folder):
    browser = DataBrowser()
    outside = folder.parent / "outside.csv"
    outside.write_text((folder / "skin.csv").read_text())
    (folder / "link.csv").symlink_to(outside)
    (folder / ".hidden.csv").write_text("a\n1\n")
    assert [one["path"] for one in ask(browser, "data_tables")["tables"]] == ["skin.csv"]
    for path in ("../outside.csv", str(outside), "link.csv"):
        assert "leaves the folder" in ask(browser, "data_open", path=path)["message"]
    assert ask(browser, "data_open", path="../outside.csv", typed=True)["rows"] == ROWS
    assert browser.draft.get(("data", "table")) == str(outside)
    assert ask(browser, "data_open", path="")["type"] == "InputError"
    assert ask(browser, "data_open", path="none.csv")["type"] == "TableError"


def test_rows_come_sorted_filtered_and_in_pages():
    browser = DataBrowser("skin.csv")
    page = ask(browser, "data_page", start=10, count=5, order={})
    assert page["rows"] == [10, 11, 12, 13, 14]
    assert page["cells"][0][0] == "C10"
    down = ask(browser, "data_page", start=0, count=60, order={"by": "age", "down": True})
    ages = [row[3] for row in down["cells"]]
    assert ages[:54] == sorted(ages[:54], key=float, reverse=True)
    assert ages[54:] == [None] * 6
    found = ask(browser, "data_page", start=0, count=60, order={"find": "p7"})
    assert found["rows"] == [14, 15]
    cases = ask(browser, "data_page", start=0, count=3, order={"by": "case", "find": "c5"})
    assert [row[0] for row in cases["cells"]] == ["C5", "C50", "C51"]
    for wrong in ({"by": "none"}, {"sql": 1}, [], {"find": 3}):
        assert "type" in ask(browser, "data_page", start=0, count=1, order=wrong)
    assert "type" in ask(browser, "data_page", start="a", count=1, order={})


def test_a_column_is_spread_by_split_and_class():
    browser = DataBrowser("skin.csv")
    facts, buffers = ask(browser, "data_spread", column="sex", by="class")
    counts = np.frombuffer(buffers[0], np.int32).reshape(2, 2)
    assert (facts["series"], facts["levels"], counts.sum()) == (["0", "1"], ["f", "m"], ROWS)
    facts, buffers = ask(browser, "data_spread", column="age", by="split")
    assert facts["series"] == ["train", "val", "test"]
    assert sum(facts["missing"]) == 6
    assert np.frombuffer(buffers[0], np.int32).sum() == 54
    assert ask(browser, "data_spread", column="age", by="none")["type"] == "UnknownNameError"
    facts, buffers = ask(browser, "data_missing", order={})
    levels = np.frombuffer(buffers[0], np.uint8).reshape(8, -1)
    assert levels.shape == (8, ROWS)
    assert np.flatnonzero(levels[3]).tolist() == [0, 10, 20, 30, 40, 50]
    assert levels[[0, 1, 2, 4, 5, 6, 7]].max() == 0


def test_pictures_are_small_and_large_and_kept(folder):
    browser = DataBrowser("skin.csv")
    asked = {"view": "photo", "start": 58, "count": 20, "order": {}}
    page, buffers = ask(browser, "data_pictures", **asked)
    assert page["rows"] == [58, 59]
    assert page["id"] == ["C58", "C59"]
    assert page["label"] == ["1", "1"]
    assert all(one.startswith(b"\x89PNG") for one in buffers)
    assert ask(browser, "data_pictures", **asked)[1] == buffers
    (folder / "images" / "59.png").write_bytes(b"no picture")
    page, buffers = ask(browser, "data_pictures", **asked)
    assert buffers[1] == b""
    assert "59.png" in page["reasons"][1]
    subject = ask(browser, "data_subject", row=3)
    assert subject["views"][0]["files"] == ["3.png"]
    assert (subject["views"][0]["height"], subject["views"][0]["width"]) == (40, 60)
    _, [large] = ask(browser, "data_picture", row=3, view="photo")
    assert large.startswith(b"\x89PNG")
    for wrong in ({"row": 60}, {"row": -1}, {"row": "a"}, {"row": 3, "file": 2}):
        assert "type" in ask(browser, "data_picture", **{"view": "photo"} | wrong)
    assert ask(browser, "data_picture", row=3, view="none")["type"] == "UnknownNameError"


def test_an_image_outside_the_root_is_never_shown(folder):
    (folder.parent / "secret.png").write_bytes(png.encode(np.zeros((9, 9), np.uint8)))
    text = (folder / "skin.csv").read_text().replace("images/1.png", "../secret.png")
    (folder / "skin.csv").write_text(text)
    browser = DataBrowser("skin.csv")
    page, buffers = ask(browser, "data_pictures", view="photo", start=0, count=2, order={})
    assert buffers[1] == b""
    assert "leave the data root" in page["reasons"][1]
    assert "leave the data root" in ask(browser, "data_picture", row=1, view="photo")["message"]


def checks(browser):
    for _ in range(300):
        found = ask(browser, "data_checks")
        if not found.get("working"):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def test_findings_are_mended_by_a_step(folder):
    lines = (folder / "skin.csv").read_text().splitlines()
    leak = [f"{line},{'yes' if line.split(',')[5] == '1' else 'no'}" for line in lines[1:]]
    (folder / "skin.csv").write_text("\n".join([lines[0] + ",treated", *leak]))
    browser = DataBrowser("skin.csv")
    assert "treated" not in browser.state["data"]["roles"]
    assert "AUC 1.000" in ask(browser, "data_columns")["leaks"]["treated"]
    ask(browser, "data_assign", column="treated", role="categorical")
    ask(browser, "data_assign", column="patient_id", role="unused")
    found = checks(browser)
    by_name = {one["name"]: one for one in found["checks"]}
    assert by_name["target leakage"]["outcome"] == "FAIL"
    [remedy] = by_name["target leakage"]["remedies"]
    assert remedy == {"action": "drop_columns", "columns": ["treated"]}
    assert found["grouping"] == [{"action": "use_group", "columns": ["patient_id"]}]
    ask(browser, "data_mend", **remedy)
    ask(browser, "data_mend", **found["grouping"][0])
    assert browser.draft.get(("data", "group")) == "patient_id"
    found = checks(browser)
    assert found["grouping"] == []
    assert all(one["outcome"] != "FAIL" for one in found["checks"])
    ask(browser, "undo")
    ask(browser, "undo")
    assert browser.state["data"]["roles"]["treated"] == "categorical"
    assert ask(browser, "data_mend", action="burn", columns=[])["type"] == "UnknownNameError"


def test_images_that_cannot_be_read_can_be_left_out(folder):
    (folder / "images" / "7.png").write_bytes(b"no picture")
    browser = DataBrowser("skin.csv")
    found = checks(browser)
    assert "7.png" in found["error"]
    ask(browser, "data_mend", **found["remedies"][0])
    assert browser.draft.get(("data", "skip_unreadable")) is True
    assert "checks" in checks(browser)


def send(browser, name, content, size=None):
    begun = ask(browser, "data_upload", name=name, size=len(content) if size is None else size)
    if "type" in begun:
        return begun
    found = {}
    for at in range(0, len(content), 1000):
        part = base64.b64encode(content[at : at + 1000]).decode()
        found = ask(browser, "data_upload_part", key=begun["key"], at=at, content=part)
        if "type" in found:
            return found
    return found


def test_an_upload_is_kept_by_what_it_is_and_overwrites_nothing(folder, monkeypatch):
    browser = DataBrowser()
    content = (folder / "skin.csv").read_bytes()
    assert send(browser, "../../skin.csv", content)["path"] == "skin.csv"
    assert browser.state["data"]["table"] == "skin.csv"
    other = content.replace(b"C1,", b"D1,")
    assert send(browser, "skin.csv", other)["path"] == "skin (2).csv"
    assert (folder / "skin.csv").read_bytes() == content
    assert send(browser, "mine.exe", other + b"\n")["path"] == "mine.csv"
    before = sorted(path.name for path in folder.iterdir())
    assert "a.csv" in send(browser, "a.csv", b"\x89PNG\r\n\x1a\n" + bytes(500))["message"]
    assert send(browser, "b.csv", b"a,b\n")["type"] == "TableError"
    assert sorted(path.name for path in folder.iterdir()) == before
    monkeypatch.setattr(table_upload, "MOST_BYTES", 2000)
    assert "MiB" in send(browser, "large.csv", content)["message"]
    assert "type" in ask(browser, "data_upload", name="a", size=0)
    assert "type" in ask(browser, "data_upload_part", key="x", at=0, content="")
    begun = ask(browser, "data_upload", name="a.csv", size=10)
    for wrong in ({"at": 5, "content": "AAAA"}, {"at": 0, "content": "?"}):
        found = ask(browser, "data_upload_part", key=begun["key"], **wrong)
        assert found["type"] == "InputError"


def test_names_that_look_like_code_are_names(folder):
    (folder / "odd.csv").write_text(
        "id,"
        '"'
        + HOSTILE.replace('"', '""')
        + '",y\n'
        + "".join(f"{n},{n % 3},{n % 2}\n" for n in range(40))
    )
    browser = DataBrowser("odd.csv")
    assert HOSTILE in [column["name"] for column in ask(browser, "data_columns")["columns"]]
    ask(browser, "data_assign", column=HOSTILE, role="categorical")
    assert browser.experiment.data.categorical == (HOSTILE,)
    assert ask(browser, "data_spread", column=HOSTILE)[0]["column"] == HOSTILE


def test_torch_and_pandas_are_not_imported():
    work = (
        "import sys; from medfusion.widgets.data_browser import DataBrowser; "
        "assert not {'torch', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
