import numpy as np
import pandas as pd
import pytest

from pages.ui.plots import confusion_matrix, curves, picked, reliability

NAMES = ["K5_2019", "<b>라브4</b>", "a & b"]


def event(trace, index):
    """What the browser sends when one point is selected."""
    custom = trace.customdata[index]
    return {"selection": {"points": [{"customdata": list(custom) if isinstance(custom, np.ndarray) else custom}]}}


def test_selected_names_come_once_and_points_without_a_name_are_left_out():
    points = [{"customdata": "a&lt;b"}, {"customdata": "a&lt;b"}, {}, {"customdata": ["x", "y"]}]
    assert picked({"selection": {"points": points}}) == [("a<b",), ("x", "y")]


def test_cells_of_the_matrix_carry_both_names_and_empty_cells_do_not_exist():
    figure = confusion_matrix(np.array([[8, 2, 0], [0, 5, 0], [1, 0, 4]]), NAMES)
    cells = figure.data[2]
    assert [picked(event(cells, i))[0] for i in range(5)] == [
        (NAMES[0], NAMES[0]), (NAMES[0], NAMES[1]), (NAMES[1], NAMES[1]), (NAMES[2], NAMES[0]), (NAMES[2], NAMES[2])]
    assert "2 of 10 (20%)" in cells.text[1]
    assert np.isnan(figure.data[1].z[0][0])
    assert figure.data[1].z[0][1] == pytest.approx(np.log10(2))


def test_a_matrix_without_any_error_can_be_drawn():
    assert np.isnan(np.array(confusion_matrix(np.diag([3, 4]), NAMES[:2]).data[1].z)).all()


def test_curves_show_each_member_and_their_mean():
    history = pd.DataFrame({"member": ["a", "a", "b", "b"], "epoch": [1, 2, 1, 2], "log_loss": [2.0, 1.0, 4.0, 2.0]})
    figure = curves(history, "log_loss", "Log loss")
    assert len(figure.data) == 3
    assert list(figure.data[2].y) == [3.0, 1.5]


def test_reliability_leaves_empty_bins_out():
    bins = pd.DataFrame({"confidence": [0.2, np.nan, 0.9], "accuracy": [0.1, np.nan, 0.8], "images": [10, 0, 30]})
    assert list(reliability({"calibrated": bins}).data[1].x) == [0.2, 0.9]
