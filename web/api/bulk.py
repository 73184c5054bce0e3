"""One verb for many jobs: those with some ids, or all that match. The routes are those of `jobs.api`."""

import uuid

from flask import Response
from pydantic import Field, model_validator

from jobyard.shared import jobs
from jobyard.web import schemas
from jobyard.web.api.common import answer
from jobyard.web.api.jobs import KindName, api
from jobyard.web.auth import actor, current_identity
from jobyard.web.backend import current_backend
from jobyard.web.services import bulk


class Chosen(jobs.JobFilter):
    """Which jobs: `ids`, or the filter of `GET /api/v1/jobs`."""

    kind: list[KindName] = Field(default=[], max_length=32, description="One of these kinds")
    ids: list[uuid.UUID] | None = Field(default=None, min_length=1, max_length=bulk.MAX_JOBS)
    all: bool = Field(default=False, description="Needed for all jobs, without any filter")
    dry_run: bool = Field(default=False, description="Change nothing; say how many would be")
    cursor: uuid.UUID | None = Field(
        default=None, description="`next` of the answer before, with the same ids or filter"
    )

    @property
    def filter(self) -> jobs.JobFilter:
        """That part of it, which was checked."""
        return jobs.JobFilter.model_construct(
            **{name: getattr(self, name) for name in jobs.JobFilter.model_fields}
        )

    @model_validator(mode="after")
    def _is_said(self) -> "Chosen":
        has_filter = self.filter != jobs.JobFilter()
        if self.ids is not None and (has_filter or self.all):
            raise ValueError("should have either ids, or a filter, or all")
        if self.ids is None and not has_filter and not self.all:
            raise ValueError('should have ids or a filter; all jobs are meant with "all": true only')
        return self


def _run(verb: jobs.Verb, body: Chosen) -> Response:
    ids = None if body.ids is None else list(dict.fromkeys(body.ids))
    wanted = bulk.Wanted(ids, body.filter)
    done = bulk.run(
        current_backend(),
        verb,
        wanted,
        by=actor(),
        submitter=current_identity(),
        after=body.cursor,
        dry_run=body.dry_run,
    )
    return answer(schemas.Moved.of(done, dry_run=body.dry_run))


@api.post("/cancel", responses={200: schemas.Moved}, summary="Cancel many jobs")
def cancel_jobs(body: Chosen) -> Response:
    """Queued jobs are cancelled at once, running ones at the next step of their workers.

    Up to 10,000 jobs in one request, in batches: other requests come in between. Jobs that can't be cancelled
    are counted by the reason.
    """
    return _run("cancel", body)


@api.post("/pause", responses={200: schemas.Moved}, summary="Pause many jobs")
def pause_jobs(body: Chosen) -> Response:
    """As `POST /api/v1/jobs/cancel` otherwise."""
    return _run("pause", body)


@api.post("/resume", responses={200: schemas.Moved}, summary="Resume many paused jobs")
def resume_jobs(body: Chosen) -> Response:
    """As `POST /api/v1/jobs/cancel` otherwise."""
    return _run("resume", body)


@api.post("/retry", responses={200: schemas.Moved}, summary="Run many failed or cancelled jobs again")
def retry_jobs(body: Chosen) -> Response:
    """As `POST /api/v1/jobs/cancel` otherwise. Jobs that name what was deleted are left as they are."""
    return _run("retry", body)


@api.post("/delete", responses={200: schemas.Moved}, summary="Delete many jobs that have ended")
def delete_jobs(body: Chosen) -> Response:
    """Each as by `DELETE /api/v1/jobs/{id}`; as `POST /api/v1/jobs/cancel` otherwise."""
    return _run("delete", body)
