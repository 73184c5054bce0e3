"""Jobs: submit, look, wait, control."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from flask import Response, request, stream_with_context
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from shared import jobs, queues, specs
from shared.errors import BadInput
from web import schemas
from web.api.common import ANSWERS, SECURITY, JobPath, PageQuery, answer, not_modified
from web.api.submitting import submit, submit_many
from web.backend import Backend, backend

api = APIBlueprint(
    "jobs",
    __name__,
    url_prefix=f"{schemas.API}/jobs",
    abp_tags=[Tag(name="jobs", description="Submit, look, wait, control")],
    abp_security=SECURITY,
    abp_responses=ANSWERS,
)

MAX_WAIT_SECONDS = 60
# How often a waiting request looks: soon at first, for short jobs, then less and less.
FIRST_LOOK_SECONDS = 0.004
LAST_LOOK_SECONDS = 0.25
STREAM_SECONDS = 600
MAX_KEY_CHARACTERS = 255


class JobsQuery(PageQuery):
    """Which jobs."""

    kind: Literal["train", "predict", "sentiment", "import"] | None = None
    state: jobs.State | None = None


class JobQuery(BaseModel):
    """How to look at a job."""

    model_config = {"extra": "forbid"}

    wait: float | None = Field(
        default=None,
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="Answer at the next change of state, or after so many seconds, whichever is first; "
        "with If-None-Match, at the next change of anything",
    )


class EventsQuery(BaseModel):
    """Which part of the timeline."""

    model_config = {"extra": "forbid"}

    after: int = Field(default=0, ge=0, lt=2**63, description="The id of the last event that you have")


@api.post("", responses={202: schemas.Submitted}, summary="Submit a job, or a list of jobs")
def submit_job(body: specs.Submit) -> Response:
    """Accepted means done: the job is in the database when the answer comes.

    A list of up to 1,000 jobs is accepted as a whole or not at all, and answered with a list.
    With a header `Idempotency-Key`, a repeated request returns what the first one made (200).
    """
    here, key = backend(), _idempotency_key()
    if not isinstance(body.root, list):
        job, is_new = submit(here, body.root, key)
        return job_answer(job, 202 if is_new else 200)
    made, are_new = submit_many(here, body.root, key)
    with here.database.read() as session:
        positions = queues.positions(session, made)
    page = schemas.Page[schemas.Job](items=[schemas.Job.of(job, positions.get(job.id)) for job in made])
    return answer(page, 202 if are_new else 200)


@api.get("", responses={200: schemas.Page[schemas.Job]}, summary="List jobs, newest first")
def list_jobs(query: JobsQuery) -> Response:
    """Children of other jobs are left out."""
    with backend().database.read() as session:
        found = jobs.page(
            session, kind=query.kind, state=query.state, before=query.cursor, limit=query.limit + 1
        )
        positions = queues.positions(session, found)
    page = [schemas.Job.of(job, positions.get(job.id)) for job in found[: query.limit]]
    more = str(page[-1].id) if len(found) > query.limit else None
    return answer(schemas.Page[schemas.Job](items=page, next=more))


@api.get("/<uuid:id>", responses={200: schemas.Job, 304: None}, summary="Look at a job, or wait for it")
def get_job(path: JobPath, query: JobQuery) -> Response:
    """The ETag changes with everything that a reader can see."""
    here = backend()
    seen = _look(here, path.id)
    if query.wait and not seen.job.terminal and here.waiters.acquire(blocking=False):
        # More waiters than the process has threads to spare are answered at once, and ask again.
        try:
            seen = _wait(here, seen, query.wait)
        finally:
            here.waiters.release()
    return not_modified(seen.etag) or seen.answer(200)


@api.post("/<uuid:id>/cancel", responses={202: schemas.Job}, summary="Cancel a job")
def cancel_job(path: JobPath) -> Response:
    """A queued job is cancelled at once, a running one by its worker at the next batch or chunk."""
    with backend().database.write() as session:
        job = jobs.cancel(session, path.id)
    return job_answer(job, 202)


@api.post("/<uuid:id>/pause", responses={202: schemas.Job}, summary="Set a job aside")
def pause_job(path: JobPath) -> Response:
    """A queued job is paused at once; a running one gives its worker back at its next step.

    A training goes on from its checkpoint when it is resumed; other kinds begin anew.
    """
    with backend().database.write() as session:
        job = jobs.pause(session, path.id)
    return job_answer(job, 202)


@api.post("/<uuid:id>/resume", responses={202: schemas.Job}, summary="Go on with a paused job")
def resume_job(path: JobPath) -> Response:
    """Back to its queue; a job that was only asked to pause runs on."""
    here = backend()
    with here.database.write() as session:
        job = jobs.resume(session, path.id)
    if job.state == jobs.State.QUEUED:
        here.broker.send(job)
    return job_answer(job, 202)


@api.post("/<uuid:id>/retry", responses={202: schemas.Job}, summary="Run a failed or cancelled job again")
def retry_job(path: JobPath) -> Response:
    """A new attempt; the timeline keeps the earlier ones."""
    here = backend()
    with here.database.write() as session:
        job = jobs.retry(session, path.id, here.settings.max_attempts)
    here.broker.send(job)
    return job_answer(job, 202)


@api.get(
    "/<uuid:id>/events", responses={200: schemas.Page[schemas.Event]}, summary="The timeline, oldest first"
)
def get_events(path: JobPath, query: EventsQuery) -> Response:
    """As `text/event-stream` when that is asked for: it goes on until the job ends."""
    here = backend()
    streaming = request.accept_mimetypes.best_match(["application/json", "text/event-stream"])
    with here.database.read() as session:
        jobs.get(session, path.id)
        if streaming != "text/event-stream":
            rows = jobs.events(session, path.id, query.after)
            items = [schemas.Event.model_validate(row) for row in rows]
            return answer(schemas.Page[schemas.Event](items=items))
    last = request.headers.get("Last-Event-ID", "")
    after = int(last) if last.isdecimal() and len(last) < 19 else query.after
    stream = stream_with_context(_stream(here, path.id, after))
    return Response(stream, mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


@dataclass(frozen=True)
class Seen:
    """A job as a reader sees it, with what is not in its row."""

    job: jobs.Job
    position: int | None
    waiting_for: str | None

    @property
    def etag(self) -> str:
        return f'"{self.job.version}.{self.position or 0}{".w" if self.waiting_for else ""}"'

    def answer(self, status: int) -> Response:
        body = schemas.Job.of(self.job, self.position, self.waiting_for)
        return answer(body, status, ETag=self.etag, Location=f"{schemas.API}/jobs/{self.job.id}")


def job_answer(job: jobs.Job, status: int) -> Response:
    """A job as the answer to a request that made or changed it."""
    with backend().database.read() as session:
        return _see(session, job).answer(status)


def _see(session: Session, job: jobs.Job) -> Seen:
    return Seen(job, queues.position(session, job), queues.why_waiting(session, job))


def _look(here: Backend, job_id: uuid.UUID) -> Seen:
    with here.database.read() as session:
        return _see(session, jobs.get(session, job_id))


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not key.strip() or len(key) > MAX_KEY_CHARACTERS:
        raise BadInput("Idempotency-Key", f"should have 1 to {MAX_KEY_CHARACTERS} characters")
    return key


def _wait(here: Backend, seen: Seen, seconds: float) -> Seen:
    """Until the state is another, or, if the client says what it has, until it has something else."""
    before = seen.job.state
    any_change = bool(request.if_none_match)
    ends = time.monotonic() + seconds
    pause = FIRST_LOOK_SECONDS
    while True:
        if any_change and not request.if_none_match.contains(seen.etag.strip('"')):
            return seen
        left = ends - time.monotonic()
        if seen.job.state != before or left <= 0:
            return seen
        time.sleep(min(pause, left))
        pause = min(pause * 1.3, LAST_LOOK_SECONDS)
        seen = _look(here, seen.job.id)


def _stream(here: Backend, job_id: uuid.UUID, after: int) -> Iterator[str]:
    """Events as they come. Ends with the job, or when it had its time: an EventSource comes again."""
    if not here.waiters.acquire(blocking=False):
        yield "retry: 2000\n\n"
        return
    try:
        ends = time.monotonic() + STREAM_SECONDS
        while time.monotonic() < ends:
            with here.database.read() as session:
                terminal = jobs.get(session, job_id).terminal
                rows = jobs.events(session, job_id, after)
            for row in rows:
                after = row.id
                yield f"id: {row.id}\ndata: {schemas.Event.model_validate(row).model_dump_json()}\n\n"
            if terminal:
                yield "event: end\ndata: {}\n\n"
                return
            if not rows:
                yield ": still there\n\n"
            time.sleep(0.5)
    finally:
        here.waiters.release()
