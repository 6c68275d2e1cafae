"""What to train: a configuration is a YAML page that one can read; unknown and unused keys raise.

The descriptions below are the help texts of the training page. Values come from a preset or a file, then from `--set`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hai_core.workspace import InputError, canonical_json, digest

PRESETS = Path(__file__).parent / "configs"

Recipe = Annotated[list[str], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LinearOptions(_Section):
    """Options of the linear head."""

    scale: float = Field(default=16.0, gt=0, description="Length of the first weights, which point at the class means: higher "
                                                         "starts surer and fits the training images more closely.")


class AdaFaceOptions(_Section):
    """Options of the AdaFace head (Kim, Jain, Liu, CVPR 2022)."""

    m: float = Field(default=0.4, ge=0, lt=1.5, description="Margin in radians and cosine: higher pushes classes apart.")
    h: float = Field(default=0.333, gt=0, description="How strongly the margin follows image quality (the feature's norm).")
    s: float = Field(default=64.0, gt=0, description="Scale of the cosines: higher gives sharper probabilities.")
    t_alpha: float = Field(default=0.01, gt=0, le=1, description="Share of the newest batch in the running norm statistics.")


class ArcFaceOptions(_Section):
    """Options of the ArcFace head (Deng et al., CVPR 2019), with sub-centres (Deng et al., ECCV 2020)."""

    m: float = Field(default=0.3, ge=0, lt=1.5, description="Margin in radians: higher pushes classes apart.")
    s: float = Field(default=32.0, gt=0, description="Scale of the cosines: higher gives sharper probabilities.")
    subcentres: int = Field(
        default=1, ge=1, le=16,
        description="Centres of a class, of which the nearest one counts: more than one forgives wrong labels and classes "
        "of several looks.")


class FinetuneOptions(_Section):
    """Options of fine-tuning; only with `mode: finetune`."""

    image_size: int | None = Field(default=None, ge=32, le=1024, description="Side of the images in pixels. Empty: the "
                                                                             "backbone's own.")
    pool: Literal["own", "gem"] = Field(default="own", description="own: the backbone's pooling. gem: generalised mean, whose "
                                                                   "power is learned (Radenovic et al., 2018).")
    neck: int | None = Field(
        default=None, ge=8, le=8192,
        description="Width of a linear layer with batch norm before the head. Empty: none.")
    accumulation: int = Field(
        default=1, ge=1,
        description="A batch is computed in so many parts, one after the other: more parts need less memory.")
    warmup_epochs: float = Field(default=1.0, ge=0, description="Epochs over which the learning rate rises to its highest.")
    layer_decay: float = Field(
        default=1.0, gt=0, le=1,
        description="Each layer learns so much more slowly than the one after it. 1: all alike.")
    head_rate: float = Field(default=1.0, gt=0, description="How many times faster head and neck learn than the backbone.")
    frozen_epochs: int = Field(default=0, ge=0, description="Epochs at the start in which only head and neck learn.")
    freeze_batch_norm: bool = Field(default=False, description="Keep the backbone's batch-norm statistics: steadier for small "
                                                               "batches.")
    clip_norm: float | None = Field(default=None, gt=0, description="Gradients are scaled down to this norm. Empty: never.")
    ema_decay: float | None = Field(default=None, ge=0, lt=1, description="The weights that ship are a running mean with this "
                                                                         "decay a step. Empty: none.")
    patience: int | None = Field(
        default=None, ge=1,
        description="Stop after so many epochs without a lower validation loss, and ship the best epoch's weights. Empty: "
        "never.")
    least_scale: float = Field(
        default=0.35, gt=0, le=1,
        description="Smallest share of an image's area that a random crop shows.")
    randaugment: int = Field(default=0, ge=0, le=10, description="Strength of RandAugment (up to two random changes of "
                                                                   "colour or shape). 0: none.")
    random_erasing: float = Field(default=0.0, ge=0, le=1, description="Share of the images of which a rectangle is blanked.")
    mixup: float = Field(
        default=0.0, ge=0,
        description="Mixup: alpha of the Beta distribution by which two images are blended. 0: none.")
    cutmix: float = Field(
        default=0.0, ge=0,
        description="CutMix: alpha of the Beta distribution of the part that one image pastes into another. 0: none.")
    mix_share: float = Field(default=1.0, ge=0, le=1, description="Share of the batches that are mixed.")
    precision: Literal["auto", "32", "bf16", "fp16"] = Field(
        default="auto", description="auto: bf16 on a GPU that has it, fp16 on another, 32 on a CPU.")
    devices: int | None = Field(default=None, ge=1, le=64, description="GPUs (without any: processes) that share each batch. "
                                                                      "Empty: all GPUs, or one process.")
    channels_last: bool = Field(default=True, description="Memory layout that GPUs prefer for convolutions.")
    compile: bool = Field(default=False, description="torch.compile: minutes at the start, then faster on a GPU.")
    gradient_checkpointing: bool = Field(
        default=False,
        description="Computes parts twice instead of keeping them: less memory, about a third slower.")
    checkpoint_minutes: float = Field(
        default=10.0, gt=0,
        description="Minutes after which the state is saved within an epoch; it is saved at each epoch's end too.")


HOW = frozenset({"accumulation", "devices", "channels_last", "compile", "gradient_checkpointing", "checkpoint_minutes"})
# Options of fine-tuning by which a training is fitted to a machine. One that ran out of memory goes on with others.

SECTIONS: dict[str, type[_Section]] = {  # options by head
    "linear": LinearOptions, "arcface": ArcFaceOptions, "adaface": AdaFaceOptions}
OPTIONS: dict[str, type[_Section]] = SECTIONS | {"finetune": FinetuneOptions}


class Config(_Section):
    """Everything that decides what a training run computes, apart from the manifest."""

    name: str = Field(default="custom", min_length=1, max_length=40, pattern=r"^[\w.-]+$",
                      description="Short name of the configuration; it becomes a part of the run's name.")
    mode: Literal["frozen", "finetune"] = Field(
        default="frozen",
        description="frozen: heads are trained on stored features; needs no GPU. finetune: the backbones learn too, from "
        "the images.")
    recipes: Annotated[list[Recipe], Field(min_length=1)] = Field(
        default=[["tf_efficientnet_lite0", "tf_efficientnet_lite2"]],
        description="Each recipe is a list of backbones whose L2-normalised features stand side by side; every recipe is "
                    "trained on every fold, and recipes are averaged in the ensemble.")
    mirror: bool = Field(default=False, description="Train on mirrored images too, and predict from both; embedding takes "
                                                    "twice as long.")
    whiten: float | None = Field(
        default=0.3, ge=0.01, le=1, description="Whitening of the features by their spread within classes, learned from the "
        "training folds. The value is how far that spread is shrunk: 0.1 trusts it, 1 ignores it. Empty: none.")
    head: Literal["linear", "adaface", "arcface"] = Field(
        default="linear", description="linear: the plain classifier. adaface: cosine with a margin that follows image quality. "
                                      "arcface: cosine with a fixed margin.")
    linear: LinearOptions | None = Field(default=None, description="Options of the linear head.")
    adaface: AdaFaceOptions | None = Field(default=None, description="Options of the AdaFace head.")
    arcface: ArcFaceOptions | None = Field(default=None, description="Options of the ArcFace head.")
    finetune: FinetuneOptions | None = Field(default=None, description="Options of fine-tuning.")
    loss: Literal["ce", "focal", "ce+focal"] = Field(
        default="ce", description="ce: cross-entropy, best calibrated. focal: hard images count more. ce+focal: their mean.")
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1,
        description="Share of a label that goes to all classes alike: forgives wrong labels, costs calibration.")
    class_balance: float = Field(
        default=0.0, ge=0, lt=1,
        description="0: images count alike. Towards 1 (0.999): rare classes count more, by effective number (Cui et al., "
        "CVPR 2019).")
    epochs: int = Field(default=20, ge=1, le=10_000, description="Passes over the training images.")
    batch_size: int = Field(default=64, ge=1, description="Images in one training step.")
    learning_rate: float = Field(default=0.003, gt=0, description="Step size of the optimiser (AdamW) at its highest.")
    weight_decay: float = Field(default=0.01, ge=0, description="Pull of the weights towards zero: higher fits less closely.")
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine", description="Learning rate over the steps: falling to zero along a cosine, or constant.")
    swa_start: float | None = Field(
        default=0.5, ge=0, lt=1, description="Stochastic weight averaging: from this share of the epochs on, the weights after "
                                             "each epoch are averaged. Empty: no averaging.")
    weights: Literal["best", "uniform", "inverse_log_loss", "optimised"] = Field(
        default="best", description="How much each recipe counts in their product. uniform: all alike. inverse_log_loss: by "
        "1 / log loss. optimised: by the least log loss, drawn towards uniform. best: what cross-validation finds best.")
    calibration: Literal["temperature", "groups"] = Field(
        default="temperature", description="temperature: one puts all probabilities right. groups: then a factor for each "
                                           "series, drawn towards 1; a class without a series has its own.")
    hierarchy: Literal["none", "series", "best"] = Field(
        default="best", description="series: how sure of the series and how sure of the class within it are put right one by "
                                    "one. best: where cross-validation finds that it helps.")
    folds: int = Field(default=5, ge=2, le=50, description="Parts that the images are dealt into; each member leaves one out.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Decides folds, initial weights and the order of the images.")

    @model_validator(mode="after")
    def _only_what_has_an_effect(self) -> Self:
        for head, options in SECTIONS.items():
            if head != self.head and getattr(self, head) is not None:
                raise ValueError(f"{head}: has no effect, because head is {self.head}")
            if head == self.head and getattr(self, head) is None:
                object.__setattr__(self, head, options())
        self._check_mode()
        for recipe in self.recipes:
            if len(set(recipe)) < len(recipe):
                raise ValueError(f"recipes: {'+'.join(recipe)} names a backbone twice")
        if len({"+".join(recipe) for recipe in self.recipes}) < len(self.recipes):
            raise ValueError("recipes: one recipe is listed twice")
        return self

    def _check_mode(self) -> None:
        if self.mode == "frozen":
            if self.finetune is not None:
                raise ValueError("finetune: has no effect, because mode is frozen")
            return
        options = self.finetune or FinetuneOptions()
        if "whiten" in self.model_fields_set and self.whiten is not None:
            raise ValueError("whiten: has no effect, because mode is finetune")
        if "linear" in self.model_fields_set and self.linear is not None and self.linear != LinearOptions():
            raise ValueError("linear.scale: has no effect, because mode is finetune")
        wide = next((recipe for recipe in self.recipes if len(recipe) > 1), None)
        if wide:
            raise ValueError(f"recipes: {recipe_name(wide)} has several backbones; fine-tuning takes one a recipe")
        averaged = "ema_decay" if options.ema_decay is not None else "patience" if options.patience is not None else ""
        if averaged and self.swa_start is not None:
            if "swa_start" in self.model_fields_set:
                raise ValueError(f"swa_start: has no effect together with finetune.{averaged}; leave one of them empty")
            object.__setattr__(self, "swa_start", None)
        if options.mix_share < 1 and not options.mixup and not options.cutmix:
            raise ValueError("finetune.mix_share: has no effect without mixup or cutmix")
        if options.frozen_epochs >= self.epochs:
            raise ValueError(f"finetune.frozen_epochs = {options.frozen_epochs}: epochs is {self.epochs}, "
                             "so the backbone would never learn")
        if options.accumulation > self.batch_size:
            raise ValueError(f"finetune.accumulation = {options.accumulation}: a batch has only {self.batch_size} images")
        object.__setattr__(self, "whiten", None)
        object.__setattr__(self, "finetune", options)

    @property
    def backbones(self) -> list[str]:
        """Every backbone that some recipe needs, once, in order."""
        return list(dict.fromkeys(name for recipe in self.recipes for name in recipe))

    @property
    def members(self) -> list[tuple[str, list[str], int]]:
        """(member name, recipe, fold) of everything that will be trained."""
        return [(member_name(recipe, fold), recipe, fold) for recipe in self.recipes for fold in range(self.folds)]

    @property
    def digest(self) -> str:
        """SHA-256 of what decides the result: not the name, and not HOW."""
        values = self._values() | {"name": ""}
        if self.finetune is not None:
            values["finetune"] = {name: value for name, value in values["finetune"].items() if name not in HOW}
        return digest(canonical_json(values))

    def _values(self) -> dict[str, Any]:
        """All values but the sections that do not apply."""
        unused = {name for name in OPTIONS if getattr(self, name) is None} | ({"linear"} if self.mode == "finetune" else set())
        return self.model_dump(exclude=unused)

    def to_yaml(self) -> str:
        """The whole configuration, every default written out."""
        return yaml.safe_dump(self._values(), sort_keys=False, allow_unicode=True)


@dataclass(frozen=True)
class Preset:
    """A configuration that comes with the program. `about` is its page's leading comment: source, cost, expected result."""

    name: str
    path: Path
    about: str


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options as `section.key` -> value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def recipe_name(recipe: Sequence[str]) -> str:
    """Backbones joined by '+': the recipe's name in files and tables."""
    return "+".join(recipe)


