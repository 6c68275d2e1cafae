from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cleanlab.count import compute_confident_joint
from cleanlab.rank import get_self_confidence_for_each_label

from hai_core.findings import out_of_fold as out_of_folds
from hai_core.findings.noise import COLUMNS, FEWEST, PRECISION, fit, noise
from hai_core.findings.out_of_fold import OutOfFold, out_of_fold, remembered
from hai_core.workspace import InputError


def photos(sizes=(40, 40, 40), dim=16, seed=0, spread=2.5):
    """Features of length 1 and labels of separate classes."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    features = rng.normal(size=(len(sizes), dim))[codes] * spread + rng.normal(size=(len(codes), dim))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32), pd.Series([f"c{code}" for code in codes])


def found(features, labels, groups=None, usable=None):
    groups = np.full(len(labels), -1) if groups is None else groups
    usable = np.ones(len(labels), bool) if usable is None else usable
    judged = out_of_fold(features, labels, groups, usable)
    return judged, noise(pd.DataFrame({"path": [f"{i:03}.jpg" for i in range(len(labels))], "label": labels}), judged)


def test_wrong_labels_come_first_with_the_right_suggestion():
    features, labels = photos()
    clean = found(features, labels)[1]
    wrong = {"003.jpg": "c0", "050.jpg": "c1", "099.jpg": "c2"}
    labels[[3, 50, 99]] = ["c1", "c2", "c0"]
    table = found(features, labels)[1]
    assert list(table.columns) == COLUMNS
    assert clean["flagged"].sum() == 0
    assert dict(zip(table["path"][:3], table["suggested_label"][:3], strict=True)) == wrong
    flagged = set(table["path"][table["flagged"]])
    assert len(flagged) >= 2
    assert flagged <= set(wrong)
    assert sorted(table["path"]) == sorted(clean["path"])


def test_self_confidence_is_cleanlabs():
    judged, table = found(*photos(spread=1.0))
    by_path = table.sort_values("path")
    expected = get_self_confidence_for_each_label(judged.codes, judged.probabilities)
    np.testing.assert_allclose(by_path["self_confidence"], expected, rtol=1e-6)
    np.testing.assert_allclose(by_path["loss"], -np.log(by_path["self_confidence"]), rtol=1e-6)


def test_flags_are_a_part_of_the_confident_joint():
    judged, table = found(*photos((60, 60), spread=0.7))
    joint, indices = compute_confident_joint(judged.codes, judged.probabilities, return_indices_of_off_diagonals=True,
                                             calibrate=False)
    assert joint.sum() > len(indices) > 0
    flagged = set(table.loc[table["flagged"], "path"])
    assert flagged <= {f"{i:03}.jpg" for i in indices}


def test_a_label_that_no_other_image_has_is_not_blamed():
    table = found(*photos((30, 30, 1)))[1].set_index("path")
    assert table.loc["060.jpg", ["score", "flagged"]].tolist() == [1 - FEWEST, False]


def labelled(share, blur=1.0, n=6000, k=8, seed=0):
    """Probabilities, and labels drawn from them, of which `share` were then replaced by another class; and which."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, k)) * 3
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = (p.cumsum(1) > rng.random(n)[:, None]).argmax(1)
    wrong = rng.random(n) < share
    codes = np.where(wrong, (truth + rng.integers(1, k, n)) % k, truth)
    told = p**blur / (p**blur).sum(1, keepdims=True)
    return OutOfFold(told, codes, [f"c{i}" for i in range(k)], np.full(n, 50.0)), wrong


@pytest.mark.parametrize("share", [0.0, 0.03, 0.1, 0.25])
@pytest.mark.parametrize("blur", [0.8, 1.0])  # a classifier whose sharpness was fitted to wrong labels too is too unsure
def test_the_share_of_wrong_labels_is_found_and_scores_are_calibrated(share, blur):
    judged, wrong = labelled(share, blur)
    fitted = fit(judged)
    assert fitted.share == pytest.approx(share, abs=0.025)
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8)):
        some = (fitted.right >= low) & (fitted.right < high)
        if some.sum() > 60:
            assert 1 - wrong[some].mean() == pytest.approx(fitted.right[some].mean(), abs=0.12)


def test_four_in_five_flagged_labels_are_wrong():
    judged, wrong = labelled(0.1)
    table = noise(pd.DataFrame({"path": [f"{i:05}" for i in range(len(wrong))], "label": "c"}), judged)
    flagged = table.loc[table["flagged"], "path"].astype(int)
    assert len(flagged) > 100
    assert wrong[flagged].mean() == pytest.approx(PRECISION, abs=0.08)
    assert (1 - table["score"])[table["flagged"]].mean() >= PRECISION > (1 - table["score"])[: len(flagged) + 1].mean()


@pytest.mark.parametrize("sizes", [(1, 1), (1, 2, 3), (2, 30)])
def test_rare_classes_do_not_crash(sizes):
    table = found(*photos(sizes))[1]
    assert np.isfinite(table["score"]).all()
    assert table["score"].between(0, 1).all()


