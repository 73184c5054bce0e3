"""The client against a real HTTP server that misbehaves on purpose: what is repeated, and what is said."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobyard.client import (
    BadRequest,
    Client,
    Conflict,
    ConnectionFailed,
    JobFailed,
    JobyardClientError,
    NotFound,
    Refused,
    WaitTimeout,
)
from jobyard.client._sync import transport
from jobyard.web.services import score_exports
from tests.serving import serving

JOB: dict[str, Any] = {
    "id": "0198c5b0-0000-7000-8000-000000000001",
    "kind": "sentiment",
    "state": "queued",
    "phase": None,
    "queue": "cpu",
    "priority": 5,
    "spec": {},
    "result": None,
    "error": None,
    "progress": None,
    "attempt": 0,
    "max_attempts": 3,
    "position": 1,
    "parent_id": None,
    "created_at": "2026-01-01T00:00:00Z",
    "started_at": None,
    "finished_at": None,
    "links": {"page": "/jobs/0198c5b0-0000-7000-8000-000000000001"},
}
DROP = 0


class Held(bytes):
    """A body whose last byte doesn't come, until the script is released."""


@dataclass
class Script:
    """Answers in their order, the last one for ever: (status, body). DROP closes without an answer."""

    answers: list[tuple[int, Any]]
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def next(self) -> tuple[int, Any]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script([(202, JOB)])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.seen.append((self.command, self.path, dict(self.headers), body))
            status, answer = script.next()
            if status == DROP:
                self.close_connection = True
                return
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data) + isinstance(data, Held)))
            self.end_headers()
            self.wfile.write(data)
            if isinstance(data, Held):
                self.close_connection = True
                script.released.wait()

        do_POST = do_DELETE = do_GET  # noqa: N815 - http.server's own names

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    with serving(server):
        yield script


@pytest.fixture
def client(script: Script, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    # On a busy machine the two seconds of a first try may be over before the second.
    monkeypatch.setattr(transport, "FIRST_PATIENCE_SECONDS", transport.PATIENCE_SECONDS)
    with Client(script.url, "a-token-of-the-test") as client:
        yield client


def problem(status: int, detail: str) -> dict[str, Any]:
    return {"type": "about:blank", "title": "-", "status": status, "detail": detail, "errors": []}


@pytest.mark.parametrize("trouble", [(503, problem(503, "away")), (502, b"<html>"), (DROP, None)])
def test_a_job_is_sent_again_with_the_same_key(
    script: Script, client: Client, trouble: tuple[int, Any]
) -> None:
    script.answers = [trouble, (202, JOB)]

    assert client.score(["fine"]).id == JOB["id"]

    first, second = script.seen
    assert first[2]["Idempotency-Key"] == second[2]["Idempotency-Key"]
    assert json.loads(second[3]) == {"kind": "sentiment", "spec": {"texts": ["fine"]}}
    assert second[2]["Authorization"] == "Bearer a-token-of-the-test"


def test_two_jobs_have_two_keys(script: Script, client: Client) -> None:
    client.score("one text is a list of one")
    client.score("one text is a list of one")
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in script.seen}) == 2
    assert json.loads(script.seen[0][3])["spec"]["texts"] == ["one text is a list of one"]


def test_a_cancel_whose_answer_is_lost_is_not_repeated(script: Script, client: Client) -> None:
    job = client.score("x")
    script.answers = [(DROP, None)]
    with pytest.raises(ConnectionFailed, match=r"the connection to .* was lost"):
        job.cancel()
    assert len(script.seen) == 2


def test_a_data_set_is_deleted_once(script: Script, client: Client) -> None:
    script.answers = [(204, b""), (503, problem(503, "away"))]
    client.delete_dataset("pets@1")
    with pytest.raises(JobyardClientError, match="away"):
        client.delete_dataset("pets@2")
    assert [(method, path) for method, path, _, _ in script.seen] == [
        ("DELETE", "/api/v1/datasets/pets@1"),
        ("DELETE", "/api/v1/datasets/pets@2"),
    ]