def member_name(recipe: Sequence[str], fold: int) -> str:
    """What a member, and its files, are called. A backbone with weights from a file (`NAME=FILE`) has a path in its name."""
    name = recipe_name(recipe)
    plain = re.sub(r"[^\w.+=-]+", "_", name)
    return f"{name if plain == name else f'{plain[-80:]}-{digest(name)[:8]}'}-fold{fold}"


def presets() -> list[Preset]:
    """The presets that come with the program: `default` first, fine-tuning last, in name order."""
    pages = {file: file.read_text(encoding="utf-8") for file in PRESETS.glob("*.yaml")}
    order = sorted(pages, key=lambda file: (file.stem != "default", "\nmode: finetune" in pages[file], file.stem))
    return [Preset(file.stem, file, _leading_comment(pages[file])) for file in order]


def load(source: str | Path = "default", overrides: Sequence[str] = ()) -> Config:
    """The configuration of a preset's name or of a YAML file, with `key=value` overrides (`adaface.m=0.3`) applied in order.

    Raises InputError with one sentence: no such preset or file, not YAML, an unknown key (the nearest valid one is
    named), a wrong value, or an option that would have no effect.
    """
    path = _find(source)
    values = _mapping(_parse(path.read_bytes(), str(path)), str(path))
    return from_values({"name": _plain(path.stem)} | values, overrides, str(path))


