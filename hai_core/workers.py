"""Run a function over many items in worker processes, any of which may die without taking the run with it.

Processes, not threads: on the 3,289 photos of a Stanford Cars excerpt two processes took 6.3 s and two threads 7.8 s (2
cores), the gap grows with the cores, and a decoder that crashes on a hostile file takes only a worker along. Workers are
forked from a small server process that has loaded the function's module only, never from a process with threads.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 8  # items that a worker gets at a time


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[list[tuple[T, R | None]]]:
    """Yield lists of (item, work(item)) as they are done; the result is None where the process died over the item.

    An exception that `work` raises is a bug and propagates. With `workers=0` everything runs in this process. Workers
    never import the caller's main module, so `work` must be importable from another; a script needs no `__main__` guard.
    Raises RuntimeError when workers cannot even start: that is no item's fault.
    """
    waiting = deque(items[i:i + CHUNK] for i in range(0, len(items), CHUNK))
    if workers == 0:
        for chunk in waiting:
            yield [(item, work(item)) for item in chunk]
        return
    running: dict[Future[list[R]], Sequence[T]] = {}
    while waiting:
        try:
            with _pool(min(workers, len(waiting)), work.__module__) as submit:
                while waiting or running:
                    while waiting and len(running) < 3 * workers:
                        running[submit(_each, work, waiting[0])] = waiting[0]
                        waiting.popleft()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        results = future.result()
                        yield list(zip(running.pop(future), results, strict=True))
        except BrokenProcessPool:
            suspects = deque(item for chunk in running.values() for item in chunk)
            running.clear()
            while suspects:
                yield _one_by_one(work, suspects)


def _each(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [work(item) for item in items]


def _one_by_one(work: Callable[[T], R], suspects: deque[T]) -> list[tuple[T, R | None]]:
    """Take items until one kills the worker, which is then known to be the one that does."""
    done: list[tuple[T, R | None]] = []
    try:
        with _pool(1, work.__module__) as submit:
            while suspects:
                done.append((suspects[0], submit(work, suspects[0]).result()))
                suspects.popleft()
    except BrokenProcessPool:
        done.append((suspects.popleft(), None))
    return done


@contextmanager
def _pool(workers: int, module: str) -> Iterator[Callable[..., Future[Any]]]:
    """The `submit` of a pool; it may start a worker."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)

    def submit(*call: Any) -> Future[Any]:
        with _without_main():
            return pool.submit(*call)

    try:
        try:
            submit(os.getpid).result()
        except BrokenProcessPool as error:
            raise RuntimeError("worker processes die as they start; their traceback is above") from error
        yield submit
    finally:
        pool.shutdown(cancel_futures=True)


_main_is_hidden = threading.Lock()


@contextmanager
def _without_main() -> Iterator[None]:
    """For the block, a main module that started processes will not run again.

    A notebook, a script without a guard, or a page test has a main module that fails or starts over when it is imported, and
    every worker would die of it.
    """
    with _main_is_hidden:
        own = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = own


def _begin() -> None:
    threadpool_limits(1)  # there is a process for each core: a library's own threads would only wait for each other, busily
    # Ctrl-C at a terminal reaches workers too: they hold nothing, so they go at once and in silence.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A parent killed outright cannot tell its workers to stop, and they would wait for work for ever.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
