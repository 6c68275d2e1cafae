"""As many features as a large dataset has, made from those of fewer photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hai_core import backbones, catalog, embeddings, workspace


def of_photos(images: Path, backbone: str = backbones.DEFAULT) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D) of the readable photos in a folder, by the cache, and the number of each one's class (N,)."""
    table = catalog.scan(images, workspace.cache_root() / "benchmarks").query("status == 'ok'")
    embeddings.embed(images, table[["file", "sha256"]], backbone)
    return embeddings.load(table["sha256"].tolist(), backbone), np.unique(table["label"], return_inverse=True)[1]


def enlarged(features: np.ndarray, codes: np.ndarray, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (count, D) and their classes (count,): every image about equally often, each time another one of its class.

    Half of the variance around the class mean is the image's own; half is drawn anew, with the covariance of images within
    their classes, so that the spread within classes and between them stays that of the photos. Never below 0, as features are.
    """
    rng = np.random.default_rng(seed)
    mean = np.stack([features[codes == code].mean(axis=0) for code in range(codes.max() + 1)])
    own = features - mean[codes]
    row = rng.permutation(np.arange(count) % len(features))
    made = np.empty((count, features.shape[1]), np.float32)
    for start in range(0, count, 1024):
        some = row[start:start + 1024]
        anew = rng.normal(size=(len(some), len(own))).astype(np.float32) @ own / np.sqrt(len(own))
        made[start:start + 1024] = np.maximum(mean[codes[some]] + (own[some] + anew) / np.sqrt(2), 0)
    return made, codes[row]
