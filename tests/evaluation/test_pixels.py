"""The metrics of a segmentation, against plain loops over pixels and images."""

import numpy as np
import pytest

from medfusion.errors import InputError
from medfusion.evaluation import compare, epoch_metrics, evaluate
from medfusion.evaluation.layout import layout
from medfusion.evaluation.pixels import mean_dice, scores_of
from medfusion.evaluation.sample import check
from medfusion.evaluation.surface import hausdorff95
from medfusion.spec import Evaluation

CLASSES = ("background", "x", "y")
SETTINGS = Evaluation(bootstrap=300)


def drawn(n=30, seed=0, size=(9, 11), noise=0.2):
    """Masks of three classes, some without y, and predictions that are wrong in places."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, (n, *size))
    truth[: n // 3][truth[: n // 3] == 2] = 0
    wrong = rng.random(truth.shape) < noise
    found = np.where(wrong, rng.integers(0, 3, truth.shape), truth)
    found[0][found[0] == 2] = 0  # neither has y
    return truth, found


def scored(truth, found, distance=np.nan):
    """What a run keeps of masks: pixels of each class, and area, overlap and distance."""
    counts = np.stack([(truth == k).sum(axis=(1, 2)) for k in range(3)], axis=1)
    columns = []
    for k in (1, 2):
        both = ((truth == k) & (found == k)).sum(axis=(1, 2))
        columns += [(found == k).sum(axis=(1, 2)), both, np.full(len(truth), distance)]
    return counts, np.stack(columns, axis=1).astype(float)


def by_hand(truth, found, k):
    """Mean of each metric over the images where it is defined, one image after the other."""
    values = {name: [] for name in ("dice", "iou", "sensitivity", "ppv", "area_difference")}
    for a, b in zip(truth == k, found == k, strict=True):
        both, either = (a & b).sum(), (a | b).sum()
        if either:
            values["dice"].append(2 * both / (a.sum() + b.sum()))
            values["iou"].append(both / either)
        if a.any():
            values["sensitivity"].append(both / a.sum())
            values["area_difference"].append(b.sum() / a.sum() - 1)
        if b.any():
            values["ppv"].append(both / b.sum())
    return {name: (np.mean(each), len(each)) for name, each in values.items()}


def test_every_metric_is_the_mean_over_the_images_where_it_is_defined():
    truth, found = drawn()
    counts, scores = scored(truth, found)
    card = evaluate(counts, scores, kind="segmentation", settings=SETTINGS, classes=CLASSES)
    for k, name in ((1, "x"), (2, "y")):
        for metric, (value, n) in by_hand(truth, found, k).items():
            one = card[f"{metric}[{name}]"]
            assert one.value == pytest.approx(value)
            assert one.n == n
            assert one.ci[0] <= value <= one.ci[1]
    both = [by_hand(truth, found, k)["dice"][0] for k in (1, 2)]
    assert card["dice"].value == pytest.approx(np.mean(both))
    assert (
        "over the 29 images in which y is in the reference or the prediction"
        in card["dice[y]"].note
    )
    assert card["hd95"].value is None
    assert "in no image" in card["hd95"].note
    followed = epoch_metrics("segmentation", counts, scores)
    assert followed["dice"] == pytest.approx(card["dice"].value)
    assert set(followed) == {"dice", "iou", "sensitivity", "ppv"}


def test_one_empty_region_is_a_miss_and_two_are_agreement():
    # Image 0: both empty; 1: only predicted; 2: only in the reference; 3: equal.
    counts = np.array([[9, 0], [9, 0], [5, 4], [5, 4]])
    scores = np.array([[0, 0, np.nan], [3, 0, np.nan], [0, 0, np.nan], [4, 4, 0.0]])
    found = scores_of(check("segmentation", counts, scores))
    np.testing.assert_equal(found["dice"][:, 0], [np.nan, 0, 0, 1])
    np.testing.assert_equal(found["sensitivity"][:, 0], [np.nan, np.nan, 0, 1])
    np.testing.assert_equal(found["ppv"][:, 0], [np.nan, 0, np.nan, 1])
    np.testing.assert_equal(found["area_difference"][:, 0], [np.nan, np.nan, -1, 0])
    np.testing.assert_equal(found["hd95"][:, 0], [np.nan, np.nan, np.nan, 0])
    np.testing.assert_equal(mean_dice(check("segmentation", counts, scores)), [np.nan, 0, 0, 1])


def test_intervals_draw_whole_groups():
    truth, found = drawn(n=40)
    counts, scores = scored(truth, found)
    alone = evaluate(counts, scores, kind="segmentation", settings=SETTINGS, classes=CLASSES)
    # Copies of a case add nothing when they are drawn together.
    twice = evaluate(
        np.repeat(counts, 4, axis=0), np.repeat(scores, 4, axis=0), kind="segmentation",
        settings=SETTINGS, classes=CLASSES, groups=np.repeat(np.arange(40), 4),
    )  # fmt: skip
    np.testing.assert_allclose(twice["dice[x]"].ci, alone["dice[x]"].ci)
    assert "group bootstrap (40 groups" in twice["dice"].method


def test_a_class_that_is_nowhere_is_not_estimable():
    truth, found = drawn()
    truth[truth == 2], found[found == 2] = 0, 0
    card = evaluate(*scored(truth, found), kind="segmentation", settings=SETTINGS, classes=CLASSES)
    assert card["dice[y]"].value is None
    assert card["dice"].value == pytest.approx(card["dice[x]"].value)
    few = evaluate(
        *(part[:5] for part in scored(truth, found)), kind="segmentation", settings=SETTINGS,
        classes=CLASSES,
    )  # fmt: skip
    assert few["dice"].value is None
    none = evaluate(
        *(part[:0] for part in scored(truth, found)), kind="segmentation", settings=SETTINGS,
        classes=CLASSES,
    )  # fmt: skip
    assert "no cases" in none["dice"].note


def test_two_runs_are_compared_image_by_image():
    truth, better = drawn(noise=0.05)
    _, worse = drawn(noise=0.4)
    counts, first = scored(truth, better)
    _, second = scored(truth, worse)
    found = compare(
        "segmentation", "dice[x]", counts, first, second, settings=SETTINGS, classes=CLASSES
    )
    wanted = by_hand(truth, better, 1)["dice"][0] - by_hand(truth, worse, 1)["dice"][0]
    assert found.difference.value == pytest.approx(wanted)
    assert found.difference.ci[0] > 0
    assert found.p < 0.05


def test_what_cannot_be_is_refused():
    counts, scores = scored(*drawn())
    for target, prediction in [
        (counts[:, 0], scores), (counts, scores[:, :4]), (counts[:-1], scores),
        (-counts, scores), (counts, -scores), (counts, scores + np.array([0, 99, 0, 0, 0, 0])),
        (counts, scores * np.where(np.arange(6) == 0, np.nan, 1)),
    ]:  # fmt: skip
        with pytest.raises(InputError):
            check("segmentation", target, prediction, CLASSES)


def test_a_table_of_predictions_gives_back_what_was_written():
    counts, scores = scored(*drawn(), distance=1.5)
    scores[3, 5] = np.nan
    form = layout("segmentation")
    written = form.write(counts, CLASSES)
    header = ["id", "split", *written, "dice_x", "dice_y"]
    names = [f"{score}_{name}" for name in CLASSES[1:] for score in ("area", "overlap", "hd95")]
    rows = [
        {name: cells[i] for name, cells in written.items()}
        | dict(
            zip(names, ["" if np.isnan(v) else repr(v) for v in scores[i].tolist()], strict=True)
        )
        for i in range(len(counts))
    ]
    header += names
    assert form.classes(header) == CLASSES
    assert form.columns(header) == names
    assert np.array_equal(form.read(rows, CLASSES), counts)
    np.testing.assert_equal(form.predictions(rows, header), scores)
    assert all(form.whole(row, header) for row in rows)
    assert not form.whole(rows[0] | {"area_x": "inf"}, header)


def brute_force(first, second, spacing):
    """The distance over all pairs of outline pixels."""

    def outline(region):
        padded = np.pad(region, 1)
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        return np.argwhere(region & ~inner) * np.asarray(spacing)

    a, b = outline(first), outline(second)
    apart = np.linalg.norm(a[:, None] - b[None], axis=2)
    return max(np.percentile(apart.min(axis=1), 95), np.percentile(apart.min(axis=0), 95))


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 2.0)])
def test_the_distance_is_that_over_all_pairs(spacing):
    rng = np.random.default_rng(1)
    for _ in range(40):
        shape = rng.integers(3, 20, 2)
        grain = rng.integers(1, 5)
        first, second = (
            np.kron(rng.random(-(-shape // grain)) < 0.3, np.ones((grain, grain), bool)).astype(
                bool
            )
            for _ in range(2)
        )
        if first.any() and second.any():
            wanted = brute_force(first, second, spacing)
            assert hausdorff95(first, second, spacing) == pytest.approx(wanted)
            assert hausdorff95(second, first, spacing) == pytest.approx(wanted)
    empty = np.zeros((4, 4), bool)
    assert np.isnan(hausdorff95(empty, ~empty))
    assert hausdorff95(~empty, ~empty) == 0
