"""Previews: a worker looks at a file's head, the answer has what it found, and nothing stays behind."""

import io
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.client import BadRequest, Client, heads
from jobyard.shared import jobs, outcomes, retention, storage
from jobyard.shared import kinds as declared
from jobyard.shared.database import utcnow
from jobyard.shared.jobs import Job
from jobyard.shared.kinds.preview import Preview
from jobyard.web.backend import Backend
from jobyard.web.services import previews
from jobyard.workers import kinds
from tests.conftest import TOKEN, served
from tests.factories import change_job, claimed, get_job, new_job, post_file
from tests.waiting import PATIENCE
from tests.webhooks import deliveries, new_webhook
from tests.workers import make_context, run_queue

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

CONTENT = b"id;review;shop\n1;I love it;a\n2;I hate it;b\n"


def post(
    api: "FlaskClient", content: bytes = CONTENT, size: int | None = None, **reading: Any
) -> "TestResponse":
    data = {"head": (io.BytesIO(content), "reviews.csv"), "bytes": str(size or len(content))}
    return api.post("/api/v1/previews", data=data | ({"reading": json.dumps(reading)} if reading else {}))


@contextmanager
def working(backend: Backend, home: Path) -> Iterator[None]:
    """A worker that does previews, as long as the context lasts."""
    ended = threading.Event()
    context = make_context(backend.database, home)

    def work() -> None:
        while not ended.wait(0.01):
            run_queue(context, kinds.WORKS[Preview.name], kind=Preview.name)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(PATIENCE)


def left_behind(backend: Backend) -> tuple[int, int]:
    """How many jobs and uploads there are."""
    with backend.database.read() as session:
        counts = [session.scalar(sa.select(sa.func.count()).select_from(one)) for one in (Job, storage.File)]
    return counts[0] or 0, counts[1] or 0


def test_a_head_is_looked_at_and_nothing_of_it_stays(
    api: "FlaskClient", backend: Backend, tmp_path: Path
) -> None:
    new_webhook(backend.database)
    with working(backend, tmp_path / "home"):
        found = post(api).get_json()
        chosen = post(api, column="review", group_by=3).get_json()
        refused = post(api, b"\0\1\2\3").get_json()
    assert found["read_as"]["delimiter"] == ";"
    assert found["columns"] == ["id", "review", "shop"]
    assert found["rows"] == [["1", "I love it", "a"], ["2", "I hate it", "b"]]
    assert (found["column"], found["problem"]["field"]) == (None, "column")
    assert (found["row_estimate"], found["seconds_estimate"], found["is_whole"]) == (2, None, True)
    assert (chosen["column"], chosen["group_by"], chosen["problem"]) == ("review", "shop", None)
    assert refused["problem"]["field"] == "file"
    assert left_behind(backend) == (0, 0)
    assert deliveries(backend.database) == []
    assert not [path for path in (tmp_path / "home" / "storage" / "files").glob("*") if path.is_file()]


def test_rows_and_seconds_are_estimated_by_the_head_and_by_the_jobs_that_ended_last(
    client: "FlaskClient", tmp_path: Path
) -> None:
    api, backend = client, client.application.extensions["jobyard"]
    file = post_file(api, CONTENT, "reviews.csv")
    for rows, seconds in ((10_000, 10), (40_000, 20), (30_000, 10), (5, 600)):
        job = api.post("/api/v1/jobs", json={"kind": "sentiment", "spec": {"file": file["id"]}}).get_json()
        change_job(
            backend.database,
            uuid.UUID(job["id"]),
            state="succeeded",
            result={"rows": rows},
            started_at=utcnow(-seconds),
            finished_at=utcnow(),
        )
    with working(backend, tmp_path / "home"):
        found = post(api, size=1_000 * len(CONTENT)).get_json()
    assert found["is_whole"] is False
    assert 2_000 <= found["row_estimate"] <= 4_000
    assert found["seconds_estimate"] == pytest.approx(found["row_estimate"] / 2_000, rel=0.01)


