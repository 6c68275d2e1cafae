"""Fine-tuning: it learns, ships what it validated, and goes on after a kill as if nothing had happened."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import tiny
import tiny_runs
import torch
from torch import nn

from hai_core import backbones, resized
from hai_core.ensemble.predict import logits
from hai_core.members import finetune, images, store
from hai_core.members.config import from_values
from hai_core.members.finetune import fit_member
from hai_core.members.heads import AdaFace
from hai_core.members.images import ImageView, plain_transform
from hai_core.members.plan import Plan, Task, learning_rate
from hai_core.probabilities import log_loss, softmax, temperature
from hai_core.workspace import InputError

SIDE = 32


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAI_CACHE", str(folder / "cache"))
        patch.setattr(resized.workers, "cores", lambda: 0)
        table = tiny_runs.write_photos(folder / "images", per_class=16)
        assert resized.ensure(folder / "images", table, SIDE).empty
        yield table, resized.open_(table["sha256"].tolist(), SIDE)


@pytest.fixture
def task(photos, tmp_path, monkeypatch):
    """Function (**values, finetune options in `finetune`) -> Task on the photos, a quarter of them for validation."""
    backbone = tiny.small()
    for loader in ("load", "untrained"):
        monkeypatch.setattr(backbones, loader, lambda name: backbone)
    table, stored = photos
    labels = table["label"].astype("category").cat.codes.to_numpy(np.int64)
    rows = np.random.default_rng(0).permutation(len(table))

    def make(folder=tmp_path / "members", **values):
        defaults = {"mode": "finetune", "recipes": [["tiny"]], "epochs": 4, "batch_size": 8, "learning_rate": 0.02,
                    "swa_start": None, "finetune": {}}
        config = from_values(defaults | values)
        return Task(folder, "tiny-fold0", config, "tiny", 0, 5, stored, labels, table["path"].to_numpy(object), rows[12:],
                    rows[:12], 3)

    make.backbone = backbone
    return make


def weights(task):
    return store.load(task.folder, task.name, task.config, task.n_classes).state_dict()


def fields(task):
    return json.loads((task.folder / f"{task.name}.json").read_text())


@pytest.mark.parametrize("values", [
    {"finetune": {"precision": "bf16"}}, {"swa_start": 0.5}, {"finetune": {"ema_decay": 0.8}}, {"finetune": {"patience": 1}},
    {"head": "adaface", "finetune": {"mixup": 0.4, "cutmix": 1.0, "neck": 16, "clip_norm": 1.0}},
    {"head": "arcface", "loss": "ce+focal", "label_smoothing": 0.1, "class_balance": 0.9,
     "finetune": {"randaugment": 5, "random_erasing": 0.3, "frozen_epochs": 1, "layer_decay": 0.8, "accumulation": 2}},
])
def test_the_figures_are_those_of_the_weights_that_ship(task, values):
    made = task(epochs=6, **values)
    fit_member(made)
    member = store.load(made.folder, made.name, made.config, 3)
    view = ImageView(made.stored, made.validation, plain_transform(member.data_config), "center")
    answers, labels = logits(member, [view]), made.labels[made.validation]
    told = fields(made)
    assert told["accuracy"] == pytest.approx((answers.argmax(1) == labels).mean())
    calibrated = softmax(answers, temperature(answers, labels, precision=0.01))
    assert told["log_loss"] == pytest.approx(log_loss(calibrated, labels), abs=1e-5)
    assert told["accuracy"] > 0.5
    assert told["images_per_second"] > 0
    assert 0 <= told["wait_share"] <= 1
    assert not made.checkpoint.exists()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("values", [
    {"swa_start": 0.4}, {"finetune": {"ema_decay": 0.9, "mixup": 0.4, "accumulation": 2}},
    {"head": "adaface", "finetune": {"patience": 3, "randaugment": 5, "random_erasing": 0.5}}])
@pytest.mark.parametrize("at", [2, 5, 11])
def test_after_a_kill_training_goes_on_to_the_same_weights(task, tmp_path, monkeypatch, values, at):
    options = values.get("finetune", {}) | {"checkpoint_minutes": 1e-9}
    whole = task(tmp_path / "whole", **values | {"finetune": options})
    fit_member(whole)
    made = task(tmp_path / "killed", **values | {"finetune": options})
    step = finetune._Training._one_step

    def dies(self, batches):
        if self.step == at and not (tmp_path / "killed.once").exists():
            (tmp_path / "killed.once").touch()
            raise Killed
        step(self, batches)

    monkeypatch.setattr(finetune._Training, "_one_step", dies)
    with pytest.raises(Killed):
        fit_member(made)
    assert made.checkpoint.exists()
    fit_member(made)
    assert fields(made)["history"] == fields(whole)["history"]
    assert all(torch.equal(one, other) for one, other in zip(weights(made).values(), weights(whole).values(), strict=True))


def test_a_batch_in_parts_gives_the_same_weights(task, tmp_path):
    one, four = (task(tmp_path / str(parts), finetune={"accumulation": parts, "freeze_batch_norm": True, "least_scale": 1.0})
                 for parts in (1, 4))
    task.backbone.model[3].p = 0.0  # what is dropped depends on the part
    fit_member(one)
    fit_member(four)
    for left, right in zip(weights(one).values(), weights(four).values(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-4)


def test_a_margin_is_applied_for_both_labels_of_mixed_images_and_statistics_move_once_a_step(task, monkeypatch):
    seen, calls = [], []
    forward, quality = AdaFace.forward, AdaFace._quality
    monkeypatch.setattr(AdaFace, "forward", lambda self, x, labels=None: (seen.append(labels), forward(self, x, labels))[1])
    monkeypatch.setattr(AdaFace, "_quality", lambda self, norms: (calls.append(self.training), quality(self, norms))[1])
    made = task(head="adaface", epochs=1, finetune={"mixup": 1.0, "cutmix": 1.0})
    fit_member(made)
    trained = [labels for labels in seen if labels is not None]
    assert len(trained) == Plan(made).steps
    assert all(labels.shape[0] == 2 and torch.equal(labels[1], labels[0].flip(0)) for labels in trained)
    assert calls == [True] * len(trained)  # never in validation


def test_a_batch_in_parts_moves_the_norm_statistics_as_far_as_a_whole_one(task, tmp_path):
    moved = []
    for parts in (1, 4):
        made = task(tmp_path / str(parts), head="adaface", epochs=1, learning_rate=1e-9,
                    finetune={"accumulation": parts, "freeze_batch_norm": True})
        fit_member(made)
        moved.append(float(weights(made)["head.batch_mean"]))
    assert moved[1] == pytest.approx(moved[0], rel=0.02)
    assert abs(moved[0] - 20) > 0.1


def test_averaging_keeps_statistics_that_are_to_be_kept(task):
    made = task(swa_start=0.0, epochs=2, finetune={"freeze_batch_norm": True})
    fit_member(made)
    kept = {f"backbone.{name}": value for name, value in task.backbone.model.named_buffers() if "running" in name}
    assert kept
    assert all(torch.equal(weights(made)[name], value) for name, value in kept.items())


def test_a_neck_is_averaged_whatever_the_number_of_images(task, monkeypatch):
    made = task(swa_start=0.0, epochs=1, finetune={"neck": 8})
    for module in (finetune, images):
        monkeypatch.setattr(module, "BATCH", len(made.train) - 1)  # one image is left for the last batch
    fit_member(made)
    assert fields(made)["log_loss"] > 0


def test_logits_that_are_no_numbers_stop_with_a_sentence(task, monkeypatch):
    made = task()
    monkeypatch.setattr(finetune._Training, "_answers", lambda self, model: np.full((len(made.validation), 3), np.nan))
    with pytest.raises(InputError, match=r"^training diverged: after epoch 1 .*lower learning_rate \(now 0.02\)"):
        fit_member(made)


def test_a_trial_takes_some_steps_of_the_whole_network_and_keeps_nothing(task, monkeypatch):
    frozen, step = [], finetune._Training._loss
    monkeypatch.setattr(finetune._Training, "_loss", lambda self, *batch: (
        frozen.append(batch[-1]), step(self, *batch))[1])
    made = task(epochs=10, finetune={"frozen_epochs": 1, "devices": 1})
    found = finetune.trial(made, steps=5)
    assert frozen == [False] * (5 + finetune.WARM)
    assert found.seconds == pytest.approx(10 * (len(made.train) + len(made.validation) / 3) / found.images_per_second)
    assert 0 <= found.wait_share <= 1
    assert not list(made.folder.glob("*"))


def test_a_loss_that_is_no_number_stops_with_step_rate_and_files(task):
    made = task(learning_rate=1e20, finetune={"warmup_epochs": 0})
    with pytest.raises(InputError, match=r"the loss is (nan|inf) in step \d+ at learning rate .*, whose batch holds .*\.png, "
                                         r".*lower learning_rate \(now 1e\+20\)"):
        fit_member(made)


def test_when_memory_runs_out_the_way_out_is_told_and_the_checkpoint_kept(task, monkeypatch):
    made = task(finetune={"checkpoint_minutes": 1e-9, "accumulation": 2})
    step = finetune._Training._one_step

    def fails(self, batches):
        if self.step == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        step(self, batches)

    monkeypatch.setattr(finetune._Training, "_one_step", fails)
    with pytest.raises(InputError, match=r"ran out of memory at batch_size 8 in 2 part\(s\); set finetune.accumulation=4"):
        fit_member(made)
    assert torch.load(made.checkpoint, weights_only=True)["step"] == 3


def test_more_parts_are_not_advised_where_they_would_be_refused(task):
    made = task(batch_size=4, finetune={"accumulation": 4})
    told = str(finetune._out_of_memory(made, torch.device("cpu")))
    assert "accumulation" not in told
    assert "turn finetune.gradient_checkpointing on, and the training goes on" in told
    made = task(batch_size=4, finetune={"accumulation": 4, "gradient_checkpointing": True})
    told = str(finetune._out_of_memory(made, torch.device("cpu")))
    assert told.endswith("in 4 part(s); lower batch_size, which is another training")


@pytest.mark.parametrize(("error", "kind"), [
    ("DataLoader worker (pid 7) is killed by signal: Bus error.", InputError),
    ("Caught RuntimeError in DataLoader worker process 0.\nunable to open shared memory object </x>", InputError),
    ("Caught RuntimeError in DataLoader worker process 0.\nsizes differ", RuntimeError)])
def test_only_where_shared_memory_is_small_more_of_it_is_advised(task, error, kind):
    with pytest.raises(kind, match="shm-size" if kind is InputError else "sizes differ"):  # noqa: SIM117
        with finetune._told_to_change(task(), torch.device("cpu")):
            raise RuntimeError(error)


def test_when_the_disk_is_full_the_last_checkpoint_is_kept(task, monkeypatch):
    made = task(finetune={"checkpoint_minutes": 1e-9})
    write, written = finetune.write_atomic, []

    def fails(path, content):
        if written:
            raise InputError(f"{path} cannot be written: no space left on device")
        written.append(path)
        write(path, content)

    monkeypatch.setattr(finetune, "write_atomic", fails)
    with pytest.raises(InputError, match=r"no space left on device; make room and start the same training again"):
        fit_member(made)
    assert torch.load(made.checkpoint, weights_only=True)["step"] == 1


def test_a_neck_needs_two_images_in_each_part(task):
    with pytest.raises(InputError, match=r"raise batch_size \(now 8\) or lower finetune.accumulation \(5\)"):
        fit_member(task(finetune={"neck": 8, "accumulation": 5}))


def test_every_epoch_takes_every_image_once_in_batches_as_even_as_can_be(task):
    made = task(batch_size=10)
    plan = Plan(made)
    assert plan.per_epoch == round(36 / 10)
    for epoch in range(2):
        batches = [plan.rows(epoch * plan.per_epoch + place).tolist() for place in range(plan.per_epoch)]
        assert sorted(itertools.chain.from_iterable(batches)) == sorted(made.train.tolist())
        assert {len(batch) for batch in batches} == {9}
    assert plan.rows(0).tolist() != plan.rows(plan.per_epoch).tolist()
    assert plan.rows(0).tolist() == Plan(made).rows(0).tolist()


def test_devices_share_a_batch_and_one_without_a_share_does_not_count(task):
    made = task(batch_size=9, finetune={"accumulation": 2})
    parts = [part for rank in range(4) for part in Plan(made, rank, 4).parts(0)]
    assert sorted(row for rows, _ in parts for row in rows) == sorted(Plan(made).rows(0))
    assert math.fsum(share for _, share in parts) == pytest.approx(1)
    [(rows, share)] = Plan(task(batch_size=1, finetune={}), 1, 2).parts(0)
    assert (len(rows), share) == (1, 0.0)


def test_what_is_drawn_for_an_image_depends_on_the_epoch_and_the_image_alone(task):
    one, other = list(Plan(task()).batches(0)), list(Plan(task(finetune={"accumulation": 4})).batches(0))
    seeds = dict(pair for batch in one[:4] for pair in batch)
    assert seeds.items() >= dict(pair for batch in other[:8] for pair in batch).items()
    assert len(set(seeds.values())) == len(seeds)


@pytest.mark.parametrize("warmup", [0, 5])
def test_the_learning_rate_is_that_of_timms_schedule(warmup):
    from timm.scheduler import CosineLRScheduler

    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    official = CosineLRScheduler(optimizer, 20, lr_min=0, warmup_t=warmup, warmup_lr_init=0, warmup_prefix=True,
                                 t_in_epochs=False)
    for step in range(20 + warmup):
        official.step_update(step)
        expected = optimizer.param_groups[0]["lr"]
        if step < warmup:  # timm's begins at 0, a step lost
            expected = (step + 1) / (warmup + 1)
        assert learning_rate(step, 20 + warmup, warmup, "cosine") == pytest.approx(expected)
    assert learning_rate(12, 20, warmup, "constant") == 1


def test_processes_that_prepare_images_draw_what_this_one_draws(photos, task):
    made = task(finetune={"randaugment": 5})
    crops = images.training_transform({"input_size": (3, SIDE, SIDE), "interpolation": "bicubic", "mean": (0.5,) * 3,
                                       "std": (0.5,) * 3}, made.options, True)
    batches = list(itertools.islice(Plan(made).batches(0), 2))
    here, there = (list(images.loader(made.stored, crops, 2, iter(batches), gpus)) for gpus in (0, 1))
    for one, other in zip(here, there, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert here[0][2].shape == (len(batches[0]), 2)


def test_statistics_that_layers_dropped_at_random_have_moved_are_those_that_were_validated(task):
    made = task(epochs=2, swa_start=0.5, finetune={"neck": 8})
    training = finetune._fabric(made.options).launch(lambda fabric: finetune._Training(fabric, made))
    training.member.backbone = nn.Sequential(training.member.backbone, nn.Dropout(0.5))
    training.averaging._model = training.member
    training.averaging.epoch_done(1)
    shipped = [{name: tensor.clone() for name, tensor in training.averaging.shipped(training._refreshing).state_dict().items()}
               for _ in "12"]
    assert all(torch.equal(tensor, shipped[1][name]) for name, tensor in shipped[0].items())


def test_each_step_has_the_rate_of_its_number(task, monkeypatch):
    rates, step = [], finetune._Training._one_step
    monkeypatch.setattr(finetune._Training, "_one_step", lambda self, batches: (
        step(self, batches), rates.append([group["lr"] / group["lr_scale"] for group in self.optimizer.param_groups]))[0])
    made = task(finetune={"warmup_epochs": 1, "layer_decay": 0.5, "head_rate": 3})
    fit_member(made)
    plan = Plan(made)
    expected = [0.02 * learning_rate(number, plan.steps, plan.per_epoch, "cosine") for number in range(plan.steps)]
    assert all(own == pytest.approx([rate] * len(own)) for own, rate in zip(rates, expected, strict=True))


def test_earlier_layers_learn_more_slowly_and_the_head_faster():
    from hai_core.members.network import FinetunedMember

    config = from_values({"mode": "finetune", "recipes": [["tf_efficientnet_lite0"]], "learning_rate": 0.1, "weight_decay": 0.2,
                          "finetune": {"layer_decay": 0.5, "head_rate": 3}})
    member = FinetunedMember(config, backbones.load("tf_efficientnet_lite0"), 4)
    scale = {id(p): group["lr_scale"] for group in finetune._groups(member, config) for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in finetune._groups(member, config) for p in group["params"]}
    assert len(scale) == len(list(member.parameters()))
    stem, last = member.backbone.conv_stem.weight, member.backbone.conv_head.weight
    assert scale[id(stem)] < scale[id(last)] <= 1 < scale[id(member.head.linear.weight)] == 3
    assert (decay[id(stem)], decay[id(member.backbone.bn1.weight)], decay[id(member.head.linear.bias)]) == (0.2, 0, 0)


@pytest.mark.timeout(240)
def test_two_processes_give_the_loss_curve_of_one_with_the_same_batch(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAI_CACHE", str(tmp_path / "cache"))
        patch.setattr(resized.workers, "cores", lambda: 0)
        images = tmp_path / "images"
        own = tiny_runs.write_photos(images, per_class=8)
        resized.ensure(images, own, 64)
        stored = resized.open_(own["sha256"].tolist(), 64)
    labels = own["label"].astype("category").cat.codes.to_numpy(np.int64)
    rows, curves = np.arange(len(own)), []
    for devices in (1, 2):
        config = from_values({"mode": "finetune", "recipes": [["tf_efficientnet_lite0"]], "epochs": 3, "batch_size": 6,
                              "learning_rate": 1e-3, "swa_start": None, "head": "arcface", "finetune": {
                                  "devices": devices, "freeze_batch_norm": True, "image_size": 56, "precision": "32"}})
        made = Task(tmp_path / f"{devices}", "m", config, "tf_efficientnet_lite0", 0, 1, stored, labels,
                    own["path"].to_numpy(object), rows[::2], rows[1::2], 3)
        fit_member(made)
        curves.append(fields(made)["history"]["train_loss"])
        assert fields(made)["devices"] == devices
    assert curves[1] == pytest.approx(curves[0], rel=0.02)
    assert curves[0][-1] < curves[0][0]


@pytest.mark.timeout(240)
def test_two_processes_freeze_average_and_save_within_an_epoch_without_waiting_for_each_other(photos, tmp_path):
    table, stored = photos
    config = from_values({"mode": "finetune", "recipes": [["tf_efficientnet_lite0"]], "epochs": 2, "batch_size": 8,
                          "learning_rate": 1e-3, "swa_start": 0.0, "head": "adaface", "finetune": {
                              "devices": 2, "frozen_epochs": 1, "neck": 8, "image_size": 32, "precision": "32",
                              "checkpoint_minutes": 1e-9}})
    labels = np.arange(len(table)) % 3
    made = Task(tmp_path, "m", config, "tf_efficientnet_lite0", 0, 1, stored, labels, table["path"].to_numpy(object),
                np.arange(24), np.arange(24, 25), 3)  # one process has no image to validate
    fit_member(made)
    assert fields(made)["history"]["epoch"] == [1, 2]
    assert fields(made)["devices"] == 2


@pytest.mark.timeout(240)
def test_of_two_processes_with_statistics_of_their_own_those_that_ship_are_validated(photos, tmp_path):
    table, stored = photos
    config = from_values({"mode": "finetune", "recipes": [["tf_efficientnet_lite0"]], "epochs": 1, "batch_size": 8,
                          "learning_rate": 1e-2, "swa_start": None, "finetune": {
                              "devices": 2, "image_size": 32, "precision": "32"}})
    labels = np.arange(len(table)) % 3
    made = Task(tmp_path, "m", config, "tf_efficientnet_lite0", 0, 1, stored, labels, table["path"].to_numpy(object),
                np.arange(24), np.arange(24, 45), 3)
    fit_member(made)
    member = store.load(made.folder, made.name, config, 3)
    answers = logits(member, [ImageView(stored, made.validation, plain_transform(member.data_config), "center")])
    shipped = softmax(answers, temperature(answers, labels[24:45], precision=0.01))
    assert fields(made)["log_loss"] == pytest.approx(log_loss(shipped, labels[24:45]), abs=1e-5)


def test_more_devices_and_parts_than_images_are_refused(task):
    with pytest.raises(InputError, match=r"a batch of 9 images cannot be dealt to 2 devices in 5 part\(s\) each"):
        fit_member(task(finetune={"devices": 2, "accumulation": 5}))


def test_what_goes_wrong_in_another_process_is_told_in_one_sentence(photos, tmp_path):
    table, stored = photos
    config = from_values({"mode": "finetune", "recipes": [["tf_efficientnet_lite0"]], "epochs": 1, "batch_size": 8,
                          "learning_rate": 1e20, "swa_start": None,
                          "finetune": {"devices": 2, "image_size": 32, "warmup_epochs": 0, "precision": "32"}})
    labels = np.arange(len(table)) % 3
    made = Task(tmp_path, "m", config, "tf_efficientnet_lite0", 0, 1, stored, labels, table["path"].to_numpy(object),
                np.arange(24), np.arange(24, 36), 3)
    with pytest.raises(InputError, match=r"^training diverged: the loss is (nan|inf) in step") as caught:
        fit_member(made)
    assert "Traceback" not in str(caught.value)
