from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hai_core import compare
from hai_core.answers import Answers
from hai_core.compare import BROKEN, FIXED, RIGHT, WRONG

CLASSES = ["가", "b", "c, \"d\""]
SAME = {name: name for name in CLASSES}


def answers(labels, probabilities, classes=CLASSES, paths=None):
    paths = paths or [f"{i:03d}" for i in range(len(labels))]
    numbers = np.array([classes.index(name) for name in labels], np.int64)
    return Answers("r", list(classes), {}, np.array(paths, object), numbers, np.array(probabilities, np.float32))


def random_answers(seed, n=200, labels=None):
    rng = np.random.default_rng(seed)
    labels = rng.choice(CLASSES, n).tolist() if labels is None else labels
    own = np.eye(3)[[CLASSES.index(name) for name in labels]]
    return answers(labels, rng.dirichlet(np.ones(3), n) * 0.6 + 0.4 * np.where(rng.random((n, 1)) < 0.6, own, 1 / 3))


@pytest.fixture
def two():
    first = random_answers(0)
    return first, random_answers(1, labels=[CLASSES[i] for i in first.labels])


# --- which images, and what they are asked --------------------------------------------------------------------------------


def test_the_same_manifest_asks_the_same_question_of_every_image(two):
    first, second = two
    found = compare.common(first, second, SAME, SAME)
    assert sorted(found.classes) == sorted(CLASSES)
    assert found.left_out == {"only_before": 0, "only_after": 0, "relabelled": 0}
    assert np.allclose(found.before.losses, first.losses)
    assert np.allclose(found.after.losses, second.losses)
    assert [found.classes[i] for i in found.after.predicted] == [CLASSES[i] for i in second.predicted]


def test_images_of_one_run_only_and_images_labelled_otherwise_are_left_out_and_counted():
    first = answers(["가", "가", "b"], [[.7, .2, .1], [.6, .3, .1], [.1, .8, .1]], paths=["1", "2", "3"])
    second = answers(["b", "b", "b"], [[.5, .4, .1], [.2, .7, .1], [.1, .5, .4]], paths=["4", "2", "3"])
    found = compare.common(first, second, SAME, SAME)
    assert found.paths.tolist() == ["3"]
    assert found.left_out == {"only_before": 1, "only_after": 1, "relabelled": 1}
    assert found.before.p_label == pytest.approx([.8])
    assert found.after.p_label == pytest.approx([.5])


@pytest.mark.parametrize("first_merged", [True, False])
def test_a_class_that_one_manifest_merged_is_one_class_for_both(first_merged):
    originals = {"x": "x", "y": "y", "z": "z"}
    merged = originals | {"y": "x"}
    fine = answers(["x", "y", "z", "y"], [[.5, .4, .1], [.5, .3, .2], [.3, .3, .4], [.1, .1, .8]], ["x", "y", "z"])
    coarse = answers(["x", "x", "z", "x"], [[.8, .2], [.6, .4], [.1, .9], [.3, .7]], ["x", "z"])
    if first_merged:
        found = compare.common(coarse, fine, merged, originals)
        coarse_side, fine_side = found.before, found.after
        assert found.classes == ["x + y", "z"]
    else:
        found = compare.common(fine, coarse, originals, merged)
        fine_side, coarse_side = found.before, found.after
        assert found.classes == ["x", "z"]
    assert found.labels.tolist() == [0, 0, 1, 0]
    assert fine_side.p_label == pytest.approx([.9, .8, .4, .2])
    assert coarse_side.p_label == pytest.approx([.8, .6, .9, .3])
    assert fine_side.predicted.tolist() == [0, 0, 0, 1]  # the third: x and y together are more probable than z


def test_a_renamed_class_is_the_same_class_also_when_names_change_places():
    first = answers(["x", "y"], [[.9, .1], [.4, .6]], ["x", "y"])
    second = answers(["y", "x"], [[.3, .7], [.8, .2]], ["x", "y"])
    found = compare.common(first, second, {"x": "x", "y": "y"}, {"x": "y", "y": "x"})
    assert [found.classes[i] for i in found.labels] == ["y", "x"]
    assert found.before.p_label == pytest.approx([.9, .6])
    assert found.after.p_label == pytest.approx([.7, .8])


