import numpy as np
import pandas as pd
import pytest

from pages.ui.plots import GREEN, GREY, RED, curves, interval, reliability


def test_curves_show_each_member_and_their_mean():
    history = pd.DataFrame({"member": ["a", "a", "b", "b"], "epoch": [1, 2, 1, 2], "log_loss": [2.0, 1.0, 4.0, 2.0]})
    figure = curves(history, "log_loss", "Log loss")
    assert len(figure.data) == 3
    assert list(figure.data[2].y) == [3.0, 1.5]


def test_an_epoch_that_some_members_have_not_reached_has_no_mean():
    history = pd.DataFrame({"member": ["a", "a", "b"], "epoch": [1, 2, 1], "log_loss": [2.0, 1.0, 4.0]})
    assert list(curves(history, "log_loss", "Log loss").data[2].x) == [1]


def test_reliability_leaves_empty_bins_out():
    bins = pd.DataFrame({"confidence": [0.2, np.nan, 0.9], "accuracy": [0.1, np.nan, 0.8], "images": [10, 0, 30]})
    assert list(reliability({"calibrated": bins}).data[1].x) == [0.2, 0.9]


@pytest.mark.parametrize(("low", "high", "colour"), [(-0.3, -0.1, GREEN), (0.1, 0.3, RED), (-0.1, 0.3, GREY)])
def test_an_interval_is_coloured_by_whether_it_holds_zero(low, high, colour):
    figure = interval((low + high) / 2, low, high, "Log loss")
    assert list(figure.data[0].x) == [low, high]
    assert figure.data[1].marker.color == colour
    assert figure.layout.xaxis.range[0] < min(low, 0)
    assert figure.layout.xaxis.range[1] > max(high, 0)
