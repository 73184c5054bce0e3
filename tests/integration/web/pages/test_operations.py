"""The page for operators, and what can be done there."""

import html
import re
import uuid

from flask.testing import FlaskClient

from jobyard import __version__
from jobyard.shared import jobs, registrations, storage, sweeper_actions
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import Job, State
from jobyard.shared.registrations import Room, Worker
from jobyard.web.backend import Backend
from jobyard.workers.runtime import inventory
from jobyard.workers.runtime.sweeper import recount, tally
from tests.factories import LONG_AGO, change, change_job, claimed, get_job, new_job, new_jobs, put_file
from tests.integration.web.pages.test_pages import look

HOSTILE_NAME = "cpu@<b>host</b>"


def fail(database: Database, message: str) -> uuid.UUID:
    one = claimed(database, new_job(database))
    with database.write() as session:
        jobs.fail(session, one.id, one.lease, error_type="WorkError", message=message)
    return one.id


def texts(web: FlaskClient, path: str = "/operations") -> str:
    """What is to be read there."""
    text = re.sub(r"<[^>]*>", " ", look(web, path).text)
    return re.sub(r"\s+([,.:;])", r"\1", " ".join(html.unescape(text).split()))


def test_it_says_what_there_is_to_know(web: FlaskClient, backend: Backend) -> None:
    empty = texts(web)
    for word in (
        "no running worker",
        "none ended",
        "No job has failed",
        "No sweeper has run",
        "not counted yet",
    ):
        assert word in empty
    database = backend.database
    with database.write() as session:
        registrations.register(session, name=HOSTILE_NAME, queue="cpu", process="a/1/2")
        registrations.drain(session, HOSTILE_NAME, "ada")
        jobs.set_mark(session, jobs.SWEPT)
        sweeper_actions.note_actions(session, {"rescued": 3})
    put_file(backend, "a.bin", b"x" * 2_000)
    fail(database, "row 1 is <i>broken</i>")
    fail(database, "row 2 is <i>broken</i>")
    inventory.count(database, backend.storage)
    recount(database)
    found = texts(web)
    for word in ("2 ended, 100.0 % failed", "row 2 is <i>broken</i>", "all like this", HOSTILE_NAME):
        assert word in found
    for word in ("drained since just now by ada", "files/", "2 kB", "Database", "lost workers rescued"):
        assert word in found
    with database.read() as session:
        sizes = {one.name: (one.files, one.bytes) for one in storage.stored(session)}
    assert sizes["files/"] == (1, 2_000)
    assert sizes[storage.DATABASE][1] > 10_000
    backend.storage.objects.delete(_key(database))
    inventory.count(database, backend.storage)
    with database.read() as session:
        assert "files/" not in {one.name for one in storage.stored(session)}


def _key(database: Database) -> str:
    with database.read() as session:
        return session.query(storage.File.storage_key).scalar()  # type: ignore[no-any-return]


def test_queues_are_paused_limited_and_resumed_there(web: FlaskClient, backend: Backend) -> None:
    origin = {"Origin": "http://localhost"}

    def post(path: str, **form: str) -> int:
        return web.post(f"/operations/{path}", data=form, headers=origin).status_code

    assert post("queues/cpu/pause", reason="new disk <b>") == 303
    assert "Paused just now by admin: new disk <b>" in texts(web)
    assert "The queue cpu is paused: new disk <b>" in texts(web, "/")
    assert post("queues/cpu/limit", limit="3") == post("queues/cpu/resume") == 303
    assert "at most 3" in texts(web)
    assert "is paused" not in texts(web, "/")
    assert post("queues/cpu/limit", limit="") == 303
    assert "at most" not in texts(web)
    assert post("queues/cpu/limit", limit="0") == post("queues/cpu/limit", limit="½") == 422
    assert post("queues/none/pause") == 404
    with backend.database.write() as session:
        registrations.register(session, name="cpu@a", queue="cpu", process="a/1/2")
    assert post("workers/cpu@a/drain") == 303
    assert "drained since" in texts(web)
    assert post("workers/cpu@a/undrain") == 303
    assert "drained since" not in texts(web)


