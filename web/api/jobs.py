"""Jobs: submit, read, wait, control."""

import uuid
from functools import partial
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa
from flask import Response, request, stream_with_context
from flask_openapi3 import APIBlueprint, Tag
from pydantic import Field

from jobyard.shared import jobs, kinds
from jobyard.shared.errors import BadInput
from jobyard.shared.kinds.submission import Submit
from jobyard.web import schemas
from jobyard.web.api import serializers
from jobyard.web.api.common import SECURITY, JobPath, Query, answer, is_known, not_modified
from jobyard.web.api.event_stream import stream
from jobyard.web.auth import current_identity
from jobyard.web.backend import Backend, current_backend
from jobyard.web.services import budgets, quotas
from jobyard.web.services.deletion import remove_job
from jobyard.web.services.edits import Changes, edit_of
from jobyard.web.services.long_polling import MAX_WAIT_SECONDS, until_it_ends, wait_until
from jobyard.web.services.retries import retry
from jobyard.web.services.submission import check, check_quota, checked_key, submit, submit_many

api = APIBlueprint(
    "jobs",
    __name__,
    url_prefix=f"{schemas.API}/jobs",
    abp_tags=[Tag(name="jobs", description="Submit, read, wait for and control jobs")],
    abp_security=SECURITY,
)

if TYPE_CHECKING:
    KindName = str
else:
    KindName = Literal[tuple(kinds.by_name())]


class JobsQuery(Query, jobs.JobFilter):
    """Which jobs; parameters with several values are repeated."""

    limit: int = Field(default=50, ge=1, le=1_000)
    cursor: str | None = Field(
        default=None, max_length=100, description="`next` of the previous page, which has the same `sort`"
    )
    kind: list[KindName] = Field(default=[], max_length=32, description="One of these kinds")
    parent: uuid.UUID | None = Field(default=None, description="List the children of this job instead")
    sort: Literal["newest", "oldest", "finished", "priority"] = Field(
        default="newest",
        description="Which jobs are first. `finished` lists those that have ended, the last one first; "
        "`priority` those that are queued, the highest priority first, then the oldest",
    )


class SubmitQuery(Query):
    """How long to wait for the answer."""

    wait: float | None = Field(
        default=None,
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="For a single job: answer when it has ended (200), or after this many seconds (202)",
    )


class JobQuery(Query):
    """How long to wait for a change."""

    wait: float | None = Field(
        default=None,
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="Answer at the next change of state, or after this many seconds, whichever comes first; "
        "with If-None-Match, at the next change of any kind",
    )


class EventsQuery(Query):
    """A part of the timeline."""

    after: int = Field(
        default=0,
        ge=0,
        lt=2**63,
        description="Only events after the one with this id: `next` of the previous page",
    )
    limit: int = Field(default=1_000, ge=1, le=1_000)


@api.post(
    "",
    responses={200: schemas.Submitted, 202: schemas.Submitted},
    summary="Submit a job, or a list of jobs",
)
def submit_job(body: Submit, query: SubmitQuery) -> Response:
    """An accepted job is in the database before the answer is sent.

    A list of up to 1,000 jobs is accepted as a whole or not at all; the answer is a list, too.
    With an `Idempotency-Key` header, a repeated request returns the job of the first one (200).
    """
    backend, key = current_backend(), checked_key(request.headers.get("Idempotency-Key"))
    if isinstance(body.root, list):
        if query.wait:
            raise BadInput("wait", "should only be given with one job, not with a list")
        seen, are_new = submit_many(backend, body.root, key, submitter=current_identity())
        return answer(serializers.of_page(seen), 202 if are_new else 200)
    job, is_new = submit(backend, body.root, key, submitter=current_identity())
    if query.wait:
        if ended := until_it_ends(backend, job.id, query.wait):
            return answer_with(ended, 200)
        return job_answer(job.id, 202 if is_new else 200)
    return answer_with(job, 202 if is_new else 200)


@api.post("/check", responses={204: None}, summary="Check a request before its files are uploaded")
def check_job(body: Submit) -> Response:
    """Answers as `POST /api/v1/jobs` would, without making a job: 204 if it could be accepted.

    The id 00000000-0000-0000-0000-000000000000 stands for an upload or a data set that is not there yet.
    """
    count = len(body.root) if isinstance(body.root, list) else 1
    check_quota(current_backend(), current_identity(), count)
    for number, one in enumerate(body.root) if isinstance(body.root, list) else [(None, body.root)]:
        try:
            check(current_backend(), one)
        except BadInput as error:
            raise BadInput(
                error.field if number is None else f"{number}.{error.field}", error.message
            ) from None
    return Response(status=204)


@api.get("", responses={200: schemas.Page[schemas.Job]}, summary="List jobs, or find some")
def list_jobs(query: JobsQuery) -> Response:
    """Newest first, or as `sort` says. Children of other jobs are listed only with `parent`.

    Specs and results of more than 4,000 bytes, and notes of more than 200 characters, are cut: `truncated`
    has the paths of what is there in part. A page may have fewer jobs than `limit`, or none, since only so
    many are looked at for each; there may be more as long as `next` is not null.
    """
    order = jobs.Order(query.sort)
    after = None if query.cursor is None else jobs.OrderKey.read(order, query.cursor)
    with current_backend().database.read() as session:
        find = partial(jobs.find_in_order, session, query, order, parent=query.parent)
        read = partial(jobs.read_snapshots, session.connection())
        seen, following = jobs.fill(find, read, after=after, limit=query.limit)
    more = None if following is None else str(following)
    return answer(serializers.of_some(seen, more, lambda job: str(jobs.OrderKey.of(order, job))))


