"""A form made from the training configuration's schema: a field's type chooses the widget, its description is the help."""

from __future__ import annotations

import types
import typing
from typing import Any, Literal

import streamlit as st
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hai_core.members.config import OPTIONS, Config
from pages.ui.words import in_own_words, say

MAIN = ("recipes", "head", "loss", "epochs", "folds")  # shown at once; the others are folded away
HIDDEN = ("name", "mode")


def form(base: Config, key: str) -> dict[str, Any]:
    """Widgets for every option, filled in from `base`; returns field -> value (a dict for a section such as adaface)."""
    values: dict[str, Any] = {}
    fields = Config.model_fields
    columns = st.columns(2, gap="medium")
    values["recipes"] = _recipes(fields["recipes"], base.recipes, f"{key}.recipes")
    for i, name in enumerate(field for field in MAIN if field != "recipes"):
        with columns[i % 2]:
            values[name] = _widget(name, fields[name], getattr(base, name), f"{key}.{name}")
    fine = base.mode == "finetune"
    sections = [name for name in (values["head"], base.mode) if name in OPTIONS and not (fine and name == "linear")]
    with st.expander(say("options.more")):
        columns = st.columns(2, gap="medium")
        unused = ("whiten",) if fine else ()
        simple = [name for name in fields if name not in (*MAIN, *HIDDEN, *unused) and _section(fields[name]) is None]
        for i, name in enumerate(simple):
            with columns[i % 2]:
                values[name] = _widget(name, fields[name], getattr(base, name), f"{key}.{name}")
        for section in sections:
            values[section] = _section_form(section, base, key)
    return values


def _section_form(section: str, base: Config, key: str) -> dict[str, Any]:
    model = _section(Config.model_fields[section])
    assert model is not None
    given = getattr(base, section) or model()
    st.caption(say("options.of_finetune") if section == "finetune" else say("options.of_head", head=section))
    columns = st.columns(2, gap="medium")
    values = {}
    for i, (name, field) in enumerate(model.model_fields.items()):
        with columns[i % 2]:
            values[name] = _widget(f"{section}.{name}", field, getattr(given, name), f"{key}.{section}.{name}")
    return values


def _widget(name: str, field: FieldInfo, value: Any, key: str) -> Any:
    """Without the field's bounds: a value beyond them would be kept from Python, and the last one trained with. The page says
    what is wrong with it instead."""
    label, help = name.rpartition(".")[2].replace("_", " "), in_own_words(f"option_help.{name}", field.description or "")
    kinds = _alternatives(field.annotation)
    if typing.get_origin(kinds[0]) is Literal:
        choices = list(typing.get_args(kinds[0]))
        return st.segmented_control(label, choices, default=value, key=key, help=help, required=True, wrap=True)
    if kinds[0] is bool:
        return st.toggle(label, value, key=key, help=help)
    if type(None) in kinds:  # only a number input that starts empty can be emptied again
        st.session_state.setdefault(key, value)
        value = None
    if kinds[0] is int:
        return st.number_input(label, value=value, step=1, key=key, help=help, placeholder=say("options.none"))
    return st.number_input(label, value=value, step=None, format="%g", key=key, help=help, placeholder=say("options.none"))


def _recipes(field: FieldInfo, value: list[list[str]], key: str) -> list[list[str]]:
    lines = st.text_area("recipes", "\n".join(" + ".join(recipe) for recipe in value), key=key, height=68,
                         help=f"{say('options.recipes')} {in_own_words('option_help.recipes', field.description or '')}")
    return [[name.strip() for name in line.split("+") if name.strip()] for line in lines.splitlines() if line.strip()]


def _alternatives(annotation: Any) -> list[Any]:
    """The types of `X | None`, X first; of anything else, itself."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return sorted(typing.get_args(annotation), key=lambda kind: kind is type(None))
    return [annotation]


def _section(field: FieldInfo) -> type[BaseModel] | None:
    kind = _alternatives(field.annotation)[0]
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def overrides(base: Config, values: dict[str, Any]) -> list[str]:
    """What a person types after `--set` to get from `base` to `values`: one `key=value` for each that differs."""
    given = base.model_dump()
    changed = []
    for name, value in values.items():
        if not isinstance(value, dict):
            changed += [] if value == given[name] else [f"{name}={_yaml(value)}"]
            continue
        model = _section(Config.model_fields[name])
        assert model is not None
        before = given[name] or model().model_dump()
        changed += [f"{name}.{inner}={_yaml(new)}" for inner, new in value.items() if new != before[inner]]
    return changed


def _yaml(value: Any) -> str:
    if value is None:
        return ""
    line = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return line.removesuffix("\n").removesuffix("\n...").strip()
