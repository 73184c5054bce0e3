"""What a job is called and how it is marked, in forms: beside a spec, and on a page of its own."""

import re
import uuid
from typing import Any

from flask import make_response, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from jobyard.shared import jobs
from jobyard.shared.errors import BadInput, Conflict
from jobyard.web.backend import current_backend
from jobyard.web.field_errors import field_errors
from jobyard.web.pages.blueprint import routes
from jobyard.web.services.edits import Changes, edit_of

# Before the names of these fields in forms: those of specs may be the same.
PREFIX = "job."


def filled_in() -> dict[str, Any]:
    """The marks of this request's form; what was left empty is None or {}.

    Raises BadInput where a line is no label.
    """
    text = {name: request.form.get(f"{PREFIX}{name}", "").strip() or None for name in ("name", "note")}
    # A checkbox sends its hidden "false" first: the last value counts.
    keep = (request.form.getlist(f"{PREFIX}keep") or ["false"])[-1] == "true"
    return {**text, "labels": _labels(request.form.get(f"{PREFIX}labels", "")), "keep": keep}


def _labels(written: str) -> dict[str, str]:
    labels = {}
    for number, line in enumerate(re.split(r"\r\n|\n|\r", written), 1):
        if line.strip():
            key, equals, value = line.partition("=")
            if not equals:
                raise BadInput("labels", f"line {number}: should be a key and a value, as in team=birds")
            labels[key.strip()] = value.strip()
    return labels


@routes.get("/jobs/<uuid:job_id>/edit")
def edit(job_id: uuid.UUID) -> Response:
    """What the job is called and how it is marked, to be changed."""
    with current_backend().database.read() as session:
        job = jobs.get(session, job_id)
    values = {
        "job.name": job.name or "",
        "job.labels": "\n".join(f"{key}={value}" for key, value in (job.labels or {}).items()),
        "job.note": job.note or "",
        "job.keep": "true" if job.keep else "false",
        "job.priority": str(job.priority),
    }
    return _form(job, values, {})


@routes.post("/jobs/<uuid:job_id>/edit")
def change(job_id: uuid.UUID) -> Response:
    """Change it, then back to its page; or back to the form with what is wrong (422)."""
    backend = current_backend()
    try:
        asked: dict[str, Any] = filled_in()
        if priority := request.form.get("job.priority", "").strip():
            asked["priority"] = priority
        changes = edit_of(Changes.model_validate(asked))
        with backend.database.write() as session:
            # The form had all labels that there were.
            jobs.edit(session, job_id, jobs.Edit(changes.values, changes.labels, forget_labels=True))
    except ValidationError as error:
        return _refused(job_id, {one.field.partition(".")[0]: one.message for one in field_errors(error)})
    except BadInput as error:
        return _refused(job_id, {error.field: error.message})
    except Conflict as error:
        return _refused(job_id, {"priority": error.message})
    return redirect(url_for("pages.job", job_id=job_id), 303)


def _refused(job_id: uuid.UUID, errors: dict[str, str]) -> Response:
    with current_backend().database.read() as session:
        job = jobs.get(session, job_id)
    values = {name: given[-1] for name, given in request.form.lists()}
    response = _form(job, values, {f"{PREFIX}{name}": message for name, message in errors.items()})
    response.status_code = 422
    return response


def _form(job: jobs.Job, values: dict[str, str], errors: dict[str, str]) -> Response:
    has_priority = job.state in (jobs.State.QUEUED, jobs.State.PAUSED)
    page = render_template(
        "jobs/edit.html",
        job=job,
        files={},
        values=values,
        errors=errors,
        has_priority=has_priority,
        shown=set(),
    )
    return make_response(page)
