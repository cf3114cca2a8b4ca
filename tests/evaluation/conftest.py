import csv
from types import SimpleNamespace

import numpy as np
import pytest


def columns(path):
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@pytest.fixture(scope="session")
def asah(shared_data):
    """113 patients after subarachnoid haemorrhage: poor outcome, three markers, R's glm."""
    table = columns(shared_data / "reference_tables" / "aSAH.csv")
    fitted = columns(shared_data / "reference_tables" / "aSAH_glm.csv")
    return SimpleNamespace(
        poor=(table["outcome"] == "Poor").astype(np.int64),
        gender=table["gender"],
        s100b=table["s100b"].astype(float),
        ndka=table["ndka"].astype(float),
        wfns=table["wfns"].astype(float),
        glm_poor=fitted["y"].astype(np.int64),
        glm=fitted["p"].astype(float),
    )


def simulate(random, n, auc=0.8, prevalence=0.4):
    """Two normal classes whose true AUC is known; the probability is the true one (slope 1)."""
    from scipy.special import expit, ndtri

    target = (random.random(n) < prevalence).astype(np.int64)
    distance = np.sqrt(2) * ndtri(auc)
    score = random.normal(size=n) + distance * target
    odds = np.log(prevalence / (1 - prevalence))
    return target, expit(odds + distance * score - distance**2 / 2)


@pytest.fixture(scope="session")
def simulated():
    return simulate
