"""Statistics of predictions: bootstrap, DeLong, permutations, C-index, bins, near duplicates."""

import warnings

import numpy as np
from harness import Row

REPLICATES = 2000


def cohort(n):
    rng = np.random.default_rng(n)
    target = (rng.random(n) < 0.2).astype(np.uint8)
    return target, (rng.normal(size=n) + 1.1 * target).round(4)


def ends(values):
    return np.percentile(values, [2.5, 97.5])


def bincount_bootstrap(target, score, replicates):
    """NumPy at its best: scores ranked once, a replicate is two counts of ranks."""
    distinct, ranks = np.unique(score, return_inverse=True)
    levels, positive = len(distinct), target.astype(bool)
    rng, found = np.random.default_rng(0), np.empty(replicates)
    for replicate in range(replicates):
        drawn = rng.integers(0, len(target), len(target))
        rank, chosen = ranks[drawn], positive[drawn]
        above = np.bincount(rank[chosen], minlength=levels)
        below = np.bincount(rank[~chosen], minlength=levels)
        wins = (above * (np.cumsum(below) - 0.5 * below)).sum()
        found[replicate] = wins / (above.sum() * below.sum())
    return ends(found)


def loop_bootstrap(area, target, score, replicates):
    rng, found = np.random.default_rng(0), []
    for _ in range(replicates):
        drawn = rng.integers(0, len(target), len(target))
        found.append(float(area(target[drawn], score[drawn])))
    return ends(found)


def torchmetrics_auc():
    import torch
    from torchmetrics.functional.classification import binary_auroc

    def area(target, score):
        prob = torch.from_numpy(score).sigmoid()
        return binary_auroc(prob, torch.from_numpy(target.astype(np.int64)), validate_args=False)

    return area