def test_an_image_without_label_gets_a_suggestion_and_one_out_of_use_teaches_nothing():
    features, labels = photos()
    labels[0] = ""
    usable = np.ones(len(labels), bool)
    usable[40:80] = False
    judged, table = found(features, labels, usable=usable)
    table = table.set_index("path")
    assert table.loc["000.jpg", ["label", "suggested_label", "score"]].tolist() == ["", "c0", 1.0]
    assert judged.probabilities[usable, 1].max() < 0.5
    assert len(table) == len(labels)


def test_copies_are_judged_by_a_classifier_that_saw_neither():
    features, labels = photos((20, 20))
    features[1], labels[1] = features[0], "c1"  # a copy with another label: it must not teach
    groups = np.full(len(labels), -1)
    apart = found(features, labels, groups)[0].probabilities
    groups[:2] = 7
    together = found(features, labels, groups)[0].probabilities
    np.testing.assert_array_equal(together[0], together[1])
    assert not np.array_equal(apart[0], apart[1])


def test_one_class_cannot_be_judged():
    features, labels = photos((9,))
    with pytest.raises(InputError, match="two classes"):
        found(features, labels)


def test_nothing_gives_nothing():
    empty = OutOfFold(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), ["a", "b"], np.zeros(0, np.int64))
    assert list(noise(pd.DataFrame({"path": [], "label": []}), empty).columns) == COLUMNS


def test_the_last_answer_is_remembered_and_no_other(tmp_path, monkeypatch):
    features, labels = photos((9, 9))
    nothing, everything = np.full(18, -1), np.ones(18, bool)
    asked = []

    def ask(*question, seed):
        asked.append(seed)
        return out_of_fold(*question, seed=seed)

    monkeypatch.setattr(out_of_folds, "out_of_fold", ask)

    def answer(labels, groups=nothing, usable=everything, seed=0, features=features):
        return remembered(tmp_path / "judged.npz", features, labels, groups, usable, seed=seed)

    first, again, direct = answer(labels), answer(labels), out_of_fold(features, labels, nothing, everything)
    assert len(asked) == 1
    for found in (first, again):
        np.testing.assert_allclose(found.probabilities, direct.probabilities, atol=1e-7)
        np.testing.assert_array_equal(found.codes, direct.codes)
        np.testing.assert_array_equal(found.teachers, direct.teachers)
        assert found.classes == direct.classes
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    others = [{"labels": labels[::-1]}, {"labels": labels, "groups": np.array([1, 1] + [-1] * 16)},
              {"labels": labels, "usable": np.arange(18) > 0}, {"labels": labels, "seed": 1},
              {"labels": labels, "features": features[::-1]}]
    for number, question in enumerate(others, start=2):
        answer(**question)
        assert len(asked) == number


def test_a_damaged_memory_is_no_memory(tmp_path):
    features, labels = photos((9, 9))
    question = features, labels, np.full(18, -1), np.ones(18, bool)
    first = remembered(tmp_path / "judged.npz", *question)
    for damage in (b"", b"PK\x03\x04 not a zip file", (tmp_path / "judged.npz").read_bytes()[:-300]):
        (tmp_path / "judged.npz").write_bytes(damage)
        np.testing.assert_array_equal(remembered(tmp_path / "judged.npz", *question).probabilities, first.probabilities)


@pytest.mark.parametrize("number", [1, 3])
def test_classes_of_copies_that_nobody_grouped_are_judged_by_what_they_show(number):
    vectors = np.random.default_rng(0).normal(size=(number, 1280)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shown = np.repeat(np.arange(number), 10) if number > 1 else np.zeros(20, int)
    labels = pd.Series([f"c{code}" for code in (shown if number > 1 else np.arange(20) % 2)])
    told = found(vectors[shown], labels)[0].probabilities
    np.testing.assert_allclose(told, np.eye(3)[shown] if number > 1 else 0.5, atol=1e-3)


def test_images_fewer_than_dimensions_are_judged_as_in_all_dimensions(monkeypatch):
    features, labels = photos((20, 20, 20), dim=90, spread=0.6)
    small = found(features, labels)[0].probabilities
    monkeypatch.setattr(out_of_folds, "_in_their_span", lambda features: features)
    np.testing.assert_allclose(small, found(features, labels)[0].probabilities, atol=1e-5)


def test_the_five_likeliest_classes_are_kept_with_their_probabilities(tmp_path):
    features, labels = photos((9,) * 7)
    judged, table = found(features, labels)
    top = table.sort_values("path")
    order = np.argsort(-judged.probabilities, axis=1)[:, :5]
    names, chances = [f"class_{rank}" for rank in range(1, 6)], [f"p_{rank}" for rank in range(1, 6)]
    assert top[names].astype(str).to_numpy().tolist() == np.array(judged.classes)[order].tolist()
    np.testing.assert_allclose(top[chances], np.take_along_axis(judged.probabilities, order, axis=1), rtol=1e-6)
    assert (top["class_1"].astype(str) == top["suggested_label"]).all()
    table.to_parquet(tmp_path / "t.parquet")
    kept = pd.read_parquet(tmp_path / "t.parquet")
    assert kept["class_5"].dtype == "category"
    assert kept["class_5"].astype(str).tolist() == table["class_5"].astype(str).tolist()


def test_of_two_classes_two_are_kept():
    table = found(*photos((9, 9)))[1]
    assert table["class_3"].isna().all()
    assert (table["p_3"] == 0).all()
    assert table[["p_1", "p_2"]].sum(axis=1).to_numpy() == pytest.approx(1)
