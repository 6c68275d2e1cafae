"""The documents know every dependency and every command."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from hai_core import cli

ROOT = Path(__file__).parent.parent


def pinned(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith(("#", "-")))


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_pinned_dependency_is_explained(name):
    explained = re.findall(r"^\| ([\w.\[\]-]+) \|", (ROOT / "docs/dependencies.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(pinned(name)) <= set(explained)


def commands(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        return [words]
    return [found for name, sub in below[0].choices.items() for found in commands(sub, (*words, name))]


def test_the_readme_names_every_command():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"python -m hai_core (\w+)", readme))
    assert {words[0] for words in commands(cli.parser())} == documented


@pytest.mark.parametrize(("name", "count"), [("README.md", 20), ("docs/remote.md", 3), ("docs/serving.md", 1)])
def test_commands_in_the_documents_can_be_parsed(name, count):
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = re.findall(r"^    python -m hai_core (.*?)(?:   .*)?$", text, re.MULTILINE)
    assert len(lines) >= count
    for line in lines:
        cli.parser().parse_args(line.split())


@pytest.mark.parametrize("words", commands(cli.parser()), ids=" ".join)
def test_every_command_explains_itself(words, capsys):
    assert cli.main([*words, "--help"]) == 0
    assert "--json" in capsys.readouterr().out
