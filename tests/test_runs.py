import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
from tiny_runs import CLASSES, make_config, make_manifest, write_photos

from hai_core import backbones, compare, manifest, runs
from hai_core.ensemble import train
from hai_core.probabilities import log_loss
from hai_core.workspace import InputError


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setattr(backbones, "load", lambda name: tiny.backbone())
    return write_photos(tmp_path / "images")


def train_in(place, photos, *overrides, runs_in="runs", command=""):
    return runs.train(make_manifest(photos), make_config(*overrides), images=place / "images", runs=place / runs_in,
                      command=command)


@pytest.fixture
def trained(photos, tmp_path):
    return train_in(tmp_path, photos, command="the command")


def test_a_run_records_what_it_was_and_what_came_out(trained, photos):
    assert trained.state == "finished"
    assert trained.info["command"] == "the command"
    assert trained.manifest.digest == trained.info["manifest"] == make_manifest(photos).digest
    assert trained.config == make_config()
    assert trained.info["versions"]["torch"]
    assert trained.info["backbones"] == {"tiny": "0123456789abcdef"}
    assert trained.metrics["accuracy"] > 0.5 > 1 / len(CLASSES)
    assert trained.metrics["holdout_n"] == 6
    assert set(trained.metrics) >= {"log_loss", "accuracy", "top5", "log_loss_in_sample", "ece", "ece_before", "n"}
    assert trained.history.groupby("member").size().tolist() == [4, 4, 4]
    assert [card.name for card in trained.cards] == ["tiny-fold0", "tiny-fold1", "tiny-fold2"]
    assert sum(card.weight for card in trained.cards) == pytest.approx(1)
    assert sum(card.n_validation for card in trained.cards) == 30


def test_every_training_image_has_probabilities_of_members_that_did_not_see_it(trained, photos):
    oof = trained.oof
    kept = make_manifest(photos).table.query("split == 'train'")
    assert oof["path"].tolist() == kept["path"].tolist()
    assert oof["label"].tolist() == kept["label"].tolist()
    assert oof["fold"].value_counts().tolist() == [10, 10, 10]
    assert np.allclose(trained.probabilities.sum(1), 1)
    assert log_loss(trained.probabilities, trained.labels) == pytest.approx(trained.metrics["log_loss"])


def test_the_holdout_is_answered_by_the_whole_ensemble_and_kept(trained, photos, tmp_path):
    kept = trained.holdout_answers
    held = make_manifest(photos).table.query("split == 'holdout'")
    assert kept.paths.tolist() == held["path"].tolist()
    assert [trained.classes[i] for i in kept.labels] == held["label"].tolist()
    assert log_loss(kept.probabilities, kept.labels) == pytest.approx(trained.metrics["holdout_log_loss"])
    (trained.path / "holdout.parquet").unlink()  # a run of before these answers were kept
    assert trained.holdout_answers is None
    runs.answer_holdout(trained, tmp_path / "images")
    assert np.array_equal(trained.holdout_answers.probabilities, kept.probabilities)


def test_without_a_holdout_there_are_no_answers_about_it(photos, tmp_path):
    whole = make_manifest(photos)
    whole.table["split"] = "train"
    run = runs.train(whole, make_config(), images=tmp_path / "images", runs=tmp_path / "runs")
    assert len(run.holdout_answers.paths) == 0
    assert "holdout_log_loss" not in run.metrics
    (run.path / "holdout.parquet").unlink()
    runs.answer_holdout(run, tmp_path / "images")
    assert run.holdout_answers.probabilities.shape == (0, 3)


def test_two_runs_are_compared_on_their_holdout_and_on_their_folds(trained, photos, tmp_path):
    other = train_in(tmp_path, photos, "epochs=30", "seed=5")
    found = compare.holdout(trained, other)
    assert len(found.paths) == 6
    result = compare.paired_on(found, other)
    assert result.difference == pytest.approx(other.metrics["holdout_log_loss"] - trained.metrics["holdout_log_loss"])
    folds = compare.out_of_fold(trained, other)
    assert folds.after.losses.mean() == pytest.approx(other.metrics["log_loss"])
    told = compare.differing(trained, other).set_index("option")
    assert told.loc["epochs"].tolist() == ["4", "30"]
    assert told.loc["seed"].tolist() == ["0", "5"]
    assert len(told) == 2
    (other.path / "holdout.parquet").unlink()
    assert compare.holdout(trained, runs.load(other.path)) is None


