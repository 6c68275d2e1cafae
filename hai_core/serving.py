"""The ensemble as an MLflow pyfunc model: what answers when `mlflow models serve` is asked.

    {"inputs": [{"image": "<base64 of an image file>"}, ...]}  ->  {"predictions": [{"<class>": probability, ...}, ...]}

`tracking.register` makes the model: a run folder, and this package. MLflow imports this module by its name, in a server where
nothing else of the program runs. Status 400: the request is wrong, in one sentence that names the position; 500: it is not, and
the server's log has the traceback. MLflow itself would call every failure of a model the request's fault.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import tempfile
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE

from hai_core import runs
from hai_core.ensemble.direct import Crops, Predictor
from hai_core.pixels import UnreadableImage
from hai_core.workers import cores

MAX_IMAGES = 256  # in one request, so that others get their turn
MAX_BYTES = 32 << 20  # of one image file


class Answer(MlflowException):
    """What a client is told instead of probabilities: one sentence. MLflow would quote the whole request, images and all."""

    def serialize_as_json(self) -> str:
        self.message = self.args[0]
        return super().serialize_as_json()  # type: ignore[no-any-return,no-untyped-call]


class _Refused(Exception):
    """The request is wrong; the text says where and why."""


class Served:
    """What MLflow calls, from several threads at once."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._decoding = BoundedSemaphore(cores())  # an image takes up to a gigabyte while it is decoded

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """A row of class probabilities for each image. `model_input`: a list of {"image": base64}, or a table with that column.

        Raises Answer, of status 400 or 500.
        """
        try:
            return self._answer(model_input.to_dict("records") if isinstance(model_input, pd.DataFrame) else model_input)
        except _Refused as refusal:
            raise Answer(str(refusal), INVALID_PARAMETER_VALUE) from refusal
        except Exception as fault:
            logging.getLogger(__name__).exception("a request failed, and the request was not at fault")
            raise Answer("the server failed, and not because of the request; its log says how", INTERNAL_ERROR) from fault

    def _answer(self, inputs: Any) -> pd.DataFrame:
        if not isinstance(inputs, list) or not inputs:
            raise _Refused('"inputs" must be a list of at least one {"image": "<base64>"}')
        if len(inputs) > MAX_IMAGES:
            raise _Refused(f"inputs holds {len(inputs)} images; at most {MAX_IMAGES} fit in one request")
        with self._decoding:
            crops = [self._crops(f"inputs[{position}]", item) for position, item in enumerate(inputs)]
        return pd.DataFrame(self._predictor(crops), columns=self._predictor.names)

    def _crops(self, place: str, item: Any) -> Crops:
        content = _content(place, item)
        try:
            return self._predictor.crops(content)
        except UnreadableImage as error:
            if isinstance(error.__cause__, MemoryError):
                raise
            raise _Refused(f"{place} cannot be read as an image: {error}") from error


def _content(place: str, item: Any) -> bytes:
    """The bytes of an image file."""
    if not isinstance(item, dict) or set(item) != {"image"}:
        raise _Refused(f'{place} must be {{"image": "<base64>"}} and nothing else')
    text = item["image"]
    if not isinstance(text, str):
        raise _Refused(f"{place}: the image is not a text of base64")
    if len(text) > MAX_BYTES * 4 // 3 + 4:
        raise _Refused(f"{place} is too large: an image file may have {MAX_BYTES >> 20} MiB")
    try:
        return base64.b64decode("".join(text.split()), validate=True)  # the command base64 breaks lines
    except (binascii.Error, ValueError) as error:
        raise _Refused(f"{place} is not base64: {str(error).lower()}") from error


def _load_pyfunc(path: str) -> Served:
    """Called by MLflow with the run folder that the model carries."""
    # Beside the code, where the cache otherwise is, a model's folder may be read-only, and is no place to leave things.
    os.environ.setdefault("HAI_CACHE", str(Path(tempfile.gettempdir()) / "hai-cache"))
    predictor = runs.predictor(runs.load(path))
    if "torch" not in predictor.runtimes:  # only the heads are left to it: small, and many requests at once
        torch.set_num_threads(1)
    return Served(predictor)
