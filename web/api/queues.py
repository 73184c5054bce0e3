"""Queues: their jobs and their workers, and what operators set for them."""

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from jobyard.shared import queues
from jobyard.shared.kinds.base import Parameters
from jobyard.shared.queue_controls import MAX_LIMIT, MAX_REASON
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, answer
from jobyard.web.backend import current_backend
from jobyard.web.services import operations

api = APIBlueprint(
    "queues",
    __name__,
    url_prefix=f"{schemas.API}/queues",
    abp_tags=[Tag(name="queues", description="Queued and running jobs, and the workers of each queue")],
    abp_security=SECURITY,
)


class QueuePath(BaseModel):
    """A queue."""

    name: str = Field(max_length=32, description="gpu, predict or cpu")


class Pause(Parameters):
    """Why a queue is paused."""

    reason: str | None = Field(
        default=None, max_length=MAX_REASON, description="Is shown to those whose jobs wait"
    )


class Limit(Parameters):
    """What a queue may do at once."""

    limit: int | None = Field(
        ge=1, le=MAX_LIMIT, description="At most so many of its jobs run at once; null: no limit"
    )


@api.get("", responses={200: schemas.Page[schemas.Queue]}, summary="List the queues")
def list_queues() -> Response:
    """A worker counts as running if it has renewed its registration within fifteen seconds."""
    with current_backend().database.read() as session:
        items = [schemas.Queue.model_validate(found) for found in queues.view(session)]
    return answer(schemas.Page[schemas.Queue](items=items))


@api.post("/<name>/pause", responses={200: schemas.Queue}, summary="Pause a queue")
def pause_queue(path: QueuePath, body: Pause) -> Response:
    """No job of the queue is started any more, by whichever worker; those that run end normally.

    A queue that is paused already gets the new reason.
    """
    operations.pause_queue(current_backend(), path.name, body.reason)
    return _answer(path.name)


@api.post("/<name>/resume", responses={200: schemas.Queue}, summary="Resume a queue")
def resume_queue(path: QueuePath) -> Response:
    """Its jobs are started again, in their order."""
    operations.resume_queue(current_backend(), path.name)
    return _answer(path.name)


@api.patch("/<name>", responses={200: schemas.Queue}, summary="Limit a queue")
def limit_queue(path: QueuePath, body: Limit) -> Response:
    """At most so many jobs of the queue run at once, whichever workers there are. Where more run already,
    they end normally.
    """
    operations.limit_queue(current_backend(), path.name, body.limit)
    return _answer(path.name)


def _answer(name: str) -> Response:
    with current_backend().database.read() as session:
        return answer(schemas.Queue.model_validate(queues.find(session, name)))
