"""Workers that die, bugs that must be heard, and what a killed parent leaves behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hai_core import workers
from hai_core.workers import run


def square_or_die(number: int) -> int:
    if number in (13, 21):
        os.kill(os.getpid(), signal.SIGSEGV)
    return number * number


def buggy(number: int) -> int:
    return 1 // (number - 5)


def slow(number: int) -> int:
    Path(os.environ["PIDS"], str(os.getpid())).touch()
    time.sleep(0.5)
    return number


def flat(batches: object) -> dict[int, int | None]:
    return dict(pair for batch in batches for pair in batch)  # type: ignore[attr-defined]


def test_every_item_has_its_result_in_this_process_or_in_others() -> None:
    items = list(range(100))
    assert flat(run(abs, items, 0)) == flat(run(abs, items, 2)) == {i: i for i in items}
    assert flat(run(abs, [], 2)) == {}


def test_a_worker_that_dies_takes_only_its_item_with_it() -> None:
    found = flat(run(square_or_die, range(60), 2))
    assert found == {i: None if i in (13, 21) else i * i for i in range(60)}


@pytest.mark.parametrize("count", [0, 2])
def test_a_bug_propagates(count: int) -> None:
    with pytest.raises(ZeroDivisionError):
        flat(run(buggy, range(40), count))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_parent(number: int, tmp_path: Path) -> None:
    program = ("import signal, sys; sys.path[:0] = sys.argv[1:]; import test_workers as t; "
               "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a test run in the background ignores it
               "t.flat(t.run(t.slow, range(400), 2))")
    folders = [str(Path(workers.__file__).parents[1]), str(Path(__file__).parent)]
    environment = os.environ | {"PIDS": str(tmp_path), "PYTHONPATH": os.pathsep.join(folders)}
    parent = subprocess.Popen([sys.executable, "-c", program, *folders], env=environment,
                              stderr=subprocess.PIPE, start_new_session=True)
    limit = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < limit:
        time.sleep(0.02)
    pids = [int(file.name) for file in tmp_path.iterdir()]
    assert len(pids) == 2
    assert all(map(alive, pids))
    (os.killpg if number == signal.SIGINT else os.kill)(parent.pid, number)
    errors = parent.communicate(timeout=20)[1].decode()
    while any(map(alive, pids)) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not any(map(alive, pids))
    if number == signal.SIGINT:
        assert errors.count("Traceback") == 1  # the parent's KeyboardInterrupt alone
        assert errors.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize("ending", ["", "\nraise NameError('run again')"])
def test_the_callers_main_module_does_not_run_again(ending: str, tmp_path: Path) -> None:
    """A script without a guard, and one whose main fails when it is imported."""
    script = tmp_path / "script.py"
    script.write_text("import time\nfrom hai_core.workers import run\nprint('start', flush=True)\n"
                      "print(sum(len(batch) for batch in run(time.sleep, [0.01] * 100, 2)), flush=True)" + ending)
    root = Path(__file__).parent.parent
    ended = subprocess.run([sys.executable, script], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, timeout=60,
                           capture_output=True, text=True, check=False)
    assert ended.stdout == "start\n100\n"


def test_workers_that_cannot_start_are_not_blamed_on_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_begin", os.abort)
    with pytest.raises(RuntimeError, match="die as they start"):
        flat(run(abs, range(20), 2))
