"""The regression tests of DESIGN.md section 8 that a head on frozen features can fail, and what else `fit` promises."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from hai_core.members import frozen
from hai_core.members.config import from_values
from hai_core.members.data import FrozenData
from hai_core.members.fit import fit, logits, validate
from hai_core.members.frozen import FrozenMember, fit_member
from hai_core.members.heads import AdaFace
from hai_core.members.whiten import Whiten
from hai_core.workspace import InputError

K, D, N = 5, 16, 200
TRAIN, VALIDATION = np.arange(150), np.arange(150, N)


def problem(spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, N)
    features = rng.normal(size=(K, D))[labels] + spread * rng.normal(size=(N, D))
    return FrozenData([features.astype(np.float32)], labels)


def config(**values):
    return from_values({"epochs": 6, "batch_size": 16, "folds": 2} | values)


@pytest.mark.parametrize("head", ["linear", "adaface"])
@pytest.mark.parametrize("loss", ["ce", "focal", "ce+focal"])
def test_it_learns_what_can_be_learned(head, loss):
    data = problem(spread=1.3)
    untrained = FrozenMember(config(head=head), D, K)
    member, fitted = fit_member(data, TRAIN, VALIDATION, config(head=head, loss=loss), K, seed=0)
    assert validate(untrained, data, VALIDATION)[1] < 0.5
    assert fitted.accuracy > 0.75
    assert validate(member, data, VALIDATION) == pytest.approx((fitted.log_loss, fitted.accuracy), abs=1e-5)


def test_training_improves_on_the_class_means_it_starts_from():
    data = problem(spread=2.0)
    _, short = fit_member(data, TRAIN, TRAIN, config(epochs=1, learning_rate=1e-9), K, seed=0)
    _, long = fit_member(data, TRAIN, TRAIN, config(epochs=30, learning_rate=0.1), K, seed=0)
    assert long.log_loss < short.log_loss - 0.05


def test_the_figures_are_those_of_the_averaged_weights_that_ship(monkeypatch):
    data = problem()
    settings = config(swa_start=0.0, learning_rate=0.5, schedule="constant", epochs=4)
    trained = {}

    def keep(data, model, *arguments):
        trained["last"] = model
        return fit(data, model, *arguments)

    monkeypatch.setattr(frozen, "fit", keep)
    member, fitted = fit_member(data, TRAIN, VALIDATION, settings, K, seed=0)
    last = FrozenMember(settings, D, K)
    last.load_state_dict({**member.state_dict(), **{f"head.{k}": v for k, v in trained["last"].state_dict().items()}})
    assert validate(last, data, VALIDATION)[0] != pytest.approx(fitted.log_loss, rel=1e-3)
    assert validate(member, data, VALIDATION)[0] == pytest.approx(fitted.log_loss, rel=1e-5)
    assert fitted.history["log_loss"].iloc[-1] == fitted.log_loss


def test_the_margin_head_sees_the_labels_in_training_and_never_in_validation(monkeypatch):
    seen = []
    forward = AdaFace.forward

    def spy(self, features, labels=None):
        seen.append((self.training, labels is not None))
        return forward(self, features, labels)

    monkeypatch.setattr(AdaFace, "forward", spy)
    fit_member(problem(), TRAIN, VALIDATION, config(head="adaface", epochs=2), K, seed=0)
    assert set(seen) == {(True, True), (False, False)}


def test_validation_leaves_the_norm_statistics_alone():
    data = problem()
    member, _ = fit_member(data, TRAIN, VALIDATION, config(head="adaface"), K, seed=0)
    before = member.head.batch_mean.clone(), member.head.batch_std.clone()
    assert before[0] != 20
    validate(member, data, VALIDATION)
    logits(member, data, TRAIN)
    assert (member.head.batch_mean, member.head.batch_std) == before


def test_validation_sees_the_plain_view():
    plain = problem()
    noise = np.random.default_rng(9).normal(size=(N, D)).astype(np.float32)
    both = FrozenData([plain.features.numpy(), noise], plain.labels.numpy())
    member, _ = fit_member(plain, TRAIN, VALIDATION, config(), K, seed=0)
    assert np.array_equal(logits(member, both, VALIDATION), logits(member, plain, VALIDATION))


def test_the_learning_rate_falls_to_zero_once_over_all_steps(monkeypatch):
    steps = []
    step = CosineAnnealingLR.step

    def counted(self, *arguments):
        steps.append(self.optimizer.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(CosineAnnealingLR, "step", counted)
    _, fitted = fit_member(problem(), TRAIN, VALIDATION, config(learning_rate=0.02), K, seed=0)
    used = steps[1:]  # the first call sets the first rate
    per_epoch = -(-len(TRAIN) // 16)
    assert len(used) == 6 * per_epoch
    expected = 0.01 * (1 + np.cos(np.pi * np.arange(len(used)) / len(used)))
    assert np.allclose(used, expected, atol=1e-9)
    assert fitted.history["learning_rate"].tolist() == pytest.approx(expected[::per_epoch].tolist())


def test_a_constant_rate_stays():
    _, fitted = fit_member(problem(), TRAIN, VALIDATION, config(schedule="constant", learning_rate=0.02), K, seed=0)
    assert fitted.history["learning_rate"].tolist() == [0.02] * 6


def test_whitening_and_class_means_are_learned_from_the_training_rows_alone():
    data = problem()
    changed = FrozenData([data.features.numpy().copy()], data.labels.numpy().copy())
    changed.features[150:] += 100
    changed.labels[150:] = (changed.labels[150:] + 1) % K
    members = [fit_member(one, TRAIN, VALIDATION, config(), K, seed=0)[0] for one in (data, changed)]
    for name, value in members[0].state_dict().items():
        assert torch.equal(value, members[1].state_dict()[name]), name


def test_the_seed_decides_every_bit_whatever_torch_drew_before():
    data = problem()
    torch.manual_seed(1)
    first, one = fit_member(data, TRAIN, VALIDATION, config(head="adaface"), K, seed=4)
    torch.manual_seed(2)
    second, two = fit_member(data, TRAIN, VALIDATION, config(head="adaface"), K, seed=4)
    third, _ = fit_member(data, TRAIN, VALIDATION, config(head="adaface"), K, seed=5)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))
    assert one.history.equals(two.history)
    assert not torch.equal(first.head.weight, third.head.weight)


def test_a_class_without_a_training_image_is_survived_and_unlikely():
    data = problem()
    without = TRAIN[data.labels[TRAIN].numpy() != 2]
    for head in ("linear", "adaface"):
        member, fitted = fit_member(data, without, VALIDATION, config(head=head), K, seed=0)
        answers = logits(member, data, VALIDATION)
        assert np.isfinite(answers).all()
        assert np.isfinite(fitted.log_loss)
        assert (answers.argmax(1) == 2).mean() < 0.1


def test_epochs_are_told_one_by_one():
    told = []
    _, fitted = fit_member(problem(), TRAIN, VALIDATION, config(), K, 0, told.append)
    assert [row["epoch"] for row in told] == fitted.history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert fitted.history["train_loss"].is_monotonic_decreasing


def test_a_loss_that_is_no_number_stops_with_a_sentence():
    data = problem()
    broken = FrozenData([data.features.numpy().copy()], data.labels.numpy())
    broken.features[3, 0] = np.inf
    with pytest.raises(InputError, match=r"diverged: the loss is nan in epoch 1; lower learning_rate \(now 0.003\)"):
        fit(broken, nn_head(), TRAIN, VALIDATION, config(), 0)


def nn_head():
    from hai_core.members.heads import Linear

    head = Linear(D, K)
    nn.init.normal_(head.linear.weight)
    return head


def test_without_whitening_the_linear_head_still_sees_unit_vectors():
    member = FrozenMember(config(whiten=None), D, K)
    x = torch.randn(7, D) * 50
    assert member.whiten is None
    assert torch.allclose(member.prepare(x).norm(dim=1), torch.ones(7))
    own = FrozenMember(config(whiten=None, head="adaface"), D, K)
    assert torch.equal(own.prepare(x), x)
    assert isinstance(FrozenMember(config(), D, K).whiten, Whiten)


def test_the_validation_loss_is_at_the_best_temperature():
    data = problem()
    member, fitted = fit_member(data, TRAIN, VALIDATION, config(), K, seed=0)
    with torch.no_grad():
        for parameter in member.head.parameters():
            parameter *= 3
    assert validate(member, data, VALIDATION)[0] == pytest.approx(fitted.log_loss, rel=1e-3)
    surer, labels = torch.from_numpy(logits(member, data, VALIDATION)), data.labels[150:]
    assert nn.functional.cross_entropy(surer, labels).item() > 1.1 * fitted.log_loss
