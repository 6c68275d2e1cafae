from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from make_images import image_bytes, make_image

from hai_core.findings import alignment
from hai_core.findings.pairs import Pairs, connected


@pytest.fixture
def compared(monkeypatch):
    """How many pairs were compared by their thumbnails."""
    counted, real = [], alignment.compare

    def compare(images, a, b):
        counted.extend(a)
        return real(images, a, b)

    monkeypatch.setattr(alignment, "compare", compare)
    return counted


def pairs_of(photos):
    """Pairs of images that differ in nothing but their content, and every pair of rows."""
    jpegs = {f"{row}": image_bytes(photo) for row, photo in enumerate(photos)}
    table = pd.DataFrame({"sha256": list(jpegs), "pixel_hash": list(jpegs), "phash": np.zeros(len(jpegs), np.int64),
                          "phash_mirror": np.zeros(len(jpegs), np.int64)})
    every = np.array(list(itertools.combinations(range(len(photos)), 2)))
    return Pairs(table, None, lambda names: {name: jpegs[name] for name in names}), every


def test_of_many_copies_few_pairs_are_compared(compared):
    photo = make_image(0)
    pairs, every = pairs_of([photo.crop((row % 4, row // 4, 320, 240)) for row in range(32)] + [make_image(1)])
    edges = pairs.connect(every, np.ones(33, bool))
    assert connected(edges) == [list(range(32))]
    assert len(compared) < 150 < len(every) == 528


def test_where_next_to_nothing_matches_all_are_compared_at_once(monkeypatch):
    pairs, every = pairs_of([make_image(seed) for seed in range(24)])
    asked = []
    confirm = pairs.confirm
    monkeypatch.setattr(pairs, "confirm", lambda some: asked.append(len(some)) or confirm(some))
    assert not len(pairs.connect(every, np.ones(24, bool)))
    assert len(asked) == 2
    assert sum(asked) == len(every)


def test_what_only_a_row_left_out_connects_is_compared_then(compared):
    photo = make_image(2)
    pairs, every = pairs_of([photo, photo.crop((3, 0, 320, 240)), photo.crop((0, 3, 320, 240)), make_image(5)])
    rows = np.ones(4, bool)
    pairs.connect(every, rows)
    for gone in range(3):
        rows[:] = True
        rows[gone] = False
        assert connected(pairs.connect(every, rows)) == [[row for row in range(3) if row != gone]]
    before = len(compared)
    assert not len(pairs.connect(every, np.arange(4) > 1))
    assert len(compared) == before == 6  # each once
