"""What a run records beside losses: classes, gates, gradients, the cases it is most wrong about."""

import json

import numpy as np
import pytest
import torch

from medfusion.runs import RunFolder
from medfusion.spec import override
from medfusion.training import execute
from medfusion.training.inside import Inside, gradient_norms


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture(scope="module")
def recorded(phantom, tmp_path_factory):
    experiment = override.apply(phantom, ["training.record.gradients=2", "training.epochs=2"])
    run = RunFolder.create(experiment, tmp_path_factory.mktemp("runs"))
    assert execute(run.path).state == "finished"
    return run


def test_every_epoch_tells_of_each_class_and_of_what_goes_on_inside(recorded):
    curves = recorded.history().curves
    steps = [event["step"] for event in recorded.history().epochs]
    sensitivity = [name for name in curves if name.startswith("class/sensitivity/")]
    assert len(sensitivity) == 2
    gates = [name for name in curves if name.startswith("inside/") and name.endswith("/mean")]
    assert gates
    for name in [*sensitivity, *gates]:
        assert curves[name].step == steps
        assert all(0 <= value <= 1 for value in curves[name].value)
    for name in gates:
        low, high = (curves[name.replace("/mean", f"/{end}")].value for end in ("low", "high"))
        assert all(a <= b for a, b in zip(low, high, strict=True))


def test_gradients_are_recorded_by_part_every_second_step(recorded):
    history = recorded.history()
    parts = {name for name in history.curves if name.startswith("gradient/")}
    assert parts >= {"gradient/image", "gradient/table", "gradient/fusion", "gradient/head"}
    last = history.curves["step/loss"].step[-1]
    assert history.curves["gradient/head"].step == [1, *range(2, last + 1, 2)]
    assert all(value > 0 for value in history.curves["gradient/head"].value)


def test_nothing_of_it_changes_the_weights(recorded, phantom, tmp_path):
    plain = RunFolder.create(override.apply(phantom, ["training.epochs=2"]), tmp_path)
    execute(plain.path)
    assert not [name for name in plain.history().curves if name.startswith("gradient/")]
    values = [run.history().curves["step/loss"].value for run in (plain, recorded)]
    assert values[0] == values[1]


def test_the_worst_cases_of_the_best_epoch_are_those_of_its_predictions(recorded):
    saved = json.loads((recorded.path / "mistakes.json").read_text("utf-8"))
    best = [event["epoch"] for event in recorded.history().epochs if event["best"]][-1]
    assert saved["epoch"] == best
    rows = [row for row in recorded.predictions if row["split"] == "val"]
    wrong = {row["id"]: 1 - float(row[f"prob_{row['target']}"]) for row in rows}
    cases = saved["cases"]
    assert [case["wrong"] for case in cases] == pytest.approx(
        sorted(wrong.values(), reverse=True)[: len(cases)], abs=1e-4
    )
    for case in cases:
        assert case["wrong"] == pytest.approx(wrong[case["id"]], abs=1e-4)


def test_rows_are_folded_over_all_batches(rng):
    rows = rng.random((100, 2)).astype(np.float32)
    inside = Inside(["image", "table"], ["left", "right"])
    for part in np.split(rows, 4):
        inside.add(
            {
                "weights": torch.from_numpy(part),
                "gates": torch.from_numpy(part)[:, :, None].expand(-1, -1, 3),
                "views/weights": torch.from_numpy(part),
                "load": torch.from_numpy(part),
                "instances/left/weights": torch.from_numpy(part),
                "gamma": torch.from_numpy(part),
                "count": torch.ones(len(part), dtype=torch.int64),
            }
        )
    found = inside.summary()
    assert set(found) == {
        "weights/image", "weights/table", "gates/image", "gates/table", "views/weights/left",
        "views/weights/right", "load/expert 1", "load/expert 2", "instances/left/weights/largest",
        "gamma",
    }  # fmt: skip
    assert found["gates/table"] == found["weights/table"]
    assert found["weights/image"]["mean"] == pytest.approx(rows[:, 0].mean(), abs=1e-5)
    for name, quantile in {"low": 0.1, "high": 0.9}.items():
        wanted = np.quantile(rows[:, 0], quantile, method="nearest")
        assert found["weights/image"][name] == pytest.approx(wanted, abs=1e-5)
    assert found["instances/left/weights/largest"]["mean"] == pytest.approx(
        rows.max(axis=1).mean(), abs=1e-5
    )
    assert inside.summary() == {}


def test_gradients_without_a_number_are_left_out():
    model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Linear(1, 1), torch.nn.Linear(1, 1))
    for layer, value in zip(model, (2.0, float("nan"), None), strict=True):
        for parameter in layer.parameters():
            parameter.grad = None if value is None else torch.full_like(parameter, value)
    assert gradient_norms(model, scale=2.0) == {"0": pytest.approx(np.sqrt(12.0) / 2)}
