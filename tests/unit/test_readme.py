"""README.md and docs/ say what the code does, and each of their samples is run or says why not."""

import re
from pathlib import Path

import pytest

from jobyard.shared import kinds, tables
from jobyard.shared.config import PREFIX, Settings
from tests.samples import PAGES, ROOT, RUNNABLE, SHOWN, samples

README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "docs/reference/settings.md").read_text()
STORED_DATA = (ROOT / "docs/reference/stored-data.md").read_text()

# The other pages that people read on the forge.
PROJECT_FILES = [ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
EVERY_PAGE = [*PAGES, *PROJECT_FILES]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_settings_are_exactly_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(JOBYARD_\w+)` \| (.*?) ?\| (.*) \|$", SETTINGS, re.MULTILINE)
    documented = {name: (default.strip("` "), meaning) for name, default, meaning in rows}
    assert len(rows) == len(documented)
    assert documented == {
        PREFIX + name.upper(): (_as_a_variable(field.default), field.description)
        for name, field in Settings.model_fields.items()
    }


def _as_a_variable(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default or "")


@pytest.mark.parametrize("page", EVERY_PAGE, ids=name_of)
def test_no_other_setting_is_spoken_of(page: Path) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"JOBYARD_[A-Z_]+", page.read_text())) <= known


def test_the_tables_are_those_of_the_database() -> None:
    (section,) = re.findall(r"## Tables\n(.*?)\n## ", STORED_DATA, re.DOTALL)
    first_columns = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(first_columns))) == set(tables.metadata.tables)


def test_every_kind_of_job_is_there_with_fields_that_it_has() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| (.*) \|$", README, re.MULTILINE)
    fields = {kind: set(re.findall(r"`(\w+)`", named)) for kind, named in rows if kind in kinds.by_name()}
    assert set(fields) == set(kinds.by_name())
    for kind, named in fields.items():
        assert named <= set(kinds.find(kind).Spec.model_fields), kind


@pytest.mark.parametrize("page", EVERY_PAGE, ids=name_of)
def test_what_it_links_to_exists(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", EVERY_PAGE, ids=name_of)
def test_the_targets_it_names_are_in_the_makefile(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"[`\n]make ([a-z-]+)[` ]", page.read_text())) <= targets


def test_the_readme_is_short_enough_to_be_a_door() -> None:
    assert len(README.splitlines()) <= 130


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_sample_is_run_or_says_why_not(page: Path) -> None:
    fences = re.findall(r"^```(\w+)$", page.read_text(), re.MULTILINE)
    found = samples(page)
    assert [sample.language for sample in found] == fences
    # Acceptance tests run the samples without a reason; a language that they don't know would go unnoticed.
    assert {sample.language for sample in found} <= {*RUNNABLE, *SHOWN}
    assert all(sample.reason for sample in found if sample.reason is not None)