def test_an_upload_is_sent_whole_at_the_second_try_too(
    script: Script, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(b"a line\n" * 1000)
    script.answers = [(503, problem(503, "away")), (201, {"id": "f"})]
    assert client.upload(path) == {"id": "f"}
    assert [body.count(b"a line\n") for _, _, _, body in script.seen] == [1000, 1000]


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, Refused), (404, NotFound), (409, Conflict), (413, BadRequest), (422, BadRequest)],
)
def test_a_problem_becomes_an_exception_that_says_what_is_wrong(
    script: Script, client: Client, status: int, error: type[Exception]
) -> None:
    script.answers = [(status, problem(status, "spec.epochs: should be at least 1"))]
    with pytest.raises(error, match=r"^epochs: should be at least 1$") as caught:
        client.train("pets", epochs=0)
    assert caught.value.problem["status"] == status  # type: ignore[attr-defined]
    assert len(script.seen) == 1


def test_fields_that_the_server_refuses_are_called_as_arguments(script: Script, client: Client) -> None:
    wrong = ["spec.model", "spec.quantize", "labels.team", "spec.force", "priority"]
    document = problem(422, "…") | {"errors": [{"field": one, "message": "is wrong"} for one in wrong]}
    script.answers = [(422, document), (422, document)]
    with pytest.raises(
        BadRequest, match=r"^reference: is wrong; quantize: is wrong; labels.team: is wrong; and 2 more$"
    ):
        client.export_model("pets@1", "onnx")
    with pytest.raises(BadRequest, match=r"^spec.model: is wrong; spec.quantize: is wrong; "):
        client.submit("export", {"model": "pets@1"})


def test_an_answer_that_is_not_jobyards_is_named(script: Script, client: Client) -> None:
    script.answers = [(200, b"<html>another server</html>")]
    with pytest.raises(ConnectionFailed, match="is not a Jobyard server"):
        next(client.models())


def test_nobody_at_the_address_is_said_soon() -> None:
    with Client("http://127.0.0.1:9", "t") as client, pytest.raises(ConnectionFailed, match="can't reach"):
        client.job(JOB["id"])


@pytest.mark.parametrize("url", ["", "localhost:8642", "ftp://host", "http://", "http://[::1"])
def test_a_wrong_address_is_named(url: str) -> None:
    with pytest.raises(ConnectionFailed, match="is not the address of a server"):
        Client(url, "t")


def test_what_is_no_id_is_not_asked_for(script: Script, client: Client) -> None:
    with pytest.raises(NotFound, match=r"there is no job '\.\./models'"):
        client.job("../models")
    assert script.seen == []


def test_lists_are_read_page_by_page(script: Script, client: Client) -> None:
    script.answers = [(200, {"items": [JOB], "next": "c1"}), (200, {"items": [JOB, JOB], "next": None})]
    assert len(list(client.jobs(kind="sentiment"))) == 3
    assert [path for _, path, _, _ in script.seen] == [
        "/api/v1/jobs?limit=200&kind=sentiment",
        "/api/v1/jobs?cursor=c1&limit=200&kind=sentiment",
    ]


def test_a_limit_is_of_all_pages_together(script: Script, client: Client) -> None:
    many = [JOB] * 200
    pages = [(200, {"items": many, "next": "c1"}), (200, {"items": many[:100], "next": "c2"})]
    script.answers = [(200, {"items": many[:4], "next": "c1"}), *pages]
    assert len(list(client.jobs(limit=3))) == 3
    assert len(list(client.files(limit=250))) == 250
    assert list(client.jobs(limit=0)) == []
    assert [path.partition("?")[2] for _, path, _, _ in script.seen] == [
        "limit=3",
        "limit=200",
        "cursor=c1&limit=50",
    ]
    wrong: Any
    for wrong in (-1, 2.5, True, "3"):
        with pytest.raises(BadRequest, match="limit: should be a whole number from 0, or None for all, but"):
            client.jobs(limit=wrong)


