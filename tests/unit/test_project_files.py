"""The files that forges and tools read agree with the project."""

import re
import tomllib
from typing import Any

import yaml

from tests.samples import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())


def test_ci_runs_every_python_that_is_supported() -> None:
    prefix = "Programming Language :: Python :: 3."
    supported = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if line.startswith(prefix)]
    assert WORKFLOW["jobs"]["unit"]["strategy"]["matrix"]["python"] == supported


def test_ci_calls_what_there_is() -> None:
    commands = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert ".ci/run" in commands
    assert {command.split()[1] for command in commands if command.startswith("make ")} <= targets


def test_every_lock_that_an_image_is_made_of_has_a_bill_of_materials() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (locks,) = re.findall(r"^LOCKS := (.+)$", makefile, re.MULTILINE)
    (left_out,) = re.findall(r"^DEPLOYED := \$\(filter-out (.+),\$\(LOCKS\)\)$", makefile, re.MULTILINE)
    used = set(re.findall(r"COPY locks/(\w+)\.txt", (ROOT / "Dockerfile").read_text())) - {"build"}
    assert set(locks.split()) - set(left_out.split()) == used


def test_the_hooks_run_what_lint_runs() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    hooks = {tuple(hook["entry"].split()[:2]) for hook in repository["hooks"]}
    (recipe,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    lint = {tuple(line.replace("$(BIN)", ".venv/bin").split()[:2]) for line in recipe.splitlines()}
    assert hooks == lint


def test_the_licence_is_whole_and_the_notice_names_the_authors() -> None:
    licence = (ROOT / "LICENSE").read_text()
    assert licence.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in licence
    assert "The Jobyard authors" in (ROOT / "NOTICE").read_text()
    assert PROJECT["license"] == "Apache-2.0"
    assert set(PROJECT["license-files"]) == {"LICENSE", "NOTICE"}


def test_the_changelog_has_the_version() -> None:
    version = re.findall(r'^__version__ = "(.+)"$', (ROOT / "jobyard/__init__.py").read_text(), re.MULTILINE)
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert set(version) <= set(headings)
