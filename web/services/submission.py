"""From a validated request to a job in the database and its message in the broker."""

import hashlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from jobyard.shared import jobs, pictures, registry, retention, storage
from jobyard.shared.archives.layout import lay_out
from jobyard.shared.archives.loose import loose_files
from jobyard.shared.archives.members import Member
from jobyard.shared.archives.walk import walk
from jobyard.shared.errors import BadInput, NotFound, WorkError
from jobyard.shared.kinds.base import Spec
from jobyard.shared.kinds.imports import ImportSpec
from jobyard.shared.kinds.predict import PredictSpec
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.shared.kinds.submission import AnySubmission
from jobyard.shared.kinds.train import ANY_SIZE, RECIPES, TrainSpec
from jobyard.web.backend import Backend
from jobyard.web.services.group_commit import Accepted

# How long a request may look into an archive.
CHECK_SECONDS = 10.0
MAX_KEY_CHARACTERS = 255


def checked_key(idempotency_key: str | None) -> str | None:
    """The header as it came. Raises BadInput."""
    if (
        idempotency_key is None
        or 0 < len(idempotency_key.strip()) <= len(idempotency_key) <= MAX_KEY_CHARACTERS
    ):
        return idempotency_key
    raise BadInput("Idempotency-Key", f"should have 1 to {MAX_KEY_CHARACTERS} characters")


def submit(backend: Backend, submission: AnySubmission, idempotency_key: str | None) -> Accepted:
    """Accept a job: insert, commit, wake.

    Raises BadInput where the spec names something that isn't there, Conflict where the key was used
    for another request.
    """
    digest = _digest([submission]) if idempotency_key else None
    if _refers(submission.spec):
        with backend.database.read() as session:
            # What it refers to may be gone by the time that it is repeated.
            if idempotency_key and (first := jobs.repeat_of(session.connection(), idempotency_key, digest)):
                return Accepted(jobs.read_snapshot(session.connection(), first.id), is_new=False)
            submission = _resolve(session, backend, submission)
    request = _request(backend, submission, idempotency_key, digest)
    return backend.intake.accept(request, submission.spec.inputs)


def submit_many(
    backend: Backend, submissions: Sequence[AnySubmission], idempotency_key: str | None
) -> tuple[list[jobs.JobSnapshot], bool]:
    """Accept all jobs in one transaction and one round trip to the broker, or none. Raises as `submit`."""
    digest = _digest(submissions) if idempotency_key else None
    if any(_refers(one.spec) for one in submissions):
        with backend.database.read() as session:
            if idempotency_key and (
                first := jobs.repeats_of(session.connection(), idempotency_key, digest, len(submissions))
            ):
                return jobs.read_snapshots(session.connection(), [job.id for job in first]), False
            submissions = [
                _resolve(session, backend, one, f"{index}.") for index, one in enumerate(submissions)
            ]
    requests = [_request(backend, one) for one in submissions]
    with backend.database.begin() as connection:
        made = jobs.submit_many(connection, requests, idempotency_key=idempotency_key, request_sha256=digest)
        if not made[0].is_new:
            return jobs.read_snapshots(connection, [job.id for job in made]), False
        read = zip(made, submissions, strict=True)
        inputs = [(job.id, file_id) for job, one in read for file_id in one.spec.inputs]
        retention.note_inputs(connection, inputs)
        seen = jobs.snapshots_of_new(connection, list(zip(made, requests, strict=True)))
    for queue, count in Counter(request.queue for request in requests).items():
        backend.broker.wake(queue, count)
    return [seen[job.id] for job in made], True


def _digest(submissions: Sequence[AnySubmission]) -> str:
    """What tells a request from another, however it is written."""
    return hashlib.sha256(b"".join(one.model_dump_json().encode() for one in submissions)).hexdigest()


def _request(
    backend: Backend,
    submission: AnySubmission,
    idempotency_key: str | None = None,
    digest: str | None = None,
) -> jobs.Request:
    spec = submission.spec
    return jobs.Request(
        kind=spec.kind,
        queue=spec.queue.value,
        spec=spec.model_dump(mode="json"),
        priority=submission.priority,
        max_attempts=backend.settings.max_attempts,
        deadline_seconds=spec.deadline_seconds,
        idempotency_key=idempotency_key,
        request_sha256=digest,
    )


def _refers(spec: Spec) -> bool:
    """Whether it names anything that this server has, or has not."""
    return not (isinstance(spec, SentimentSpec | ImportSpec) and spec.file is None)


def _resolve(session: Session, backend: Backend, submission: AnySubmission, where: str = "") -> AnySubmission:
    """`_resolved`; `where` comes before the names of fields in errors."""
    try:
        spec = _resolved(session, backend, submission.spec)
    except BadInput as error:
        raise BadInput(f"{where}{error.field}", error.message) from None
    return submission.model_copy(update={"spec": spec})


