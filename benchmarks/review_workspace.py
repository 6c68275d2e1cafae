"""A workspace of 33,000 photos in 396 classes with everything that the review pages show, for benchmarks of the pages.

    python -m benchmarks.review_workspace OUT IMAGES [--images 33000] [--classes 396]

IMAGES is a folder of photos in folders named by class. A class of the result is one of theirs as another lens would have taken
it (turned, its colours and brightness shifted), so that classes made from one are hard to tell apart, as facelifts are; a photo
differs from the next one made from the same photo by a crop. A few are saved again smaller (copies), and one label in twenty is
wrong. Writes OUT/photos, OUT/cache and the workspace OUT/review, then indexes and looks for findings with one backbone. What is
there already is not made again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

SIDE = 320  # pixels, long side of a photo: its thumbnail is as large as that of any other
COPIES, WRONG = 0.02, 0.05  # shares of images
STEPS = (["index"], ["find", "duplicates", "--no-embeddings"], ["find", "quality"],
         *(["find", kind, "--backbone", "tf_efficientnet_lite0"] for kind in ("noise", "outliers", "clusters", "merges")))


def write_class(number: int, photos: list[Path], folder: Path, others: list[str], count: int) -> None:
    """`count` photos of class `number`, made from `photos`; some of them put into one of the `others`."""
    generator = np.random.default_rng(number)
    turn, warmth, light = generator.uniform(-6, 6), generator.uniform(0.75, 1.25), generator.uniform(0.8, 1.25)
    for i in range(count):
        file = folder / f"{i:03d}.jpg"
        image = Image.open(photos[i % len(photos)]).convert("RGB")
        left, top, right, bottom = (generator.uniform(0, 0.12, 4) * ([image.width, image.height] * 2)).round()
        image = image.rotate(turn, Image.Resampling.BILINEAR, fillcolor=(118, 118, 118))
        image = image.crop((left, top, image.width - right, image.height - bottom))
        image.thumbnail((SIDE, SIDE))
        image = ImageEnhance.Brightness(ImageEnhance.Color(image).enhance(warmth)).enhance(light)
        where = folder.parent / others[generator.integers(len(others))] if generator.random() < WRONG else folder
        where.mkdir(parents=True, exist_ok=True)
        image.save(where / f"{number:03d}-{file.name}", quality=88)
        if generator.random() < COPIES:
            smaller = image.resize((image.width * 3 // 4, image.height * 3 // 4))
            smaller.save(folder / f"{number:03d}-{i:03d}-copy.jpg", quality=80)


def write_photos(source: Path, out: Path, images: int, classes: int) -> None:
    """Photos of car-like names: Korean, with a generation and years, so that names are as long as they are in practice."""
    folders = sorted(folder for folder in source.iterdir() if folder.is_dir())
    names = [f"{folders[k % len(folders)].name}_{k // len(folders) + 1}세대_{2000 + k % 24}" for k in range(classes)]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = []
        for k, name in enumerate(names):
            (out / name).mkdir(parents=True, exist_ok=True)
            count = images // classes + (k < images % classes)
            photos = sorted(folders[k % len(folders)].glob("*.jpg"))
            jobs.append(pool.submit(write_class, k, photos, out / name, [other for other in names if other != name], count))
        for job in jobs:
            job.result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("source", metavar="images", type=Path)
    parser.add_argument("--images", type=int, default=33_000)
    parser.add_argument("--classes", type=int, default=396)
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    if not (out / "written").exists():
        write_photos(arguments.source, out / "photos", arguments.images, arguments.classes)
        (out / "written").touch()
    environment = os.environ | {"HAI_CACHE": str(out / "cache")}
    workspace = out / "review"
    steps = {"init": ["init", str(workspace), "--images", str(out / "photos")]}
    steps |= {" ".join(step[:2]): [*step, "-w", str(workspace)] for step in STEPS}
    for name, step in steps.items():
        if not (done := out / f"{name}.done").exists():
            subprocess.run([sys.executable, "-m", "hai_core", *step], env=environment, check=True)
            done.touch()
    print(f"HAI_CACHE={out / 'cache'} python -m hai_core app -w {workspace}")


if __name__ == "__main__":
    main()
