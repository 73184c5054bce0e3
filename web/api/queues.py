"""Queues: their jobs and their workers."""

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from jobyard.shared import queues
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, answer
from jobyard.web.backend import current_backend

api = APIBlueprint(
    "queues",
    __name__,
    url_prefix=f"{schemas.API}/queues",
    abp_tags=[Tag(name="queues", description="Queued and running jobs, and the workers of each queue")],
    abp_security=SECURITY,
)


@api.get("", responses={200: schemas.Page[schemas.Queue]}, summary="List the queues")
def list_queues() -> Response:
    """A worker counts as running if it has renewed its registration within fifteen seconds."""
    with current_backend().database.read() as session:
        items = [schemas.Queue.model_validate(found) for found in queues.view(session)]
    return answer(schemas.Page[schemas.Queue](items=items))