def bootstrap_row(n, numpy_share, loop_share, goals):
    from sklearn.metrics import roc_auc_score

    from medfusion import _rust

    target, score = cohort(n)
    own = np.arange(n)

    def ours(group=None, stratified=False, threads=1):
        return lambda: ends(
            _rust.bootstrap_auc(target, score, group, REPLICATES, 1, stratified, threads)
        )

    def check(results):
        width = np.ptp(results["MedFusion, 1 thread"])
        for name, found in results.items():
            # The ends of a few replicates are rough; those of 2000 are within a tenth.
            allowed = 0.1 if "MedFusion" in name else 0.6
            assert np.abs(found - results["MedFusion, 1 thread"]).max() < allowed * width, name

    names = {
        f"NumPy, ranked once, {round(REPLICATES * numpy_share)}": lambda: bincount_bootstrap(
            target, score, round(REPLICATES * numpy_share)
        ),
        f"scikit-learn, {round(REPLICATES * loop_share)}": lambda: loop_bootstrap(
            roc_auc_score, target, score, round(REPLICATES * loop_share)
        ),
        f"torchmetrics, {round(REPLICATES * loop_share)}": lambda: loop_bootstrap(
            torchmetrics_auc(), target, score, round(REPLICATES * loop_share)
        ),
    }
    shares = dict(zip(names, (numpy_share, loop_share, loop_share), strict=True))
    return Row(
        group="Statistics",
        name=f"bootstrap of the AUC, {n} cases, {REPLICATES} replicates",
        peers=names,
        ours={
            "MedFusion, 1 thread": ours(),
            "MedFusion, all threads": ours(threads=0),
            "MedFusion, stratified": ours(stratified=True),
            "MedFusion, each case its group": ours(own),
            "MedFusion, groups of three": ours(own // 3),
        },
        check=lambda results: check(
            {name: found for name, found in results.items() if "three" not in name}
        ),
        goals=dict(zip(names, goals, strict=False)),
        scale=shares,
        note="Numbers behind peers are the replicates that were run; times are scaled up.",
    )


def midrank_delong(target, score):
    from scipy.stats import rankdata

    positive = target == 1
    m, n = positive.sum(), (~positive).sum()
    ranks = rankdata(score)
    above = (ranks[positive] - rankdata(score[positive])) / n
    below = 1 - (ranks[~positive] - rankdata(score[~positive])) / m
    return np.array([above.mean(), above.var(ddof=1) / m + below.var(ddof=1) / n])


def delong_row(n):
    import confidenceinterval

    from medfusion import _rust

    target, score = cohort(n)
    labels, scores = target.astype(int).tolist(), score.tolist()

    def package():
        area, (low, high) = confidenceinterval.roc_auc_score(labels, scores, method="delong")
        return np.array([area, ((high - low) / 2 / 1.959963984540054) ** 2])

    def ours():
        areas, covariance = _rust.delong(target, [score])
        return np.array([areas[0], covariance[0, 0]])

    def check(results):
        for name, found in results.items():
            np.testing.assert_allclose(found, results["MedFusion"], rtol=1e-6, err_msg=name)

    return Row(
        group="Statistics",
        name=f"AUC and DeLong's variance, {n} cases",
        peers={
            "SciPy, midranks": lambda: midrank_delong(target, score),
            "confidenceinterval": package,
        },
        ours={"MedFusion": ours},
        check=check,
    )


def permutation_row(n, rank_share, loop_share):
    from scipy.stats import rankdata
    from sklearn.metrics import roc_auc_score

    from medfusion import _rust

    target, first = cohort(n)
    second = first + np.random.default_rng(1).normal(size=n) * 0.5
    positives = int(target.sum())

    def by_rank(target, score):
        wins = rankdata(score)[target == 1].sum() - positives * (positives + 1) / 2
        return wins / (positives * (n - positives))

    def loop(area, permutations):
        rng, extreme = np.random.default_rng(0), 0
        observed = abs(area(target, first) - area(target, second))
        for _ in range(permutations):
            swap = rng.random(n) < 0.5
            a, b = np.where(swap, second, first), np.where(swap, first, second)
            extreme += abs(area(target, a) - area(target, b)) >= observed
        return (extreme + 1) / (permutations + 1), permutations

    def ours(threads):
        _, extreme = _rust.permute_auc(target, first, second, None, REPLICATES, 1, threads)
        return (extreme + 1) / (REPLICATES + 1), REPLICATES

    def check(results):
        expected, _ = results["MedFusion, 1 thread"]
        for name, (p, permutations) in results.items():
            error = np.sqrt(max(expected * (1 - expected), 1e-3) / permutations)
            assert abs(p - expected) < 5 * error + 1 / permutations, name

    counts = [round(REPLICATES * share) for share in (rank_share, loop_share)]
    names = [f"rankdata, {counts[0]}", f"scikit-learn, {counts[1]}"]
    return Row(
        group="Statistics",
        name=f"permutation test of two AUCs, {n} cases, {REPLICATES} permutations",
        peers={
            names[0]: lambda: loop(by_rank, counts[0]),
            names[1]: lambda: loop(roc_auc_score, counts[1]),
        },
        ours={
            "MedFusion, 1 thread": lambda: ours(1),
            "MedFusion, all threads": lambda: ours(0),
        },
        check=check,
        goals=dict(zip(names, (40.0, 500.0), strict=True)),
        scale=dict(zip(names, (rank_share, loop_share), strict=True)),
        note="Numbers behind peers are the permutations that were run; times are scaled up.",
    )


def concordance_row(n):
    from lifelines.utils import concordance_index
    from sksurv.metrics import concordance_index_censored

    from medfusion.evaluation.survival import concordance

    rng = np.random.default_rng(n)
    time, event = rng.exponential(10, n).round(1), rng.random(n) < 0.6
    risk = (rng.normal(size=n) - time / 10).round(2)

    def check(results):
        for name, found in results.items():
            np.testing.assert_allclose(found, results["MedFusion"], rtol=1e-12, err_msg=name)

    return Row(
        group="Statistics",
        name=f"C-index, {n} cases, with ties",
        peers={
            "lifelines": lambda: concordance_index(time, -risk, event),
            "scikit-survival": lambda: concordance_index_censored(event, time, risk)[0],
        },
        ours={"MedFusion": lambda: concordance(time, event, risk).c_index},
        check=check,
    )


def calibration_row(n):
    from sklearn.calibration import calibration_curve

    from medfusion import _rust

    rng = np.random.default_rng(n)
    prob = rng.random(n)
    target = (rng.random(n) < prob).astype(np.uint8)

    def ours():
        _, cases, positives, total = _rust.calibration_bins(target, prob, 10, quantile=True)
        return positives / cases, total / cases

    def check(results):
        np.testing.assert_allclose(results["MedFusion"], results["scikit-learn"], rtol=1e-12)

    return Row(
        group="Statistics",
        name=f"ten calibration bins of equal size, {n} cases",
        peers={
            "scikit-learn": lambda: calibration_curve(target, prob, n_bins=10, strategy="quantile")
        },
        ours={"MedFusion": ours},
        check=check,
    )


def near_pairs_row(n):
    from medfusion import _rust

    rng = np.random.default_rng(n)
    hashes = rng.integers(0, 2**64, n, dtype=np.uint64)
    hashes[: n // 100] = hashes[-(n // 100) :] ^ np.uint64(5)

    def numpy_pairs():
        return sum(
            int((np.bitwise_count(hashes[first + 1 :] ^ hash_) <= 8).sum())
            for first, hash_ in enumerate(hashes)
        )

    def check(results):
        assert len(set(results.values())) == 1, results

    return Row(
        group="Statistics",
        name=f"near pairs among {n} hashes of 64 bits",
        peers={"NumPy, bitwise_count": numpy_pairs},
        ours={
            "MedFusion, 1 thread": lambda: _rust.near_pairs(hashes, 8, 1000, 1)[1],
            "MedFusion, all threads": lambda: _rust.near_pairs(hashes, 8, 1000)[1],
        },
        check=check,
    )


def rows():
    warnings.filterwarnings("ignore", category=FutureWarning)
    return [
        bootstrap_row(1000, 1.0, 0.05, goals=(15.0, 1000.0)),
        bootstrap_row(100_000, 0.05, 0.005, goals=(5.0, 50.0)),
        delong_row(1000),
        delong_row(100_000),
        permutation_row(1000, 0.1, 0.02),
        permutation_row(100_000, 0.01, 0.0025),
        concordance_row(5000),
        calibration_row(100_000),
        near_pairs_row(20_000),
    ]
