"""Pulling and pushing by fsspec, with its file system in memory as the other machine."""

import hashlib
import json
import unicodedata
from pathlib import Path

import fsspec
import pytest
import tiny
from tiny_runs import make_config, make_manifest, write_photos

from hai_core import backbones, cli, manifest, progress, remote, runs
from hai_core.ensemble import train
from hai_core.workspace import InputError, Workspace

IMAGES, MANIFEST, RUNS = "memory://bucket/my images", "memory://bucket/manifests/a", "memory://bucket/runs"


@pytest.fixture
def bucket():
    """Another machine's files; empty again afterwards."""
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


@pytest.fixture
def photos(bucket, tmp_path, monkeypatch):
    """Images and manifest at the URLs, not on this machine; path, label, sha256 of the images."""
    monkeypatch.setattr(backbones, "load", lambda name, weights=None: tiny.backbone())
    photos = write_photos(tmp_path / "there")
    bucket.put(str(tmp_path / "there") + "/", IMAGES + "/", recursive=True)
    folder = manifest.save(make_manifest(photos), tmp_path / "manifest")
    bucket.put(str(folder) + "/", MANIFEST + "/", recursive=True)
    (tmp_path / "there").rename(tmp_path / "gone")
    return photos


@pytest.fixture
def reads(bucket, monkeypatch):
    """What was read at the URLs."""
    read, cat_file = [], type(bucket).cat_file
    monkeypatch.setattr(type(bucket), "cat_file", lambda self, path, *more, **named: (
        read.append(path), cat_file(self, path, *more, **named))[1])
    return read


def config_file(tmp_path) -> Path:
    (tmp_path / "tiny.yaml").write_text(make_config().to_yaml(), encoding="utf-8")
    return tmp_path / "tiny.yaml"


def test_images_are_pulled_once_and_those_that_changed_here_again(photos, reads):
    folder = remote.images(IMAGES, photos)
    assert len(reads) == len(photos) == 36
    for path, sha256 in zip(photos["path"], photos["sha256"], strict=True):
        assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == sha256
    (folder / photos["path"][3]).write_bytes(b"cut short")
    (folder / photos["path"][7]).unlink()
    reads.clear()
    assert remote.images(IMAGES, photos) == folder
    assert len(reads) == 2
    assert hashlib.sha256((folder / photos["path"][3]).read_bytes()).hexdigest() == photos["sha256"][3]
    assert not list(folder.rglob("*.part"))


def test_only_the_manifests_images_are_pulled(photos, reads):
    folder = remote.images(IMAGES, photos.iloc[:5])
    assert len(reads) == len([file for file in folder.rglob("*") if file.is_file()]) == 5


def test_missing_and_changed_images_are_counted_and_named_after_the_others_came(photos, bucket):
    bucket.pipe_file(f"{IMAGES}/{photos['path'][3]}", b"not what it was")
    bucket.rm_file(f"{IMAGES}/{photos['path'][7]}")
    with pytest.raises(InputError) as caught:
        remote.images(IMAGES, photos)
    named = f"{photos['path'][3]} (other bytes than the manifest says), {photos['path'][7]} (not there)"
    assert str(caught.value) == f"2 images of the manifest could not be pulled from {IMAGES}: {named}"
    assert len([file for file in remote._pulled("images", IMAGES).rglob("*") if file.is_file()]) == 34


def test_names_as_macos_spells_them_are_found(photos, bucket):
    path = next(path for path in photos["path"] if not path.isascii())
    bucket.mv(f"{IMAGES}/{path}", f"{IMAGES}/{unicodedata.normalize('NFD', path)}")
    assert not bucket.exists(f"{IMAGES}/{path}")
    assert (remote.images(IMAGES, photos) / path).is_file()


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b"])
def test_a_manifest_cannot_write_outside_the_folder(photos, path):
    with pytest.raises(InputError, match="which leads out of the image root"):
        remote.images(IMAGES, photos.assign(path=[path, *photos["path"][1:]]))


@pytest.mark.parametrize(("url", "sentence"), [
    ("nope://x", "nope://x: Protocol not known: nope"),
    ("s3://bucket/m", "s3://bucket/m: Install s3fs to access S3"),
    ("memory://bucket/nothing", "there is no memory://bucket/nothing/manifest.csv"),
])
def test_a_url_that_cannot_be_read_is_one_sentence_and_status_2(bucket, url, sentence, capsys):
    assert cli.main(["train", "--manifest", url]) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