def test_what_the_other_run_knows_as_a_copy_of_a_training_image_is_not_compared(trained, photos, tmp_path):
    other = train_in(tmp_path, photos, "epochs=5")
    table, found = other.manifest.table, compare.holdout(trained, other)
    [held, *_], [learned, *_] = (table["path"][table["split"] == split].tolist() for split in ("holdout", "train"))
    table.loc[table["path"].isin([held, learned]), "group"] = 77
    other.__dict__["manifest"] = replace(other.manifest, table=table)
    without = compare.holdout(trained, other)
    assert set(found.paths) - set(without.paths) == {held}
    assert (found.left_out["copies"], without.left_out["copies"]) == (0, 1)


def test_a_run_that_cannot_be_read_is_listed_with_why(trained):
    (trained.path / "config.yaml").write_text("option_of_tomorrow: 1\n")
    [row] = runs.list_runs(trained.path.parent).to_dict("records")
    assert (row["state"], row["name"]) == ("failed", trained.id)
    assert "unknown key option_of_tomorrow" in row["error"]


def test_disagreement_of_recipes_is_kept_for_every_training_image(photos, tmp_path, trained):
    assert trained.answers.disagreement is None  # one recipe has no one to disagree with
    run = train_in(tmp_path, photos, "recipes=[[tiny],[tiny, other]]")
    known = run.answers.disagreement
    assert known.shape == (30,)
    assert 0 < known.max() <= 1


def test_copies_of_one_photo_are_in_one_fold(photos, tmp_path):
    made = make_manifest(photos, holdout=3)
    copies = np.flatnonzero(made.table["split"] == "train")[:30].reshape(10, 3)
    made.table.loc[copies.ravel(), "group"] = np.repeat(np.arange(10), 3)
    dealt = train.prepare(made, make_config(), tmp_path / "images")
    grouped = dealt.train["group"].to_numpy() >= 0
    assert grouped.sum() == 30
    folds = pd.Series(dealt.folds[grouped]).groupby(dealt.train["group"].to_numpy()[grouped])
    assert (folds.nunique() == 1).all()
    apart = train.prepare(make_manifest(photos, holdout=3), make_config(), tmp_path / "images").folds[grouped]
    assert (pd.Series(apart).groupby(np.repeat(np.arange(10), 3)).nunique() > 1).any()  # what happens without groups


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(trained, photos, tmp_path):
    again = train_in(tmp_path, photos, runs_in="again")
    other = train_in(tmp_path, photos, "seed=1", runs_in="other")
    assert (again.path / "oof.parquet").read_bytes() == (trained.path / "oof.parquet").read_bytes()
    assert (other.path / "oof.parquet").read_bytes() != (trained.path / "oof.parquet").read_bytes()


def test_a_finished_training_starts_anew(trained, photos, tmp_path):
    again = train_in(tmp_path, photos)
    assert again.id != trained.id
    listed = runs.list_runs(tmp_path / "runs")
    assert listed["id"].tolist() == sorted([again.id, trained.id], reverse=True)
    assert listed["state"].tolist() == ["finished", "finished"]
    assert listed["log_loss"].tolist() == [trained.metrics["log_loss"]] * 2


def test_a_run_that_stopped_goes_on_with_what_is_missing(photos, tmp_path, monkeypatch):
    places = tmp_path / "runs"
    fits = []
    fit_member = train.fit_member

    def counted(*arguments):
        fits.append(arguments)
        if len(fits) == 3:
            raise KeyboardInterrupt
        return fit_member(*arguments)

    monkeypatch.setattr(train, "cores", lambda: 1)
    monkeypatch.setattr(train, "fit_member", counted)
    with pytest.raises(KeyboardInterrupt):
        train_in(tmp_path, photos)
    assert runs.list_runs(places)["state"].tolist() == ["interrupted"]
    with pytest.raises(InputError, match="is not finished"):
        _ = runs.load(runs.list_runs(places)["id"][0], places).metrics
    finished = train_in(tmp_path, photos)
    assert len(fits) == 4
    assert runs.list_runs(places)["state"].tolist() == ["finished"]
    uninterrupted = train_in(tmp_path, photos, runs_in="other")
    assert len(fits) == 7
    assert (finished.path / "oof.parquet").read_bytes() == (uninterrupted.path / "oof.parquet").read_bytes()


