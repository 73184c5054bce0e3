"""From a validated request to a job in the database and its message in the broker."""

import hashlib
import uuid

from pydantic import BaseModel
from sqlalchemy.orm import Session

from shared import catalog, jobs, pictures, specs, storage
from shared.errors import BadInput, NotFound
from web.backend import Backend


def submit(backend: Backend, submission: BaseModel, idempotency_key: str | None) -> tuple[jobs.Job, bool]:
    """Accept a job: insert, commit, send. Returns the job, and whether it is new.

    Raises BadInput where the spec names something that isn't there, Conflict where the key was used
    for another request.
    """
    assert isinstance(  # noqa: S101 - the union of specs.Submit, which mypy can't name here
        submission, specs.SubmitTrain | specs.SubmitPredict | specs.SubmitSentiment | specs.SubmitImport
    )
    digest = hashlib.sha256(submission.model_dump_json().encode()).hexdigest()
    with backend.database.read() as session:
        if idempotency_key and (first := jobs.repeat_of(session, idempotency_key, digest)):
            return first, False
        spec = _resolve(session, backend.storage, submission.spec)
    with backend.database.write() as session:
        job, is_new = jobs.submit(
            session,
            kind=spec.kind,
            queue=spec.queue.value,
            spec=spec.model_dump(mode="json"),
            priority=submission.priority,
            max_attempts=backend.settings.max_attempts,
            idempotency_key=idempotency_key,
            request_sha256=digest if idempotency_key else None,
        )
    if is_new:
        backend.broker.send(job)
    return job, is_new


def _resolve(session: Session, store: storage.Storage, spec: specs.Spec) -> specs.Spec:
    """Check what the spec refers to, and pin names to versions: the job means what was there now."""
    match spec:
        case specs.TrainSpec():
            return spec.model_copy(update={"dataset": _dataset(session, spec.dataset)})
        case specs.PredictSpec():
            try:
                pinned = {"model": catalog.find(session, catalog.Model, spec.model).reference}
            except NotFound as error:
                raise BadInput("spec.model", error.message) from None
            if spec.dataset is not None:
                pinned["dataset"] = _dataset(session, spec.dataset)
            for index, image in enumerate(spec.images or []):
                _check_picture(session, store, f"spec.images.{index}", image)
            return spec.model_copy(update=pinned)
        case specs.SentimentSpec() | specs.ImportSpec():
            if spec.file is not None:
                _file(session, "spec.file", spec.file)
    return spec


def _dataset(session: Session, reference: str) -> str:
    try:
        return catalog.find(session, catalog.Dataset, reference).reference
    except NotFound as error:
        raise BadInput("spec.dataset", error.message) from None


def _file(session: Session, field: str, file_id: uuid.UUID) -> storage.File:
    try:
        return storage.get_file(session, file_id)
    except NotFound as error:
        raise BadInput(field, error.message) from None


def _check_picture(session: Session, store: storage.Storage, field: str, file_id: uuid.UUID) -> None:
    file = _file(session, field, file_id)
    try:
        with store.open(file.storage_key) as stream:
            pictures.check_header(stream)
    except (pictures.NotAPicture, NotFound) as error:
        raise BadInput(field, f"{file.name}: {error.message}") from None
