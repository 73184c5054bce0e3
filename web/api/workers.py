"""Workers: what they are and do, and which of them drain."""

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from jobyard.shared import running_workers
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, answer
from jobyard.web.backend import current_backend
from jobyard.web.patterns import NO_NUL
from jobyard.web.services import operations

api = APIBlueprint(
    "workers",
    __name__,
    url_prefix=f"{schemas.API}/workers",
    abp_tags=[Tag(name="workers", description="Running workers, their jobs, and which of them drain")],
    abp_security=SECURITY,
)


class WorkerPath(BaseModel):
    """A worker."""

    name: str = Field(max_length=255, pattern=NO_NUL, description="As in `cpu@host`")


@api.get("", responses={200: schemas.Page[schemas.Worker]}, summary="List the workers")
def list_workers() -> Response:
    """Those that have renewed their registration within fifteen seconds, and those that are draining."""
    with current_backend().database.read() as session:
        items = [schemas.Worker.of(found) for found in running_workers.view(session)]
    return answer(schemas.Page[schemas.Worker](items=items))


@api.post("/<name>/drain", responses={200: schemas.Worker}, summary="Drain a worker")
def drain_worker(path: WorkerPath) -> Response:
    """It finishes the jobs that it runs and claims no more, also after a restart."""
    operations.drain_worker(current_backend(), path.name)
    return _answer(path.name)


@api.post("/<name>/undrain", responses={200: schemas.Worker}, summary="Let a worker claim jobs again")
def undrain_worker(path: WorkerPath) -> Response:
    """The opposite of drain; it takes up to fifteen seconds."""
    operations.undrain_worker(current_backend(), path.name)
    return _answer(path.name)


def _answer(name: str) -> Response:
    with current_backend().database.read() as session:
        (found,) = running_workers.view(session, name)
    return answer(schemas.Worker.of(found))
