"""Training on a rented machine: manifest and images are pulled from any fsspec URL, the run is pushed to one as it grows.

file:// works as it is, s3:// with the package s3fs, gs:// with gcsfs, sftp:// with paramiko. What is pulled lies in
`cache/remote/`. A run is a folder at the URL, as it is in `runs/`: a machine that is lost costs what it had not finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from hai_core import progress
from hai_core import runs as local
from hai_core.manifest import Manifest
from hai_core.members.config import Config
from hai_core.runs import FINISHED, Run
from hai_core.workspace import InputError, cache_root, digest, without_secrets, write_atomic

AT_ONCE = 16  # files on their way
NAMED = 3  # files spelled out in a message


def is_url(place: str) -> bool:
    return "://" in place


def manifest(place: str) -> Path:
    """Where a manifest is on this machine: `place` itself, or, for a URL, where it was pulled to. Raises InputError."""
    if not is_url(place):
        return Path(place)
    url = place.removesuffix("/manifest.json").removesuffix("/manifest.csv")
    store, folder = _Store(url), _pulled("manifests", url)
    for name in ("manifest.csv", "manifest.json"):
        with _speaking(f"{url}/{name}"):
            content = store.read(name)
        write_atomic(folder / name, content)
    return folder


def images(place: str, table: pd.DataFrame) -> Path:
    """The image root on this machine: `place` itself, or, for a URL, where the images of a manifest's `table` (columns path,
    sha256) were pulled to.

    Only what is not there yet, byte for byte, is read. Raises InputError when the URL cannot be read, and when images are
    missing there or have other bytes than the manifest says: they are counted and some named, after all others were pulled.
    """
    if not is_url(place):
        return Path(place)
    store, folder = _Store(place), _pulled("images", place)
    wanted = list(zip(table["path"], table["sha256"], strict=True))
    if outside := [path for path, _ in wanted if _leads_out(path)]:
        raise InputError(f"the manifest names {outside[0]!r}, which leads out of the image root")
    failed: list[str] = []
    with progress.track("Pulling images", len(wanted)) as bar, ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            reasons = pool.map(lambda one: _pull_image(store, folder, place, *one), wanted)
            for (path, _), reason in zip(wanted, reasons, strict=True):
                failed += [f"{path} ({reason})"] if reason else []
                bar.advance()
        finally:
            pool.shutdown(cancel_futures=True)
    if failed:
        more = ", ..." if len(failed) > NAMED else ""
        raise InputError(f"{progress.count(len(failed), 'image')} of the manifest could not be pulled from {place}: "
                         f"{', '.join(failed[:NAMED])}{more}")
    return folder


def train(manifest: Manifest, config: Config, *, images: Path, runs: Path, command: str, push: str | None) -> Run:
    """`runs.train`, with the run pushed to `push`/ID after each member and at the end.

    A run of the same manifest and configuration that is unfinished there is pulled first, and gone on with. Raises InputError
    as `runs.train` does, and when the URL cannot be written at the start or at the end; in between, that is a warning.
    """
    if push is None:
        return local.train(manifest, config, images=images, runs=runs, command=command)
    store = _Store(push)
    store.try_out()
    for info in _listed(store):
        if (info["manifest"], info["config"]) != (manifest.digest, config.digest):
            continue
        if info["state"] != FINISHED:
            _pull_run(store, info["id"], runs)
        elif (runs / info["id"]).exists() and local.load(runs / info["id"]).info["state"] != FINISHED:
            raise InputError(f"another machine has finished {info['id']} at {without_secrets(push)} meanwhile; remove "
                             f"{runs / info['id']}, and bring it by: runs pull")
    copy = _Copy(store)
    run = local.train(manifest, config, images=images, runs=runs, command=command, after_member=copy.attempt)
    try:
        copy(run.path)
    except InputError as problem:
        raise InputError(f"the run {run.path} is complete, but was not pushed; later: runs push ({problem})") from problem
    progress.say(f"pushed to {without_secrets(push)}")
    return run


def push(run: Run, url: str) -> None:
    """Copy a run's folder to `url`/ID. Raises InputError."""
    _Copy(_Store(url))(run.path)


def pull(url: str, runs: Path) -> list[str]:
    """Bring the finished runs at `url` that the folder `runs` lacks; returns their ids. Raises InputError."""
    store = _Store(url)
    listed = _listed(store)
    if not listed:
        raise InputError(f"there is no run at {url}")
    return [info["id"] for info in listed if info["state"] == FINISHED and _pull_run(store, info["id"], runs)]