def test_a_class_that_one_manifest_dropped_is_no_answer_to_the_common_question():
    first = answers(["x", "y", "z"], [[.4, .1, .5], [.1, .8, .1], [.2, .2, .6]], ["x", "y", "z"])
    second = answers(["x", "y"], [[.7, .3], [.1, .9]], ["x", "y"])
    found = compare.common(first, second, {n: n for n in "xyz"}, {"x": "x", "y": "y", "z": ""})
    assert found.classes == ["x", "y"]
    assert found.left_out["only_before"] == 1
    assert found.before.p_label == pytest.approx([.8, 8 / 9])
    assert found.change.tolist() == [RIGHT, RIGHT]


def test_runs_of_different_images_have_nothing_in_common():
    found = compare.common(answers(["b"], [[0, 1, 0]], paths=["1"]), answers(["b"], [[0, 1, 0]], paths=["2"]), SAME, SAME)
    assert len(found.paths) == 0
    assert found.cells.empty
    nothing = compare.common(answers(["b"], [[0, 1, 0]]), answers(["q"], [[1.0]], ["q"]), SAME, {"q": "q"})
    assert nothing.classes == []
    assert len(nothing.paths) == 0


# --- what changed -------------------------------------------------------------------------------------------------------


def test_cells_agree_with_counting_one_by_one(two):
    first, second = two
    found = compare.common(first, second, SAME, SAME)
    cells = found.cells.set_index(["class_a", "class_b"])
    images = list(zip(first.labels, first.predicted, second.predicted, strict=True))
    for a, label in enumerate(CLASSES):
        for b, predicted in enumerate(CLASSES):
            was, now = ([i for i in images if i[0] == a and i[side] == b] for side in (1, 2))
            if a == b or not (was or now):
                assert (label, predicted) not in cells.index
                continue
            assert cells.loc[(label, predicted)].to_dict() == {
                "before": len(was), "after": len(now), "fixed": sum(i[2] == a for i in was),
                "broken": sum(i[1] == a for i in now)}
    assert cells["fixed"].sum() == (found.change == FIXED).sum() > 0
    assert cells["broken"].sum() == (found.change == BROKEN).sum() > 0
    assert (cells["after"] - cells["before"]).abs().is_monotonic_decreasing


def test_every_image_is_fixed_broken_right_or_wrong(two):
    first, second = two
    found = compare.common(first, second, SAME, SAME)
    for i, change in enumerate(found.change):
        was, now = first.predicted[i] == first.labels[i], second.predicted[i] == second.labels[i]
        assert change == {(True, True): RIGHT, (True, False): BROKEN, (False, True): FIXED, (False, False): WRONG}[was, now]


def test_rows_of_a_cell_are_those_in_it_in_either_run_the_costliest_now_first(two):
    found = compare.common(*two, SAME, SAME)
    rows = found.rows([FIXED, BROKEN, WRONG], ["가"], ["b"])
    expected = [i for i in range(200) if found.classes[found.labels[i]] == "가"
                and "b" in (found.classes[found.before.predicted[i]], found.classes[found.after.predicted[i]])]
    assert sorted(rows) == expected != []
    assert (np.diff(found.after.p_label[rows]) >= 0).all()
    about = found.about(rows)
    assert about["label"].unique().tolist() == ["가"]
    assert ((about["predicted_before"] == "b") | (about["predicted_after"] == "b")).all()
    assert set(found.about(found.rows([BROKEN]))["change"]) == {BROKEN}


def test_by_class_agrees_with_counting(two):
    first, second = two
    found = compare.common(first, second, SAME, SAME)
    table = found.by_class.set_index("class")
    for number, name in enumerate(CLASSES):
        own = first.labels == number
        row = table.loc[name]
        assert row["images"] == own.sum()
        assert row["recall_before"] == pytest.approx((first.predicted[own] == number).mean())
        assert row["loss_after"] == pytest.approx(second.losses[own].mean())
        assert row["loss_change"] == pytest.approx(second.losses[own].mean() - first.losses[own].mean())
    assert table["loss_change"].is_monotonic_decreasing


