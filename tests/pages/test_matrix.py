import base64

import numpy as np

from pages.ui import matrix as matrices
from pages.ui.matrix import arranged

NAMES = [f"c{i}" for i in range(6)]


def confused(*pairs, size=6, hits=50):
    counts = np.diag(np.full(size, hits))
    for a, b, n in pairs:
        counts[a, b] = n
    return counts


def test_classes_confused_with_each_other_stand_together():
    matrix = arranged(confused((0, 5, 30), (5, 0, 20), (1, 4, 25), (2, 3, 1)), NAMES, 60)
    place = {name: i for i, name in enumerate(matrix.names)}
    assert abs(place["c0"] - place["c5"]) == 1
    assert abs(place["c1"] - place["c4"]) == 1
    assert matrix.counts[place["c0"], place["c5"]] == 30
    assert matrix.counts[place["c5"], place["c0"]] == 20
    assert matrix.rest == []


def test_beyond_the_limit_the_least_confused_are_added_up_and_named_so():
    counts = confused((0, 5, 30), (1, 2, 3), (2, 0, 1), (3, 4, 2))
    matrix = arranged(counts, NAMES, 2)
    assert sorted(matrix.names[:2]) == ["c0", "c5"]
    assert matrix.names[2] == "4 other classes"
    assert matrix.classes_of(2, 2) == tuple(matrix.rest) == ("c1", "c2", "c3", "c4")
    assert matrix.counts.sum() == counts.sum()


def test_a_class_that_is_called_like_the_rest_is_not_taken_for_it():
    matrix = arranged(confused((0, 5, 30), (1, 2, 3)), ["4 other classes", *NAMES[1:]], 2)
    row = matrix.names.index("4 other classes")
    assert row < 2
    assert matrix.classes_of(row, row) == ("4 other classes",)
    assert matrix.place(["4 other classes"]) == (row, row)
    assert matrix.place(matrix.rest) == (2, 2)


def test_one_class_that_is_added_up_is_said_in_the_singular():
    assert arranged(confused((0, 1, 3)), NAMES, limit=5).names[-1] == "1 other class"


def test_classes_have_a_place_only_where_they_stand_together():
    matrix = arranged(confused((0, 5, 30), (1, 4, 25)), NAMES, 60)
    assert matrix.place(matrix.names[1:4]) == (1, 3)
    assert matrix.classes_of(1, 3) == tuple(matrix.names[1:4])
    assert matrix.place([matrix.names[0], matrix.names[2]]) is None
    assert matrix.place(["gone"]) is None


def test_two_runs_are_added_up_alike():
    before, after = confused((0, 5, 30), (1, 2, 9)), confused((0, 5, 2), (3, 4, 4))
    matrix = arranged(after, NAMES, 2, before)
    assert sorted(matrix.names[:2]) == ["c0", "c5"]
    row, column = matrix.names.index("c0"), matrix.names.index("c5")
    assert (matrix.before[row, column], matrix.counts[row, column]) == (30, 2)
    assert (matrix.before.sum(), matrix.counts.sum()) == (before.sum(), after.sum())


def decoded(cells, name, dtype):
    return np.frombuffer(base64.b64decode(cells[name]), dtype).tolist()


def test_only_cells_with_images_in_either_run_and_in_the_window_are_sent():
    counts = np.array([[5, 0, 70_000], [0, 4, 0], [1, 0, 3]])
    matrix = matrices.Matrix(["a", "b", "c"], [], counts, np.array([[5, 2, 0], [0, 4, 0], [1, 0, 3]]))
    cells = matrices._in_window(matrix, (0, 1), (1, 2))
    assert list(zip(decoded(cells, "row", "<u2"), decoded(cells, "column", "<u2"), strict=True)) == [(0, 0), (0, 1), (1, 0)]
    assert decoded(cells, "count", "<u4") == [0, 70_000, 4]
    assert decoded(cells, "before", "<u4") == [2, 0, 4]
