"""A hundred requests at once to a run that `mlflow models serve` serves in a process of its own: are they right, and how fast.

    python -m benchmarks.serve RUN IMAGES [--requests 100] [--workers 1]

RUN is the folder of a finished run, of which a copy is registered in a new store; IMAGES a folder of photos. Each request holds
one photo; all are sent at the same moment, from as many threads. Answers are compared with `predict`'s. Then come requests that
are wrong. Prints the time until the server answered at all, requests a second, and the median and slowest request.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hai_core import runs, tracking
from hai_core.tracking import Registered

PATIENCE = 120.0  # seconds until the server must answer


@contextmanager
def served(model: Registered, workers: int = 1) -> Iterator[str]:
    """The address of a server that was started for the block as a person would start it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    programs = Path(sys.executable).parent
    environment = os.environ | {"MLFLOW_TRACKING_URI": model.store, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    command = [str(programs / "mlflow"), "models", "serve", "--env-manager", "local", "-m", model.uri, "--host", "127.0.0.1",
               "--port", str(port), "--workers", str(workers)]
    with tempfile.TemporaryDirectory() as elsewhere, tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, cwd=elsewhere, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(f"http://127.0.0.1:{port}/ping", process)
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def ask(address: str, inputs: object) -> tuple[int, dict, float]:
    """Status, answer and seconds of one request."""
    began = time.perf_counter()
    request = urllib.request.Request(address, json.dumps({"inputs": inputs}).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.load(answer), time.perf_counter() - began
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal), time.perf_counter() - began


def image(content: bytes) -> dict[str, str]:
    return {"image": base64.b64encode(content).decode()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(arguments.run, Path(folder) / "runs" / arguments.run.name)
        run = runs.load(Path(folder) / "runs" / arguments.run.name)
        expected = runs.predict(run, arguments.images).set_index("file")
        files = [expected.index[number % len(expected)] for number in range(arguments.requests)]
        contents = [[image((arguments.images / file).read_bytes())] for file in files]
        began = time.perf_counter()
        model = tracking.register(run)
        print(f"registered in {time.perf_counter() - began:.1f} s")
        began = time.perf_counter()
        with served(model, arguments.workers) as address:
            print(f"first answer after {time.perf_counter() - began:.1f} s")
            report(address, contents, expected.loc[files].to_numpy())


def report(address: str, contents: list, expected: np.ndarray) -> None:
    ask(address, contents[0])
    began = time.perf_counter()
    with ThreadPoolExecutor(len(contents)) as pool:
        answers = list(pool.map(lambda inputs: ask(address, inputs), contents))
    seconds = time.perf_counter() - began
    told = np.array([list(answer["predictions"][0].values()) for status, answer, _ in answers if status == 200])
    taken = [one for _, _, one in answers]
    print(f"{len(told)} of {len(answers)} answered in {seconds:.1f} s, {len(answers) / seconds:.1f} a second; median "
          f"{statistics.median(taken):.2f} s, slowest {max(taken):.2f} s; largest difference from predict "
          f"{np.abs(told - expected).max():.1e}")
    for inputs in ([image(b"not an image")], contents[0] + [{"image": "!"}], []):
        status, answer, _ = ask(address, inputs)
        print(status, answer["message"])


if __name__ == "__main__":
    main()
