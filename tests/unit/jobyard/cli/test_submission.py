"""The command submit, over HTTP that is answered here: what it sends, and what it prints."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobyard.cli import run
from jobyard.client import Client
from jobyard.client.job import JobFields
from tests.unit.jobyard.conftest import Answers

ID = "0198c5b0-0000-7000-8000-000000000001"
FILE = "0198c5b0-0000-7000-8000-0000000000ff"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "file": {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]},
        "epochs": {"type": "integer", "minimum": 1},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
}
KINDS = [
    {"kind": kind, "queue": "cpu", "title": kind, "description": "", "schema": SCHEMA}
    for kind in ("train", "reverse")
]
RAW: dict[str, Any] = dict.fromkeys(JobFields.__annotations__) | {
    "id": ID,
    "kind": "reverse",
    "state": "succeeded",
    "spec": {},
    "result": {"answer": 42, "text": "a\n\x1b[2J[bold]b", "list": [1, {"x": "é"}], "long": "z" * 2_000},
    "links": {"page": f"/jobs/{ID}"},
}


class Server:
    """Answers the client's requests, and keeps the bodies of jobs and uploads."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.uploads: list[bytes] = []
        self.job = RAW

    def __call__(self, request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path:
            case "GET", "/api/v1/kinds":
                return httpx.Response(200, json={"items": KINDS})
            case "POST", "/api/v1/jobs/check":
                return httpx.Response(204)
            case "POST", "/api/v1/files":
                self.uploads.append(request.read())
                return httpx.Response(201, json={"id": FILE})
            case "POST", "/api/v1/jobs":
                self.jobs.append(json.loads(request.read()))
                return httpx.Response(202, json=self.job)
        raise AssertionError(f"{request.method} {request.url}")


@pytest.fixture
def server(answer_with: Callable[[Answers], None]) -> Server:
    answers = Server()
    answer_with(answers)
    return answers


def test_fields_are_sent_as_the_types_of_the_kind(server: Server) -> None:
    assert run(["submit", "reverse", "epochs=5", "note=7", "--priority", "9"]) == 0
    assert server.jobs == [{"kind": "reverse", "spec": {"epochs": 5, "note": "7"}, "priority": 9}]


def test_a_null_is_sent_and_not_left_out(server: Server) -> None:
    assert run(["submit", "reverse", "note=null"]) == 0
    assert server.jobs[0]["spec"] == {"note": None}


def test_a_file_is_uploaded_and_its_id_is_sent(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    Path("table.csv").write_text("text\nfine\n")
    assert run(["submit", "reverse", "file=@table.csv"]) == 0
    assert server.jobs[0]["spec"] == {"file": FILE}
    assert [b"fine" in upload for upload in server.uploads] == [True]
    assert "uploading table.csv …" in capsys.readouterr().err


def test_nothing_is_uploaded_for_a_spec_that_is_wrong(server: Server) -> None:
    Path("table.csv").touch()
    assert run(["submit", "reverse", "file=@table.csv", "epochs=many"]) == 2
    assert server.uploads == []
    assert server.jobs == []


def test_a_spec_comes_from_a_file_and_fields_win_over_it(server: Server) -> None:
    Path("spec.json").write_text('{"epochs": 1, "note": "é"}')
    assert run(["submit", "train", "--spec", "spec.json", "epochs=2"]) == 0
    assert server.jobs == [{"kind": "train", "spec": {"epochs": 2, "note": "é"}}]


def test_a_spec_comes_from_standard_input(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"epochs": 1}'))
    assert run(["submit", "train", "--spec", "-"]) == 0
    assert server.jobs == [{"kind": "train", "spec": {"epochs": 1}}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["revers"], "there is no kind 'revers'; did you mean 'reverse'?"),
        (["dance"], "there is no kind 'dance'; should be one of train, reverse"),
        (["reverse", "epoch=1"], "epoch: there is no such field; did you mean 'epochs'?"),
        (["reverse", "epochs=x"], "epochs: should be a whole number, but is 'x'"),
        (["reverse", "file=@x.csv"], "file: there is no file x.csv"),
        (["reverse", "--spec", "x.json"], "--spec x.json: can't be read: No such file or directory"),
        (["reverse", "--spec", "list.json"], "--spec list.json: should be an object"),
        (["reverse", "--spec", "binary.json"], "--spec binary.json: is not JSON"),
        ([], "Missing argument 'KIND'"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    server: Server, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("list.json").write_text("[1]")
    Path("binary.json").write_bytes(b"\xff")
    assert run(["submit", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"jobyard: {said}")
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert server.jobs == []


def test_the_result_of_a_kind_that_is_not_known_is_shown_by_name(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["submit", "reverse"]) == 0
    shown = capsys.readouterr().out
    assert "answer │ 42" in shown
    assert "a [2J[bold]b" in shown
    assert '[1, {"x": "é"}]' in shown
    assert "\x1b" not in shown
    assert shown.count("z") == 300
    assert shown.endswith(f"reverse succeeded: http://127.0.0.1:8642/jobs/{ID}\n")


def test_json_is_one_line(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["submit", "reverse", "--json"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    assert json.loads(shown)["result"] == RAW["result"]


@pytest.mark.parametrize("option", ["--detach", "--no-follow"])
def test_a_job_need_not_be_followed(server: Server, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    server.job = RAW | {"state": "queued", "result": None}
    assert run(["submit", "reverse", option]) == 0
    assert f"job {ID} was submitted (queued); `jobyard watch {ID}` follows it" in capsys.readouterr().out


def test_a_job_that_failed_is_status_1(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    error = {"type": "WorkError", "message": "there is no text to reverse"}
    server.job = RAW | {"state": "failed", "result": None, "error": error}
    assert run(["submit", "reverse"]) == 1
    assert "there is no text to reverse" in capsys.readouterr().err


def test_the_python_client_uploads_the_paths_of_a_spec(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    spec = {"file": tmp_path / "x", "many": [{"one": tmp_path / "x"}], "note": None}
    with Client("http://127.0.0.1:8642", "a-token-of-the-test") as client:
        assert [kind["kind"] for kind in client.kinds()] == ["train", "reverse"]
        client.submit("reverse", spec)
    assert server.jobs[0]["spec"] == {"file": FILE, "many": [{"one": FILE}], "note": None}
    assert len(server.uploads) == 2


def test_the_other_submissions_of_the_python_client_leave_out_what_is_not_given(server: Server) -> None:
    calls: list[Callable[[Client], object]] = [
        lambda client: client.train("cats", patience=None),
        lambda client: client.predict("cats", [FILE]),
        lambda client: client.score(["fine"]),
    ]
    with Client("http://127.0.0.1:8642", "a-token-of-the-test") as client:
        for call in calls:
            call(client)
    specs = [{"dataset": "cats"}, {"model": "cats", "images": [FILE]}, {"texts": ["fine"]}]
    assert [job["spec"] for job in server.jobs] == specs
