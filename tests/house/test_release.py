"""Files of a release agree with each other."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

import sklearn_mf

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_package_citation_and_changelog_state_one_version(monkeypatch):
    monkeypatch.chdir(ROOT)
    versions = runpy.run_path(".ci/versions.py")["stated_versions"]()
    assert set(versions.values()) == {sklearn_mf.__version__}


def test_date_of_the_release_is_that_of_the_changelog():
    date = re.search(r'^date-released: "(.+)"$', (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)[1]
    assert f"## [{sklearn_mf.__version__}] - {date}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_minor_version_is_supported():
    minor = ".".join(sklearn_mf.__version__.split(".")[:2])
    assert f"| {minor}.x | yes |" in (ROOT / "SECURITY.md").read_text("utf-8")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_use_no_secret_and_may_only_read(path):
    text = path.read_text("utf-8")
    assert "secrets." not in text
    assert "\npermissions:\n  contents: read\n" in text
    assert "write" not in text.replace("id-token: write", "")


def test_workflows_try_the_declared_versions_of_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    tried = re.findall(r"python: \[(.+)\]", (ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    assert [re.findall(r"3\.\d+", versions) for versions in tried] == [declared, declared]