def test_an_upload_that_is_there_is_looked_at_and_stays(
    api: "FlaskClient", backend: Backend, tmp_path: Path
) -> None:
    file = post_file(api, CONTENT, "reviews.csv")
    with working(backend, tmp_path / "home"):
        found = api.post(f"/api/v1/files/{file['id']}/preview", json={"column": "text"}).get_json()
    assert found["columns"] == ["id", "review", "shop"]
    assert found["problem"]["field"] == "column"
    assert left_behind(backend) == (0, 1)


def test_without_a_worker_it_is_said_and_nothing_stays(
    api: "FlaskClient", backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "WAIT_SECONDS", 0.01)
    answer = post(api)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "no worker of the queue cpu has time" in answer.get_json()["detail"]
    assert left_behind(backend) == (0, 0)


def test_where_too_many_wait_already_it_is_not_the_workers_who_are_blamed(
    api: "FlaskClient", backend: Backend
) -> None:
    taken = 0
    while backend.waiters.acquire(blocking=False):
        taken += 1
    try:
        answer = post(api)
    finally:
        backend.waiters.release(taken)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.get_json()["detail"] == "too many other requests wait for jobs; try again in a few seconds"
    assert left_behind(backend) == (0, 0)


def test_a_worker_that_takes_too_long_is_said_to(
    api: "FlaskClient", backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_claimed(_: Backend, job_id: uuid.UUID, seconds: float, *, or_busy: bool) -> None:
        claimed(backend.database, job_id, "w@host/1", lease_seconds=60)

    monkeypatch.setattr(previews, "until_it_ends", is_claimed)
    answer = post(api)
    assert answer.status_code == 503
    said = "a worker has begun to look at the file and has not ended within 20 seconds"
    assert answer.get_json()["detail"] == said


def test_one_that_ends_when_it_is_given_up_is_no_conflict_and_is_deleted(
    api: "FlaskClient", backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = jobs.cancel

    def ended_first(session: Session, job_id: uuid.UUID) -> Job:
        ended = {"state": "failed", "error_message": "x", "finished_at": utcnow()}
        session.execute(sa.update(Job).where(Job.id == job_id).values(ended))
        return cancel(session, job_id)

    monkeypatch.setattr(jobs, "cancel", ended_first)
    monkeypatch.setattr(previews, "WAIT_SECONDS", 0.01)
    assert post(api).status_code == 503
    assert left_behind(backend) == (0, 0)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"bytes": "4"}, "bytes"),
        ({"bytes": "many"}, "bytes"),
        ({"bytes": str(2**40)}, "bytes"),
        ({"bytes": "100", "head_bytes": "100"}, "head_bytes"),
        ({"bytes": "100", "reading": '{"delimiter": "ab"}'}, "reading.delimiter"),
        ({"bytes": "100", "reading": '{"colum": "a"}'}, "reading.colum"),
        ({"bytes": "100", "reading": "["}, "reading"),
    ],
)
def test_what_is_wrong_in_a_request_is_named_and_nothing_stays(
    api: "FlaskClient", backend: Backend, data: dict[str, str], field: str
) -> None:
    answer = api.post("/api/v1/previews", data={"head": (io.BytesIO(CONTENT), "a.csv"), **data})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == field
    assert left_behind(backend) == (0, 0)


def test_a_head_of_more_than_sixteen_megabytes_is_refused_before_it_is_read(api: "FlaskClient") -> None:
    answer = api.post(
        "/api/v1/previews",
        data=b"--x",
        content_type="multipart/form-data; boundary=x",
        environ_overrides={"CONTENT_LENGTH": str(18 << 20)},
    )
    assert answer.status_code == 413
    assert "the file's head" in answer.get_json()["detail"]


