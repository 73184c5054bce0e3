"""The page that overlays runs; it updates itself as a job's page does."""

import uuid

import sqlalchemy as sa
from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import jobs
from jobyard.shared.jobs import Job
from jobyard.shared.texts import to_json
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.live import live
from jobyard.web.services import comparisons

# With a training's own, so many curves can still be distinguished.
OTHERS = 7
POINTS = 500


@routes.get("/compare")
def compare() -> Response:
    """`?jobs=` once with commas, or once for each job, as a form sends it."""
    written = ",".join(request.args.getlist("jobs"))
    name = request.args.get("name", "").replace("\0", "")[:64] or comparisons.USUAL
    if not written:
        return live("compare/page.html", "compare/_live.html", found=None)
    ids = comparisons.ids_of(written)
    with current_backend().database.read() as session:
        found = comparisons.compare(session, ids, name, POINTS)
        return live("compare/page.html", "compare/_live.html", found=found, points=POINTS)


@routes.get("/jobs/<uuid:job_id>/compare")
def compare_with_others(job_id: uuid.UUID) -> AnyResponse:
    """A training with the newest other ones on the same data set."""
    with current_backend().database.read() as session:
        job = jobs.get(session, job_id)
        # As a text, of which nothing is decoded: PostgreSQL refuses some that may be in a spec.
        dataset = to_json({"dataset": job.spec.get("dataset")})[1:-1]
        others = (
            sa.select(Job.id)
            .where(Job.kind == job.kind, Job.id != job.id)
            .where(sa.cast(Job.spec, sa.Text).contains(dataset, autoescape=True))
            .order_by(Job.id.desc())
            .limit(OTHERS)
        )
        ids = [job.id, *session.scalars(others)]
    return redirect(url_for("pages.compare", jobs=",".join(map(str, ids))), 302)
