import pytest
import torch
from torch import nn

from hai_core.members.averaging import Averaging


def linear(value):
    model = nn.Linear(2, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def train(model, averaging, values):
    for epoch, value in enumerate(values):
        nn.init.constant_(model.weight, value)
        averaging.epoch_done(epoch)


@pytest.mark.parametrize(("start", "mean"), [(0.0, 3.0), (0.5, 4.5), (0.6, 5.0), (0.99, 6.0), (None, 6.0)])
def test_the_mean_of_the_last_epochs_ships(start, mean):
    model = linear(0)
    averaging = Averaging(model, start, 5)
    train(model, averaging, [0, 2, 3, 4, 6])
    expected = {0.0: 3.0, 0.5: (3 + 4 + 6) / 3, 0.6: 5.0}.get(start, mean)
    assert averaging.shipped(list).weight.mean().item() == pytest.approx(expected)


def test_before_averaging_begins_the_trained_weights_ship():
    model = linear(0)
    averaging = Averaging(model, 0.5, 4)
    train(model, averaging, [7])
    assert averaging.shipped(list) is model


def test_averaging_does_not_touch_the_trained_model():
    model = linear(0)
    averaging = Averaging(model, 0.0, 3)
    train(model, averaging, [1, 2, 6])
    averaging.shipped(list)
    assert model.weight.mean().item() == 6


def test_batch_norm_statistics_are_those_of_the_averaged_weights():
    model = nn.Sequential(linear(0), nn.BatchNorm1d(1))
    averaging = Averaging(model, 0.0, 2)
    x = torch.ones(8, 2)
    for epoch, value in enumerate((1.0, 3.0)):
        nn.init.constant_(model[0].weight, value)
        model.train()
        for _ in range(50):
            model(x)
        averaging.epoch_done(epoch)
    shipped = averaging.shipped(lambda: x.split(4))
    assert shipped[0].weight.mean().item() == 2
    assert shipped[1].running_mean.item() == pytest.approx(4.0)  # 2 + 2 at the averaged weights
    assert model[1].running_mean.item() == pytest.approx(6.0, abs=0.1)  # of the last trained weights: wrong for the average
    assert not shipped.training


def test_other_buffers_follow_the_trained_model():
    model = linear(0)
    model.register_buffer("seen", torch.zeros(()))
    averaging = Averaging(model, 0.0, 2)
    for epoch in range(2):
        model.seen += 1
        averaging.epoch_done(epoch)
    assert averaging.shipped(list).seen.item() == 2


def test_a_running_mean_equals_the_slow_reference_and_can_be_resumed():
    values = [1.0, 3.0, 2.0, 8.0, 5.0]
    model = linear(0)
    averaging = Averaging(model, None, 1, decay=0.9)
    mean = values[0]  # the first weights are the first mean
    for step, value in enumerate(values):
        if step:
            decay = min(0.9, (1 + step) / (10 + step))
            mean = decay * mean + (1 - decay) * value
        if step == 3:
            averaging, state = Averaging(model, None, 1, decay=0.9), averaging.state()
            averaging.resume(state)
        nn.init.constant_(model.weight, value)
        averaging.step_done()
    assert averaging.shipped(list).weight.mean().item() == pytest.approx(mean)


def test_an_epoch_mean_can_be_resumed():
    model = linear(0)
    averaging = Averaging(model, 0.0, 3)
    train(model, averaging, [2, 4])
    resumed = Averaging(model, 0.0, 3)
    resumed.resume(averaging.state())
    nn.init.constant_(model.weight, 9)
    resumed.epoch_done(2)
    assert resumed.shipped(list).weight.mean().item() == pytest.approx(5)
