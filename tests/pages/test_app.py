"""The frame: which workspace is open, the welcome, and the map of the pages."""

from __future__ import annotations

import sys

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from hai_core import jobs
from hai_core.workspace import InputError, Workspace, repository_root
from pages.ui import loaders
from pages.ui.text import text


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setenv("HAI_WORKSPACES", str(tmp_path / "workspaces"))
    monkeypatch.setenv("HAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HAI_WORKSPACE", raising=False)
    return AppTest.from_file(str(repository_root() / "app.py"), default_timeout=20)


@pytest.fixture
def started(monkeypatch):
    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(jobs, "start", lambda workspace, argv: calls.append((workspace.name, list(argv))))
    return calls


def test_without_a_workspace_the_welcome_offers_the_demo_and_own_photos(app):
    app.run()
    assert not app.exception
    assert app.title[0].value == "Clean photos, better classifiers"
    assert app.button(key="open-demo").label == "Open the demo"


PAGES = sorted(file.stem for file in (repository_root() / "pages").glob("*.py"))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("mlflow", ["absent", "down"])
def test_every_page_opens_whether_mlflow_is_absent_or_down(name, mlflow, open_page, trained, monkeypatch):
    if mlflow == "absent":
        monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    page = open_page(name)
    assert not page.exception
    assert page.title


def test_one_click_makes_the_demo_workspace_and_starts_its_job(app, started, tmp_path):
    app.run().button(key="open-demo").click().run()
    root = tmp_path / "workspaces" / "demo"
    workspace = Workspace.open(root)
    assert started == [("demo", ["demo", str(workspace.images), "-w", str(root)])]
    assert app.session_state["workspace"] == str(root)
    assert app.query_params["w"] == "demo"
    assert app.title[0].value == "demo"


def test_a_second_click_only_opens_the_demo(app, started, tmp_path):
    app.run().button(key="open-demo").click().run()
    again = AppTest.from_file(str(repository_root() / "app.py"), default_timeout=20).run()
    again.button(key="open-demo").click().run()
    assert len(started) == 1


def test_a_workspace_is_made_from_a_folder_of_photos(app, started, tmp_path):
    (tmp_path / "사진").mkdir()
    app.run()
    app.text_input(key="welcome-images").set_value(str(tmp_path / "사진")).run()
    app.button(key="welcome-create").click().run()
    assert started == [("사진", ["index", "-w", str(tmp_path / "workspaces" / "사진")])]
    assert Workspace.open(tmp_path / "workspaces" / "사진").holdout == 0.15


@pytest.mark.parametrize(("folder", "name", "told"), [
    ("gone", "", "there is no folder"), ("photos", "../up", "is not a folder name")])
def test_what_cannot_be_made_is_told_in_a_sentence(app, tmp_path, folder, name, told):
    (tmp_path / "photos").mkdir()
    app.run()
    app.text_input(key="welcome-images").set_value(str(tmp_path / folder)).run()
    app.text_input(key="welcome-name").set_value(name).run()
    app.button(key="welcome-create").click().run()
    assert told in app.error[0].value
    assert not (tmp_path / "up").exists()


def test_the_url_and_the_environment_choose_the_workspace(app, workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("HAI_WORKSPACES", str(tmp_path))
    app.query_params["w"] = "cars"
    app.run()
    assert app.title[0].value == "cars"
    monkeypatch.setenv("HAI_WORKSPACE", str(workspace.root))
    other = AppTest.from_file(str(repository_root() / "app.py"), default_timeout=20).run()
    assert other.title[0].value == "cars"


def test_a_workspace_that_is_not_there_is_told_and_the_welcome_shown(app, tmp_path):
    app.query_params["w"] = str(tmp_path / "gone")
    app.run()
    assert "is not a workspace" in app.error[0].value
    assert app.button(key="open-demo")


def test_the_picker_changes_the_workspace_and_the_url(app, workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("HAI_WORKSPACES", str(tmp_path))
    Workspace.create(tmp_path / "other", workspace.images)
    app.query_params["w"] = "cars"
    app.run()
    picker = app.sidebar.selectbox[0]
    assert picker.options == ["cars", "other"]
    picker.set_value((tmp_path / "other").resolve()).run()
    assert app.title[0].value == "other"
    assert app.query_params["w"] == "other"


def test_every_page_has_its_path():
    source = (repository_root() / "app.py").read_text("utf-8")
    for path in ("duplicates", "noise", "clusters", "classes", "manifest", "training", "confusions", "journal"):
        assert f'"{path}": "' in source
        assert (repository_root() / "pages" / f"{path}.py").exists()


def test_bad_input_inside_a_page_is_one_sentence_without_a_traceback(app, workspace, monkeypatch, tmp_path):
    def refuse(*_: object) -> None:
        raise InputError("journal.sqlite cannot be used as a journal: it is a [picture]")

    monkeypatch.setenv("HAI_WORKSPACES", str(tmp_path))
    monkeypatch.setattr(loaders, "curation", refuse)
    app.query_params["w"] = "cars"
    app.run()
    assert not app.exception
    assert app.error[0].value == text("journal.sqlite cannot be used as a journal: it is a [picture]")


def test_every_message_to_the_browser_is_sent_whole():
    assert config.get_option("global.minCachedMessageSize") > 1e9  # a page died of a message that the browser had dropped
