"""Files that a job names by their addresses: fetched once, kept, scored like uploads, and no secret shown."""

import gzip
import http.server
import json
import logging
import threading
import uuid
from pathlib import Path
from typing import Any, Never

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, retention, storage
from jobyard.shared.addresses import parse
from jobyard.shared.database import Database
from jobyard.shared.errors import Stopping
from jobyard.shared.jobs import Job
from jobyard.shared.needs import JobAddress, JobInput, Needs, note
from jobyard.shared.storage import File
from jobyard.workers import kinds
from jobyard.workers.kinds import fetching
from jobyard.workers.runtime.attempt import Attempt
from jobyard.workers.runtime.context import Context
from jobyard.workers.sentiment import plans
from tests.buckets import put, serving
from tests.factories import get_children, get_job, submit
from tests.hosts import Host, redirect, status
from tests.workers import attempt, make_context, run_queue, stored_files

MODIFIED = "Sat, 28 Nov 2026 20:00:00 GMT"
SECRET = "X-Amz-Signature=0123abcd"
ROWS = b"".join(b"%d,good or bad\n" % number for number in range(900))
TABLE = b"number,text\n" + ROWS


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One is enough: what is kept of an address is in SQL that other tests run on both."""
    return sqlite_url


@pytest.fixture
def context(database: Database, tmp_path: Path, host: Host) -> Context:
    return make_context(database, tmp_path / "home", source_hosts=(host.name,), source_buckets=("reviews",))


def ask(context: Context, *addresses: str, **spec: Any) -> uuid.UUID:
    """A job as web inserts it."""
    whole = {"file": addresses[0]} if len(addresses) == 1 else {}
    whole = whole or {f"files.{number}": one for number, one in enumerate(addresses)}
    shown = [parse(one).shown for one in addresses]
    given = {"file": shown[0]} if len(shown) == 1 else {"files": shown}
    with context.database.write() as session:
        job = submit(session, spec=given | spec)
        session.flush()
        note(session.connection(), [(job.id, Needs(addresses=whole))])
        return job.id


def run(context: Context, job_id: uuid.UUID) -> Job:
    run_queue(context, kinds.WORKS["sentiment"])
    return get_job(context.database, job_id)


def refused(context: Context, address: str) -> str:
    """The message of the failed job; nothing of it is left in the storage."""
    before = stored_files(context)
    job = run(context, ask(context, address))
    assert job.state == "failed"
    assert stored_files(context) == before
    message = job.error_message or ""
    assert message.startswith(f"{parse(address).shown}: ")
    assert SECRET not in message
    assert "\n" not in message
    return message


def scored(context: Context, job_id: uuid.UUID) -> bytes:
    with context.database.read() as session:
        (file,) = storage.artifacts(session, job_id)
    return context.storage.open(file.storage_key).read()


def test_a_file_is_fetched_once_and_scored_like_an_upload(context: Context, host: Host) -> None:
    host.has["/reviews/may.csv"] = status(
        200, TABLE, ETag='"1"', Last_Modified="Sat, 28 Nov 2026 20:00:00 GMT"
    )
    job = run(context, ask(context, f"{host.url}/reviews/may.csv?{SECRET}"))
    assert (job.state, job.error_message) == ("succeeded", None)
    result = job.result or {}
    assert (result["rows"], result["file"]) == (900, "may.scored.parquet")
    (fetched,) = result["fetched"]
    assert fetched["address"] == f"{host.url}/reviews/may.csv"
    assert (fetched["field"], fetched["bytes"]) == ("file", len(TABLE))
    assert (fetched["etag"], fetched["last_modified"]) == ('"1"', MODIFIED)
    assert host.asked == [f"/reviews/may.csv?{SECRET}"]
    with context.database.read() as session:
        (upload,) = session.scalars(sa.select(File).where(File.job_id.is_(None)))
        assert (upload.name, upload.bytes, upload.sha256) == ("may.csv", len(TABLE), fetched["sha256"])
        assert session.scalar(sa.select(JobInput.file_id).where(JobInput.job_id == job.id)) == upload.id


def test_a_file_that_is_fetched_in_parts_has_the_bytes_of_one_that_is_not(
    context: Context, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.has["/may.csv"] = TABLE
    once = run(context, ask(context, f"{host.url}/may.csv", format="csv"))
    monkeypatch.setattr(plans, "MIN_PART_BYTES", 1_500)
    monkeypatch.setattr(plans, "MAX_PART_BYTES", 1_500)
    job = run(context, ask(context, f"{host.url}/may.csv", format="csv"))
    assert job.state == "succeeded"
    assert len(get_children(context.database, job.id)) > 5
    assert scored(context, job.id) == scored(context, once.id)
    assert host.asked == ["/may.csv"] * 2


def test_several_are_scored_as_one_with_their_addresses(context: Context, host: Host) -> None:
    host.has |= {"/a/part.csv": b"text\nfine\n", "/b/part.csv.gz": gzip.compress(b"text\nbad\nawful\n")}
    addresses = [f"{host.url}/a/part.csv?{SECRET}", f"{host.url}/b/part.csv.gz"]
    job = run(context, ask(context, *addresses, format="csv"))
    assert (job.state, job.error_message) == ("succeeded", None)
    lines = scored(context, job.id).decode().splitlines()
    assert lines[0].startswith("text,source,")
    assert [line.split(",")[1] for line in lines[1:]] == [
        f"{host.url}/a/part.csv",
        f"{host.url}/b/part.csv.gz",
        f"{host.url}/b/part.csv.gz",
    ]
    assert [one["field"] for one in (job.result or {})["fetched"]] == ["files.0", "files.1"]


def test_an_object_of_a_bucket_is_a_file(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch):
        put("reviews", "2026/may.csv", TABLE)
        job = run(context, ask(context, "s3://reviews/2026/may.csv"))
        assert (job.state, job.error_message) == ("succeeded", None)
        assert (job.result or {})["rows"] == 900
        assert (job.result or {})["fetched"][0]["address"] == "s3://reviews/2026/may.csv"
        assert "there is no such object" in refused(context, "s3://reviews/2026/june.csv")
        assert "JOBYARD_SOURCE_BUCKETS doesn't name" in refused(context, "s3://private/may.csv")


# ---- attempts


def test_the_next_attempt_reads_what_the_first_has_fetched(context: Context, host: Host) -> None:
    host.has["/may.csv"] = TABLE
    job_id = ask(context, f"{host.url}/may.csv?{SECRET}")

    stopping = threading.Event()

    def stopped(attempt: Attempt, spec: Any) -> Never:
        kinds.WORKS["sentiment"](attempt, spec)
        stopping.set()
        raise Stopping

    job = attempt(context, job_id, stopped, stopping)
    assert job is not None
    assert job.state == "queued"
    host.has["/may.csv"] = b"text\nsomething else\n"
    assert (run(context, job_id).result or {})["rows"] == 900
    assert len(host.asked) == 1


def test_of_several_only_those_are_fetched_that_are_missing(context: Context, host: Host) -> None:
    host.has |= {"/a.csv": b"text\nfine\n", "/b.csv": status(404)}
    job_id = ask(context, f"{host.url}/a.csv", f"{host.url}/b.csv?{SECRET}")
    assert run(context, job_id).state == "failed"
    host.has |= {"/a.csv": b"text\nother\nother\n", "/b.csv": b"text\nbad\n"}
    with context.database.write() as session:
        jobs.retry(session, job_id, 3)
    job = run(context, job_id)
    assert (job.state, (job.result or {})["rows"]) == ("succeeded", 2)
    assert host.asked == ["/a.csv", f"/b.csv?{SECRET}", f"/b.csv?{SECRET}"]


def test_a_host_that_is_busy_is_asked_again(context: Context, host: Host) -> None:
    half = status(200, TABLE[:500], Content_Length=str(len(TABLE)))
    answers = iter([status(503), half, status(200, TABLE)])

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        next(answers)(handler)
        handler.close_connection = True

    host.has["/may.csv"] = answer
    assert run(context, ask(context, f"{host.url}/may.csv")).state == "succeeded"
    assert len(host.asked) == 3
    assert [key.partition("/")[0] for key in stored_files(context)] == ["files", "scored"]
    host.has["/may.csv"] = status(503)
    assert refused(context, f"{host.url}/may.csv?{SECRET}").endswith("503 Service Unavailable; tried 3 times")


def test_a_fetched_file_is_kept_as_long_as_its_job(context: Context, host: Host) -> None:
    host.has["/may.csv"] = TABLE
    job_id = run(context, ask(context, f"{host.url}/may.csv")).id
    with context.database.write() as session:
        session.execute(sa.update(File).values(created_at=sa.text("'2020-01-01 00:00:00.000000'")))
    with context.database.write() as session:
        assert retention.forget(session, 1)[0] == []
        session.execute(sa.update(Job).values(finished_at=sa.text("'2020-01-01 00:00:00.000000'")))
    with context.database.write() as session:
        assert len(retention.forget(session, 1)[0]) == 2
        assert session.get(Job, job_id) is None
        assert session.scalars(sa.select(JobAddress)).all() == []


# ---- refusals


def test_what_can_not_be_fetched_is_said_in_a_line(context: Context, host: Host) -> None:
    host.has |= {"/empty.csv": b"", "/there.csv": redirect("https://169.254.169.254/latest/")}
    assert "has no such file (404)" in refused(context, f"{host.url}/none.csv?{SECRET}")
    assert "the file is empty" in refused(context, f"{host.url}/empty.csv?{SECRET}")
    assert "redirected to 169.254.169.254" in refused(context, f"{host.url}/there.csv?{SECRET}")
    assert "JOBYARD_SOURCE_HOSTS doesn't name localhost:1;" in refused(context, "https://localhost:1/a.csv")


@pytest.mark.parametrize("said", [True, False])
def test_a_file_over_the_limit_is_refused_whatever_its_host_says(
    database: Database, tmp_path: Path, host: Host, said: bool
) -> None:
    sent = []

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length" if said else "Connection", "100000000000" if said else "close")
        handler.end_headers()
        sent.extend(handler.wfile.write(b"fine\n" * 2_000) for _ in range(10_000))

    host.has["/may.csv"] = endless
    context = make_context(database, tmp_path / "home", source_hosts=(host.name,), max_upload_bytes=1_000_000)
    message = refused(context, f"{host.url}/may.csv?{SECRET}")
    assert "should have at most 1,000,000 bytes (JOBYARD_MAX_UPLOAD_BYTES)" in message
    assert ("but has 100,000,000,000" in message) == said
    assert sum(sent) < 50_000_000


def test_a_full_disk_postpones_the_job(database: Database, tmp_path: Path, host: Host) -> None:
    host.has["/may.csv"] = TABLE
    context = make_context(database, tmp_path / "home", source_hosts=(host.name,), min_free_bytes=10**18)
    job = run(context, ask(context, f"{host.url}/may.csv"))
    assert (job.state, job.attempt) == ("queued", 0)
    assert stored_files(context) == []


def test_a_worker_that_lost_its_job_keeps_nothing(
    context: Context, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = ask(context, f"{host.url}/may.csv")

    def stolen(handler: Any) -> None:
        with context.database.write() as session:
            session.execute(sa.update(Job).where(Job.id == job_id).values(lease=uuid.uuid4()))
        status(200, TABLE)(handler)

    host.has["/may.csv"] = stolen
    assert attempt(context, job_id, kinds.WORKS["sentiment"]) is None
    assert stored_files(context) == []
    with context.database.read() as session:
        assert session.scalars(sa.select(File)).all() == []


# ---- secrets


@pytest.mark.parametrize("path", ["/may.csv", "/none.csv", "/busy.csv", "/away.csv", "/broken.csv"])
def test_no_query_reaches_a_log_the_job_or_its_timeline(
    context: Context, host: Host, path: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    host.has |= {
        "/may.csv": TABLE,
        "/busy.csv": status(503),
        "/away.csv": redirect(f"https://evil.example/?{SECRET}"),
        "/broken.csv": b"\x89PNG\r\n\x1a\n",
    }
    job = run(context, ask(context, f"{host.url}{path}?{SECRET}"))
    assert job.state == ("succeeded" if path == "/may.csv" else "failed")
    with context.database.read() as session:
        told = [str(vars(event)) for event in jobs.events(session, job.id)]
        (kept,) = session.scalars(sa.select(JobAddress))
    everything = json.dumps([job.spec, job.result, job.error_message, told, caplog.text])
    assert parse(host.url + path).shown in everything
    assert "0123abcd" not in everything
    # What was fetched needs no secret any more; what was not may be tried again.
    assert ("0123abcd" in kept.address) == (kept.file_id is None) == (path not in ("/may.csv", "/broken.csv"))
