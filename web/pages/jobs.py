"""The list of jobs and the page of one; both update themselves by fetching their fragment again."""

import re
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress

from flask import Response, redirect, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import jobs, kinds, metrics, storage
from jobyard.shared.errors import Conflict
from jobyard.web.auth import current_identity
from jobyard.web.backend import current_backend
from jobyard.web.pages import results
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.live import live
from jobyard.web.pages.names import file_names
from jobyard.web.services import quotas, retries
from jobyard.web.services.deletion import remove_job

MAX_CHARTS = 4
MAX_EVENTS = 60
MAX_FILES = 1_000
# Shown beside their pictures, and not among the downloads.
OVERLAY = re.compile(r"overlay-\d+\.png")


@routes.get("/jobs/<uuid:job_id>")
def job(job_id: uuid.UUID) -> Response:
    """One job: state, progress, result, timeline."""
    return _page(job_id)


def _page(job_id: uuid.UUID, not_deleted: str | None = None) -> Response:
    """`not_deleted` says why it was not."""
    query = results.rows_query()
    with current_backend().database.read() as session:
        found = jobs.get(session, job_id)
        artifacts = storage.artifacts(session, job_id, limit=MAX_FILES)
        events, earlier = jobs.last_events(session, job_id, MAX_EVENTS)
        seen = jobs.read_version(session.connection(), job_id)
        kind = kinds.of_job(found.kind)
        charts = _charts(metrics.names_of(session, [job_id])) if kind and kind.has_metrics else []
        used = metrics.names_of(session, [job_id], system=True) if found.usage else []
        return live(
            "jobs/page.html",
            "jobs/_live.html",
            job=found,
            position=seen.position,
            waiting_for=jobs.why_waiting(found.queue, found.created_by, seen),
            files=file_names(session, [found]),
            events=events,
            earlier=earlier,
            artifacts=[file for file in artifacts if not OVERLAY.fullmatch(file.name)],
            charts=charts,
            used=used,
            has_output=jobs.has_output(session, job_id),
            kind=kind,
            hidden=_hidden(found),
            query=query,
            rows=results.ROWS_PER_PAGE,
            not_deleted=not_deleted,
            **results.context(session, found, query),
        )


@routes.post("/jobs/<uuid:job_id>/cancel")
def cancel(job_id: uuid.UUID) -> AnyResponse:
    """Cancel the job, then back to its page."""
    return _ask(job_id, jobs.cancel)


@routes.post("/jobs/<uuid:job_id>/pause")
def pause(job_id: uuid.UUID) -> AnyResponse:
    """Pause the job, then back to its page."""
    return _ask(job_id, jobs.pause)


@routes.post("/jobs/<uuid:job_id>/resume")
def resume(job_id: uuid.UUID) -> AnyResponse:
    """Resume a paused job, then back to its page."""
    return _ask(job_id, jobs.resume)


@routes.post("/jobs/<uuid:job_id>/retry")
def retry(job_id: uuid.UUID) -> AnyResponse:
    """Put a failed or cancelled job back in its queue, then back to its page."""
    with suppress(Conflict):  # it is elsewhere by now, which its page shows
        retries.retry(current_backend(), job_id, current_identity())
    return redirect(url_for("pages.job", job_id=job_id), 303)


@routes.post("/jobs/<uuid:job_id>/delete")
def delete(job_id: uuid.UUID) -> AnyResponse:
    """Delete the job, then to the list; or back to its page with why not."""
    try:
        remove_job(job_id)
    except Conflict as error:
        page = _page(job_id, not_deleted=error.message)
        page.status_code = 409
        return page
    return redirect(url_for("pages.index"), 303)


def _ask(job_id: uuid.UUID, verb: Callable[[Session, uuid.UUID], jobs.Job]) -> AnyResponse:
    backend = current_backend()
    try:
        with backend.database.write() as session:
            job = verb(session, job_id)
            if verb is jobs.resume:
                quotas.require(session, current_identity(), job)
    except Conflict:
        pass  # it is elsewhere by now, which its page shows
    else:
        backend.wake(job)
    return redirect(url_for("pages.job", job_id=job_id), 303)


def _charts(names: Iterable[str]) -> list[str]:
    """The metrics to draw: accuracy and loss where a job has them, else the first few that it has."""
    bases = list(dict.fromkeys(name.removeprefix("val_") for name in names))
    usual: list[str] = [name for name in ("accuracy", "loss") if name in bases]
    return usual or bases[:MAX_CHARTS]


def _hidden(job: jobs.Job) -> set[str]:
    """Fields of the spec that belong to a source that the job doesn't have.

    None are hidden where its source is one that forms don't offer.
    """
    kind = kinds.of_job(job.kind)
    sources = kind.sources if kind else ()
    given = {name for name, value in job.spec.items() if value is not None}
    others = [source for source in sources if given.isdisjoint({source.field, source.several})]
    return {name for source in others for name in source.fields} if len(others) < len(sources) else set()
