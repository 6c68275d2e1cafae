"""How many of the next images are wrong: the detector's claim, then what people found, with an honest interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hai_core.findings.remaining import DRIFT, OFFSET, ONE_LOOK, SLOPE, remaining, seen
from hai_core.records import Decision

NOTHING = np.zeros(0)


def wrong(score, offset, slope, rng):
    """Whether images of these scores are wrong, in a world where the detector's claim is off by `offset` and `slope`."""
    x = np.log((1 - score) / score)
    return (rng.random(len(score)) < 1 / (1 + np.exp(-offset - slope * x))).astype(float)


def test_before_any_decision_it_is_the_detectors_claim():
    claim = remaining(np.full(50, 0.4), NOTHING, NOTHING)
    assert (claim.images, claim.decided) == (50, 0)
    assert claim.expected == pytest.approx(30, abs=1.5)
    assert 12 < claim.low < 25 < 35 < claim.high < 46


def test_decisions_lead_away_from_a_claim_that_is_too_high_and_narrow_the_interval():
    following, before = np.full(50, 0.4), np.linspace(0.01, 0.4, 200)
    claim = remaining(following, NOTHING, NOTHING)
    after = remaining(following, before, wrong(before, -1.5, 0.6, np.random.default_rng(1)))
    assert after.expected < claim.expected - 10
    assert after.high - after.low < claim.high - claim.low
    assert after.decided == 200


def test_the_next_images_are_less_suspicious_than_those_seen():
    before = np.linspace(0.01, 0.5, 200)
    after = remaining(np.linspace(0.6, 0.9, 50), before, wrong(before, 0, 1, np.random.default_rng(1)))
    assert 6 < after.expected < 18  # the claim is 12.5; of those before three in four were wrong


def test_it_agrees_with_the_sum_over_a_fine_grid_of_curves():
    rng = np.random.default_rng(3)
    before, following = np.linspace(0.02, 0.7, 60), np.linspace(0.7, 0.9, 50)
    answers = wrong(before, -0.8, 0.9, rng)
    a, b = np.meshgrid(np.linspace(-4, 4, 161), np.linspace(-1, 3, 161), indexing="ij")
    x, coming = np.log((1 - before) / before), np.log((1 - following) / following)
    log_weight = -(a / OFFSET) ** 2 / 2 - ((b - 1) / SLOPE) ** 2 / 2
    for value, answer in zip(x, answers, strict=True):
        z = a + b * value
        log_weight += answer * z - np.logaddexp(0, z)
    weight = np.exp(log_weight - log_weight.max())
    departures = np.quantile(rng.normal(0, DRIFT, 20_000), np.linspace(0.02, 0.98, 25))
    expected = sum((weight / (1 + np.exp(-a - b * value - departure))).sum() / weight.sum()
                   for value in coming for departure in departures) / len(departures)
    assert remaining(following, before, answers).expected == pytest.approx(expected, abs=0.4)


@pytest.mark.parametrize(("offset", "slope"), [(0, 1), (-1, 1), (0.7, 0.8), (0, 1.4)])
def test_nine_in_ten_intervals_hold_the_true_number(offset, slope):
    rng = np.random.default_rng(5)
    score = np.sort(np.concatenate([rng.beta(0.5, 2, 300), rng.beta(4, 1, 700)]).clip(1e-4, 1 - 1e-4))
    held = []
    for _ in range(40):
        truth = wrong(score, offset, slope, rng)
        for stop in (40, 150, 300):
            found = remaining(score[stop:stop + 50], score[:stop], truth[:stop])
            held.append(found.low <= truth[stop:stop + 50].sum() <= found.high)
    assert np.mean(held) >= 0.88


def test_when_few_are_left_it_is_a_good_time_to_stop():
    assert remaining(np.full(50, 0.98), NOTHING, NOTHING).few
    assert not remaining(np.full(50, 0.5), NOTHING, NOTHING).few


def test_claims_beyond_all_doubt_and_a_single_next_image_are_fine():
    found = remaining(np.array([1.0]), np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    assert (found.low, found.high, found.images) == (0, 0, 1)
    assert remaining(NOTHING, NOTHING, NOTHING).expected == 0


def decision(action, path, score=0.5, kind="noise", value=""):
    return Decision(action, path=path, value=value, evidence={"page": "noise-noise", "kind": kind, "score": score})


def test_what_was_seen_in_this_list_counts_and_the_last_word_holds():
    score, was_wrong = seen([
        decision("relabel", "a", 0.1, value="X"), decision("exclude", "b", 0.2), decision("label_ok", "c", 0.3),
        decision("exclude", "d", 0.4), decision("label_ok", "d", 0.45),
        decision("label_ok", "e"), decision("unsure", "e"), decision("exclude", "f"), decision("restore", "f"),
        decision("exclude", "g", kind="quality"), Decision("exclude", path="h", reason="duplicate"),
        Decision("relabel", path="i", value="X", evidence={"finding": "noise", "score": 0.1}),
    ])
    assert score.tolist() == [0.1, 0.2, 0.3, 0.45]
    assert was_wrong.tolist() == [1, 1, 0, 0]


def test_what_was_accepted_in_bulk_was_not_looked_at():
    many = [replace(decision("relabel", f"{i}", value="X"), batch="bulk") for i in range(ONE_LOOK + 1)]
    one = replace(decision("relabel", "one", 0.1, value="X"), batch="one")
    assert seen([*many, one])[0].tolist() == [0.1]
    assert len(seen(many[:ONE_LOOK])[0]) == ONE_LOOK


def test_nothing_seen():
    score, was_wrong = seen([])
    assert (score.shape, was_wrong.shape) == ((0,), (0,))
