"""`jobyard doctor` where nothing runs: it says so, and what to do, and shows no secret."""

import json
from pathlib import Path

import jsonschema
import pytest

from jobyard.cli import run

TOKEN = "token-of-the-tests-0123456789"


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JOBYARD_TOKEN", TOKEN)


def test_what_does_not_run_is_an_error_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    wrong = {one["topic"] for one in found["findings"] if one["level"] == "error"}
    assert wrong >= {"home", "database", "broker"}
    assert found["errors"] == sum(one["level"] == "error" for one in found["findings"])
    assert all(one["remedy"] for one in found["findings"] if one["level"] != "ok")
    assert TOKEN not in line
    schema = json.loads((Path(__file__).parents[4] / "docs/reference/cli.schema.json").read_text())
    jsonschema.validate(found, {**schema, "$ref": "#/$defs/jobyard%20doctor"})


def test_people_read_a_line_for_each_and_the_remedy_below(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBYARD_PORT", "many")
    assert run(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("error    settings"))
    assert "JOBYARD_PORT" in lines[place]
    assert lines[place + 1].strip().startswith("→ ")
    assert lines[-1].endswith("warnings")