def test_scores_and_groups_are_read_page_by_page(script: Script, client: Client) -> None:
    job = client.score("x")
    script.answers = [
        (200, {"items": [{"row": 7}], "next": "0.5:7"}),
        (200, {"items": [{"row": 3}], "next": None}),
        (200, {"items": [{"value": "a"}], "next": None}),
    ]
    found = job.scores(label="negative", sort="compound", search="50% & more")
    assert [row["row"] for row in found] == [7, 3]
    assert list(job.groups()) == [{"value": "a"}]
    path, asked = f"/api/v1/jobs/{JOB['id']}", "label=negative&sort=compound&search=50%25+%26+more"
    assert [path for _, path, _, _ in script.seen[1:]] == [
        f"{path}/scores?limit=1000&{asked}",
        f"{path}/scores?cursor=0.5%3A7&limit=1000&{asked}",
        f"{path}/groups?limit=1000",
    ]


def test_a_scoring_says_only_what_was_said(script: Script, client: Client) -> None:
    given: dict[str, Any] = {
        "column": 2, "group_by": "shop", "encoding": "cp1252", "errors": "skip", "lexicon": {"sick": 2.1}
    }  # fmt: skip
    client.score(file="0198c5b0-0000-7000-8000-000000000001", **given)
    client.score("x", explain=True)
    bodies = [json.loads(body)["spec"] for _, _, _, body in script.seen]
    assert bodies == [
        {"file": "0198c5b0-0000-7000-8000-000000000001", **given},
        {"texts": ["x"], "explain": True},
    ]


def test_wait_returns_when_the_job_has_ended(script: Script, client: Client) -> None:
    job = client.score("x")
    script.answers = [
        (200, JOB | {"state": "running"}),
        (200, JOB | {"state": "succeeded", "result": {"count": 1}}),
    ]
    assert job.wait().result == {"count": 1}


def test_a_submit_that_waits_brings_the_job_as_it_was_then(script: Script, client: Client) -> None:
    script.answers = [(200, JOB | {"state": "succeeded", "result": {"count": 1}})]
    assert client.score("x", wait=5).result == {"count": 1}
    ((_, path, _, body),) = script.seen
    assert path == "/api/v1/jobs?wait=5"
    assert json.loads(body)["spec"] == {"texts": ["x"]}


def test_wait_raises_what_the_job_failed_of(script: Script, client: Client) -> None:
    job = client.score("x")
    failed = JOB | {"state": "failed", "error": {"type": "WorkError", "message": "no column 'text'"}}
    script.answers = [(200, failed)]
    with pytest.raises(JobFailed, match="failed: no column 'text'"):
        job.wait()
    assert job.wait(check=False).state == "failed"


def test_wait_ends_in_time_and_does_not_storm_a_busy_server(script: Script, client: Client) -> None:
    job = client.score("x")  # stays queued, and is answered at once
    with pytest.raises(WaitTimeout, match=r"still queued after 0\.7 seconds"):
        job.wait(0.7)
    assert len(script.seen) <= 5


