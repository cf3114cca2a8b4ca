"""What the label review changed stands in the report, by split and action, and no id does."""

import json

from medfusion.report import report_html
from medfusion.report.document import compose
from medfusion.report.evidence import gather

FACTS = {
    "file": "cohort.corrections.jsonl",
    "sha256": "ab" * 32,
    "splits": {"train": {"relabel": 12, "flag": 2}, "val": {"exclude": 3}, "test": {"relabel": 1}},
    "changes": [
        {"split": "train", "column": "malignant", "from": "1", "to": "0", "count": 12},
        {"split": "test", "column": "malignant", "from": None, "to": "1", "count": 1},
    ],
    "test_left": 0,
}


def corrected(make_run, **facts):
    run = make_run()
    path = run.path / "cohort.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"corrections": FACTS | facts}))
    return run


def part(run, name):
    return next(one for one in compose(gather(run)).sections if one.name == name)


def test_counts_by_split_and_action(make_run):
    run = corrected(make_run)
    section = part(run, "corrections")
    tables = {block.name: block for block in section.blocks if block.kind == "table"}
    rows = {
        row.header.text: [int(cell.value) for cell in row.cells]
        for row in tables["corrections"].rows
    }
    assert rows == {"Training": [12, 0, 2, 0], "Validation": [0, 3, 0, 0], "Test": [1, 0, 0, 0]}
    cells = [[cell.text for cell in row.cells] for row in tables["corrected-labels"].rows]
    assert cells == [["1", "0", "Training", "12"], ["unknown", "1", "Test", "1"]]
    warning = next(block for block in section.blocks if block.kind == "findings").open[0]
    assert warning.message.startswith("1 label of the test split was corrected or left out.")
    flow = next(block for block in part(run, "flow").blocks if block.kind == "flow")
    assert [box.lines[-1] for box in flow.splits if "corrected" in box.lines[-1]] == [
        "labels corrected: 12", "labels corrected: 1"
    ]  # fmt: skip
    table1 = next(block for block in part(run, "table1").blocks if block.kind == "table")
    assert "left out: training 0, validation 3, test 0." in table1.notes[-1]
    methods = " ".join(b.text for b in part(run, "methods").blocks if b.kind == "paragraph")
    assert "13 labels were corrected and 3 rows left out, 1 of these in the test split." in methods


def test_a_judge_left_alone_needs_no_warning(make_run):
    run = corrected(make_run, splits={"train": {"relabel": 12}}, changes=[], test_left=2)
    section = part(run, "corrections")
    assert not [block for block in section.blocks if block.kind == "findings"]
    table = next(block for block in section.blocks if block.kind == "table")
    assert table.notes == [
        "2 corrections of test labels were not applied (data.correct_test: false)."
    ]
    methods = " ".join(b.text for b in part(run, "methods").blocks if b.kind == "paragraph")
    assert "labels of the test split were left as they were" in methods


def test_labels_stay_text(make_run):
    hostile = "<img src=x onerror=window.X=1>"
    change = {"split": "train", "column": hostile, "from": hostile, "to": hostile, "count": 1}
    html = report_html(corrected(make_run, file=hostile, changes=[change]))
    assert hostile not in html
    assert "&lt;img src=x onerror=window.X=1&gt;" in html


def test_a_run_without_corrections_says_nothing_of_them(make_run):
    assert "corrections" not in [one.name for one in compose(gather(make_run())).sections]