def test_all_that_failed_alike_is_retried(web: FlaskClient, backend: Backend) -> None:
    alike = [fail(backend.database, f"row {number} is broken") for number in range(3)]
    other = fail(backend.database, "another reason")
    page = web.get("/operations").text
    (key, _) = re.findall(r"/operations/failures/([0-9a-f]{16})/retry", page)
    address, origin = f"/operations/failures/{key}/retry", {"Origin": "http://localhost"}
    response = web.post(address, headers=origin)
    assert response.status_code == 303
    assert "3 jobs start over." in texts(web, response.location)
    assert {get_job(backend.database, job_id).state for job_id in alike} == {State.QUEUED}
    assert get_job(backend.database, other).state == State.FAILED
    assert web.post(address, headers=origin).status_code == 404


def test_it_names_at_a_glance_what_is_wrong(web: FlaskClient, backend: Backend) -> None:
    database = backend.database
    full = Room(free_bytes=5, min_free_bytes=1_000)
    with database.write() as session:
        registrations.register(session, name="cpu@a", queue="cpu", process="a/1/2", room=full)
        registrations.register(session, name="gpu@a", queue="gpu", process="a/1/2")
        registrations.drain(session, "gpu@a")
    change(database, Worker, Worker.name == "gpu@a", version="0.0.1")
    new_job(database, kind="train")
    for reason in ("the disk is full: 5 bytes are free", "the disk is full: 7 bytes are free"):
        claim = claimed(database, new_job(database))
        with database.write() as session:
            assert jobs.postpone(session, claim.id, claim.lease, reason)
    lost = claimed(database, new_job(database), worker="cpu@a/7", lease_seconds=-1)
    with database.write() as session:
        assert jobs.rescue(session)
    # They wait for their next try however long the rest of the test takes.
    change(database, Job, Job.attempt > 0, available_at=utcnow(1_000))
    new_jobs(database, 1_500, created_by="mallory")
    tally(database)
    found = texts(web)
    for word in (
        "Nothing starts: all its workers (1) are draining: undrain or start one.",
        f"the server is {__version__}",
        "5 bytes free",
        "disk full: 1 kB should be free",
        "mallory 1,500",
        "2 Sentiment · queue cpu",
        "the disk is full: 7 bytes are free; next try in 5 s",
        "worker cpu@a/7 was lost (attempt 1 of 3)",
    ):
        assert word in found
    # While it runs once more, too.
    change_job(database, lost.id, available_at=LONG_AGO)
    claimed(database, lost.id)
    assert "worker cpu@a/7 was lost" in texts(web)


def test_failures_are_listed_and_retried_over_the_api(api: FlaskClient, backend: Backend) -> None:
    first, job_id = fail(backend.database, "row 1 is broken"), fail(backend.database, "row 2 is broken")
    (found,) = api.get("/api/v1/failures").json["items"]
    assert (found["jobs"], found["kind"], found["newest"]) == (2, "sentiment", str(job_id))
    moments = [api.get(f"/api/v1/jobs/{one}").json["finished_at"] for one in (first, job_id)]
    assert [found["first_at"], found["last_at"]] == moments
    assert api.get("/api/v1/failures/setbacks").json["items"] == []
    claim = claimed(backend.database, new_job(backend.database))
    with backend.database.write() as session:
        assert jobs.postpone(session, claim.id, claim.lease, "the disk is full")
    (again,) = api.get("/api/v1/failures/setbacks").json["items"]
    assert (again["jobs"], again["queue"], again["newest"]) == (1, "cpu", str(claim.id))
    done = api.post(f"/api/v1/failures/{found['key']}/retry")
    assert (done.status_code, done.json) == (200, {"retried": 2, "refused": 0})
    assert api.post("/api/v1/failures/0123456789abcdef/retry").status_code == 404