def test_another_configuration_or_manifest_does_not_go_on_with_it(photos, tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "fit_member", stop)
    with pytest.raises(KeyboardInterrupt):
        train_in(tmp_path, photos)
    monkeypatch.undo()
    monkeypatch.setattr(backbones, "load", lambda name: tiny.backbone())
    other = train_in(tmp_path, photos, "epochs=5")
    more = runs.train(make_manifest(photos, holdout=3), make_config(), images=tmp_path / "images", runs=tmp_path / "runs")
    states = runs.list_runs(tmp_path / "runs").set_index("id")["state"]
    assert states[other.id] == states[more.id] == "finished"
    assert (states == "interrupted").sum() == 1


def test_kill_in_the_middle_then_the_same_result_as_without(photos, trained, tmp_path):
    places = tmp_path / "killed"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    program = [sys.executable, Path(__file__).parent / "tiny_runs.py", tmp_path / "images", places, "0.3"]
    child = subprocess.Popen(program, env=environment)
    try:
        deadline = time.monotonic() + 240
        while not list(places.glob("*/members/*-fold0.json")):
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(InputError, match="another process is training this configuration on this manifest"):
            train_in(tmp_path, photos, runs_in="killed")
        assert runs.list_runs(places)["state"].tolist() == ["running"]
    finally:
        child.kill()
        child.wait()
    assert runs.list_runs(places)["state"].tolist() == ["interrupted"]
    first = next(places.glob("*/members/*-fold0.safetensors")).stat().st_mtime_ns
    resumed = train_in(tmp_path, photos, runs_in="killed")
    assert (resumed.path / "members" / "tiny-fold0.safetensors").stat().st_mtime_ns == first
    assert len(runs.list_runs(places)) == 1
    assert (resumed.path / "oof.parquet").read_bytes() == (trained.path / "oof.parquet").read_bytes()


