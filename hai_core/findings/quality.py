"""Images that are hard to learn from: unreadable, dark, light, blurry, without information, odd in size or shape, grey.

Every measure runs from 0 (worst) upward. An image's score is 1 at what is typical for the set, 0.5 at the limit and 0 at the
worst, linear in between; a score below 0.5 is a finding. A limit lies a number of standard deviations (1.4826 times the
median absolute deviation, which faults hardly move) below the median, but always between two absolute guards: so a studio set
and a street set are each judged by their own kind, and neither a very even nor a very mixed set gives senseless limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.records import OK, UNREADABLE

COLUMNS = ["path", "label", "problem", "score", "reason"]
PROBLEMS = ("unreadable", "dark", "light", "blurry", "low_information", "odd_size", "odd_aspect_ratio", "grayscale")

WHITE_NOISE = math.sqrt(20)  # Laplacian deviation / contrast of independent pixels; photographs have 0.3 to 2
NOISE_LIMIT = 3.0
GREY = 0.0125  # colour range / brightness below which an image counts as grey

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Judged:
    """One problem's scores (N,) for the readable images and the sentence for a row."""

    problem: str
    score: Floats
    reason: Callable[[int], str]


def quality(catalog: pd.DataFrame, *, all: bool = False) -> pd.DataFrame:
    """Quality findings of a catalog, worst first: path, label, problem, score (0 worst .. 1 fine), reason.

    One row for each image and problem beyond its limit, or with `all` for every image and problem (the scores below 0.5 are
    the findings). An unreadable image has the one row that says so. Grey images are findings only where most are in colour.
    """
    unreadable = catalog[catalog["status"] == UNREADABLE]
    images = catalog[catalog["status"] == OK]
    tables = [_table(unreadable, "unreadable", np.zeros(len(unreadable)), unreadable["reason"].tolist())]
    if all:
        tables.append(_table(images, "unreadable", np.ones(len(images)), ["it can be read"] * len(images)))
    if len(images):
        for judged in _judge(images):
            rows = np.arange(len(images)) if all else np.flatnonzero(judged.score < 0.5)
            reasons = [judged.reason(i) for i in rows.tolist()]
            tables.append(_table(images.iloc[rows], judged.problem, judged.score[rows], reasons))
    return pd.concat(tables, ignore_index=True).sort_values(["score", "path"], kind="stable", ignore_index=True)


def _table(images: pd.DataFrame, problem: str, score: Floats, reasons: list[str]) -> pd.DataFrame:
    table = images[["path", "label"]].assign(problem=problem, score=score, reason=reasons)
    return table.astype({"problem": "str", "reason": "str"})[COLUMNS]


def _judge(images: pd.DataFrame) -> Iterator[_Judged]:
    column = {name: images[name].to_numpy(np.float64) for name in
              ("luma_p05", "luma_p95", "contrast", "entropy", "sharpness", "brightness", "colorfulness", "width", "height")}
    yield _dark(column["luma_p95"])
    yield _light(column["luma_p05"])
    detail = _detail(column["sharpness"], column["contrast"])
    yield _blurry(detail)
    yield _low_information(column["entropy"], detail)
    yield _odd("odd_size", np.sqrt(column["width"] * column["height"]), 2.5, 10.0, "its size (root of width x height, px)")
    yield _odd("odd_aspect_ratio", column["width"] / column["height"], 2.0, 4.0, "its width / height")
    yield _grayscale(column["colorfulness"] / np.maximum(column["brightness"], 1 / 255))


def _dark(bright_parts: Floats) -> _Judged:
    limit, typical = _limit(bright_parts, 5, 0.1, 0.3)
    return _Judged("dark", _score(bright_parts, limit, typical), lambda i:
                   f"its brightest parts are at {bright_parts[i]:.0%} of white (typical here {typical:.0%}, "
                   f"dark below {limit:.0%})")


def _light(dark_parts: Floats) -> _Judged:
    limit, typical = _limit(1 - dark_parts, 5, 0.1, 0.4)
    return _Judged("light", _score(1 - dark_parts, limit, typical), lambda i:
                   f"its darkest parts are at {dark_parts[i]:.0%} of white (typical here {1 - typical:.0%}, "
                   f"light above {1 - limit:.0%})")


def _detail(sharpness: Floats, contrast: Floats) -> Floats:
    """Fine detail relative to contrast, so that neither a dark nor a foggy photo passes for a blurred one; NaN when flat."""
    flat = contrast < 1 / 255
    return np.where(flat, np.nan, sharpness / np.where(flat, 1.0, contrast))


def _blurry(detail: Floats) -> _Judged:
    logs = np.log(np.maximum(detail[np.isfinite(detail)], 1e-3))
    lowest, highest = math.log(0.1), math.log(0.35)
    limit = math.exp(_limit(logs, 4, lowest, highest)[0]) if len(logs) else 0.1
    typical = max(math.exp(float(np.median(logs))) if len(logs) else 0.0, 1.5 * limit)
    return _Judged("blurry", _score(np.nan_to_num(detail, nan=typical), limit, typical), lambda i:
                   "it is flat" if np.isnan(detail[i]) else
                   f"fine detail is {detail[i]:.2f} of its contrast (typical here {typical:.2f}, blurry below {limit:.2f})")


def _low_information(entropy: Floats, detail: Floats) -> _Judged:
    limit, typical = _limit(entropy, 6, 2.0, 3.5)
    tones = _score(entropy, limit, typical)
    calm = np.clip(1 - np.nan_to_num(detail) / WHITE_NOISE, 0, 1)
    noise = _score(calm, 1 - NOISE_LIMIT / WHITE_NOISE, max(float(np.median(calm)), 0.6))

    def reason(i: int) -> str:
        if noise[i] < tones[i]:
            return (f"neighbouring pixels differ as in noise: fine detail is {detail[i]:.2f} of its contrast "
                    f"(noise above {NOISE_LIMIT:.2f}, pure noise {WHITE_NOISE:.2f})")
        return f"its tones carry {entropy[i]:.1f} bits (typical here {typical:.1f}, too few below {limit:.1f}, at most 8)"

    return _Judged("low_information", np.minimum(tones, noise), reason)


def _odd(problem: str, values: Floats, least: float, most: float, what: str) -> _Judged:
    """Far from the typical value, as a factor in either direction: 5 deviations, at least `least`, at most `most`."""
    logs = np.log(values)
    distance = np.abs(logs - np.median(logs))
    factor = min(max(math.exp(5 * 1.4826 * float(np.median(distance))), least), most)
    typical = math.exp(float(np.median(logs)))
    return _Judged(problem, _score(np.exp(-distance), 1 / factor, 1.0), lambda i:
                   f"{what} is {values[i]:.3g} (typical here {typical:.3g}, odd beyond a factor of {factor:.1f})")


def _grayscale(color: Floats) -> _Judged:
    share = float(np.mean(color < GREY))
    score = _score(color, GREY, 2 * GREY) if share < 0.5 else np.ones(len(color))
    return _Judged("grayscale", score, lambda i:
                   f"its colours span {color[i]:.1%} of its brightness (grey below {GREY:.1%}; {share:.0%} here are)")


def _limit(values: Floats, deviations: float, lowest: float, highest: float) -> tuple[float, float]:
    """The limit below which a value is a finding, and what is typical (kept above the limit where most are beyond it)."""
    median = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - median)))
    limit = min(max(median - deviations * spread, lowest), highest)
    return limit, max(median, 1.5 * limit)


def _score(values: Floats, limit: float, typical: float) -> Floats:
    return np.interp(values, [0.0, limit, typical], [0.0, 0.5, 1.0])