def test_train_from_urls_and_push(photos, bucket, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    words = ["train", "--manifest", f"{MANIFEST}/manifest.json", "--images", IMAGES, "--push", RUNS, "--config",
             str(config_file(tmp_path)), "--json"]
    assert cli.main(words) == 0
    result = json.loads(capsys.readouterr().out)
    here = {file.relative_to(tmp_path / "runs").as_posix(): file.read_bytes()
            for file in (tmp_path / "runs" / result["run"]).rglob("*") if file.is_file()}
    there = {name.removeprefix("/bucket/runs/"): bucket.cat_file(name) for name in bucket.find("/bucket/runs")}
    assert there == here
    assert json.loads(there[f"{result['run']}/run.json"])["state"] == "finished"
    workspace = Workspace.create(tmp_path / "home", tmp_path / "gone")
    assert remote.pull(RUNS, workspace.runs) == [result["run"]]
    assert runs.load(result["run"], workspace.runs).metrics["log_loss"] == result["log_loss"]
    assert remote.pull(RUNS, workspace.runs) == []
    with pytest.raises(InputError, match="there is no run at memory://bucket/other"):
        remote.pull("memory://bucket/other", workspace.runs)


def trained(place, photos, push=RUNS) -> runs.Run:
    return remote.train(make_manifest(photos), make_config(), images=remote.images(IMAGES, photos), runs=place, command="",
                        push=push)


def test_another_machine_goes_on_where_a_lost_one_was(photos, bucket, tmp_path, monkeypatch):
    fits, fit_member = [], train.fit_member

    def lost(*arguments):
        fits.append(arguments)
        if len(fits) == 3:
            raise SystemExit("the machine is gone")
        return fit_member(*arguments)

    monkeypatch.setattr(train, "cores", lambda: 1)
    monkeypatch.setattr(train, "fit_member", lost)
    with pytest.raises(SystemExit):
        trained(tmp_path / "first", photos)
    [id] = [path.name for path in (tmp_path / "first").glob("[!.]*")]
    assert sorted(name.rpartition("/")[2] for name in bucket.find(f"/bucket/runs/{id}/members") if name.endswith(".json")) == [
        "tiny-fold0.json", "tiny-fold1.json"]
    run = trained(tmp_path / "second", photos)
    assert (run.id, len(fits)) == (id, 4)
    whole = trained(tmp_path / "third", photos, push=None)
    assert len(fits) == 7
    assert (run.path / "oof.parquet").read_bytes() == (whole.path / "oof.parquet").read_bytes()
    assert json.loads(bucket.cat_file(f"/bucket/runs/{id}/run.json"))["state"] == "finished"


def test_a_run_that_another_machine_has_finished_is_not_written_over(photos, bucket, tmp_path, monkeypatch):
    run = trained(tmp_path / "here", photos)
    state = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(state | {"state": "interrupted"}))  # as this machine left it
    with pytest.raises(InputError, match=f"another machine has finished {run.id} at {RUNS} meanwhile"):
        trained(tmp_path / "here", photos)
    assert json.loads(bucket.cat_file(f"/bucket/runs/{run.id}/run.json"))["state"] == "finished"


def test_files_of_other_programs_are_no_runs(photos, bucket, tmp_path):
    for name, content in (("theirs", b'{"x": 1}'), ("list", b"[1]")):
        bucket.pipe_file(f"/bucket/runs/{name}/run.json", content)
    assert trained(tmp_path / "runs", photos).state == "finished"


def test_a_member_is_sent_once(photos, bucket, tmp_path, monkeypatch):
    sent, pipe_file = [], type(bucket).pipe_file
    monkeypatch.setattr(type(bucket), "pipe_file", lambda self, path, value, **named: (
        sent.append(path.rpartition("/")[2]), pipe_file(self, path, value, **named))[1])
    trained(tmp_path / "runs", photos)
    assert [sent.count(f"tiny-fold{fold}.safetensors") for fold in range(3)] == [1, 1, 1]
    assert sent.index("tiny-fold0.safetensors") < sent.index("tiny-fold0.json") < sent.index("oof.parquet")
    assert sent[-1] == "run.json"


def test_a_push_that_fails_in_between_is_tried_again(photos, bucket, tmp_path, monkeypatch):
    said, calls, write = [], [], remote._Store.write

    def unsteady(self, name, content):
        calls.append(name)
        if len(calls) == 3:
            raise OSError("the line was cut\nby a digger")
        write(self, name, content)

    monkeypatch.setattr(remote._Store, "write", unsteady)
    monkeypatch.setattr(progress, "say", said.append)
    run = trained(tmp_path / "runs", photos)
    assert any(line.startswith("warning: not pushed yet (") and line.endswith("the line was cut)") for line in said)
    assert len(bucket.find(f"/bucket/runs/{run.id}")) == len([file for file in run.path.rglob("*") if file.is_file()])


def test_a_push_that_fails_at_the_end_leaves_a_finished_run(photos, bucket, tmp_path, monkeypatch):
    def cut(self, name, content):
        raise OSError("no route to host")

    monkeypatch.setattr(remote._Store, "try_out", lambda self: monkeypatch.setattr(remote._Store, "write", cut))
    with pytest.raises(InputError, match=r"is complete, but was not pushed; later: runs push \(.*no route to host\)"):
        trained(tmp_path / "runs", photos)
    monkeypatch.undo()
    [listed] = runs.list_runs(tmp_path / "runs").to_dict("records")
    assert listed["state"] == "finished"
    remote.push(runs.load(listed["path"]), RUNS)
    assert bucket.exists(f"/bucket/runs/{listed['id']}/run.json")


def test_a_place_that_cannot_be_written_is_known_before_training(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "fit_member", lambda *arguments: pytest.fail("it was trained"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=f"file://{tmp_path}/file/runs: "):
        trained(tmp_path / "runs", photos, push=f"file://{tmp_path}/file/runs")
