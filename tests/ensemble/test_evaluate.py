import math
import unicodedata

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, top_k_accuracy_score

from hai_core.ensemble.evaluate import evaluate, ranks
from hai_core.workspace import InputError, read_table, write_table

CLASSES = [f"c{i:02d}" for i in range(12)]


def tables(n=80, seed=0):
    rng = np.random.default_rng(seed)
    files = [f"폴더/{i}.jpg" for i in range(n)]
    predictions = pd.DataFrame(rng.dirichlet(np.full(12, 0.3), n), columns=CLASSES)
    predictions.insert(0, "file", files)
    labels = pd.DataFrame({"file": files, "label": rng.choice(CLASSES, n)}).sample(frac=1, random_state=0)
    return predictions, labels


def test_figures_agree_with_scikit_learn_in_any_row_order():
    predictions, labels = tables()
    truth = labels.set_index("file")["label"].loc[predictions["file"]]
    answers = predictions[CLASSES].to_numpy()
    found = evaluate(predictions, labels)
    assert found["log_loss"] == pytest.approx(log_loss(truth, np.clip(answers, 1e-15, 1), labels=CLASSES), rel=1e-6)
    assert found["accuracy"] == pytest.approx((np.array(CLASSES)[answers.argmax(1)] == truth).mean())
    assert found["top5"] == pytest.approx(top_k_accuracy_score(truth, answers, k=5, labels=CLASSES))
    assert found["n"] == 80


def test_files_written_and_read_back_give_the_same(tmp_path):
    predictions, labels = tables()
    for suffix in ("csv", "parquet"):
        write_table(predictions, tmp_path / f"p.{suffix}")
        write_table(labels, tmp_path / "l.csv")
        found = evaluate(read_table(tmp_path / f"p.{suffix}"), read_table(tmp_path / "l.csv"))
        assert found == pytest.approx(evaluate(predictions, labels))


def test_names_are_compared_in_nfc():
    predictions, labels = tables()
    labels["file"] = [unicodedata.normalize("NFD", name) for name in labels["file"]]
    assert evaluate(predictions, labels) == evaluate(*tables())


def test_zero_for_the_right_class_costs_a_bounded_amount():
    predictions = pd.DataFrame({"file": ["a"], "x": [1.0], "y": [0.0]})
    assert evaluate(predictions, pd.DataFrame({"file": ["a"], "label": ["y"]}))["log_loss"] == pytest.approx(-math.log(1e-15))


def test_ties_go_to_the_class_with_more_training_images_then_to_the_first_column():
    predictions = pd.DataFrame({"file": ["a"], "x": [0.4], "y": [0.4], "z": [0.2]})
    labels = pd.DataFrame({"file": ["a"], "label": ["y"]})
    assert evaluate(predictions, labels)["accuracy"] == 0
    assert evaluate(predictions, labels, {"x": 3, "y": 4})["accuracy"] == 1
    assert evaluate(predictions, labels, {"x": 4, "y": 3})["accuracy"] == 0


def test_ranks_agree_with_sorting():
    rng = np.random.default_rng(0)
    answers = rng.integers(0, 4, (200, 7)) / 10
    labels, priority = rng.integers(0, 7, 200), rng.integers(0, 3, 7)
    for row, label, rank in zip(answers, labels, ranks(answers, labels, priority), strict=True):
        order = sorted(range(7), key=lambda k: (-row[k], -priority[k], k))
        assert order.index(label) == rank


def changed(edit):
    predictions, labels = tables(5)
    return edit(predictions, labels)


@pytest.mark.parametrize(("edit", "problem"), [
    (lambda p, t: (p.iloc[1:], t), "the predictions have no row for 폴더/0.jpg"),
    (lambda p, t: (p, t[t["file"] != "폴더/3.jpg"]), "the labels do not know 폴더/3.jpg"),
    (lambda p, t: (pd.concat([p, p.iloc[:1]]), t), "the predictions repeat the file 폴더/0.jpg"),
    (lambda p, t: (p, pd.concat([t, t[t["file"] == "폴더/4.jpg"]])), "the labels repeat the file 폴더/4.jpg"),
    (lambda p, t: (p, t.assign(label="=new")), "the predictions have no column for the label =new"),
    (lambda p, t: (p.assign(c03=["x", *p["c03"].iloc[1:]]), t), "values that are no probabilities in the row of 폴더/0.jpg"),
    (lambda p, t: (p.assign(c03=-p["c03"]), t), "values that are no probabilities in the row of 폴더/0.jpg, 폴더/1.jpg"),
    (lambda p, t: (p.assign(c03=p["c03"] + 0.01), t), "the probabilities do not sum to 1 for 폴더/0.jpg"),
    (lambda p, t: (p.iloc[:0], t.iloc[:0]), "the labels list no file"),
])
def test_what_is_wrong_is_named(edit, problem):
    with pytest.raises(InputError) as caught:
        evaluate(*changed(edit))
    assert problem in str(caught.value)


def test_many_names_are_cut_short():
    predictions, labels = tables()
    with pytest.raises(InputError, match="and 75 more"):
        evaluate(predictions.iloc[:0], labels)
