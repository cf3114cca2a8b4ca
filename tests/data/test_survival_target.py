"""Survival times as a target: what is read, what is refused, how it is split and summarised."""

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from medfusion import Experiment
from medfusion.data import Cohort
from medfusion.data.table import read_table
from medfusion.data.targets import read_target
from medfusion.data.targets.survival import median_follow_up
from medfusion.data.time_leakage import find
from medfusion.errors import SplitError, TableError
from medfusion.spec import SurvivalTarget


def read(folder, time, event, **settings):
    path = folder / "times.csv"
    rows = [f"p{row},{t},{e}" for row, (t, e) in enumerate(zip(time, event, strict=True))]
    path.write_text("\n".join(["id,time,event", *rows]) + "\n", encoding="utf-8")
    table = read_table(path)
    return read_target(
        table, SurvivalTarget(time="time", event="event", **settings), table.text("id")
    )


@pytest.mark.parametrize(
    ("cells", "settings", "expected"),
    [
        (["0", "1", "1"], {}, [0, 1, 1]),
        (["0.0", "1.0", "1"], {}, [0, 1, 1]),
        (["False", "True", "TRUE"], {}, [0, 1, 1]),
        (["no", "yes", "No"], {}, [0, 1, 0]),
        (["Alive", "dead", "DEAD"], {}, [0, 1, 1]),
        (["censored", "event", "event"], {}, [0, 1, 1]),
        (["1", "1", "1"], {}, [1, 1, 1]),
        (["1", "2", "2"], {"event_value": 2}, [0, 1, 1]),
        (["1", "2", "2.0"], {"event_value": "2"}, [0, 1, 1]),
        (["relapse", "death", "lost"], {"event_value": "death"}, [0, 1, 0]),
    ],
)
def test_events_are_read(tmp_path, cells, settings, expected):
    target = read(tmp_path, [5, 3.5, 7], cells, **settings)
    assert target.encode((), []).tolist() == [
        [time, event] for time, event in zip([5, 3.5, 7], expected, strict=True)
    ]


@pytest.mark.parametrize(
    ("time", "event", "settings", "message"),
    [
        ([5, 3, 7], ["1", "2", "2"], {}, "holds '1', '2'; say which value .*event_value"),
        ([5, 3, 7], ["a", "b", "b"], {}, "say which value"),
        ([5, 3, 7], ["0", "1", "2"], {}, "say which value"),
        ([5, 3, 7], ["0", "0", "0"], {}, "censored in every row"),
        ([5, 3, 7], ["dead", "lost", "lost"], {"event_value": "death"}, "did you mean 'dead'"),
        ([5, -3, 7], ["0", "1", "1"], {}, r"negative in 1 row\(s\); ids: p1"),
        ([5, "", 7], ["0", "1", "1"], {}, r"'time' is missing in 1 of 3 rows; ids: p1"),
        ([5, 3, 7], ["0", "", "1"], {}, r"'event' is missing in 1 of 3 rows; ids: p1"),
        ([5, "soon", 7], ["0", "1", "1"], {}, "'time' is asked for as numbers"),
        ([5, 5, 5], ["0", "1", "1"], {}, "is 5 in every row"),
    ],
)
def test_what_cannot_be_a_survival_time_is_refused(tmp_path, time, event, settings, message):
    with pytest.raises(TableError, match=message):
        read(tmp_path, time, event, **settings)


def test_strata_are_event_by_third_of_time(tmp_path):
    target = read(tmp_path, range(1, 13), ["0", "1"] * 6)
    strata = target.strata()
    assert np.bincount(strata).tolist() == [2] * 6
    assert (strata[1::2] >= 3).all()
    assert (strata[::2] < 3).all()
    with pytest.raises(SplitError, match="no event"):
        target.classes(np.arange(12) % 2 == 0)


def test_median_follow_up_is_kaplan_meier_of_censoring():
    rng = np.random.default_rng(8)
    time, event = rng.exponential(10, 300).round(3), rng.random(300) < 0.4
    theirs = SurvfuncRight(time, ~event)
    assert median_follow_up(time, event) == theirs.quantile(0.5)
    assert median_follow_up(np.array([1.0, 2.0]), np.array([True, True])) is None


def test_columns_that_hold_the_time_are_leaks():
    rng = np.random.default_rng(9)
    time, event = rng.integers(1, 2000, 300).astype(float), rng.random(300) < 0.5
    stay = np.where(rng.random(300) < 0.1, time, rng.integers(1, 20, 300))
    found = find("stay", [f"{value:g}" for value in stay], time, event)
    assert "is the survival time itself in" in found.finding
    assert set(np.flatnonzero(stay == time)) == set(found.rows)
    shifted = [f"{value + 40000 + rng.integers(3)}" for value in time]
    assert "ranks the times of the events" in find("died on", shifted, time, event).finding
    for clean in (
        rng.integers(1, 20, 300),
        rng.normal(60, 10, 300),
        time + rng.normal(0, 900, 300),
    ):
        assert find("clean", [f"{value:g}" for value in clean], time, event) is None
    assert find("words", ["a", "b"] * 150, time, event) is None


def test_a_cohort_of_times_is_checked_and_summarised(survival_table):
    cohort = Cohort.load(Experiment.from_mapping(survival_table))
    assert cohort.classes == ()
    assert cohort.target.shape == (len(cohort), 2)
    facts = cohort.summary()
    assert facts["target"]["unit"] == "months"
    for split in facts["splits"]:
        rows = cohort.rows(split["split"])
        events = int(cohort.target[rows, 1].sum())
        assert split["target"]["event"] == events
        assert split["target"]["censored"] == len(rows) - events
    checks = {check.name: check for check in cohort.checks}
    assert checks["survival times"].outcome == "PASS"
    assert checks["target leakage"].outcome == "PASS"
    assert checks["classes per split"].outcome == "PASS"
    assert cohort.subject(0).label.endswith("months")
