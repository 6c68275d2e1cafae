import subprocess
import sys

import pytest

from hai_core.members import config
from hai_core.members.config import Config, member_name
from hai_core.workspace import InputError

FINETUNE = ["recipes=[[tf_efficientnet_lite0]]", "mode=finetune"]


@pytest.mark.parametrize("preset", config.presets(), ids=lambda preset: preset.name)
def test_every_preset_is_a_page_that_says_source_cost_and_result(preset):
    for part in ("Source:", "Cost:", "Expect", "Command: python -m hai_core train"):
        assert part in preset.about
    assert ".." in preset.about or "Expect: not measured" in preset.about
    loaded = config.load(preset.name)
    assert loaded.name == preset.name
    written = {line.split(":")[0] for line in preset.path.read_text().splitlines() if line[:1].isalpha()}
    unused = {"name", *(config.SECTIONS.keys() - {loaded.head})}
    unused |= {"mode", "finetune"} if loaded.mode == "frozen" else {"whiten", "linear"}
    unused |= {"swa_start"} if loaded.swa_start is None and loaded.mode == "finetune" else set()
    assert written == set(Config.model_fields) - unused


def test_default_comes_first():
    assert config.presets()[0].name == "default"


def test_every_option_has_a_help_text():
    for model in (Config, *config.OPTIONS.values()):
        for name, field in model.model_fields.items():
            assert len(field.description or "") > 20, name


def test_overrides_are_yaml_and_go_from_left_to_right():
    words = ["epochs=7", "swa_start=", "recipes=[[a, b], [c]]", "linear.scale=3", "epochs=9", "learning_rate=1e-4"]
    loaded = config.load("default", words)
    assert (loaded.epochs, loaded.swa_start, loaded.recipes) == (9, None, [["a", "b"], ["c"]])
    assert loaded.linear is not None
    assert (loaded.linear.scale, loaded.learning_rate) == (3.0, 1e-4)


def test_another_head_takes_the_place_of_the_pages_one_with_its_options():
    assert config.load("default", ["head=adaface"]).adaface == config.AdaFaceOptions()
    assert config.load("adaface", ["head=linear", "linear.scale=4"]).adaface is None


@pytest.mark.parametrize(("overrides", "problem"), [
    (["epoch=3"], r"unknown key epoch; did you mean epochs\?"),
    (["m=0.3"], r"unknown key m; did you mean adaface.m\?"),
    (["adaface.m=0.3"], "adaface: has no effect, because head is linear"),
    (["head=adaface", "linear.scale=3"], "linear: has no effect, because head is adaface"),
    (["head=adaface", "adaface.alpha=3"], r"unknown key adaface.alpha; did you mean adaface.t_alpha\?"),
    (["head=adafaze"], "head = 'adafaze': input should be 'linear', 'adaface' or 'arcface'"),
    (["epochs=many"], "epochs = 'many'"),
    (["epochs=0"], "epochs = 0: input should be greater than or equal to 1"),
    (["swa_start=1"], "swa_start = 1"),
    (["learning_rate=.nan"], "learning_rate = nan"),
    (["epochs"], "--set epochs is not of the form key=value"),
    (["epochs=["], r"--set epochs=\[ is not YAML"),
    (["epochs.x=1"], "expected keys and values, found 20"),
    (["recipes=[[a, a]]"], "a\\+a names a backbone twice"),
    (["recipes=[[a], [a]]"], "one recipe is listed twice"),
    (["recipes=[]"], "recipes"),
    (["recipes=[a]"], "recipes.0 = 'a'"),
    (["mode=finetune"], r"recipes: tf_efficientnet_lite0\+tf_efficientnet_lite1 has several backbones"),
    (["finetune.mixup=1"], "finetune: has no effect, because mode is frozen"),
    ([*FINETUNE, "whiten=0.3"], "whiten: has no effect, because mode is finetune"),
    ([*FINETUNE, "linear.scale=3"], "linear.scale: has no effect, because mode is finetune"),
    ([*FINETUNE, "finetune.ema_decay=0.9", "swa_start=0.5"], "swa_start: has no effect together with finetune.ema_decay"),
    ([*FINETUNE, "finetune.patience=2", "swa_start=0.5"], "swa_start: has no effect together with finetune.patience"),
    ([*FINETUNE, "finetune.mix_share=0.5"], "finetune.mix_share: has no effect without mixup or cutmix"),
    ([*FINETUNE, "finetune.frozen_epochs=20"], "epochs is 20, so the backbone would never learn"),
    ([*FINETUNE, "finetune.accumulation=65"], "a batch has only 64 images"),
    ([*FINETUNE, "finetune.cutmx=1"], r"unknown key finetune.cutmx; did you mean finetune.cutmix\?"),
    ([*FINETUNE, "finetune.randaugment=7.5"], "finetune.randaugment = 7.5"),
    (["folds=1"], "folds = 1"),
])
def test_a_wrong_value_gets_one_sentence(overrides, problem):
    with pytest.raises(InputError, match=problem) as caught:
        config.load("default", overrides)
    assert "\n" not in str(caught.value)


