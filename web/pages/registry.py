"""Pages of data sets and models."""

import uuid

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import catalog, jobs, storage
from shared.errors import NotFound
from web.api.registry import delete_version
from web.backend import backend
from web.pages.blueprint import routes
from web.pages.pictures import sample

THINGS_PER_PAGE = 25


@routes.get("/datasets")
def datasets() -> Response:
    """All versions, newest first."""
    return _list("registry/datasets.html", catalog.Dataset)


@routes.get("/datasets/<reference>")
def dataset(reference: str) -> Response:
    """Classes, counts, a few pictures, and what was rejected."""
    with backend().database.read() as session:
        found = catalog.find(session, catalog.Dataset, reference)
    return make_response(render_template("registry/dataset.html", dataset=found, sample=sample(found)))


@routes.post("/datasets/<reference>/delete")
def delete_dataset(reference: str) -> AnyResponse:
    """Delete the version, then back to the list."""
    delete_version(reference)
    return redirect(url_for("pages.datasets"), 303)


@routes.get("/models")
def models() -> Response:
    """All versions, newest first."""
    return _list("registry/models.html", catalog.Model)


@routes.get("/models/<reference>")
def model(reference: str) -> Response:
    """How good it is, what it was trained on, and its file."""
    with backend().database.read() as session:
        found = catalog.find(session, catalog.Model, reference)
        trained_on = found.dataset_id and session.get(catalog.Dataset, found.dataset_id)
        job = found.job_id and session.get(jobs.Job, found.job_id)
        artifacts = storage.artifacts(session, found.job_id) if found.job_id else []
    return make_response(
        render_template("registry/model.html", model=found, dataset=trained_on, job=job, artifacts=artifacts)
    )


def _list(template: str, kind: type[catalog.Thing]) -> Response:
    with backend().database.read() as session:
        found = catalog.page(session, kind, before=_cursor(), limit=THINGS_PER_PAGE + 1)
    shown = found[:THINGS_PER_PAGE]
    more = shown[-1].id if len(found) > THINGS_PER_PAGE else None
    return make_response(render_template(template, things=shown, next=more))


def _cursor() -> uuid.UUID | None:
    cursor = request.args.get("cursor")
    try:
        return uuid.UUID(cursor) if cursor else None
    except ValueError:
        raise NotFound(f"there is no part of the list after {cursor!r}") from None