class _Store:
    """A folder at a URL. What the protocols raise stays as it is; `_speaking` makes a sentence of it."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        self.url = url.rstrip("/")
        with _speaking(url):
            self._fs, root = url_to_fs(url)
        self._root = root.rstrip("/")

    def read(self, name: str) -> bytes:
        return bytes(self._fs.cat_file(f"{self._root}/{name}"))

    def write(self, name: str, content: bytes) -> None:
        place = f"{self._root}/{name}"
        if not self._fs.async_impl:  # those are object stores, which have no folders, and would make a bucket of a slip
            self._fs.makedirs(place.rpartition("/")[0], exist_ok=True)
        self._fs.pipe_file(place, content)

    def try_out(self) -> None:
        """Write and remove a small file, so that a slip costs no training. Raises InputError."""
        with _speaking(self.url):
            self.write(".hai-was-here", b"")
            self._fs.rm_file(f"{self._root}/.hai-was-here")

    def names(self, folder: str = "") -> list[str]:
        """Every file below a folder, relative to it; none when it is not there."""
        place = f"{self._root}/{folder}".rstrip("/")
        found = self._fs.find(place) if self._fs.exists(place) else []
        return [name.removeprefix(place).lstrip("/") for name in found]


@contextmanager
def _speaking(url: str) -> Iterator[None]:
    """For calls to fsspec and nothing else: its protocols raise nearly anything, from packages that need not be installed."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"there is no {without_secrets(url)}") from error
    except Exception as error:
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise InputError(without_secrets(f"{url}: {said}")) from error


def _pulled(kind: str, url: str) -> Path:
    return cache_root() / "remote" / kind / digest(url.rstrip("/"))[:12]


def _leads_out(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts


def _pull_image(store: _Store, folder: Path, url: str, path: str, sha256: str) -> str:
    """Why the image is not here now; '' when it is."""
    file = folder / path
    if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256:
        return ""
    with _speaking(f"{url}/{path}"):
        content = _read_either_way(store, path)
    if content is None:
        return "not there"
    if hashlib.sha256(content).hexdigest() != sha256:
        return "other bytes than the manifest says"
    _write(file, content)
    return ""


def _read_either_way(store: _Store, path: str) -> bytes | None:
    """A file by its name in NFC, or as macOS spells it."""
    for name in dict.fromkeys((path, unicodedata.normalize("NFD", path))):
        try:
            return store.read(name)
        except FileNotFoundError:
            continue
    return None


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all, but not flushed to the disk: whoever reads it checks it, and there are very many."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{digest(file.name)[:16]}.{os.getpid()}.part")
    part.write_bytes(content)
    os.replace(part, file)


def _listed(store: _Store) -> list[dict[str, Any]]:
    """run.json of every run at a URL, in the order of their ids."""
    with _speaking(store.url):
        files = sorted(name for name in store.names() if PurePosixPath(name).parts[1:] == ("run.json",))
        read = [(PurePosixPath(name).parts[0], json.loads(store.read(name))) for name in files]
    ours = {"state", "manifest", "config"}  # other programs have files of that name too
    return [info | {"id": folder} for folder, info in read if isinstance(info, dict) and ours <= info.keys()]


def _pull_run(store: _Store, id: str, runs: Path) -> bool:
    """Bring a run that is not here yet; whether it was not."""
    if (runs / id).exists():
        return False
    part = runs / f".{id}.part"
    shutil.rmtree(part, ignore_errors=True)
    with _speaking(f"{store.url}/{id}"):
        names = store.names(id)
    with progress.track(f"Pulling {id}", len(names), "files") as bar:
        for name in names:
            if _leads_out(name):
                raise InputError(f"{store.url}/{id} holds {name!r}, which leads out of it")
            with _speaking(f"{store.url}/{id}/{name}"):
                content = store.read(f"{id}/{name}")
            _write(part / name, content)
            bar.advance()
    part.rename(runs / id)
    return True


class _Copy:
    """A run's folder, copied again and again: files that did not change since are left, and run.json comes last, so that what
    is listed is there."""

    def __init__(self, store: _Store) -> None:
        self._store = store
        self._sent: dict[Path, tuple[int, int]] = {}

    def __call__(self, run: Path) -> None:
        """Raises InputError."""
        for file in _in_order(run):
            state = (file.stat().st_mtime_ns, file.stat().st_size)
            if self._sent.get(file) != state:
                name = f"{run.name}/{file.relative_to(run).as_posix()}"
                with _speaking(f"{self._store.url}/{name}"):
                    self._store.write(name, file.read_bytes())
                self._sent[file] = state

    def attempt(self, run: Path) -> None:
        """The same, but what goes wrong is a warning: it is tried again after the next member."""
        try:
            self(run)
        except InputError as problem:
            progress.say(f"warning: not pushed yet ({problem})")


def _in_order(run: Path) -> Sequence[Path]:
    """A member's weights before its .json, which says that they are there; run.json after everything."""
    files = [file for file in run.rglob("*") if file.is_file() and file.suffix != ".part"]
    return sorted(files, key=lambda file: (file == run / "run.json", file.suffix == ".json", file))