def test_no_request_can_name_the_kind_and_no_count_knows_of_its_jobs(
    api: "FlaskClient", backend: Backend
) -> None:
    answer = api.post("/api/v1/jobs", json={"kind": Preview.name, "spec": {"file": str(uuid.uuid4())}})
    assert answer.status_code == 422
    assert Preview.name not in declared.by_name()
    assert api.get(f"/new/{Preview.name}").status_code == 404
    spec = {"file": "x", "bytes": 1, "head_bytes": None}
    job_id = new_job(backend.database, kind=Preview.name, spec=spec)
    with backend.database.read() as session:
        before = outcomes.count(session)
    change_job(backend.database, job_id, state="succeeded", finished_at=utcnow())
    with backend.database.read() as session:
        assert outcomes.count(session) == before == []


def test_while_it_lasts_it_has_its_page_and_is_in_no_list_or_count(client: "FlaskClient") -> None:
    api, backend = client, client.application.extensions["jobyard"]
    head = post_file(api, CONTENT, "head.csv")["id"]
    spec = {"file": head, "bytes": 9, "head_bytes": 9, "reading": {"column": "a"}, "deadline_seconds": 60.0}
    job_id = new_job(backend.database, kind=Preview.name, spec=spec)
    change_job(backend.database, job_id, state="failed", error_message="x", finished_at=utcnow())
    job = new_job(backend.database, created_by="built-in")
    for order in ("newest", "oldest", "priority"):
        listed = api.get("/api/v1/jobs", query_string={"sort": order}).get_json()
        assert [one["id"] for one in listed["items"]] == [str(job)], order
    assert api.get("/api/v1/jobs?sort=finished").get_json()["items"] == []
    page = api.get("/").get_data(as_text=True)
    assert "<title>1 queued · Jobs" in page
    assert str(job_id) not in page
    for address in (f"/api/v1/jobs/{job_id}", f"/api/v1/jobs/{job_id}/events", "/", f"/jobs/{job_id}"):
        assert api.get(address).status_code == 200, address
    assert api.get(f"/jobs/{job_id}/again").status_code == 404
    assert api.post(f"/api/v1/jobs/{job_id}/retry").status_code == 202


def test_a_sweep_deletes_previews_whose_reader_has_gone(client: "FlaskClient") -> None:
    api, backend = client, client.application.extensions["jobyard"]
    head, kept = (post_file(api, CONTENT, name)["id"] for name in ("head.csv", "kept.csv"))
    old, recent = (
        new_job(
            backend.database,
            kind=Preview.name,
            spec={"file": file, "bytes": 9, "head_bytes": head_bytes},
        )
        for file, head_bytes in ((head, 9), (kept, None))
    )
    change_job(backend.database, old, state="failed", error_message="x", finished_at=utcnow(-400))
    change_job(backend.database, recent, state="failed", error_message="x", finished_at=utcnow(-200))
    with backend.database.write() as session:
        retention.forget_previews(session)
    with backend.database.read() as session:
        assert session.scalars(sa.select(Job.id)).all() == [recent]
        assert [str(one) for one in session.scalars(sa.select(storage.File.id))] == [kept]
    assert get_job(backend.database, recent).kind == Preview.name


def test_the_client_refuses_a_wrong_column_before_it_uploads_a_large_file(
    app: "Flask", backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reviews.csv"
    path.write_bytes(CONTENT)
    with served(app) as url, Client(url, TOKEN) as client:
        with working(backend, tmp_path / "home"):
            assert client.preview(path, column="review")["problem"] is None
            assert client.preview(path, delimiter="none")["rows"][0] == ["id;review;shop"]
            client.score(file=path, column="shop")  # it is small: the job says what is wrong
            monkeypatch.setattr(heads, "LARGE_BYTES", len(CONTENT))
            with pytest.raises(BadRequest, match="has no column 'reveiw'; did you mean 'review'"):
                client.score(file=path, column="reveiw")
        assert left_behind(backend) == (1, 1)
        monkeypatch.setattr(previews, "WAIT_SECONDS", 0.01)
        client.score(file=path, column="reveiw")  # nobody could look at it
    assert left_behind(backend) == (2, 2)