def test_a_bug_is_recorded_and_propagates(photos, tmp_path, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(train, "fit_member", broken)
    with pytest.raises(ZeroDivisionError):
        train_in(tmp_path, photos)
    listed = runs.list_runs(tmp_path / "runs")
    assert listed[["state", "error"]].to_numpy().tolist() == [["failed", "a bug"]]


def test_changed_weights_are_refused(trained, tmp_path):
    file = trained.path / "members" / "tiny-fold1.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"tiny-fold1.safetensors is missing or was changed"):
        runs.predict(trained, tmp_path / "images")


def test_images_without_features_are_counted_and_named(photos, tmp_path):
    changed, gone = tmp_path / "images" / photos["path"][3], tmp_path / "images" / photos["path"][7]
    changed.write_bytes(b"not what it was")
    gone.unlink()
    problem = r"2 images of the manifest cannot be used: .*003.png \(the file changed.*not found under"
    with pytest.raises(InputError, match=problem):
        train_in(tmp_path, photos)
    assert runs.list_runs(tmp_path / "runs").empty


def test_one_class_cannot_be_trained(photos, tmp_path):
    whole = make_manifest(photos)
    one = manifest.Manifest(whole.table[whole.table["label"] == "path"], ["path"], {"path": "path"}, {})
    with pytest.raises(InputError, match="at least two classes"):
        runs.train(one, make_config(), images=tmp_path / "images", runs=tmp_path / "runs")


def test_several_recipes_and_views_share_the_ensemble(photos, tmp_path):
    run = train_in(tmp_path, photos, "recipes=[[tiny],[tiny, other]]", "mirror=true")
    assert len(run.cards) == 6
    assert sum(card.weight for card in run.cards) == pytest.approx(1)
    assert sum(recipe["weight"] for recipe in run.recipes) == pytest.approx(1)
    assert "log_loss_one_view" in run.metrics
    assert [plan["weights"] for plan in run.plans] == ["uniform", "inverse_log_loss", "optimised"]
    assert [(row["part"], row["name"]) for row in run.effects if row["part"] == "recipe"] == [
        ("recipe", "tiny"), ("recipe", "tiny+other")]
    assert {"recipes", "views", "temperature", "weights"} <= {row["part"] for row in run.effects}
    two, one = (runs.predict(run, tmp_path / "images", tta=n) for n in (None, 1))
    assert np.abs(two.iloc[:, 1:].to_numpy() - one.iloc[:, 1:].to_numpy()).max() > 1e-6
    pd.testing.assert_frame_equal(two, runs.predict(run, tmp_path / "images", tta=2))


def test_predictions_have_a_column_for_each_original_class_and_a_row_for_each_image(trained, tmp_path):
    (tmp_path / "images" / "broken.jpg").write_bytes(b"no image")
    table = runs.predict(trained, tmp_path / "images")
    assert table.columns.tolist() == ["file", *sorted(trained.manifest.mapping)]
    assert len(table) == 37
    probabilities = table.iloc[:, 1:].to_numpy()
    assert np.allclose(probabilities.sum(1), 1)
    assert (table["gone"] == 0).all()
    broken = table.set_index("file").loc["broken.jpg"]
    counts = trained.oof["label"].value_counts()
    assert [broken[name] for name in CLASSES] == pytest.approx([counts[name] / 30 for name in CLASSES])
    shares = runs.predict(trained, tmp_path / "images", expand="share")
    assert np.allclose(shares["산타페"], shares["싼타페"])


def test_predictions_are_the_weighted_members_worked_out_by_hand(trained, photos, tmp_path):
    from hai_core import embeddings
    from hai_core.ensemble.features import of_recipe
    from hai_core.members import store
    from hai_core.probabilities import softmax

    features = of_recipe(trained.config, photos["sha256"].tolist(), ["tiny"], ("center",))[0]
    assert np.allclose(np.linalg.norm(features, axis=1), 1)
    assert embeddings.have(photos["sha256"].tolist(), "tiny").all()
    expected = np.zeros((len(photos), 3))
    for card in trained.cards:
        member = store.load(trained.path / "members", card.name, trained.config, 3)
        z = member(__import__("torch").from_numpy(features)).detach().numpy()
        expected += card.weight * softmax(z, card.temperature)
    table = runs.predict(trained, tmp_path / "images").set_index("file").loc[photos["path"]]
    assert np.allclose(table[CLASSES[0]], expected[:, 0])
    assert np.allclose(table["산타페"] + table["싼타페"], expected[:, 2])


SERIES = {CLASSES[0]: "one", CLASSES[1]: "one"}


@pytest.mark.parametrize("weights", ["uniform", "optimised"])
def test_predictions_are_made_by_exactly_what_was_fitted(photos, tmp_path, weights):
    made = make_manifest(photos)
    made = manifest.Manifest(made.table, made.classes, made.mapping, SERIES, {})
    options = ("recipes=[[tiny],[tiny, other]]", f"weights={weights}", "calibration=groups", "hierarchy=series")
    run = runs.train(made, make_config(*options), images=tmp_path / "images", runs=tmp_path / "runs")
    results = run._results
    assert results["pool"] == "log"
    assert results["sharpness"][0] == results["sharpness"][1] != results["sharpness"][2]
    assert results["hierarchy"]["series"] in ([0, 0, 1], [1, 1, 0])
    table = runs.predict(run, tmp_path / "images").set_index("file").loc[photos["path"]]
    answers = np.stack([table[CLASSES[0]], table[CLASSES[1]], table["산타페"] + table["싼타페"]], axis=1)
    assert np.allclose(answers, by_hand(run, photos, results))
    flat = by_hand(run, photos, results | {"hierarchy": None})
    assert np.abs(answers - flat).max() > 1e-4  # so that the hierarchy is seen to be there


def by_hand(run, photos, results):
    """Probabilities (N, 3) from the members' logits, one number of metrics.json after the other."""
    from hai_core.ensemble.features import of_recipe
    from hai_core.ensemble.hierarchy import Hierarchy
    from hai_core.members import store
    from hai_core.probabilities import softmax

    pooled = 0.0
    for recipe in results["recipes"]:
        features = of_recipe(run.config, photos["sha256"].tolist(), recipe["recipe"].split("+"), ("center",))[0]
        mean = 0.0
        for card in (card for card in run.cards if card.recipe == recipe["recipe"]):
            z = store.load(run.path / "members", card.name, run.config, 3)(__import__("torch").from_numpy(features))
            mean = mean + card.weight / recipe["weight"] * softmax(z.detach().numpy(), recipe["temperature"])
        pooled = pooled + recipe["weight"] * (np.log(mean) if results["pool"] == "log" else mean)
    logits = pooled if results["pool"] == "log" else np.log(pooled)
    answers = (3 * softmax(logits, results["temperature"])) ** np.array(results["sharpness"])
    answers /= answers.sum(axis=1, keepdims=True)
    if results["hierarchy"] is None:
        return answers
    series = results["hierarchy"]
    return Hierarchy(series["series"], series["series_temperature"], series["class_temperature"], series["exponents"])(answers)


def test_all_members_are_compared_with_the_best_one_on_the_holdout(trained, photos, tmp_path):
    from hai_core.ensemble.features import of_recipe
    from hai_core.members import store
    from hai_core.probabilities import softmax

    held = trained.manifest.table.query("split == 'holdout'")
    codes = pd.Index(CLASSES).get_indexer(held["label"])
    features = of_recipe(trained.config, held["sha256"].tolist(), ["tiny"], ("center",))[0]
    alone = {}
    for card in trained.cards:
        z = store.load(trained.path / "members", card.name, trained.config, 3)(__import__("torch").from_numpy(features))
        alone[card.name] = log_loss(softmax(z.detach().numpy(), card.temperature), codes)
    row = next(row for row in trained.effects if row["part"] == "members")
    assert row["name"] == min(alone, key=alone.__getitem__)
    assert row["log_loss"] == pytest.approx(alone[row["name"]])
    assert row["gain"] == pytest.approx(alone[row["name"]] - trained.metrics["holdout_log_loss"])
    assert len(set(alone.values())) == 3


def test_runs_of_earlier_versions_predict_as_they_did(photos, tmp_path):
    run = train_in(tmp_path, photos, "recipes=[[tiny],[tiny, other]]", "weights=inverse_log_loss")
    table = runs.predict(run, tmp_path / "images").set_index("file").loc[photos["path"]]
    assert np.allclose(table[CLASSES[0]], by_hand(run, photos, run._results | {"sharpness": [1] * 3})[:, 0])
    new = {"pool", "sharpness", "hierarchy", "plans", "effects"}
    (run.path / "metrics.json").write_text(json.dumps({key: v for key, v in run._results.items() if key not in new}))
    lines = (run.path / "config.yaml").read_text().splitlines(keepends=True)
    keys = ("weights:", "calibration:", "hierarchy:")
    (run.path / "config.yaml").write_text("".join(line for line in lines if not line.startswith(keys)))
    old = runs.load(run.path)
    assert new.isdisjoint(old._results)
    linear = by_hand(run, photos, run._results | {"sharpness": [1] * 3, "pool": "linear"})[:, 0]
    assert np.abs(linear - table[CLASSES[0]]).max() > 1e-5
    table = runs.predict(old, tmp_path / "images").set_index("file").loc[photos["path"]]
    assert np.allclose(table[CLASSES[0]], linear)
    assert old.plans == old.effects == []


def test_a_hierarchy_without_series_is_refused(photos, tmp_path):
    with pytest.raises(InputError, match="no two classes of the manifest are of one series"):
        train_in(tmp_path, photos, "hierarchy=series")
    assert train_in(tmp_path, photos, "hierarchy=best").plans[0]["hierarchy"] == "none"


def test_other_weights_than_those_trained_with_are_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(backbones, "load", lambda name: tiny.backbone(fingerprint="fedcba9876543210"))
    with pytest.raises(InputError, match="weights of tiny on this machine are not those"):
        runs.predict(trained, tmp_path / "images")


def test_runs_are_found_by_folder_or_id_and_a_missing_one_is_named(trained, tmp_path):
    assert runs.load(trained.path) == runs.load(trained.id, tmp_path / "runs")
    with pytest.raises(InputError, match=r"there is no run nothing in .*runs"):
        runs.load("nothing", tmp_path / "runs")
    assert runs.list_runs(tmp_path / "nowhere").empty


def test_a_dead_process_means_interrupted_and_another_machine_is_believed(trained):
    info = json.loads((trained.path / "run.json").read_text())
    gone = subprocess.Popen(["true"])
    gone.wait()
    mine = {"host": info["process"]["host"], "id": gone.pid}
    assert runs.Run(trained.path, info | {"state": "running", "process": mine}).state == "interrupted"
    assert runs.Run(trained.path, info | {"state": "running", "process": mine | {"host": "elsewhere"}}).state == "running"
    assert runs.Run(trained.path, info | {"state": "running", "process": mine | {"id": os.getpid()}}).state == "running"


def test_runs_without_training_need_no_torch():
    script = "import sys, hai_core.runs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_two_at_once_get_folders_of_their_own(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x-2").mkdir()
    assert runs._free(tmp_path / "x").name == "x-3"