@api.get("/<uuid:id>", responses={200: schemas.Job, 304: None}, summary="Get a job, or wait for it")
def get_job(path: JobPath, query: JobQuery) -> Response:
    """The ETag changes with every change that a reader can see."""
    backend = current_backend()
    if query.wait:
        _wait_for_change(backend, path.id, query.wait)
    if "If-None-Match" in request.headers:
        with backend.database.autocommit() as connection:
            etag = serializers.etag_of(jobs.read_version(connection, path.id))
        if unchanged := not_modified(etag):
            return unchanged
    return job_answer(path.id, 200)


@api.patch("/<uuid:id>", responses={200: schemas.Job}, summary="Change a job's name, labels, note, …")
def change_job(path: JobPath, body: Changes) -> Response:
    """What is left out stays. null removes the name or the note; of `labels`, those given are set, those that
    are null removed, and null in place of them all removes all (RFC 7396).

    409 for the priority of a job that is neither queued nor paused.
    """
    with current_backend().database.write() as session:
        jobs.edit(session, path.id, edit_of(body))
    return job_answer(path.id, 200)


@api.post("/<uuid:id>/cancel", responses={202: schemas.Job}, summary="Cancel a job")
def cancel_job(path: JobPath) -> Response:
    """A queued job is cancelled at once, a running one at the next step of its worker."""
    with current_backend().database.write() as session:
        job = jobs.cancel(session, path.id)
    return job_answer(job.id, 202)


@api.post("/<uuid:id>/pause", responses={202: schemas.Job}, summary="Pause a job")
def pause_job(path: JobPath) -> Response:
    """A queued job is paused at once, a running one at the next step of its worker. The running children
    of a waiting job finish, and no more are started.

    A resumed training continues from its checkpoint; jobs of kinds without checkpoints start over.
    """
    with current_backend().database.write() as session:
        job = jobs.pause(session, path.id)
    return job_answer(job.id, 202)


@api.post("/<uuid:id>/resume", responses={202: schemas.Job}, summary="Resume a paused job")
def resume_job(path: JobPath) -> Response:
    """The job goes back to its queue; a running job with a pause request keeps running."""
    backend = current_backend()
    with backend.database.write() as session:
        job = jobs.resume(session, path.id)
        quotas.require(session, current_identity(), job)
    backend.wake(job)
    return job_answer(job.id, 202)


@api.post("/<uuid:id>/retry", responses={202: schemas.Job}, summary="Run a failed or cancelled job again")
def retry_job(path: JobPath) -> Response:
    """The job starts over, as a new attempt; the timeline keeps the earlier ones.

    422 if a data set or a model that it names was deleted.
    """
    job = retry(current_backend(), path.id, current_identity())
    return job_answer(job.id, 202)


@api.delete("/<uuid:id>", responses={204: None}, summary="Delete a job that has ended")
def delete_job(path: JobPath) -> Response:
    """With its parts, timeline, metrics, results and files, and the uploads that no other job reads.

    Data sets and models that it made are kept. 409 for a job that has not ended, or that something needs.
    """
    remove_job(path.id)
    return Response(status=204)


@api.get(
    "/<uuid:id>/events", responses={200: schemas.Page[schemas.Event]}, summary="The timeline, oldest first"
)
def get_events(path: JobPath, query: EventsQuery) -> Response:
    """With `Accept: text/event-stream`, events are streamed until the job ends.

    A page may have fewer events than `limit`; there are more as long as `next` is not null.
    """
    backend = current_backend()
    streaming = request.accept_mimetypes.best_match(["application/json", "text/event-stream"])
    with backend.database.read() as session:
        jobs.read_version(session.connection(), path.id)
        if streaming != "text/event-stream":
            rows = jobs.events(session, path.id, query.after, query.limit + 1)
            shown, has_more = budgets.take(rows, _size, limit=query.limit)
            more = str(shown[-1].id) if has_more else None
            items = [schemas.Event.model_validate(row) for row in shown]
            response = answer(schemas.Page[schemas.Event](items=items, next=more))
            response.vary.add("Accept")
            return response
    last = request.headers.get("Last-Event-ID", "")
    after = int(last) if last.isdecimal() and len(last) < 19 else query.after
    streamed = stream_with_context(stream(backend, path.id, after))
    return Response(streamed, mimetype="text/event-stream", headers={"Vary": "Accept"})


def _size(event: jobs.JobEvent) -> int:
    return len(event.message or "") + len(event.traceback or "")


def job_answer(job_id: uuid.UUID, status: int) -> Response:
    """A job as it is now."""
    with current_backend().database.autocommit() as connection:
        return answer_with(jobs.read_snapshot(connection, job_id), status)


def answer_with(job: jobs.JobSnapshot, status: int) -> Response:
    """A job as it was seen."""
    headers = {"ETag": serializers.etag_of(job)}
    if request.method == "POST":
        headers["Location"] = f"{schemas.API}/jobs/{job.id}"
    return answer(serializers.of_job(job), status, headers)


def _wait_for_change(backend: Backend, job_id: uuid.UUID, seconds: float) -> None:
    """Until the state changes or, with If-None-Match, until the ETag does."""
    with backend.database.autocommit() as connection:
        before = jobs.read_version(connection, job_id)
    known = request.headers.get("If-None-Match")

    def changed(connection: sa.Connection) -> jobs.JobVersion | None:
        now = jobs.read_version(connection, job_id)
        is_other = now.state != before.state or (bool(known) and not is_known(serializers.etag_of(now)))
        return now if is_other else None

    if not before.terminal:
        wait_until(backend, seconds, changed)
