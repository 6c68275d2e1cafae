import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from hai_core import backbones, embeddings
from hai_core.workspace import InputError, embeddings_root


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The tiny backbone under the name `tiny`, with a cache of its own."""
    monkeypatch.setenv("HAI_CACHE", str(tmp_path / "cache"))
    loaded = tiny.backbone()
    monkeypatch.setattr(backbones, "load", lambda name: loaded)
    return loaded.model


@pytest.fixture
def images(tmp_path):
    return tmp_path / "images"


def program(images, seconds):
    return subprocess.Popen([sys.executable, tiny.__file__, str(images), str(seconds)], stdout=subprocess.PIPE, text=True,
                            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])})


def indexed():
    found = list(embeddings_root().glob("tiny-center-*/index.sqlite"))
    if not found:
        return 0
    with sqlite3.connect(found[0], timeout=30) as db:
        try:
            return db.execute("SELECT count(*) FROM rows").fetchone()[0]
        except sqlite3.OperationalError:  # the table is not there yet
            return 0


def test_features_are_computed_once(model, images):
    files = tiny.write_images(images, 10)
    first = embeddings.embed(images, files, "tiny", batch_size=4)
    assert (first.images, first.computed, model.batches) == (10, 10, 3)
    assert first.images_per_second > 0
    second = embeddings.embed(images, files, "tiny", batch_size=4)
    assert (second.images, second.computed, second.images_per_second, model.batches) == (10, 0, 0.0, 3)


def test_only_new_content_is_computed(model, images):
    files = tiny.write_images(images, 6)
    embeddings.embed(images, files.head(4), "tiny")
    moved = files.assign(file=["moved.png", *files["file"][1:]])
    assert embeddings.embed(images, moved, "tiny").computed == 2
    assert not embeddings.have(["f" * 64, *files["sha256"]], "tiny")[0]
    assert embeddings.have(["f" * 64, *files["sha256"]], "tiny")[1:].all()


def test_features_come_in_the_order_asked_for_and_equal_a_plain_loop(model, images):
    files = tiny.write_images(images, 9)
    embeddings.embed(images, files, "tiny", batch_size=4)
    order = [7, 0, 0, 8, 3]
    features = embeddings.load(files["sha256"][order], "tiny")
    transform = backbones.load("tiny").transform()
    plain = [model(transform(Image.open(images / files["file"][row]).convert("RGB"))[None])[0].numpy() for row in order]
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, np.stack(plain), atol=1e-6)
    assert not np.allclose(features[0], features[1], atol=1e-2)


def test_the_mirror_view_is_kept_apart(model, images):
    files = tiny.write_images(images, 5)
    embeddings.embed(images, files, "tiny")
    with pytest.raises(InputError, match="embed"):
        embeddings.load(files["sha256"], "tiny", view="mirror")
    assert embeddings.embed(images, files, "tiny", view="mirror").computed == 5
    center = embeddings.load(files["sha256"], "tiny").reshape(5, 3, 2, 2)
    mirror = embeddings.load(files["sha256"], "tiny", view="mirror").reshape(5, 3, 2, 2)
    np.testing.assert_allclose(mirror, center[..., ::-1], atol=1e-6)
    assert not np.allclose(mirror, center, atol=1e-2)


def test_other_weights_do_not_find_the_old_features(model, images, monkeypatch):
    files = tiny.write_images(images, 3)
    embeddings.embed(images, files, "tiny")
    other = tiny.backbone(fingerprint="f" * 16)
    monkeypatch.setattr(backbones, "load", lambda name: other)
    assert not embeddings.have(files["sha256"], "tiny").any()


def test_rows_continue_over_shards(model, images, monkeypatch):
    monkeypatch.setattr(embeddings, "SHARD_ROWS", 4)
    files = tiny.write_images(images, 11)
    embeddings.embed(images, files.head(3), "tiny", batch_size=3)
    embeddings.embed(images, files, "tiny", batch_size=3)
    assert len(list(embeddings_root().glob("tiny-center-*/*.npy"))) == 3
    features = embeddings.load(files["sha256"], "tiny")
    assert len(np.unique(features.round(4), axis=0)) == 11


def test_missing_features_name_the_command(model, images):
    files = tiny.write_images(images, 3)
    embeddings.embed(images, files.head(2), "tiny")
    with pytest.raises(InputError, match="1 of 3 images have no tiny features yet; compute them with: embed --backbone tiny"):
        embeddings.load(files["sha256"], "tiny")


def test_changed_and_unreadable_files_are_reported_and_never_a_row_of_zeros(model, images):
    files = tiny.write_images(images, 6)
    (images / "001.png").write_bytes((images / "002.png").read_bytes())
    (images / "003.png").unlink()
    report = embeddings.embed(images, files, "tiny", batch_size=2)
    assert report.computed == 4
    assert report.failed == [("001.png", "the file changed since it was indexed"), ("003.png", "file not found")]
    assert embeddings.have(files["sha256"], "tiny").tolist() == [True, False, True, False, True, True]


def test_copies_are_computed_once_and_files_without_a_hash_not_at_all(model, images):
    files = tiny.write_images(images, 3)
    (images / "copy.png").write_bytes((images / "000.png").read_bytes())
    files.loc[3] = ["copy.png", files["sha256"][0]]
    files.loc[4] = ["unreadable.png", ""]
    report = embeddings.embed(images, files, "tiny")
    assert (report.images, report.computed, report.failed) == (3, 3, [])


def test_killed_at_any_moment_the_next_run_goes_on(model, images):
    files = tiny.write_images(images, 40)
    running = program(images, 0.2)
    deadline = time.monotonic() + 60
    while indexed() < 8:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    done = indexed()
    assert 8 <= done < 40
    assert embeddings.embed(images, files, "tiny", batch_size=4).computed == 40 - done
    transform_free = np.stack([_quarters(images / file) for file in files["file"]])
    assert np.abs(embeddings.load(files["sha256"], "tiny") - transform_free).max() < 0.2


def _quarters(file):
    colours = torch.from_numpy(np.asarray(Image.open(file).resize((32, 32)), dtype=np.float32) / 127.5 - 1)
    return tiny.MeanColours()(colours.permute(2, 0, 1)[None])[0].numpy()


def test_two_processes_share_the_work(model, images):
    files = tiny.write_images(images, 24)
    both = [program(images, 0.1), program(images, 0.1)]
    counts = [int(running.communicate(timeout=240)[0]) for running in both]
    assert sum(counts) == 24
    assert embeddings.embed(images, files, "tiny").computed == 0
    assert len(embeddings.load(files["sha256"], "tiny")) == 24
