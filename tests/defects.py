"""The defects of DESIGN.md section 8, put back one by one in a copy of this program, to see that the tests find each.

    python -m tests.defects [NUMBER ...]

Prints a line for each and exits 1 when one is not found. Takes about 20 s for each; tests/test_defects.py sees to it that what
is replaced is still there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("hai_core", "pages", "tests", "app.py", "pyproject.toml", ".streamlit")
FIT, FINETUNE, HEADS = "hai_core/members/fit.py", "hai_core/members/finetune.py", "hai_core/members/heads.py"
AVERAGING = "hai_core/members/averaging.py"


@dataclass(frozen=True)
class Defect:
    number: int  # of the point in section 8
    what: str
    file: str
    right: str
    wrong: str
    tests: str


DEFECTS = (
    Defect(1, "frozen features: the margin head does not see the labels", FIT, "loss_of(model(inputs, labels), labels,",
           "loss_of(model(inputs), labels,", "tests/members/test_fit.py"),
    Defect(1, "fine-tuning: the margin head does not see the labels of mixed images", FINETUNE,
           "self.model(inputs, both, frozen), both,", "self.model(inputs, None, frozen).expand(2, -1, -1), both,",
           "tests/members/test_finetune.py"),
    Defect(1, "fine-tuning: the margin is for one of two labels", FINETUNE, "both = torch.stack([labels, labels.flip(0)])",
           "both = torch.stack([labels, labels])", "tests/members/test_finetune.py"),
    Defect(1, "norm statistics move once for each set of labels", HEADS,
           "        z = self._quality(norms.detach().clamp(0.001, 100))\n",
           "        for _ in range(labels.ndim):\n            z = self._quality(norms.detach().clamp(0.001, 100))\n",
           "tests/members/test_heads.py"),
    Defect(1, "a batch of one has a standard deviation", HEADS, "            if len(norms) > 1:\n", "            if True:\n",
           "tests/members/test_heads.py"),
    Defect(2, "norm statistics move in evaluation mode", HEADS, "        if self.training:\n", "        if True:\n",
           "tests/members/test_heads.py"),
    Defect(2, "fine-tuning: validation hands the head labels", "hai_core/members/network.py",
           "answer(model.normalized(images.to(device)))",
           "answer(model.normalized(images.to(device)), torch.zeros(len(images), dtype=torch.int64))",
           "tests/members/test_finetune.py"),
    Defect(3, "frozen features: validation sees the training views", FIT,
           "torch.cat([model(inputs) for inputs in data.plain_batches(rows)])",
           "torch.cat([model(i) for i, _ in data.training_batches(rows, 64, torch.Generator().manual_seed(0))])",
           "tests/members/test_fit.py"),
    Defect(3, "fine-tuning: validation sees the training transform", FINETUNE,
           "self.transform = plain_transform(self.member.data_config)",
           "self.transform = training_transform(self.member.data_config, self.options, self.config.mirror)",
           "tests/members/test_finetune.py"),
    Defect(4, "frozen features: the schedule steps twice", FIT, "        schedule.step()\n",
           "        schedule.step()\n        schedule.step()\n", "tests/members/test_fit.py"),
    Defect(4, "fine-tuning: the schedule steps twice", FINETUNE, "rate = learning_rate(self.step, ",
           "rate = learning_rate(min(2 * self.step, self.plan.steps - 1), ", "tests/members/test_finetune.py"),
    Defect(5, "frozen features: other weights are validated than ship", FIT,
           "loss, accuracy = validate(shipped, data, validation)", "loss, accuracy = validate(model, data, validation)",
           "tests/members/test_fit.py"),
    Defect(5, "fine-tuning: other weights are validated than ship", FINETUNE, "answers = self._answers(shipped)",
           "answers = self._answers(self.member)", "tests/members/test_finetune.py"),
    Defect(5, "averaged weights ship with the statistics of the others", AVERAGING,
           "            self._refresh(shipped, batches)\n", "            pass\n", "tests/members/test_averaging.py"),
    Defect(6, "views are drawn", "hai_core/ensemble/tta.py", "return VIEWS[:count]",
           "import random; return tuple(random.choices(VIEWS, k=count))", "tests/ensemble/test_tta.py"),
    Defect(7, "unknown keys are ignored", "hai_core/members/config.py", 'extra="forbid"', 'extra="ignore"',
           "tests/members/test_config.py"),
    Defect(8, "merges are not in the manifest", "hai_core/manifest.py", "return dict(sorted((curation.mapping | {",
           "return dict(sorted(({name: name for name in curation.mapping} | {", "tests/test_manifest.py"),
    Defect(8, "a removal leaves no record", "hai_core/decisions.py", "        if entry.decisions:\n",
           "        if [d for d in entry.decisions if d.action != 'exclude']:\n", "tests/test_decisions.py"),
    Defect(9, "folds are dealt image by image", "hai_core/members/folds.py", "        if groups[i] >= 0:\n",
           "        if False:\n", "tests/members/test_folds.py"),
    Defect(9, "training does not tell the folds what belongs together", "hai_core/ensemble/train.py",
           'train["group"].to_numpy(), config.folds', "np.full(len(train), -1), config.folds", "tests/test_runs.py"),
)


def is_found(defect: Defect) -> bool:
    """Whether its tests fail, and not for a fault of this script."""
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, Path(folder) / part)  # type: ignore[operator]
        file = Path(folder) / defect.file
        file.write_text(file.read_text("utf-8").replace(defect.right, defect.wrong, 1), "utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", defect.tests]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    failed = [line.removeprefix("FAILED ") for line in ended.stdout.splitlines() if line.startswith("FAILED")]
    said = f"found by {failed[0]}" if failed else f"NOT FOUND\n{ended.stdout[-2000:]}"
    print(f"{defect.number} {defect.what}: {said}", flush=True)
    return bool(failed)


def main() -> None:
    wanted = {int(number) for number in sys.argv[1:]} or {defect.number for defect in DEFECTS}
    found = [is_found(defect) for defect in DEFECTS if defect.number in wanted]
    print(f"{sum(found)} of {len(found)} found")
    sys.exit(sum(found) != len(found))


if __name__ == "__main__":
    main()
