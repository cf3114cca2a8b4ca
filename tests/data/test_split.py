"""Splits: a group never crosses, shares hold, the same seed gives the same split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medfusion.data.split import SPLITS, draw, from_ids, read_column, verify
from medfusion.errors import SplitError
from medfusion.spec import (
    ColumnSplit,
    GroupedKFoldSplit,
    GroupedSplit,
    StratifiedGroupedSplit,
)


@st.composite
def cohorts(draw_):
    groups = draw_(st.integers(5, 40))
    sizes = draw_(st.lists(st.integers(1, 6), min_size=groups, max_size=groups))
    names = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)]
    strata = draw_(
        st.lists(st.integers(0, 3), min_size=len(names), max_size=len(names)).map(np.array)
    )
    order = draw_(st.permutations(range(len(names))))
    return [names[i] for i in order], strata


SPECS = st.one_of(
    st.builds(GroupedSplit, seed=st.integers(0, 99)),
    st.builds(GroupedSplit, seed=st.integers(0, 99), fractions=st.just((0.5, 0.25, 0.25))),
    st.builds(StratifiedGroupedSplit, seed=st.integers(0, 99)),
    st.builds(
        GroupedKFoldSplit,
        folds=st.just(5),
        fold=st.integers(0, 4),
        stratify=st.booleans(),
        seed=st.integers(0, 99),
    ),
)


@given(cohorts(), SPECS)
@settings(max_examples=150, deadline=None)
def test_a_group_never_crosses_and_nothing_is_empty(cohort, spec):
    groups, strata = cohort
    split = draw(spec, groups, strata)
    assert set(split.tolist()) == set(SPLITS)
    for group in set(groups):
        assert len({side for side, name in zip(split, groups, strict=True) if name == group}) == 1
    verify(split, groups)
    assert (draw(spec, groups, strata) == split).all()


@given(cohorts(), st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_shares_hold_within_a_groups_size(cohort, seed):
    groups, _ = cohort
    largest = max(groups.count(name) for name in set(groups))
    split = draw(GroupedSplit(seed=seed), groups)
    for side, share in zip(SPLITS[1:], (0.15, 0.15), strict=True):
        assert abs((split == side).sum() - share * len(groups)) <= largest


@pytest.mark.parametrize("seed", range(5))
def test_single_rows_split_exactly(seed):
    groups = [str(i) for i in range(1000)]
    strata = (np.arange(1000) % 10 == 0).astype(int)
    for spec in (GroupedSplit(seed=seed), StratifiedGroupedSplit(seed=seed)):
        split = draw(spec, groups, strata)
        assert [(split == side).sum() for side in SPLITS] == [700, 150, 150]
    assert [strata[split == side].sum() for side in SPLITS] == [70, 15, 15]


def test_stratified_keeps_the_mix_far_better_than_plain():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 6, 200)
    groups = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)]
    risk = np.repeat(rng.random(200) < 0.1, sizes)
    strata = (risk & (rng.random(len(groups)) < 0.9)).astype(int)

    def spread(spec):
        split = draw(spec, groups, strata)
        return max(abs(strata[split == side].mean() - strata.mean()) for side in SPLITS)

    plain = np.mean([spread(GroupedSplit(seed=s)) for s in range(30)])
    kept = np.mean([spread(StratifiedGroupedSplit(seed=s)) for s in range(30)])
    assert kept < plain / 4
    assert max(spread(StratifiedGroupedSplit(seed=s)) for s in range(30)) < 0.015


def test_folds_cover_every_row_once_and_are_alike():
    rng = np.random.default_rng(1)
    groups = [f"g{i}" for i in rng.integers(0, 80, 400)]
    strata = rng.integers(0, 3, 400)
    tests = [
        draw(GroupedKFoldSplit(folds=5, fold=fold, seed=4), groups, strata) for fold in range(5)
    ]
    as_test = np.array([split == "test" for split in tests])
    assert (as_test.sum(axis=0) == 1).all()
    assert as_test.sum(axis=1).tolist() == pytest.approx([80] * 5, abs=4)
    for fold in range(5):  # the next fold is validation
        assert ((tests[fold] == "val") == as_test[(fold + 1) % 5]).all()
    for split in tests:
        shares = np.bincount(strata[split == "test"], minlength=3) / (split == "test").sum()
        assert np.abs(shares - np.bincount(strata) / 400).max() < 0.05


def test_as_well_stratified_as_scikit_learn():
    from sklearn.model_selection import StratifiedGroupKFold

    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 8, 120)
    groups = np.array([f"g{i}" for i, size in enumerate(sizes) for _ in range(size)])
    strata = rng.choice(3, len(groups), p=[0.7, 0.2, 0.1])

    def spread(test_rows):
        counts = np.array([np.bincount(strata[rows], minlength=3) for rows in test_rows])
        return counts.std(axis=0).sum()

    theirs = spread([test for _, test in StratifiedGroupKFold(5).split(strata, strata, groups)])
    ours = spread(
        [
            np.flatnonzero(
                draw(GroupedKFoldSplit(folds=5, fold=fold), groups.tolist(), strata) == "test"
            )
            for fold in range(5)
        ]
    )
    assert ours <= theirs * 1.5


def test_seeds_differ():
    groups = [str(i) for i in range(50)]
    splits = {tuple(draw(GroupedSplit(seed=seed), groups)) for seed in range(20)}
    assert len(splits) == 20


@pytest.mark.parametrize(
    ("spec", "groups"),
    [
        (GroupedSplit(), ["a", "b"]),
        (StratifiedGroupedSplit(), ["a"] * 10),
        (GroupedKFoldSplit(folds=5), ["a", "b", "c", "d"]),
    ],
)
def test_too_few_groups(spec, groups):
    with pytest.raises(SplitError, match="never torn apart"):
        draw(spec, groups, np.zeros(len(groups), dtype=int))


def test_three_groups_are_enough():
    assert sorted(draw(GroupedSplit(), ["a", "b", "c"])) == ["test", "train", "val"]
    assert sorted(draw(StratifiedGroupedSplit(), ["a", "b", "c"], np.zeros(3, int))) == [
        "test",
        "train",
        "val",
    ]


def test_column_words():
    cells = ["Train", "TRAINING", "valid", "dev", "Test", "holdout"]
    split = read_column(ColumnSplit(column="s"), cells, str)
    assert split.tolist() == ["train", "train", "val", "val", "test", "test"]
    own = ColumnSplit(column="s", train=("0",), val=("1",), test=("2",))
    assert read_column(own, ["2", "0", "1"], str).tolist() == ["test", "train", "val"]


def test_column_with_unknown_words_or_gaps():
    with pytest.raises(SplitError, match=r"'external' \(2 rows\).*'\(empty\)' \(1 rows\).*line 1"):
        read_column(
            ColumnSplit(column="s"),
            ["train", "external", "external", None],
            lambda row: f"line {row}",
        )
    with pytest.raises(SplitError, match="given for both train and test"):
        read_column(ColumnSplit(column="s", train=("a",), test=("A",)), ["a"], str)


def test_verify_names_what_is_wrong():
    with pytest.raises(SplitError, match="p1 in train and test"):
        verify(np.array(["train", "val", "test"]), ["p1", "p2", "p1"])
    with pytest.raises(SplitError, match=r"val and the test split has no rows \(train 2, val 0"):
        verify(np.array(["train", "train"]), ["a", "b"])


def test_saved_splits_must_fit():
    saved = {"a": "train", "b": "val", "c": "test"}
    assert from_ids(saved, ["c", "a", "b"]).tolist() == ["test", "train", "val"]
    with pytest.raises(SplitError, match="does not know: d"):
        from_ids(saved, ["a", "b", "c", "d"])
    with pytest.raises(SplitError, match="are gone: c"):
        from_ids(saved, ["a", "b"])
    with pytest.raises(SplitError, match="names x"):
        from_ids({"a": "x"}, ["a"])
