"""Features a second, and how far they agree: `embed` beside a plain PyTorch loop with timm's transform, on the same images.

    python -m benchmarks.embed IMAGES [--backbone tf_efficientnet_lite0] [--count 600] [--repeat 3]

The loop is what one would write: one process, one image decoded and transformed after the other, batches of 32, float32. Both
start with the files in the page cache; `embed` writes a new cache each time, and loads the model before the clock starts, as
the loop does. Prints the ratio of the medians, and the agreement of the features: cosine, and the share of the 10 nearest
neighbours that are the same.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from hai_core import backbones, catalog, embeddings, runtime
from hai_core.neighbors import cosine_neighbors


def plain(backbone: backbones.Backbone, files: list[Path]) -> np.ndarray:
    transform, features = backbone.transform(), []
    with torch.inference_mode():
        for start in range(0, len(files), 32):
            batch = torch.stack([transform(catalog.open_image(file)) for file in files[start:start + 32]])
            features.append(backbone.model(batch).numpy())
    return np.concatenate(features)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--backbone", default=backbones.DEFAULT)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HAI_CACHE"] = f"{folder}/catalog"
        table = catalog.scan(arguments.images, Path(folder) / "store").query("status == 'ok'").drop_duplicates("sha256")
        table = table.sample(min(arguments.count, len(table)), random_state=0)
        backbone = backbones.load(arguments.backbone)
        files = [arguments.images / file for file in table["file"]]
        plain(backbone, files[:64])
        seconds: dict[str, list[float]] = {"plain": [], "embed": []}
        for attempt in range(arguments.repeat):
            began = time.perf_counter()
            wanted = plain(backbone, files)
            seconds["plain"].append(time.perf_counter() - began)
            os.environ["HAI_CACHE"] = f"{folder}/{attempt}"
            began = time.perf_counter()
            embeddings.embed(arguments.images, table[["file", "sha256"]], arguments.backbone)
            seconds["embed"].append(time.perf_counter() - began)
        found = embeddings.load(table["sha256"].tolist(), arguments.backbone)
    for name, taken in seconds.items():
        print(f"{name:6s} {len(table) / statistics.median(taken):7.1f} images a second   {[round(s, 2) for s in taken]} s")
    print(f"ratio  {statistics.median(seconds['plain']) / statistics.median(seconds['embed']):.2f}   "
          f"{arguments.backbone}, {runtime.name(backbone)}, {len(table)} images, {os.cpu_count()} cores")
    cosine = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    both = [cosine_neighbors(features, 10)[0] for features in (found, wanted)]
    same = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*both, strict=True)])
    print(f"cosine to the loop's features: mean {cosine.mean():.6f}, least {cosine.min():.6f}; same 10 neighbours: {same:.4f}")


if __name__ == "__main__":
    main()