def from_values(values: dict[str, Any], overrides: Sequence[str] = (), where: str = "the configuration") -> Config:
    """A checked configuration from plain values (of a form, say); `where` names their origin in error messages.

    Raises InputError like `load`.
    """
    changed = values
    for override in overrides:
        changed = _override(changed, override)
    try:
        return Config.model_validate(changed)
    except ValidationError as error:
        raise InputError(f"{_culprit(values, overrides, where)}: {_sentence(error)}") from error


def _culprit(values: dict[str, Any], overrides: Sequence[str], where: str) -> str:
    """`where` the values come from when they are wrong by themselves, else the overrides."""
    try:
        Config.model_validate(values)
    except ValidationError:
        return where
    return f"--set {' '.join(overrides)}"


def _find(source: str | Path) -> Path:
    names = [preset.name for preset in presets()]
    if str(source) in names:
        return PRESETS / f"{source}.yaml"
    path = Path(source)
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml"):
        raise InputError(f"there is no configuration file {path}")
    raise InputError(f"there is no preset or file {source}{_nearest(str(source), names)}; presets: {', '.join(names)}")


def _override(values: dict[str, Any], override: str) -> dict[str, Any]:
    """`values` with one `key=value` in it; another head's options go when the head is changed."""
    key, equals, text = override.partition("=")
    keys = key.strip().split(".")
    if not equals or not all(keys):
        raise InputError(f"--set {override} is not of the form key=value")
    value = _parse(text, f"--set {override}")
    if keys == ["head"]:
        values = {key: old for key, old in values.items() if key not in SECTIONS or key == value}
    if keys == ["mode"]:
        values = {key: old for key, old in values.items() if key not in ("finetune", "whiten", "linear")}
    return _replaced(values, keys, value, override)