def test_files_and_presets_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match=r"no preset or file defualt; did you mean default\?"):
        config.load("defualt")
    with pytest.raises(InputError, match=r"no configuration file nowhere\.yaml"):
        config.load("nowhere.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(InputError, match=r"list.yaml: expected keys and values, found \['a'\]"):
        config.load(tmp_path / "list.yaml")
    (tmp_path / "not utf-8.yaml").write_bytes(b"epochs: \xff")
    with pytest.raises(InputError, match=r"not utf-8\.yaml is not YAML"):
        config.load(tmp_path / "not utf-8.yaml")


def test_a_file_of_ones_own_takes_its_name_from_the_file(tmp_path):
    (tmp_path / "my cars, 2.yaml").write_text("epochs: 3\n")
    loaded = config.load(tmp_path / "my cars, 2.yaml")
    assert (loaded.name, loaded.epochs, loaded.folds) == ("my-cars-2", 3, Config().folds)


def test_what_is_written_reads_back_the_same(tmp_path):
    for name in ("default", "adaface"):
        loaded = config.load(name, ["swa_start=", "whiten="])
        (tmp_path / "config.yaml").write_text(loaded.to_yaml())
        assert config.load(tmp_path / "config.yaml") == loaded
    loaded = config.load("quick", ["mode=finetune", "finetune.mixup=1"])
    (tmp_path / "config.yaml").write_text(loaded.to_yaml())
    again = config.load(tmp_path / "config.yaml")
    assert (again, again.digest) == (loaded, loaded.digest)


def test_the_digest_is_of_what_is_computed():
    default = config.load("default")
    assert config.load("default", ["name=other"]).digest == default.digest
    assert config.from_values(default.model_dump(exclude_none=True)).digest == default.digest
    assert config.load("default", ["seed=1"]).digest != default.digest


def test_how_a_training_is_fitted_to_a_machine_makes_no_other_training():
    one = config.load("finetune")
    assert one.digest == config.load("finetune", ["finetune.accumulation=2", "finetune.gradient_checkpointing=true"]).digest
    assert one.digest != config.load("finetune", ["finetune.mixup=0.3"]).digest


def test_members_are_recipes_times_folds():
    loaded = config.load("default", ["recipes=[[a, b], [c]]", "folds=2"])
    assert [name for name, _, _ in loaded.members] == ["a+b-fold0", "a+b-fold1", "c-fold0", "c-fold1"]
    assert loaded.backbones == ["a", "b", "c"]


def test_configurations_need_no_torch():
    script = "import sys, hai_core.members.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_weights_from_a_file_give_members_names_without_a_folder():
    assert member_name(["tf_efficientnet_lite0", "convnext.fb_in22k"], 2) == "tf_efficientnet_lite0+convnext.fb_in22k-fold2"
    files = ("../w.safetensors", "../../w.safetensors", "/가 나/w.safetensors")
    names = {member_name([f"test_vit={file}"], 0) for file in files}
    assert len(names) == len(files)
    assert all("/" not in name and name.endswith("-fold0") for name in names)
