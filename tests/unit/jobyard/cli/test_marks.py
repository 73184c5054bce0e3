"""What jobs are called and found by, on the command line and in Python: what is sent, and what is printed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from jobyard.cli import run
from jobyard.client import Client
from jobyard.client.job import JobFields
from tests.unit.jobyard.conftest import Answers

ID = "0198c5b0-0000-7000-8000-000000000001"
MARKS: dict[str, Any] = {
    "name": "May \x1b[2J[bold]again",
    "labels": {"team": "birds"},
    "note": "n",
    "keep": True,
}
RAW: dict[str, Any] = dict.fromkeys(JobFields.__annotations__) | {
    "id": ID,
    "kind": "sentiment",
    "state": "failed",
    "created_at": "2026-01-02T03:04:05.678Z",
    "error": {"type": "WorkError", "message": "line one\nline two " + "x" * 300},
    "title": MARKS["name"],
    "spec": {},
    "links": {},
    **MARKS,
}


class Server:
    """Keeps what it is asked, and answers a job, or a list of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.read() or b"null")
        self.asked.append((request.method, request.url.path.removeprefix("/api/v1"), body))
        self.query = request.url.params.multi_items()
        if request.method == "GET" and request.url.path == "/api/v1/jobs":
            return httpx.Response(200, json={"items": [RAW], "next": None})
        return httpx.Response(200, json=RAW | {"state": "succeeded", "error": None})


@pytest.fixture
def server(answer_with: Callable[[Answers], None]) -> Server:
    server = Server()
    answer_with(server)
    return server


def test_a_job_is_submitted_with_its_marks(server: Server) -> None:
    options = ["--name", "May", "--label", "team=birds", "--label", "url=a=b", "--note", "n", "--keep"]
    assert run(["score", "so good", "--json", *options]) == 0
    ((method, path, body), *_) = server.asked
    assert (method, path) == ("POST", "/jobs")
    labels = {"team": "birds", "url": "a=b"}
    assert {name: body[name] for name in MARKS} == MARKS | {"name": "May", "labels": labels}
    assert not set(body["spec"]) & set(MARKS)


def test_marks_that_are_not_given_are_not_sent(server: Server) -> None:
    assert run(["score", "so good", "--json"]) == 0
    assert set(server.asked[0][2]) == {"kind", "spec"}


def test_a_label_without_a_value_is_refused_in_one_line(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["score", "so good", "--label", "team"]) == 2
    assert "--label team: should be KEY=VALUE, as in --label team=birds" in capsys.readouterr().err
    assert server.asked == []


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (["--name", "new", "--priority", "0"], {"name": "new", "priority": 0}),
        (["--name", "", "--note", ""], {"name": None, "note": None}),
        (["--label", "a=b", "--remove-label", "team"], {"labels": {"a": "b", "team": None}}),
        (["--no-keep"], {"keep": False}),
    ],
)
def test_edit_sends_what_is_to_change(server: Server, options: list[str], changes: dict[str, Any]) -> None:
    assert run(["edit", ID, *options]) == 0
    assert server.asked[-1] == ("PATCH", f"/jobs/{ID}", changes)


def test_edit_without_a_change_is_refused(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["edit", ID]) == 2
    assert "nothing to change" in capsys.readouterr().err
    assert server.asked == []


def test_jobs_asks_for_what_is_to_be_found(server: Server) -> None:
    kinds = ["--kind", "train", "--kind", "predict"]
    options = ["--label", "team=birds", "--state", "failed", "--oldest", "--created-by", "ci"]
    assert run(["jobs", "May", "again", *kinds, *options, "--after", "2026-01-01", "--limit", "7"]) == 0
    assert sorted(server.query) == [
        ("after", "2026-01-01"),
        ("created_by", "ci"),
        ("kind", "predict"),
        ("kind", "train"),
        ("label", "team:birds"),
        ("limit", "7"),
        ("q", "May again"),
        ("sort", "oldest"),
        ("state", "failed"),
    ]


def test_jobs_are_listed_in_an_order(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jobs", "--sort", "finished"]) == 0
    assert ("sort", "finished") in server.query
    assert "ended" in capsys.readouterr().out
    assert run(["jobs", "--sort", "priority", "--oldest"]) == 2
    assert "either --oldest or --sort priority" in capsys.readouterr().err


def test_jobs_prints_the_whole_id_the_name_and_why_each_on_a_line(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert run(["jobs"]) == 0
    printed = capsys.readouterr().out
    assert ID in printed
    assert "\x1b[2J" not in printed
    assert "[bold]again" in " ".join(printed.split())
    assert "WorkError:" in printed
    assert "x" * 130 not in printed


def test_the_client_finds_jobs_and_shows_and_changes_their_marks(server: Server) -> None:
    with Client("http://127.0.0.1:8642", "token") as client:
        after = datetime(2026, 1, 2, tzinfo=UTC)
        [job] = client.jobs(q="May", label={"a": "b", "c": "d:e"}, state="failed", after=after)
        assert sorted(server.query) == [
            ("after", "2026-01-02T00:00:00+00:00"),
            ("label", "a:b"),
            ("label", "c:d:e"),
            ("limit", "200"),
            ("q", "May"),
            ("state", "failed"),
        ]
        assert (job.title, job.name, job.labels, job.note, job.keep) == (MARKS["name"], *MARKS.values())
        job.update(name=None, labels={"a": None})
        assert server.asked[-1] == ("PATCH", f"/jobs/{ID}", {"name": None, "labels": {"a": None}})
        client.train("pets@1", name="May", labels={"a": "b"}, epochs=2)
        _, _, body = server.asked[-1]
        assert (body["name"], body["labels"]) == ("May", {"a": "b"})
        assert body["spec"] == {"dataset": "pets@1", "epochs": 2}
