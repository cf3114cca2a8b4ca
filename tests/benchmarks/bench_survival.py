"""Cox networks on three published cohorts, beside linear Cox models on the same columns and rows.

Run as `python tests/benchmarks/bench_survival.py [--json FILE] [--loss cox|discrete-time]`. Every
cohort is trained by one recipe, given below, with three seeds; the epoch is picked on validation.
The columns beside are Harrell's C of the linear models on the same test rows: our own Newton fit
and, where it is installed, scikit-survival's. Length of stay (whas500) and cause of death (flchain)
are left out: they are known only with the outcome.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from medfusion import Experiment
from medfusion.data import Cohort
from medfusion.evaluation import compare, concordance_index
from medfusion.evaluation.survival import fit_cox
from medfusion.runs import RunFolder
from medfusion.spec import Evaluation
from medfusion.training import execute

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("MEDFUSION_TEST_DATA", ROOT.parent / "shared" / "data"))
COHORTS = {
    "flchain": {
        "numeric": ["age", "sample.yr", "kappa", "lambda", "flc.grp", "creatinine"],
        "categorical": ["sex", "mgus"],
    },
    "whas500": {
        "numeric": ["age", "hr", "sysbp", "diasbp", "bmi"],
        "categorical": ["gender", "cvd", "afb", "sho", "chf", "av3", "miord", "mitype"],
    },
    "gbsg2": {
        "numeric": ["age", "tsize", "pnodes", "progrec", "estrec"],
        "categorical": ["horTh", "menostat", "tgrade"],
    },
}
GOALS = {"flchain": 0.76, "whas500": 0.74, "gbsg2": 0.62}
SEEDS = (0, 1, 2)
MODEL = {
    "table": {"kind": "mlp", "hidden": [64, 32], "dropout": 0.3},
    "modality_dropout": 0,
}
TRAINING = {
    "epochs": 60,
    "batch_size": 256,
    "optimizer": {"kind": "adamw", "lr": 0.001, "weight_decay": 0.1},
    "early_stopping": {"patience": 15},
    "device": "cpu",
}


def experiment(name, data, seed, loss, training=TRAINING, model=MODEL):
    """Return the experiment of one cohort and seed."""
    return Experiment.from_mapping(
        {
            "name": name,
            "seed": seed,
            "data": {
                "table": str(data / f"{name}.csv"),
                "id": "patient_id",
                **COHORTS[name],
                "target": {"kind": "survival", "time": "time", "event": "event"},
                "split": {"kind": "column", "column": "split"},
            },
            "model": model,
            "training": training | {"loss": {"kind": loss}},
            "evaluation": {"bootstrap": 2000 if seed == 0 else 100},
        }
    )


def design(cohort):
    """Return the columns of a linear model: scaled numbers, one column per further category."""
    codes = cohort.categorical
    columns = [cohort.numeric, ~cohort.numeric_present]
    for place in range(codes.shape[1]):
        found = np.unique(codes[cohort.rows("train"), place])
        columns.append(codes[:, [place]] == found[1:])
    table = np.hstack(columns).astype(float)
    return table[:, table[cohort.rows("train")].std(axis=0) > 0]


def linear(cohort):
    """Return the risks on test of our own linear Cox model, its C and that of scikit-survival's."""
    columns, train, test = design(cohort), cohort.rows("train"), cohort.rows("test")
    time_, event = cohort.target.T
    ridge = 1e-4 * len(train)  # keeps rare categories finite
    own = columns[test] @ fit_cox(columns[train], time_[train], event[train], ridge).coefficients
    found = [concordance_index(time_[test], event[test], own, replicates=100).value]
    try:
        from sksurv.linear_model import CoxPHSurvivalAnalysis
        from sksurv.util import Surv
    except ImportError:
        return own, [*found, None]
    fitted = CoxPHSurvivalAnalysis(alpha=ridge, ties="efron").fit(
        columns[train], Surv.from_arrays(event[train] == 1, time_[train])
    )
    theirs = fitted.predict(columns[test])
    value = concordance_index(time_[test], event[test], theirs, replicates=100).value
    return own, [*found, value]


def gained(run, cohort, linear_risk):
    """Return the network's C minus the linear model's, with its paired interval."""
    rows = {row["id"]: float(row["risk"]) for row in run.predictions}
    test = cohort.rows("test")
    risk = [rows[cohort.ids[row]] for row in test]
    settings = Evaluation()
    return compare(
        "survival", "c_index", cohort.target[test], risk, linear_risk, settings=settings
    ).difference


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--loss", default="cox", choices=("cox", "discrete-time"))
    parser.add_argument("--data", type=Path, default=SHARED / "survival_tables")
    arguments = parser.parse_args()
    table = {}
    print(
        f"{'cohort':9} goal  network (3 seeds)       test C     val C  ours   sksurv  seconds  network (first seed) - ours"
    )
    with tempfile.TemporaryDirectory() as runs:
        for name, goal in GOALS.items():
            began, test, val, first = time.perf_counter(), [], [], None
            for seed in SEEDS:
                setup = experiment(name, arguments.data, seed, arguments.loss)
                run = RunFolder.create(setup, runs)
                execute(run.path)
                first = run if seed == SEEDS[0] else first
                test.append(run.metrics["test"]["c_index"])
                val.append(run.metrics["val"]["c_index"]["value"])
            seconds = time.perf_counter() - began
            cohort = Cohort.load(setup)
            risk, (own, theirs) = linear(cohort)
            more = gained(first, cohort, risk)
            values = [found["value"] for found in test]
            table[name] = {
                "goal": goal,
                "test": values,
                "interval": test[0]["ci"],
                "val": val,
                "linear": own,
                "scikit_survival": theirs,
                "difference": more.to_json(),
                "seconds": seconds,
            }
            print(
                f"{name:9} {goal:.2f}  {', '.join(f'{value:.3f}' for value in values)}"
                f"  mean {statistics.mean(values):.3f}  {statistics.mean(val):.3f}  {own:.3f}  "
                f"{'-' if theirs is None else f'{theirs:.3f}'}   {seconds:.0f}  {more}"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
