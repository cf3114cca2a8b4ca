"""The AUC equals scikit-learn's; its bootstrap has the distribution of a plain one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from medfusion import _rust


def make(n, seed, ties=None, shift=1.0):
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.3).astype(np.uint8)
    score = rng.normal(size=n) + shift * target
    return target, score if ties is None else np.round(score * ties) / ties


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(allow_nan=False)), min_size=1, max_size=60))
@settings(deadline=None)
def test_auc_equals_the_definition(cases):
    target = np.array([case[0] for case in cases], np.uint8)
    score = np.array([case[1] for case in cases])
    found = _rust.auc(target, score)
    positive, negative = score[target == 1], score[target == 0]
    if not (len(positive) and len(negative)):
        assert np.isnan(found)
        return
    wins = (positive[:, None] > negative).sum() + 0.5 * (positive[:, None] == negative).sum()
    assert found == pytest.approx(wins / (len(positive) * len(negative)), abs=1e-15)


@pytest.mark.parametrize("ties", [None, 1, 10])
@pytest.mark.parametrize("n", [10, 1000, 50_000])
def test_auc_equals_sklearn(n, ties):
    target, score = make(n, n, ties)
    assert _rust.auc(target, score) == pytest.approx(roc_auc_score(target, score), abs=1e-12)


def test_strided_arrays_are_read_right():
    target, score = make(1000, 1)
    assert _rust.auc(target[::-3], score[::-3]) == _rust.auc(
        target[::-3].copy(), score[::-3].copy()
    )


def plain_bootstrap(target, score, replicates, seed, *, group=None, stratified=False):
    """Draws rows, then asks scikit-learn: as slow and as simple as can be."""
    rng, found = np.random.default_rng(seed), []
    rows = np.arange(len(target))
    members = [rows[group == name] for name in np.unique(group)] if group is not None else None
    for _ in range(replicates):
        if members is not None:
            drawn = rng.integers(0, len(members), len(members))
            chosen = np.concatenate([members[one] for one in drawn])
        elif stratified:
            chosen = np.concatenate(
                [rng.choice(rows[target == one], (target == one).sum()) for one in (0, 1)]
            )
        else:
            chosen = rng.choice(rows, len(rows))
        both = len(np.unique(target[chosen])) == 2
        found.append(roc_auc_score(target[chosen], score[chosen]) if both else np.nan)
    return np.array(found)


@pytest.mark.parametrize("kind", ["plain", "stratified", "group"])
def test_the_distribution_is_that_of_a_plain_bootstrap(kind):
    target, score = make(150, 4, ties=5)
    group = np.random.default_rng(5).integers(0, 40, 150) if kind == "group" else None
    stratified = kind == "stratified"
    slow = plain_bootstrap(target, score, 2000, 1, group=group, stratified=stratified)
    fast = _rust.bootstrap_auc(target, score, group, 40_000, 2, stratified)
    sd = fast.std()
    # Four standard errors: of a mean sd / sqrt(n), of a standard deviation sd / sqrt(2 n).
    assert abs(fast.mean() - slow.mean()) < 4 * sd / np.sqrt(2000)
    assert abs(sd - slow.std()) < 4 * sd / np.sqrt(4000)
    for share in (2.5, 25, 75, 97.5):
        assert abs(np.percentile(fast, share) - np.percentile(slow, share)) < 0.25 * sd


def test_copies_of_a_row_in_its_group_do_not_narrow_the_interval():
    target, score = make(120, 6)
    rows = np.repeat(np.arange(120), 5)
    alone = _rust.bootstrap_auc(target, score, None, 20_000, 1)
    grouped = _rust.bootstrap_auc(target[rows], score[rows], rows, 20_000, 2)
    naive = _rust.bootstrap_auc(target[rows], score[rows], None, 20_000, 3)
    assert grouped.std() == pytest.approx(alone.std(), rel=0.03)
    assert grouped.mean() == pytest.approx(alone.mean(), abs=4 * alone.std() / 100)
    assert naive.std() == pytest.approx(alone.std() / np.sqrt(5), rel=0.1)


def test_groups_of_one_are_the_plain_bootstrap_in_distribution():
    target, score = make(200, 8)
    plain = _rust.bootstrap_auc(target, score, None, 20_000, 1)
    single = _rust.bootstrap_auc(target, score, np.arange(200), 20_000, 2)
    assert single.std() == pytest.approx(plain.std(), rel=0.03)


def test_names_of_groups_do_not_matter():
    target, score = make(100, 9)
    group = np.random.default_rng(0).integers(0, 20, 100)
    names = np.random.default_rng(1).integers(-(2**62), 2**62, 20)
    first = _rust.bootstrap_auc(target, score, group, 500, 7)
    np.testing.assert_array_equal(first, _rust.bootstrap_auc(target, score, names[group], 500, 7))


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("threads", [0, 2, 5])
def test_threads_do_not_change_a_bit(grouped, stratified, threads):
    target, score = make(3000, 10)
    group = np.arange(3000) // 4 if grouped else None
    one = _rust.bootstrap_auc(target, score, group, 300, 11, stratified, threads=1)
    many = _rust.bootstrap_auc(target, score, group, 300, 11, stratified, threads=threads)
    np.testing.assert_array_equal(one, many)
    other = _rust.bootstrap_auc(target, score, group, 300, 12, stratified)
    assert not np.array_equal(one, other)


def test_more_replicates_begin_with_the_same():
    target, score = make(500, 12)
    few, many = (_rust.bootstrap_auc(target, score, None, count, 5) for count in (100, 1000))
    np.testing.assert_array_equal(few, many[:100])


def test_replicates_of_one_class_are_nan_and_strata_have_none():
    target = np.array([1, 0, 0, 0], np.uint8)
    score = np.array([0.9, 0.1, 0.2, 0.3])
    plain = _rust.bootstrap_auc(target, score, None, 20_000, 0)
    # (3/4)^4 without the positive, (1/4)^4 with nothing else.
    assert np.isnan(plain).mean() == pytest.approx(0.75**4 + 0.25**4, abs=0.015)
    assert set(plain[~np.isnan(plain)]) == {1.0}
    assert (_rust.bootstrap_auc(target, score, None, 1000, 0, stratified=True) == 1).all()


def test_ends():
    empty = np.array([], np.uint8), np.array([], np.float64)
    assert np.isnan(_rust.auc(*empty))
    assert np.isnan(_rust.bootstrap_auc(*empty, None, 3, 0)).all()
    one = np.array([1], np.uint8), np.array([0.5])
    assert np.isnan(_rust.bootstrap_auc(*one, np.array([3]), 3, 0)).all()
    assert _rust.bootstrap_auc(*make(10, 0), None, 0, 0).shape == (0,)
    constant = np.array([0, 1] * 10, np.uint8), np.full(20, 3.0)
    assert _rust.auc(*constant) == 0.5


@pytest.mark.parametrize(
    ("target", "score", "group", "error", "message"),
    [
        (np.array([0, 1]), np.zeros(2), None, TypeError, "target must be .* uint8"),
        (np.array([0, 1], np.uint8), np.zeros(2, np.float32), None, TypeError, "score .* float64"),
        (np.array([0, 1], np.uint8), np.zeros((2, 1)), None, TypeError, "one-dimensional"),
        (np.array([0, 1], np.uint8), [0.0, 1.0], None, TypeError, "NumPy array"),
        (np.array([0, 1], np.uint8), np.zeros(2), np.zeros(2), TypeError, "group .* int64"),
        (np.array([0, 1], np.uint8), np.zeros(3), None, ValueError, "score has 3 values"),
        (np.array([0, 1], np.uint8), np.zeros(2), np.zeros(1, int), ValueError, "group has 1"),
        (np.array([0, 3], np.uint8), np.zeros(2), None, ValueError, "target is 3 in position 1"),
        (np.array([0, 1], np.uint8), np.array([0, np.nan]), None, ValueError, "NaN in position 1"),
    ],
)
def test_bad_input_is_named(target, score, group, error, message):
    with pytest.raises(error, match=message):
        _rust.bootstrap_auc(target, score, group, 10, 0)
    if group is None:
        with pytest.raises(error, match=message):
            _rust.auc(target, score)


def test_more_replicates_than_memory_is_an_error():
    with pytest.raises(MemoryError, match="replicates"):
        _rust.bootstrap_auc(*make(10, 0), None, 2**59, 0)
