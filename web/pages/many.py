"""The page that changes many jobs: those that were selected in the list, or all that its filter has.

It says for each verb how many jobs it would change, which is the confirmation, and then what became of them.
"""

import uuid
from typing import Any, Final

from flask import Response, make_response, render_template, request
from pydantic import ValidationError
from werkzeug.datastructures import MultiDict

from jobyard.shared import jobs
from jobyard.shared.errors import BadInput, NotFound
from jobyard.web.auth import actor, current_identity
from jobyard.web.backend import current_backend
from jobyard.web.field_errors import field_errors
from jobyard.web.pages.blueprint import routes
from jobyard.web.services import bulk
from jobyard.web.services.bulk import Wanted

# In the order of the page: an icon, and what became of a job that was changed.
VERBS: Final[dict[jobs.Verb, tuple[str, str]]] = {
    "pause": ("pause-fill", "paused, or asked to stop"),
    "resume": ("play-fill", "resumed"),
    "retry": ("arrow-repeat", "queued again"),
    "cancel": ("slash-circle", "cancelled, or asked to stop"),
    "delete": ("trash", "deleted"),
}


@routes.get("/jobs/many")
def many() -> Response:
    """What could be done to these jobs, and to how many of them."""
    return _page(request.args)


@routes.post("/jobs/many/<verb>")
def change_many(verb: str) -> Response:
    """Do it, and say what became of them."""
    for known in VERBS:
        if known == verb != "delete":
            return _done(known)
    raise NotFound(f"jobs can't be changed by {verb!r}")


@routes.post("/jobs/many/delete")
def delete_many() -> Response:
    """Delete them, and say what became of them."""
    return _done("delete")


def _done(verb: jobs.Verb) -> Response:
    wanted, _ = _wanted(request.form)
    done = bulk.run(current_backend(), verb, wanted, by=actor(), submitter=current_identity())
    return _page(request.form, done=done, words=VERBS[verb][1])


def _page(given: "MultiDict[str, str]", **context: object) -> Response:
    wanted, fields = _wanted(given)
    survey = bulk.survey(current_backend(), list(VERBS), wanted, submitter=current_identity())
    some = survey["cancel"]
    page = render_template(
        "jobs/many.html",
        ids=wanted.ids,
        kept={} if wanted.ids else fields,
        fields=fields,
        matched=some.matched,
        more=some.next is not None,
        survey=survey,
        icons={verb: icon for verb, (icon, _) in VERBS.items()},
        **context,
    )
    return make_response(page)


def _wanted(given: "MultiDict[str, str]") -> tuple[Wanted, dict[str, Any]]:
    """The jobs, and the fields that say which.

    Raises BadInput for what makes no sense: without it, more jobs would be meant than were chosen.
    """
    for name in given:
        if name not in (*jobs.JobFilter.model_fields, "jobs"):
            raise BadInput(name, "there is no such condition of jobs")
    if "jobs" in given:
        ids = list(dict.fromkeys(map(_id, given.getlist("jobs"))))
        if len(ids) > bulk.MAX_JOBS:
            raise BadInput("jobs", f"should be at most {bulk.MAX_JOBS:,}, but are {len(ids):,}")
        return Wanted(ids=ids), {"jobs": ids}
    fields: dict[str, Any] = {}
    for name, field in jobs.JobFilter.model_fields.items():
        values = [value for value in given.getlist(name) if value.strip()]
        if values:
            fields[name] = values if field.default == [] else values[-1]
    try:
        asked = jobs.JobFilter.model_validate(fields)
    except ValidationError as error:
        first = field_errors(error)[0]
        raise BadInput(first.field, first.message) from None
    return Wanted(filter=asked), asked.asked()


def _id(written: str) -> uuid.UUID:
    try:
        return uuid.UUID(written)
    except ValueError:
        raise BadInput("jobs", f"should be the id of a job, but is {written[:50]!r}") from None
