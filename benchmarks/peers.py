"""Other tools' findings in our columns. Run by the benchmarks, in the environment of requirements-bench.txt; needs no hai_core.

    PYTHON benchmarks/peers.py imagededup|imagededup-cnn|fastdup|cleanvision|cleanvision-quality IMAGES OUT.csv [MODEL.pt]

Each is called as its documentation does it, imagededup's PHash with our radius of 10 bits. Groups are the connected sets of the
pairs that a tool reports; the first path is the kept one (none of them chooses). imagededup's CNN, whose own weights come from
the network, runs on MODEL, our default backbone as TorchScript, with its own limit of 0.9; fastdup's larger models fetch theirs
too and are left out. The last line printed is how many seconds it took to pick the files that CleanVision can read (0 for the
others).
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import Any

QUALITY = ("dark", "light", "blurry", "low_information", "odd_size", "odd_aspect_ratio", "grayscale")

Sets = list[list[str]]


def imagededup(root: str) -> Sets:
    declared = _torchvision()  # noqa: F841
    from imagededup.methods import PHash

    method = PHash(verbose=False)
    hashes = method.encode_images(image_dir=root, recursive=True)
    found = method.find_duplicates(encoding_map=hashes, max_distance_threshold=10)
    return connected((path, other) for path, others in found.items() for other in others)


def imagededup_cnn(root: str, model: str) -> Sets:
    declared = _torchvision()  # noqa: F841
    import torch
    from imagededup.methods import CNN
    from imagededup.utils import CustomModel
    from torchvision import transforms

    steps = [transforms.Resize(256, transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(224), transforms.ToTensor(),
             transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
    config = CustomModel(name="lite0", model=torch.jit.load(model), transform=transforms.Compose(steps))
    method = CNN(verbose=False, model_config=config)
    found = method.find_duplicates(image_dir=root, recursive=True, min_similarity_threshold=0.9)
    return connected((path, other) for path, others in found.items() for other in others)


def _torchvision() -> Any:
    """What lets torchvision be imported beside any build of PyTorch (see hai_core/torchvision_shim.py), while it is kept."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def fastdup(root: str) -> Sets:
    import fastdup as tool

    with tempfile.TemporaryDirectory() as work:
        run = tool.create(input_dir=root, work_dir=work)
        run.run(overwrite=True, verbose=False)
        components, _ = run.connected_components()
    if "filename" not in components:  # no copy at all
        return []
    groups = components.groupby("component_id")["filename"].apply(list)
    return [[os.path.relpath(os.path.join(root, path), root) for path in paths] for paths in groups if len(paths) > 1]


def cleanvision(root: str, paths: list[str]) -> Sets:
    from cleanvision import Imagelab

    lab = Imagelab(filepaths=paths, verbose=False)
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, verbose=False)
    sets = [paths for kind in ("exact_duplicates", "near_duplicates") for paths in lab.info[kind]["sets"]]
    return connected((os.path.relpath(paths[0], root), os.path.relpath(path, root)) for paths in sets for path in paths[1:])


def cleanvision_quality(root: str, paths: list[str]) -> list[tuple[str, str]]:
    from cleanvision import Imagelab

    lab = Imagelab(filepaths=paths, verbose=False)
    lab.find_issues({name: {} for name in QUALITY}, verbose=False)  # without names it looks for copies too
    found = lab.issues
    return [(os.path.relpath(path, root), name) for name in QUALITY for path in found.index[found[f"is_{name}_issue"]]]


def readable(root: str) -> list[str]:
    """What Pillow recognises: CleanVision stops with a traceback at a file that is no image."""
    from PIL import Image

    paths = []
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                with Image.open(os.path.join(folder, name)) as image:
                    image.load()
            except OSError:
                continue
            paths.append(os.path.join(folder, name))
    return sorted(paths)


def connected(pairs: Iterable[tuple[str, str]]) -> Sets:
    group: dict[str, set[str]] = {}
    for a, b in pairs:
        merged = group.get(a, {a}) | group.get(b, {b})
        group.update(dict.fromkeys(merged, merged))
    return [sorted(paths) for paths in {id(paths): paths for paths in group.values()}.values() if len(paths) > 1]


def main() -> None:
    name, root, out, *model = sys.argv[1:]
    began = time.perf_counter()
    paths = readable(root) if name.startswith("cleanvision") else []
    picking = time.perf_counter() - began if paths else 0.0
    if name == "cleanvision-quality":
        found = cleanvision_quality(root, paths)
        rows = [{"path": path, "problem": problem} for path, problem in found]
        names = ["path", "problem"]
    else:
        tools = {"imagededup": imagededup, "imagededup-cnn": imagededup_cnn, "fastdup": fastdup, "cleanvision": cleanvision}
        sets = tools[name](root, *([paths] if name == "cleanvision" else model))
        rows = [{"group": str(number), "path": path, "keep": str(place == 0), "kind": name}
                for number, paths in enumerate(sets) for place, path in enumerate(sorted(paths))]
        names = ["group", "path", "keep", "kind"]
    with open(out, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, names)
        writer.writeheader()
        writer.writerows(rows)
    print(picking)


if __name__ == "__main__":
    main()
