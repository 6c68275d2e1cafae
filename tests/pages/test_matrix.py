import numpy as np

from pages.ui.matrix import arranged

NAMES = [f"c{i}" for i in range(6)]


def confused(*pairs, size=6, hits=50):
    counts = np.diag(np.full(size, hits))
    for a, b, n in pairs:
        counts[a, b] = n
    return counts


def test_classes_confused_with_each_other_stand_together():
    matrix = arranged(confused((0, 5, 30), (5, 0, 20), (1, 4, 25), (2, 3, 1)), NAMES)
    place = {name: i for i, name in enumerate(matrix.names)}
    assert abs(place["c0"] - place["c5"]) == 1
    assert abs(place["c1"] - place["c4"]) == 1
    assert matrix.counts[place["c0"], place["c5"]] == 30
    assert matrix.counts[place["c5"], place["c0"]] == 20
    assert matrix.rest == []


def test_beyond_the_limit_the_least_confused_are_added_up_and_named_so():
    counts = confused((0, 5, 30), (1, 2, 3), (2, 0, 1), (3, 4, 2))
    matrix = arranged(counts, NAMES, limit=2)
    assert sorted(matrix.names[:2]) == ["c0", "c5"]
    assert matrix.names[2] == "4 other classes"
    assert matrix.classes_of("4 other classes") == matrix.rest == ["c1", "c2", "c3", "c4"]
    assert matrix.classes_of("c0") == ["c0"]
    assert matrix.counts.sum() == counts.sum()
    assert matrix.counts[2, matrix.names.index("c0")] == 1
    assert matrix.counts[2, 2] == 4 * 50 + 3 + 2


def test_two_classes_and_no_errors():
    assert arranged(np.diag([3, 4]), ["a", "b"]).names == ["a", "b"]


def test_one_class_that_is_added_up_is_said_in_the_singular():
    assert arranged(confused((0, 1, 3)), NAMES, limit=5).names[-1] == "1 other class"