def _replaced(values: dict[str, Any], keys: list[str], value: Any, override: str) -> dict[str, Any]:
    if len(keys) == 1:
        return values | {keys[0]: value}
    inner = _mapping({} if values.get(keys[0]) is None else values[keys[0]], f"--set {override}")
    return values | {keys[0]: _replaced(inner, keys[1:], value, override)}


def _parse(text: str | bytes, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where} is not YAML: {' '.join(str(error).split())}") from error


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected keys and values, found {value!r}")
    return value


def _plain(stem: str) -> str:
    return re.sub(r"[^\w.-]+", "-", stem)[:40] or "custom"


def _sentence(error: ValidationError) -> str:
    """The first problem, in words: unknown keys first, because they explain the others."""
    problem = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown key {place}{_nearest(place, _valid_keys(problem['loc']))}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{place} = {problem['input']!r}: {message[0].lower()}{message[1:]}" if place else message


def _valid_keys(loc: Sequence[int | str]) -> list[str]:
    if len(loc) > 1 and loc[0] in OPTIONS:
        return [f"{loc[0]}.{name}" for name in OPTIONS[str(loc[0])].model_fields]
    return list(Config.model_fields) + [f"{s}.{name}" for s, model in OPTIONS.items() for name in model.model_fields]


def _nearest(name: str, valid: Sequence[str]) -> str:
    """'; did you mean X?', comparing with the valid names, then with their last parts ('m' finds 'adaface.m')."""
    for spelled in ({v: v for v in valid}, {v.split(".")[-1]: v for v in valid}):
        if close := difflib.get_close_matches(name, spelled, 1):
            return f"; did you mean {spelled[close[0]]}?"
    return ""


def _leading_comment(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines).strip()
