"""The report of a comparison of modalities: the verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medfusion.modalities import ComparisonFolder
from medfusion.report import theme
from medfusion.report.blocks import (
    Block,
    Cell,
    Document,
    Facts,
    Figure,
    KeyNumber,
    Listing,
    Panel,
    Paragraph,
    Row,
    Section,
    Table,
)
from medfusion.report.methods import NOT_CLINICAL
from medfusion.report.numbers import counted, decimal, interval, listed

_COLOURS = {
    "single": theme.GREY,
    "fusion": theme.BLUE,
    "complete": theme.SKY,
    "rival": theme.ORANGE,
}
_ROLES = {
    "single": "One modality",
    "fusion": "Fusion",
    "complete": "Fusion, complete rows",
    "rival": "Rival on the table",
}
_FLAT = 1e-12
_ACROSS = 4
"""Columns of values with their intervals that fit beside one another on a page."""

Plain = Mapping[str, Any]


def compose(comparison: ComparisonFolder) -> Document:
    """Return the report of a comparison, as yet without any output format.

    Raises:
        RunError: It is not finished.
    """
    results = comparison.results
    verdict = results["verdict"]
    return Document(
        title=comparison.experiment.name,
        state=comparison.status.state,
        facts=[
            counted(results["n"], "case"),
            counted(results["groups"], "group"),
            counted(len(results["folds"]), "fold"),
        ],
        summary=verdict["text"],
        alert=" ".join(results["notes"]),
        numbers=_numbers(results),
        sections=[
            _performance(results),
            _gains(results),
            _robustness(results),
            _folds(results),
            _methods(comparison, results),
            _provenance(comparison, results),
        ],
        kind="Does fusion pay?",
    )


def _numbers(results: Plain) -> list[KeyNumber]:
    chosen = results["chosen_on_validation"]
    gain = results["verdict"]["gain"]
    found = [
        _number(one["label"], one["test"])
        for one in results["candidates"]
        if one["name"] in (chosen["fusion"], chosen["reference"])
    ]
    return [*found, _number(f"Gain in {results['metric_name']}", gain)]


def _number(label: str, estimate: Plain) -> KeyNumber:
    ci = estimate["ci"]
    note = "" if ci is None else f"{decimal(ci[0])} to {decimal(ci[1])}"
    return KeyNumber(label, decimal(estimate["value"]), note, estimate["value"])


def _performance(results: Plain) -> Section:
    candidates = results["candidates"]
    metric = results["metric_name"]
    level = f"{100 * results['confidence']:g}%"
    rows = [
        Row(
            Cell(one["label"], strong=one["name"] in results["chosen_on_validation"].values()),
            [Cell(_ROLES[one["role"]]), _cell(one["validation"]), _cell(one["test"])],
        )
        for one in candidates
    ]
    table = Table(
        name="candidates",
        caption=f"{metric} of every candidate on the same cases: estimate ({level} CI). In bold, "
        "the fusion and the single modality that validation chose.",
        columns=["Candidate", "", "Validation", f"Test (n = {results['n']})"],
        rows=rows,
        notes=[
            (
                "Predictions of all folds are pooled; each case is predicted once, by the fold in "
                "which it was in neither training nor validation."
            )
        ],
    )
    panel = _forest(
        [(one["label"], one["test"], _COLOURS[one["role"]]) for one in candidates],
        metric,
        f"{metric} on the test rows",
    )
    caption = f"{metric} on the pooled test rows with {level} confidence intervals."
    blocks: list[Block] = [table, Figure("candidates", caption, [panel])]
    return Section("performance", "Performance", blocks)


def _gains(results: Plain) -> Section:
    metric = results["metric_name"]
    level = f"{100 * results['confidence']:g}%"
    labels = {one["name"]: one["label"] for one in results["candidates"]}
    rows = []
    for gain in results["gains"]:
        p = gain["p"] if gain["p_holm"] is None else gain["p_holm"]
        rows.append(
            Row(
                Cell(f"{labels[gain['first']]} over {_inside(labels[gain['second']])}"),
                [
                    _cell(gain),
                    Cell(_p(p), p),
                    Cell("Holm" if gain["p_holm"] is not None else "not adjusted"),
                ],
            )
        )
    chosen = labels[results["chosen_on_validation"]["reference"]]
    table = Table(
        name="gains",
        caption=f"Paired gains in {metric} on the same cases: estimate ({level} CI). Above 0 the "
        "first is better.",
        columns=["Comparison", "Gain", "p", "Adjustment"],
        rows=rows,
        notes=[
            (
                f"The family of tests: every fusion over the best single modality ({_inside(chosen)}, "
                "chosen on validation), adjusted by Holm's method. All other comparisons are "
                "descriptive."
            ),
            *dict.fromkeys(f"{gain['note']}." for gain in results["gains"] if gain["note"]),
        ],
    )
    family = [gain for gain in results["gains"] if gain["p_holm"] is not None]
    blocks: list[Block] = [table]
    if family:
        panel = _forest(
            [(labels[gain["first"]], gain, theme.BLUE) for gain in family],
            f"Gain in {metric} over {_inside(chosen)}",
            "Gain of each fusion",
            lines=(0.0, results["smallest_gain"]),
        )
        caption = (
            f"Gain of each fusion over {_inside(chosen)} with {level} confidence intervals. Lines: "
            f"no gain, and the smallest gain of interest ({results['smallest_gain']:.3g})."
        )
        blocks.append(Figure("gains", caption, [panel]))
    return Section("gains", "What fusion gains", blocks)


def _robustness(results: Plain) -> Section:
    metric = results["metric_name"]
    labels = {one["name"]: one["label"] for one in results["candidates"]}
    fusions = [one["name"] for one in results["candidates"] if one["role"] == "fusion"]
    blocks: list[Block] = [
        *_heat(
            "robustness",
            f"{metric} of each fusion with parts hidden at prediction, on the same test rows. What "
            "a row lacks anyway stays missing.",
            "Seen at prediction",
            results["robustness"],
            fusions,
            labels,
            results,
            lambda item: f"{item['left']} of {item['n']} rows have something",
        ),
    ]
    if len(results["missing"]) > 1:
        blocks += _heat(
            "missing",
            f"{metric} on test rows by what they lack in the data.",
            "Rows",
            results["missing"],
            [one["name"] for one in results["candidates"]],
            labels,
            results,
            lambda item: counted(item["n"], "row"),
        )
    else:
        [rows] = results["missing"]
        alike = f"All {counted(rows['n'], 'test row')} are alike in what they have"
        said = f"{alike} ({rows['pattern'].lower()}): of others these data say nothing."
        blocks.append(Paragraph(said))
    return Section("robustness", "When something is missing", blocks)


def _heat(
    name: str,
    caption: str,
    first: str,
    items: Sequence[Plain],
    columns: Sequence[str],
    labels: Mapping[str, str],
    results: Plain,
    note: Any,
) -> list[Table]:
    found = [
        item["values"][column]["value"]
        for item in items
        for column in columns
        if item["values"][column]["value"] is not None
    ]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)

    def cell(item: Plain, column: str) -> Cell:
        estimate = item["values"][column]
        value = estimate["value"]
        shade = None
        if value is not None:
            part = (value - low) / (high - low) if high - low > _FLAT else 0.5
            shade = 1 - part if results["smaller_is_better"] else part
        return Cell(_text(estimate), value, note=estimate.get("note", ""), shade=shade)

    # The longer side goes down, and what is left across is divided: a page is narrow.
    down = len(columns) > len(items)
    across = len(items) if down else len(columns)
    tables = []
    for start in range(0, across, _ACROSS):
        part = slice(start, start + _ACROSS)
        if down:
            heads = ["Candidate", *(f"{item['pattern']} ({note(item)})" for item in items[part])]
            rows = [
                Row(Cell(labels[column]), [cell(item, column) for item in items[part]])
                for column in columns
            ]
        else:
            heads = [first, *(labels[column] for column in columns[part])]
            rows = [
                Row(
                    Cell(item["pattern"], note=note(item)),
                    [cell(item, column) for column in columns[part]],
                )
                for item in items
            ]
        told = caption if start == 0 else f"{caption.removesuffix('.')}, continued."
        tables.append(
            Table(
                name=name if start == 0 else f"{name}-{start // _ACROSS + 1}",
                caption=f"{told} The deeper the colour, the better.",
                columns=heads,
                rows=rows,
                over=first if down else "Candidate",
                wide=True,
            )
        )
    return tables


def _folds(results: Plain) -> Section:
    candidates = results["candidates"]
    rows = []
    for item in results["folds"]:
        events = item.get("events")
        sizes = [
            f"{item[side]} ({events[side]})" if events else str(item[side])
            for side in ("train", "val", "test")
        ]
        rows.append(Row(Cell(f"Fold {item['fold']}"), [Cell(size) for size in sizes]))
    said = "rows (events)" if results["folds"][0].get("events") else "rows"
    sides = Table(
        name="folds",
        caption=f"Folds: {said} to learn from, to validate and to test on.",
        columns=["Fold", "Training", "Validation", "Test"],
        rows=rows,
        notes=["No group is on two sides of a fold; the folds are the same for all candidates."],
    )
    values = Table(
        name="fold-values",
        caption=f"{results['metric_name']} on the test rows of each fold alone.",
        columns=["Candidate", *(f"Fold {item['fold']}" for item in results["folds"])],
        rows=[
            Row(Cell(one["label"]), [Cell(decimal(value), value) for value in one["folds"]])
            for one in candidates
        ],
    )
    # Of a single fold the values are those of all test rows, which stand above.
    return Section("folds", "Folds", [sides, values] if len(results["folds"]) > 1 else [sides])


def _methods(comparison: ComparisonFolder, results: Plain) -> Section:
    experiment = comparison.experiment
    roles = {one["role"] for one in results["candidates"]}
    fusions = [one["name"] for one in results["candidates"] if one["role"] == "fusion"]
    count = len(results["folds"])
    unit = experiment.data.group or experiment.data.id
    how = (
        f"{count}-fold cross-validation over {unit}"
        if count > 1
        else "the experiment's own division into training, validation and test"
    )
    least = f"{results['smallest_gain']:.3g}"
    said = [
        (
            f"Models on the image alone, on the table alone and on both ({listed(fusions)} fusion) "
            f"were trained by {how}, on identical rows and with identical settings; of each training "
            "the epoch that did best on validation was kept."
        ),
        (
            "A model of one modality has the same encoder and head, with a projection and a hidden "
            "layer in place of the fusion."
        ),
    ]
    if "rival" in roles:
        said.append(
            "Penalised linear models (logistic for classes) and histogram gradient boosting "
            "(scikit-learn) were fitted to the table alone, on the same training rows with the "
            "same preprocessing; penalty and number of trees were chosen on validation."
        )
    if "complete" in roles:
        said.append(
            "Fusion was also trained on rows without any missing modality; rows it cannot serve "
            "got the mean of its training rows."
        )
    said += [
        (
            "The fusion and the single modality (rivals included) that the verdict is about were "
            "chosen on the pooled validation rows, never on test rows."
        ),
        (
            f"Differences are paired on the same test cases ({_method(results)}); p values of the "
            "fusions against the best single modality were adjusted by Holm's method "
            f"({100 * results['confidence']:g}% confidence intervals are not adjusted)."
        ),
        (
            f"Fusion pays where it is better after that adjustment; it does not where gains of {least} "
            "or more are ruled out for every fusion; all else is undecided."
        ),
        (
            "The intervals speak of other cases like these; they do not hold what another random seed "
            "would change."
        ),
    ]
    return Section("methods", "Methods", [Paragraph(" ".join(said)), Paragraph(NOT_CLINICAL)])


def _provenance(comparison: ComparisonFolder, results: Plain) -> Section:
    names = {one["name"]: one["label"] for one in results["candidates"]}
    runs = "\n".join(
        f"{run.name}  {names.get(name, name)}, fold {fold + 1}"
        for (name, fold), run in comparison.runs.items()
    )
    document = comparison.document
    facts = [
        ("Experiment", document["hash"]),
        ("Data", str(document["fingerprint"])),
    ]
    return Section(
        "provenance",
        "Provenance",
        [
            Facts(facts),
            Listing("Runs", runs),
            Listing("Experiment", comparison.experiment.to_yaml()),
        ],
    )


def _forest(
    items: Sequence[tuple[str, Plain, str]],
    axis: str,
    title: str,
    lines: Sequence[float] = (),
) -> Panel:
    import plotly.graph_objects as go

    known = [item for item in items if item[1]["value"] is not None]
    values = [item[1]["value"] for item in known]
    above, below = [], []
    for _, estimate, _ in known:
        low, high = estimate["ci"] or (estimate["value"], estimate["value"])
        above.append(high - estimate["value"])
        below.append(estimate["value"] - low)
    labels = [theme.plain(theme.short(item[0])) for item in known]
    trace = go.Scatter(
        x=theme.numbers(values),
        y=labels,
        mode="markers",
        marker={"size": 9, "color": [item[2] for item in known]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": theme.numbers(above),
            "arrayminus": theme.numbers(below),
            "thickness": 1.4,
            "width": 4,
            "color": theme.MUTED,
        },
        customdata=[theme.plain(_text(item[1])) for item in known],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )
    shapes = [
        {
            "type": "line",
            "x0": place,
            "x1": place,
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"color": theme.INK, "width": 1, "dash": "dot" if place else "solid"},
        }
        for place in lines
    ]
    layout = {
        "xaxis": theme.axis(theme.plain(axis)),
        "yaxis": {"autorange": "reversed", "type": "category"},
        "shapes": shapes,
    }
    alt = "; ".join(f"{item[0]}: {_text(item[1])}" for item in known)
    return Panel(title, theme.plot([trace], layout), f"{title}. {alt}")


def _cell(estimate: Plain) -> Cell:
    if estimate["value"] is None:
        return Cell(
            "not estimable", note=str(estimate.get("note", "")).partition("not estimable: ")[2]
        )
    return Cell(_text(estimate), estimate["value"])


def _text(estimate: Plain) -> str:
    ci = estimate["ci"]
    return interval(estimate["value"], None if ci is None else (ci[0], ci[1]))


def _p(value: float | None) -> str:
    if value is None:
        return "none"
    return "< 0.001" if value < 0.001 else decimal(value)


def _inside(label: str) -> str:
    return label[:1].lower() + label[1:]


def _method(results: Plain) -> str:
    found = dict.fromkeys(gain["method"] for gain in results["gains"] if gain["method"])
    return listed(list(found)) if found else "no interval could be had"
