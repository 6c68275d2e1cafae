"""The order of packages in DESIGN.md section 3, read from the import statements."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "hai_core"

LEVELS: dict[str, int] = {  # module or package below hai_core; a package's modules are at its level
    "records": 0, "workspace": 0, "taxonomy": 0, "progress": 0, "database": 0, "torchvision_shim": 0, "names": 0,
    "provenance": 1, "usage": 1,
    "pixels": 1, "tree": 1, "workers": 1, "catalog_store": 1, "catalog": 1, "rules": 1, "anchors": 1, "fold": 1, "changes": 1,
    "journal_tables": 1, "journal_lines": 1, "decision_tables": 1, "decisions": 1, "series": 1, "backbones": 1, "demo": 1,
    "embeddings": 2, "neighbors": 2, "holdout": 2, "manifest_diff": 2, "manifest_export": 2, "manifest": 2, "probabilities": 2,
    "confusions": 2, "answers": 2, "series_proposals": 2, "runtime": 2, "hamming": 2, "nearest": 2, "resized": 2,
    "findings": 3, "projection": 3, "members": 3,
    "ensemble": 4, "runs": 4, "compare": 4,
    "tracking": 5, "jobs": 5, "remote": 5,
    "cli": 6, "serving": 6, "__main__": 6,
}
WITHOUT_TORCH = ("catalog", "decisions", "manifest", "jobs", "demo", "confusions", "compare", "cli")


def modules() -> dict[str, Path]:
    """Dotted name below hai_core -> file."""
    names = {".".join(f.relative_to(ROOT).with_suffix("").parts): f for f in ROOT.rglob("*.py") if f != ROOT / "__init__.py"}
    return {name.removesuffix(".__init__"): file for name, file in names.items()}


def imports(file: Path) -> list[str]:
    """Every module that a file imports, anywhere in it, but for type checking."""
    found = []
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing_only = {child for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
                   for child in ast.walk(node)}
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def top(dotted: str) -> str:
    return dotted.split(".")[0]


def test_every_module_has_a_level():
    unknown = {top(name) for name in modules()} - set(LEVELS)
    assert not unknown, f"give these a level in {__file__} and in docs/adr: {sorted(unknown)}"


@pytest.mark.parametrize(("name", "file"), modules().items())
def test_a_module_imports_only_from_its_own_or_a_lower_level(name, file):
    used = [i.removeprefix("hai_core.") for i in imports(file) if i.startswith("hai_core.")]
    higher = [u for u in used if top(u) in LEVELS and LEVELS[top(u)] > LEVELS[top(name)]]
    assert not higher


@pytest.mark.parametrize(("name", "file"), modules().items())
def test_the_core_knows_no_streamlit_and_mlflow_stays_in_its_place(name, file):
    used = {top(i) for i in imports(file)}
    assert "streamlit" not in used
    assert "pages" not in used
    if name not in ("tracking", "serving"):
        assert "mlflow" not in used


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_light_modules_do_not_reach_torch(name):
    script = f"import sys, hai_core.{name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT.parent, check=False).returncode == 0
