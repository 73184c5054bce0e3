"""Pages of data sets and models."""

import uuid
from contextlib import suppress

from flask import Response, make_response, redirect, render_template, request, url_for
from pydantic import TypeAdapter, ValidationError
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import jobs, registry, storage
from jobyard.shared.errors import BadInput, Conflict, NotFound
from jobyard.shared.kinds.export import FORMATS
from jobyard.shared.kinds.fields import ALIAS_IS, Alias
from jobyard.shared.registry import models as models_
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.pictures import sample
from jobyard.web.services import budgets
from jobyard.web.services.deletion import remove_dataset, remove_model

THINGS_PER_PAGE = 25
MAX_FILES = 1_000
# On the page of a model; the API lists all.
EVALUATIONS = 50
ALIAS: TypeAdapter[str] = TypeAdapter(Alias)


@routes.get("/datasets")
def datasets() -> Response:
    """All versions, newest first."""
    return _list("registry/datasets.html", registry.Dataset)


@routes.get("/datasets/<reference>")
def dataset(reference: str) -> Response:
    """Classes, counts, a few pictures, and what was rejected."""
    with current_backend().database.read() as session:
        found = registry.find(session, registry.Dataset, reference)
    return make_response(render_template("registry/dataset.html", dataset=found, sample=sample(found)))


@routes.post("/datasets/<reference>/delete")
def delete_dataset(reference: str) -> AnyResponse:
    """Delete the version, then back to the list."""
    remove_dataset(reference)
    return redirect(url_for("pages.datasets"), 303)


@routes.get("/models")
def models() -> Response:
    """All versions, newest first."""
    return _list("registry/models.html", registry.Model)


@routes.get("/models/<reference>")
def model(reference: str) -> Response:
    """A model: evaluation, data set, aliases and file."""
    return _model_page(reference)


@routes.post("/models/<reference>/aliases")
def set_alias(reference: str) -> AnyResponse:
    """Set an alias, then back to the model's page; or the page with the error."""
    try:
        alias = ALIAS.validate_python(request.form.get("alias", "").strip())
    except ValidationError:
        return _model_page(reference, 422, alias=f"should be {ALIAS_IS}")
    try:
        with current_backend().database.write() as session:
            found = registry.find(session, registry.Model, reference)
            models_.set_alias(session, found.name, alias, found.version)
    except BadInput as error:
        return _model_page(reference, 422, alias=error.message)
    return redirect(url_for("pages.model", reference=reference), 303)


@routes.post("/models/<reference>/aliases/<alias>/remove")
def remove_alias(reference: str, alias: str) -> AnyResponse:
    """Remove an alias, then back to the model's page."""
    with current_backend().database.write() as session:
        found = registry.find(session, registry.Model, reference)
        with suppress(NotFound):  # it is gone already, which the page shows
            models_.remove_alias(session, found.name, alias)
    return redirect(url_for("pages.model", reference=found.reference), 303)


@routes.post("/models/<reference>/delete")
def delete_model(reference: str) -> AnyResponse:
    """Delete the model, then to the list; or back to its page with why not: a job, or an alias."""
    try:
        remove_model(reference, request.form.get("alias", ""))
    except Conflict as error:
        return _model_page(reference, 409, delete=error.message)
    return redirect(url_for("pages.models"), 303)


def _model_page(reference: str, status: int = 200, **errors: str) -> Response:
    with current_backend().database.read() as session:
        found = registry.find(session, registry.Model, reference)
        page = render_template(
            "registry/model.html",
            model=found,
            aliases=models_.aliases(session, [found])[found.id],
            computed=(registry.LATEST, registry.BEST),
            card=models_.card(session, found),
            formats=FORMATS,
            evaluations=registry.evaluations(session, found.id, limit=EVALUATIONS),
            dataset=found.dataset_id and session.get(registry.Dataset, found.dataset_id),
            job=found.job_id and session.get(jobs.Job, found.job_id),
            artifacts=storage.artifacts(session, found.job_id, limit=MAX_FILES) if found.job_id else [],
            errors=errors,
        )
    return make_response(page, status)


def _list(template: str, kind: type[registry.Thing]) -> Response:
    with current_backend().database.read() as session:
        found = registry.each(session, kind, before=_cursor(), limit=THINGS_PER_PAGE + 1)
        shown, has_more = budgets.take(found, _size, limit=THINGS_PER_PAGE)
        aliases = models_.aliases(session, [thing for thing in shown if isinstance(thing, registry.Model)])
    more = shown[-1].id if has_more else None
    return make_response(render_template(template, things=shown, next=more, aliases=aliases))


def _size(thing: registry.Versioned) -> int:
    """About that of what may be long of it."""
    return len(repr(getattr(thing, "classes", "")))


def _cursor() -> uuid.UUID | None:
    cursor = request.args.get("cursor")
    try:
        return uuid.UUID(cursor) if cursor else None
    except ValueError:
        raise NotFound(f"there is no page after {cursor!r}") from None
