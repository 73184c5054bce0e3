"""Scoring texts once more, with what VADER can't see put into words: the button on a scored job's page."""

import uuid

from flask import redirect, url_for
from werkzeug.wrappers import Response

from jobyard.shared import jobs
from jobyard.shared.errors import Conflict
from jobyard.shared.kinds.submission import SUBMISSION
from jobyard.shared.needs import addresses_of
from jobyard.web.auth import current_identity
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes
from jobyard.web.services.references import with_value
from jobyard.web.services.submission import submit


@routes.post("/jobs/<uuid:job_id>/normalize")
def normalize(job_id: uuid.UUID) -> Response:
    """Submit the job once more with `normalize: standard`: to the new job's page.

    Raises NotFound, Conflict for a job of another kind, and BadInput where its file was deleted.
    """
    backend = current_backend()
    with backend.database.read() as session:
        job = jobs.get(session, job_id)
        kind, spec, priority = job.kind, dict(job.spec), job.priority
        # The same bytes, and not what is at an address by now, if it can be read without its query at all.
        for name, one in addresses_of(session, job_id).items():
            if one.file_id is not None:
                spec = with_value(spec, name, str(one.file_id))
    if kind != "sentiment" or job.parent_id is not None:
        raise Conflict("only scored texts can be scored again")
    again = {"kind": kind, "spec": spec | {"normalize": "standard"}, "priority": priority}
    accepted = submit(backend, SUBMISSION.validate_python(again), None, submitter=current_identity())
    return redirect(url_for("pages.job", job_id=accepted.job.id), 303)