# --- the paired bootstrap -------------------------------------------------------------------------------------------------


def slow_bootstrap(before, after, groups, resamples, seed):
    """Image by image and resample by resample."""
    units = {}
    for i, (x, y) in enumerate(zip(before, after, strict=True)):
        units.setdefault(("copy", groups[i]) if groups[i] >= 0 else ("own", i), []).append(y - x)
    units = list(units.values())
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(resamples):
        drawn = [value for unit in rng.integers(0, len(units), len(units)) for value in units[unit]]
        means.append(sum(drawn) / len(drawn))
    return np.quantile(means, (0.025, 0.975)), np.mean(np.array(means) < 0)


def test_the_interval_agrees_with_a_slow_bootstrap():
    rng = np.random.default_rng(0)
    before = rng.exponential(1, 60)
    after = before + rng.normal(-0.05, 0.3, 60)
    groups = np.array([0] * 5 + [1] * 3 + [-1] * 52)
    found = compare.paired(before, after, groups, resamples=4000, seed=1)
    (low, high), better = slow_bootstrap(before, after, groups, 4000, 2)
    assert [found.low, found.high] == pytest.approx([low, high], abs=0.01)
    assert found.better == pytest.approx(better, abs=0.03)
    assert found.difference == pytest.approx(np.mean(after) - np.mean(before))
    assert (found.images, found.resamples, found.seed) == (60, 4000, 1)


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = []
    for trial in range(300):
        before = rng.exponential(1, 80)
        found = compare.paired(before, before + rng.normal(0.1, 0.4, 80), resamples=400, seed=trial)
        held.append(found.low <= 0.1 <= found.high)
    assert 0.9 < np.mean(held) < 0.98


def test_copies_of_one_photo_make_an_interval_no_narrower():
    rng = np.random.default_rng(0)
    before, change = rng.exponential(1, 40), rng.normal(0, 0.5, 40)
    alone = compare.paired(before, before + change)
    often = np.repeat(np.arange(40), 9)
    blind = compare.paired(before[often], (before + change)[often])
    grouped = compare.paired(before[often], (before + change)[often], often)
    assert blind.high - blind.low < 0.5 * (alone.high - alone.low)
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.1)


def test_the_seed_decides_and_drawing_in_chunks_changes_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    before, after = rng.exponential(1, (2, 50))
    whole = compare.paired(before, after, seed=3)
    assert whole == compare.paired(before, after, seed=3) != compare.paired(before, after, seed=4)
    monkeypatch.setattr(compare, "_DRAWN", 120)
    assert compare.paired(before, after, seed=3) == whole


def test_runs_that_answer_alike_differ_by_nothing():
    found = compare.paired(np.ones(10), np.ones(10))
    assert (found.difference, found.low, found.high, found.better) == (0, 0, 0, 0)


@pytest.mark.parametrize("size", [0, 3])
def test_nothing_or_unequal_losses_cannot_be_paired(size):
    with pytest.raises(ValueError, match="cannot be paired"):
        compare.paired(np.ones(0), np.ones(size))


# --- runs ---------------------------------------------------------------------------------------------------------------


def test_figures_of_each_fold(two):
    run = SimpleNamespace(answers=two[0], oof=pd.DataFrame({"fold": np.arange(200) % 4}))
    table = compare.by_fold(run).set_index("fold")
    for fold in range(4):
        own = np.arange(200) % 4 == fold
        assert table.loc[fold, "images"] == 50
        assert table.loc[fold, "log_loss"] == pytest.approx(two[0].losses[own].mean())
        assert table.loc[fold, "accuracy"] == pytest.approx((two[0].predicted == two[0].labels)[own].mean())


@pytest.mark.parametrize(("n", "verdict"), [(1, "undecided"), (compare.ENOUGH - 1, "undecided"), (compare.ENOUGH, "better")])
def test_few_images_give_no_verdict(n, verdict):
    rng = np.random.default_rng(0)
    losses = rng.random(n)
    found = compare.paired(losses, losses - 0.5)
    assert (found.units, found.verdict) == (n, verdict)
