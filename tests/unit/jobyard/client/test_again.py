"""`job.again` and `jobyard submit --from`: an old request with changes."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobyard.cli import run
from jobyard.client.again import changed_spec
from jobyard.client.errors import BadRequest
from tests.unit.jobyard.conftest import Answers

FILE = str(uuid.UUID(int=7))
JOB_ID = str(uuid.UUID(int=1))
ALTERNATIVES = [
    {"fields": ["texts"], "own": ["explain"]},
    {"fields": ["file", "files"], "own": ["column", "format"]},
]
SPEC = {"texts": None, "file": FILE, "files": None, "column": "text", "normalize": "none", "explain": False}
REQUEST = {"kind": "sentiment", "priority": 7, "spec": SPEC, "name": "May", "labels": {"team": "birds"}}
JOB = dict.fromkeys(
    ("phase", "queue", "priority", "spec", "result", "error", "progress", "attempt", "max_attempts")
) | dict.fromkeys(("position", "parent_id", "created_at", "started_at", "finished_at", "links"))
SCHEMA = {
    "properties": {
        "texts": {"type": "array", "items": {"type": "string"}},
        "file": {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]},
        "normalize": {"type": "string"},
    }
}


def changed(missing: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    found = {"request": REQUEST, "alternatives": ALTERNATIVES, "missing": list(missing)}
    return changed_spec(found, changes)


def test_what_changes_takes_the_place_of_what_it_excludes() -> None:
    assert changed() == SPEC
    assert changed(normalize="standard") == SPEC | {"normalize": "standard"}
    assert changed(column=None) == {name: value for name, value in SPEC.items() if name != "column"}
    assert changed(texts=["one"]) == {"texts": ["one"], "normalize": "none", "explain": False}
    assert changed(files=["a", "b"]) == {"files": ["a", "b"], "column": "text", "normalize": "none"}


def test_a_file_that_was_deleted_has_to_be_replaced() -> None:
    with pytest.raises(BadRequest, match=f"spec.file: the file {FILE} was deleted"):
        changed((FILE,), normalize="standard")
    assert changed((FILE,), file=Path("new.csv"))["file"] == Path("new.csv")


@pytest.fixture
def sent(answer_with: Callable[[Answers], None]) -> list[dict[str, Any]]:
    """The requests for jobs that a server has got, which has one job."""
    bodies: list[dict[str, Any]] = []

    def answers(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if path == f"/jobs/{JOB_ID}/request":
            return httpx.Response(200, json={"request": REQUEST, "alternatives": ALTERNATIVES, "missing": []})
        if path == "/kinds":
            return httpx.Response(200, json={"items": [{"kind": "sentiment", "schema": SCHEMA}]})
        if request.method == "POST":
            bodies.append(json.loads(request.content))
        return httpx.Response(200, json=JOB | {"id": JOB_ID, "state": "queued", "kind": "sentiment"})

    answer_with(answers)
    return bodies


def test_the_command_sends_the_old_request_with_the_fields_that_are_given(
    sent: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["submit", "--from", JOB_ID, "normalize=standard", "--detach", "--name", "June"]
    assert run(line) == 0
    assert sent == [REQUEST | {"spec": SPEC | {"normalize": "standard"}, "name": "June"}]
    assert run(["submit", "sentiment", "--from", JOB_ID, "texts=one", "--priority", "1", "--detach"]) == 0
    assert sent[1] == REQUEST | {
        "spec": {"texts": ["one"], "normalize": "none", "explain": False},
        "priority": 1,
    }
    assert run(["submit", "train", "--from", JOB_ID]) == 2
    assert run(["submit", "texts=one"]) == 2
    assert len(sent) == 2
    assert "the job of --from is of kind sentiment, and not train" in capsys.readouterr().err
