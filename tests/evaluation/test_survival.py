"""The C-index with its interval, and what is not estimable."""

import numpy as np
import pytest

from medfusion.errors import InputError
from medfusion.evaluation import compare_auc, concordance_index
from medfusion.evaluation.survival import concordance


@pytest.fixture
def times():
    rng = np.random.default_rng(2)
    time = rng.exponential(10, 200)
    return time, rng.random(200) < 0.6, -time / 5 + rng.normal(size=200)


def test_the_interval_holds_the_value_and_groups_widen_it(times):
    alone = concordance_index(*times, replicates=1000)
    assert alone.value == concordance(*times).c_index
    assert alone.ci[0] < alone.value < alone.ci[1]
    assert alone.method == "bootstrap (1000 replicates), 95 %"
    assert alone == concordance_index(*times, replicates=1000)
    rows = np.repeat(np.arange(200), 3)
    copies = [column[rows] for column in times]
    grouped = concordance_index(*copies, groups=rows.tolist(), replicates=1000, seed=1)
    assert np.diff(grouped.ci)[0] == pytest.approx(np.diff(alone.ci)[0], rel=0.15)
    assert grouped.method.startswith("group bootstrap (200 groups, ")


def test_what_is_not_estimable_says_why(times):
    time, event, risk = times
    assert concordance_index(time[:9], event[:9], risk[:9]).note.startswith(
        "not estimable: 9 cases"
    )
    censored = concordance_index(time, np.zeros(200), risk)
    assert censored.note == "not estimable: no event has a case that lived longer"
    rare = np.zeros(200)
    rare[np.argmin(time)] = 1
    few = concordance_index(time, rare, risk, replicates=400)
    assert "of 400 replicates estimable" in few.method or few.ci is None
    assert np.isnan(concordance([], [], []).c_index)
    with pytest.raises(InputError, match="case 1 is 2"):
        concordance([1, 2], [1, 2], [0.5, 0.5])


def test_a_permutation_test_takes_the_place_of_delongs(simulated):
    random = np.random.default_rng(5)
    target, prob = simulated(random, 300)
    other = np.clip(prob + random.normal(scale=0.25, size=300), 0, 1)
    delong = compare_auc(target, prob, other)
    permuted = compare_auc(target, prob, other, test="permutation", permutations=4000)
    assert (permuted.difference.value, permuted.difference.ci) == (
        delong.difference.value,
        delong.difference.ci,
    )
    assert permuted.p == pytest.approx(delong.p, abs=0.03)
    assert permuted.z is None
    assert permuted.difference.note == "p value of a paired permutation test (4000 permutations)"
    assert compare_auc(target, prob, prob, test="permutation").p == 1.0
    assert compare_auc(target[:5], prob[:5], other[:5], test="permutation").p is None


def test_under_no_difference_small_p_values_are_as_rare_as_they_say(simulated):
    random, below = np.random.default_rng(6), 0
    for number in range(300):
        target, prob = simulated(random, 60)
        odds = np.log(prob / (1 - prob))
        pair = [1 / (1 + np.exp(-(odds + random.normal(size=60)))) for _ in range(2)]
        found = compare_auc(target, *pair, test="permutation", permutations=400, seed=number)
        below += found.p < 0.05
    assert 5 <= below <= 27  # 15 expected, about 3 standard deviations