def _resolved(session: Session, backend: Backend, spec: Spec) -> Spec:
    """Check what the spec refers to, and pin names to versions: the job means what was there now."""
    match spec:
        case TrainSpec():
            spec = spec.model_copy(update={"dataset": _dataset(session, spec.dataset).reference})
            return spec if spec.init_from is None else _initialised(session, spec, spec.init_from)
        case PredictSpec():
            pinned = {"model": _model(session, "spec.model", spec.model).reference}
            if spec.dataset is not None:
                dataset = _dataset(session, spec.dataset)
                pinned["dataset"] = dataset.reference
                _check_explained(spec, dataset.pictures)
            if spec.archive is not None:
                file = _file(session, "spec.archive", spec.archive)
                _check_archive(
                    backend, file, "spec.archive", lambda members: _check_explained(spec, _count(members))
                )
            _check_pictures(session, backend.storage, spec.images or [])
            return spec.model_copy(update=pinned)
        case SentimentSpec() if spec.file is not None:
            _file(session, "spec.file", spec.file)
        case ImportSpec() if spec.file is not None:
            _check_archive(backend, _file(session, "spec.file", spec.file), "spec.file", lay_out)
    return spec


def _dataset(session: Session, reference: str) -> registry.Dataset:
    try:
        return registry.find(session, registry.Dataset, reference)
    except NotFound as error:
        raise BadInput("spec.dataset", error.message) from None


def _model(session: Session, field: str, reference: str) -> registry.Model:
    try:
        return registry.find(session, registry.Model, reference)
    except NotFound as error:
        raise BadInput(field, error.message) from None


def _initialised(session: Session, spec: TrainSpec, reference: str) -> TrainSpec:
    """A training that goes on from a model: of the same network, and for pictures of the same size.

    What the spec does not say of these two is as the model has it, with the recipe of that network.
    """
    model = _model(session, "spec.init_from", reference)
    spec = spec.model_copy(update={"init_from": model.reference})
    if model.network in RECIPES:
        known = {"network": model.network, "image_size": model.image_size}
        spec = TrainSpec.model_validate(known | spec.model_dump(exclude_unset=True))
    wanted = f"as that of {model.reference} in init_from, but is"
    if model.network != spec.network:
        raise BadInput("spec.network", f"should be {model.network!r}, {wanted} {spec.network!r}")
    if model.image_size != spec.image_size and model.network not in ANY_SIZE:
        raise BadInput("spec.image_size", f"should be {model.image_size}, {wanted} {spec.image_size}")
    return spec


def _file(session: Session, field: str, file_id: uuid.UUID) -> storage.File:
    try:
        return storage.get_file(session, file_id)
    except NotFound as error:
        raise BadInput(field, error.message) from None


def _check_pictures(session: Session, store: storage.Storage, ids: Sequence[uuid.UUID]) -> None:
    """Look at the pictures' headers; those past CHECK_SECONDS are left to the job."""
    try:
        files = storage.get_files(session, ids)
    except NotFound:
        files = [_file(session, f"spec.images.{index}", file_id) for index, file_id in enumerate(ids)]
    ends = time.monotonic() + CHECK_SECONDS
    for index, file in enumerate(files):
        if time.monotonic() > ends:
            return
        try:
            with store.open(file.storage_key) as stream:
                pictures.check_header(stream)
        except (pictures.NotAPicture, NotFound) as error:
            raise BadInput(f"spec.images.{index}", f"{file.name}: {error.message}") from None


def _check_explained(spec: PredictSpec, count: int) -> None:
    try:
        spec.check_explained(count)
    except ValueError as error:
        raise BadInput("spec.explain", str(error)) from None


def _count(members: Iterator[Member]) -> int:
    return sum(1 for _ in loose_files(members))


def _check_archive(
    backend: Backend, file: storage.File, field: str, look: Callable[[Iterator[Member]], object]
) -> None:
    """Look at the names in an archive, so that its sender hears at once what the job would say later.

    The job looks again, and at the pictures too. What would take long is left to it: an archive in a
    remote storage, and compressed ones past CHECK_SECONDS.
    """
    if not backend.storage.is_local:
        return
    ends = time.monotonic() + CHECK_SECONDS

    def members(path: Path) -> Iterator[Member]:
        for member in walk(path, backend.settings.max_unpacked_bytes):
            if time.monotonic() > ends:
                raise TimeoutError
            yield member

    try:
        with backend.storage.local(file.storage_key, Path()) as path:
            look(members(path))
    except TimeoutError:
        return
    except (WorkError, NotFound) as error:
        raise BadInput(field, f"{file.name}: {error.message}") from None
