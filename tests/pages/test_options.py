import pytest
from streamlit.testing.v1 import AppTest

from hai_core.members import config
from pages.ui.options import overrides


def script(preset="default"):
    import streamlit as st

    from hai_core.members import config
    from pages.ui.options import form, overrides

    base = config.load(preset)
    st.session_state["values"] = form(base, "t")
    st.session_state["overrides"] = overrides(base, st.session_state["values"])


def test_every_option_has_a_widget_with_the_schemas_help_and_nothing_is_overridden_at_first():
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert page.session_state["overrides"] == []
    unused = {"name", "mode", "adaface", "arcface", "finetune"}
    assert set(page.session_state["values"]) == set(config.Config.model_fields) - unused
    assert page.number_input(key="t.epochs").help == config.Config.model_fields["epochs"].description


def test_what_is_changed_is_what_the_command_sets():
    page = AppTest.from_function(script).run()
    page.number_input(key="t.epochs").set_value(7)
    page.number_input(key="t.learning_rate").set_value(0.00001)
    page.number_input(key="t.swa_start").set_value(None)
    page.text_area(key="t.recipes").set_value("tf_efficientnet_lite0\n tf_efficientnet_lite1+ tf_efficientnet_lite2 \n")
    page.run()
    told = page.session_state["overrides"]
    changed = config.load("default", told)
    assert changed.model_dump() == config.load("default").model_dump() | {
        "epochs": 7, "learning_rate": 0.00001, "swa_start": None,
        "recipes": [["tf_efficientnet_lite0"], ["tf_efficientnet_lite1", "tf_efficientnet_lite2"]]}


def test_another_head_brings_its_own_options():
    page = AppTest.from_function(script).run()
    page.segmented_control(key="t.head").set_value("adaface").run()
    page.number_input(key="t.adaface.m").set_value(0.25).run()
    assert page.session_state["overrides"] == ["head=adaface", "adaface.m=0.25"]
    assert config.load("default", page.session_state["overrides"]).adaface.m == 0.25


@pytest.mark.parametrize("preset", [preset.name for preset in config.presets()])
def test_a_presets_own_values_override_nothing(preset):
    base = config.load(preset)
    values = {name: value for name, value in base.model_dump().items() if name not in ("name", "mode") and value is not None}
    assert overrides(base, values) == []


def test_a_fine_tuning_preset_brings_its_options_and_hides_those_without_effect():
    page = AppTest.from_function(script, args=("gpu24",)).run()
    assert page.session_state["overrides"] == []
    assert set(page.session_state["values"]["finetune"]) == set(config.FinetuneOptions.model_fields)
    assert not {"whiten", "linear"} & set(page.session_state["values"])
    page.number_input(key="t.finetune.accumulation").set_value(4)
    page.number_input(key="t.finetune.ema_decay").set_value(None)
    page.number_input(key="t.finetune.patience").set_value(3)
    page.run()
    changed = config.load("gpu24", page.session_state["overrides"])
    assert (changed.finetune.accumulation, changed.finetune.ema_decay, changed.finetune.patience) == (4, None, 3)
