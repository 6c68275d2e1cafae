"""What a result came from besides its input: program, versions, commit, and what differed from the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import distributions, version

from hai_core import __version__
from hai_core.workspace import repository_root


def versions() -> dict[str, str]:
    """Versions of Python, of this program and of what its numbers depend on."""
    packages = ("torch", "timm", "numpy", "scipy", "pandas", "safetensors")
    return {"hai_core": __version__, "python": platform.python_version()} | {name: version(name) for name in packages}


def requirements() -> str:
    """Every installed package as `name==version` lines: what `pip install -r` needs to make the environment again."""
    installed = {(found.name or "", found.version) for found in distributions()}
    return "".join(f"{name}=={number}\n" for name, number in sorted(installed, key=lambda one: one[0].lower()) if name)


def git_commit() -> str:
    """Commit of the program's checkout, with `-dirty` where files differ from it; '' without git. Where the program is not in
    its checkout, HAI_COMMIT names it."""
    return os.environ.get("HAI_COMMIT") or _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*").strip()


def git_diff() -> str:
    """How the checkout's files differ from the commit, as a patch; '' where they do not, and without git."""
    return _git("diff", "HEAD")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=repository_root(), capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")
