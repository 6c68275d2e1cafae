import subprocess
from importlib.metadata import version

from hai_core import provenance


def git(folder, *words):
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x", *words], cwd=folder, check=True, capture_output=True)


def test_commit_and_diff_of_a_checkout_and_of_none(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "repository_root", lambda: tmp_path)
    assert (provenance.git_commit(), provenance.git_diff()) == ("", "")
    git(tmp_path, "init")
    (tmp_path / "a").write_text("one\n")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "first")
    clean = provenance.git_commit()
    assert (len(clean), provenance.git_diff()) == (40, "")
    (tmp_path / "a").write_bytes("둘\n".encode("euc-kr"))
    assert provenance.git_commit() == f"{clean}-dirty"
    assert "-one\n" in provenance.git_diff()


def test_without_git_there_is_neither_but_an_image_knows_its_commit(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (provenance.git_commit(), provenance.git_diff()) == ("", "")
    monkeypatch.setenv("HAI_COMMIT", "0123abcd-dirty")
    assert provenance.git_commit() == "0123abcd-dirty"


def test_requirements_pin_what_is_installed():
    lines = provenance.requirements().splitlines()
    assert f"torch=={version('torch')}" in lines
    assert f"hypothesis=={version('hypothesis')}" in lines
    assert len(set(lines)) == len(lines)
