"""How many of the next images of the noise list are really wrong, by the decisions made so far: when to stop looking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hai_core.records import Decision

COVERED = 0.9  # chance that the true number lies in the interval
OFFSET, SLOPE = 0.7, 0.3  # how far the detector's claim may be off: standard deviations of a and of b - 1
DRIFT = 0.3  # and how far the next images may be off the curve of those before, in logits
LIMIT = 6.0  # logits beyond which the detector is not taken at its word: 1 in 400
DRAWS = 4000
ONE_LOOK = 60  # images decided on at once beyond which nobody has looked at each
FEW = 0.1  # share of wrong labels among the next images at which looking on hardly pays

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Remaining:
    """Of the next `images`, about `expected` are wrong, and with a chance of 90 % `low` to `high` are.

    `decided`: decisions that this rests on; at 0 it is the detector's own expectation.
    """

    images: int
    expected: float
    low: int
    high: int
    decided: int

    @property
    def few(self) -> bool:
        """Whether it is a good time to stop: at most one in ten is expected to be wrong."""
        return self.expected <= FEW * self.images


def seen(decisions: Sequence[Decision], kind: str = "noise") -> tuple[Floats, Floats]:
    """Score of each image that was decided on in the list of this kind, as it was seen then, and whether its label was wrong.

    Both (n,). Wrong (1): relabelled or excluded. Right (0): the label was confirmed. The last decision about an image holds;
    one that says neither (unsure, restored) takes the image out. Decisions made elsewhere, or on hundreds at once, tell nothing
    about this list, and scores of a later search know of the decisions: none of these is looked at.
    """
    told: dict[str, tuple[float, float]] = {}
    together = Counter(decision.batch for decision in decisions)
    for decision in decisions:
        if (decision.evidence.get("kind") != kind or "score" not in decision.evidence
                or (decision.batch and together[decision.batch] > ONE_LOOK)):
            continue
        told.pop(decision.path, None)
        if decision.action in ("relabel", "exclude", "label_ok"):
            told[decision.path] = float(decision.evidence["score"]), float(decision.action != "label_ok")
    pairs = np.array(list(told.values()), np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def remaining(following: Floats, score: Floats, wrong: Floats) -> Remaining:
    """How many of `following` (m,), the scores of the next images, are wrong, after `seen` scores (n,) and answers (n,).

        P(wrong | score) = 1 / (1 + exp(-(a + b x))),   x = logit(1 - score),   a ~ N(0, 0.7^2), b ~ N(1, 0.3^2)

    a = 0, b = 1 is the detector's own claim, from which the decisions lead away as they grow in number. The next images are
    less suspicious than those before, so what counts is the curve and not the share seen so far. The interval is of the number
    itself: over draws of a and b (Laplace's approximation of their posterior), of a departure from the curve that all of the
    next images share (N(0, 0.3^2)), and of each image's own chance. Deterministic.

    Source: recalibration of a classifier's log odds, Platt, "Probabilistic Outputs for Support Vector Machines" (1999), with a
    prior that states the claim to be checked, Gelman et al., "A Weakly Informative Default Prior" (Ann. Appl. Stat. 2008).
    """
    x, coming = _logits(score), _logits(following)
    mode, spread = _posterior(x, np.asarray(wrong, np.float64))
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal(mode, spread, DRAWS)
    chance = _sigmoid(draws[:, :1] + draws[:, 1:] * coming + rng.normal(0, DRIFT, (DRAWS, 1)))
    numbers = (rng.random(chance.shape) < chance).sum(axis=1)
    low, high = np.quantile(numbers, [(1 - COVERED) / 2, (1 + COVERED) / 2], method="nearest")
    return Remaining(len(coming), float(chance.sum(axis=1).mean()), int(low), int(high), len(x))


def _logits(score: Floats) -> Floats:
    claim = np.clip(1 - np.asarray(score, np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.clip(np.log(claim) - np.log1p(-claim), -LIMIT, LIMIT), np.float64)


def _sigmoid(x: Floats) -> Floats:
    chance: Floats = 1 / (1 + np.exp(-x))
    return chance


def _posterior(x: Floats, wrong: Floats) -> tuple[Floats, Floats]:
    """Mode (2,) and covariance (2, 2) of (a, b), whose log posterior is concave."""
    from scipy.optimize import minimize

    claim, precision = np.array([0.0, 1.0]), np.diag([OFFSET**-2, SLOPE**-2])
    design = np.stack([np.ones_like(x), x], axis=1)

    def loss(curve: Floats) -> tuple[float, Floats]:
        z, off = design @ curve, curve - claim
        return (float((np.logaddexp(0, z) - wrong * z).sum() + off @ precision @ off / 2),
                design.T @ (_sigmoid(z) - wrong) + precision @ off)

    mode: Floats = minimize(loss, claim, jac=True, method="BFGS").x
    p = _sigmoid(design @ mode)
    return mode, np.asarray(np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]) + precision), np.float64)