def test_a_download_that_fails_leaves_nothing(script: Script, client: Client, tmp_path: Path) -> None:
    job = client.score("x")
    script.answers = [(404, problem(404, "there is no file")), (200, b"scores")]
    with pytest.raises(NotFound):
        job.download("scored.csv", tmp_path / "scored.csv")
    assert list(tmp_path.iterdir()) == []
    assert job.download("scored.csv", tmp_path / "scored.csv").read_bytes() == b"scores"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_can_not_be_read_sent_or_written_is_an_error_of_the_client(
    script: Script, client: Client, tmp_path: Path
) -> None:
    with pytest.raises(
        JobyardClientError, match=r"^file: .*nowhere.csv can't be read: No such file or directory"
    ):
        client.score(file=tmp_path / "nowhere.csv")
    with pytest.raises(JobyardClientError, match="can't be read: Is a directory"):
        client.upload(tmp_path)
    with pytest.raises(BadRequest, match=r"^thresholds.positive: is nan; should be a finite number"):
        client.score("x", thresholds={"positive": float("nan")})
    with pytest.raises(BadRequest, match=r"^spec\.lexicon: has half of a surrogate pair"):
        client.submit("sentiment", {"texts": ["x"], "lexicon": {"\ud83d": 1.0}})
    with pytest.raises(BadRequest, match=r"^spec\.texts: is a set, which JSON doesn't have"):
        client.submit("sentiment", {"texts": {1, 2}})
    assert script.seen == []
    job = client.score("x")
    script.answers = [(200, b"all")]
    with pytest.raises(JobyardClientError, match=r"x.csv can't be written: No such file or directory"):
        job.download("x.csv", tmp_path / "nowhere" / "x.csv")
    (tmp_path / "taken").mkdir()
    with pytest.raises(JobyardClientError, match=r"taken' is a folder or a device"):
        job.download("x.csv", tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("token", ["tökén", "a\nb"])
def test_a_token_that_can_be_none_is_said(token: str) -> None:
    with pytest.raises(Refused, match="the token has characters that no token has"):
        Client("http://127.0.0.1:9", token)


@pytest.mark.parametrize("answer", [{}, {"id": "1"}])
def test_an_answer_that_is_no_job_is_an_error_of_the_client(
    script: Script, client: Client, answer: dict[str, str]
) -> None:
    script.answers = [(202, answer)]
    with pytest.raises(JobyardClientError, match="the server's answer is no job that this client knows"):
        client.score("x")


def test_rows_that_others_are_written_before_are_asked_for_again(
    script: Script, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their answer may begin when a server's has long been taken for lost."""
    job = client.score("x")
    script.answers = [(503, problem(503, "other files are being written")), (200, b"PK")]
    patiences = []
    sent = httpx.Client.build_request

    def build(self: httpx.Client, *args: Any, **options: Any) -> httpx.Request:
        request = sent(self, *args, **options)
        patiences.append(request.extensions["timeout"]["read"])
        return request

    monkeypatch.setattr(httpx.Client, "build_request", build)
    assert job.save_scores(tmp_path / "x.xlsx").read_bytes() == b"PK"
    assert [path for _, path, *_ in script.seen[1:]] == [f"/api/v1/jobs/{JOB['id']}/scores.xlsx"] * 2
    longest = score_exports.PATIENCE_SECONDS + 2 * score_exports.MAX_SECONDS
    assert min(patiences) >= longest


def test_only_while_it_is_busy_is_a_server_asked_for_longer(
    script: Script, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure after that is one of a server that is away, for which the usual time is over."""
    job = client.score("x")
    monkeypatch.setattr(transport, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(transport, "FIRST_PAUSE_SECONDS", 0.0)
    busy, away = (503, problem(503, "busy")), (502, b"<html>")
    script.answers = [busy, busy, away, (200, b"PK")]
    with pytest.raises(JobyardClientError, match="answered 502"):
        job.save_scores(tmp_path / "x.xlsx")
    assert len(script.seen) == 4


def test_the_body_of_an_answer_that_took_long_is_waited_for_as_any_other(
    script: Script, client: Client, tmp_path: Path
) -> None:
    """It was waited for as long as for its beginning: for ten minutes after each part."""
    job = client.score("x")
    script.answers = [(200, Held(b"PK"))]
    client._transport._timeout = 0.1
    try:
        with pytest.raises(ConnectionFailed, match=r"the download of x\.xlsx was interrupted"):
            job.save_scores(tmp_path / "x.xlsx")
    finally:
        script.released.set()
    assert list(tmp_path.iterdir()) == []
