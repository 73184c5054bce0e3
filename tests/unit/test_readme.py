"""README.md says what the code does."""

import re
from pathlib import Path

from jobyard.shared import tables
from jobyard.shared.config import PREFIX, Settings
from jobyard.shared.kinds.submission import SPECS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()


def test_the_settings_are_exactly_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(JOBYARD_\w+)` \| (.*?) ?\| (.*) \|$", TEXT, re.MULTILINE)
    documented = {name: (default.strip("` "), meaning) for name, default, meaning in rows}
    assert len(rows) == len(documented)
    assert documented == {
        PREFIX + name.upper(): (str(field.default or ""), field.description)
        for name, field in Settings.model_fields.items()
    }


def test_no_other_setting_is_spoken_of() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"JOBYARD_[A-Z_]+", TEXT)) == known


def test_the_tables_are_those_of_the_database() -> None:
    (section,) = re.findall(r"## Where results lie\n(.*?)\n## ", TEXT, re.DOTALL)
    first_columns = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(first_columns))) == set(tables.metadata.tables)


def test_every_kind_of_job_is_there_with_fields_that_it_has() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| (.*) \|$", TEXT, re.MULTILINE)
    fields = {kind: set(re.findall(r"`(\w+)`", named)) for kind, named in rows if kind in SPECS}
    assert set(fields) == set(SPECS)
    for kind, named in fields.items():
        assert named <= set(SPECS[kind].model_fields), kind


def test_what_it_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert [link for link in links if not (ROOT / link).exists()] == []
