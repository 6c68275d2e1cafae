import numpy as np

from hai_core.findings.class_tree import Classes, class_tree
from pages.ui.dendrogram import dendrogram, distances, group_table

NAMES = ["a", "<img src=x onerror=alert(1)>", "라브4, 5세대", "b"]
MEANS = np.array([[1, 0], [0, 1], [1, 0.1], [0.2, 1]], np.float32)
CLASSES = Classes(NAMES, np.array([5, 6, 7, 8]), MEANS)
TREE = class_tree(MEANS)


def test_groups_below_a_distance_come_with_the_closest_first():
    table = group_table(TREE, CLASSES, 0.1)
    assert table["names"].tolist() == [["a", "라브4, 5세대"], ["<img src=x onerror=alert(1)>", "b"]]
    assert table["images"].tolist() == [12, 14]
    assert table["distance"].tolist() == TREE[:2, 2].tolist()
    assert group_table(TREE, CLASSES, 2.0)["classes"].tolist() == [4]
    assert group_table(TREE, CLASSES, 0.0).empty


def test_the_figure_has_every_class_once_as_text_and_all_merges():
    figure = dendrogram(TREE, NAMES, 0.1, "distance")
    assert sorted(figure.layout.yaxis.ticktext) == sorted(["a", "b", "라브4, 5세대", "&lt;img src=x onerror=alert(1)&gt;"])
    ends = [x for trace in figure.data for x in trace.x or () if x is not None]
    assert len(ends) == 4 * len(TREE)
    assert max(ends) == np.sqrt(TREE[-1, 2])
    coloured = [trace for trace in figure.data if trace.x and trace.line.color != figure.data[0].line.color]
    assert sum(len(trace.x) for trace in coloured) == 2 * 5  # two merges below the line


def test_the_line_can_stand_at_every_merge_of_a_small_tree():
    assert {round(at, 6) for at in TREE[:, 2]} <= {round(at, 6) for at in distances(TREE)}
