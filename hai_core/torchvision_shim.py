"""Lets torchvision, and so timm, be imported where its compiled operators do not fit the installed torch.

torchvision from PyPI is built for CUDA. Beside a CPU-only torch its library cannot be loaded, and `import torchvision` then
fails with "operator torchvision::nms does not exist". timm needs only torchvision's pure-Python transforms; declaring the two
schemas is enough for them. Import this module before timm. It does nothing where the compiled library loads.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch


def _compiled_library_loads() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    for library in sorted(Path(spec.origin).parent.glob("_C*.*")):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
        except OSError:
            continue
        return True
    return False


def _declare() -> torch.library.Library:
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    return library


# Kept for the life of the process: the declarations go when the object does.
_library = None if "torchvision" in sys.modules or _compiled_library_loads() else _declare()
