"""What can be told about the Dockerfile without Docker."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINES = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()


def of(instruction: str) -> list[str]:
    return [line.removeprefix(instruction).strip() for line in LINES if line.startswith(f"{instruction} ")]


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"([\w-]+)==([\w.]+)", text))


def test_versions_are_those_of_the_requirements():
    required, named = pins((ROOT / "requirements.txt").read_text(encoding="utf-8")), pins(" ".join(of("RUN")))
    assert named == {"torch": required["torch"], "torchvision": required["torchvision"],
                     "s3fs": required["fsspec"]}  # which takes no fsspec but that of its own version


def test_what_is_copied_exists_and_is_not_ignored():
    copied = [word for line in of("COPY") for word in line.split()[:-1] if not word.startswith("--")]
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == ["requirements.txt", "hai_core"]
    assert all((ROOT / name).exists() for name in copied)
    assert kept == set(copied)


def test_it_runs_the_command_line_as_no_root():
    assert of("USER") == ["hai"]
    assert LINES.index("USER hai") < next(i for i, line in enumerate(LINES) if "pip install" in line)
    assert json.loads(of("ENTRYPOINT")[0]) == ["python", "-m", "hai_core"]
    assert "nvidia/cuda" in of("FROM")[0]
