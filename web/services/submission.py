"""From a validated request to a job in the database and its message in the broker."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from jobyard.shared import addresses, jobs, kinds
from jobyard.shared.errors import BadInput
from jobyard.shared.kinds.base import Kind, Spec
from jobyard.shared.kinds.findings import PENDING
from jobyard.shared.kinds.submission import MARKS, AnySubmission
from jobyard.shared.kinds.titles import SHORT_BYTES
from jobyard.shared.needs import Needs, note
from jobyard.shared.tokens import BUILT_IN, Identity
from jobyard.web.backend import Backend
from jobyard.web.services import quotas
from jobyard.web.services.group_commit import Accepted
from jobyard.web.services.references import has_to_be_checked, resolve

MAX_KEY_CHARACTERS = 255
# Of the disk that should stay free: jobs are accepted a while longer than files.
SUBMIT_SHARE = 0.5


def checked_key(idempotency_key: str | None) -> str | None:
    """The header as it came. Raises BadInput."""
    if idempotency_key is None:
        return None
    if not 0 < len(idempotency_key.strip()) <= len(idempotency_key) <= MAX_KEY_CHARACTERS:
        raise BadInput("Idempotency-Key", f"should have 1 to {MAX_KEY_CHARACTERS} characters")
    if "\0" in idempotency_key:  # which PostgreSQL can't keep
        raise BadInput("Idempotency-Key", "should have no NUL character")
    return idempotency_key


def _own_key(submitter: Identity, key: str | None) -> str | None:
    """As it is kept: behind the name of its token, for others may choose the same key. Those of the server's
    own token are as they were before there were others.
    """
    if key is None or submitter.name == BUILT_IN:
        return key
    # No header has a line feed.
    own = f"{submitter.name}\n{key}"
    if len(own) <= MAX_KEY_CHARACTERS:
        return own
    return f"{submitter.name}\n\n{hashlib.sha256(key.encode()).hexdigest()}"


def submit(
    backend: Backend, submission: AnySubmission, idempotency_key: str | None, *, submitter: Identity
) -> Accepted:
    """Accept a job: insert, commit, wake.

    Raises BadInput where the spec names something that isn't there, Conflict where the key was used
    for another request, QuotaReached, DiskFull where no job could run and the moves of others need what is
    left.
    """
    backend.disk.check(share=SUBMIT_SHARE)
    idempotency_key = _own_key(submitter, idempotency_key)
    digest = _digest([submission]) if idempotency_key else None
    if submitter.max_queued is not None:
        _check_quota(backend, submitter, 1, idempotency_key, digest)
    needs = Needs()
    if has_to_be_checked(submission):
        with backend.database.read() as session:
            # What it refers to may be gone by the time that it is repeated.
            if idempotency_key and (first := jobs.repeat_of(session.connection(), idempotency_key, digest)):
                return Accepted(jobs.read_snapshot(session.connection(), first.id), is_new=False)
            submission, needs = resolve(session, backend, submission)
    needs = _found_by(submission, needs)
    request = _request(backend, submission, needs, submitter.name, idempotency_key, digest)
    with _still_there(backend, [submission], [""]):
        return backend.group_commit.accept(request, needs, submitter)


def submit_many(
    backend: Backend,
    submissions: Sequence[AnySubmission],
    idempotency_key: str | None,
    *,
    submitter: Identity,
) -> tuple[list[jobs.JobSnapshot], bool]:
    """Accept all jobs in one transaction and one round trip to the broker, or none. Raises as `submit`."""
    backend.disk.check(share=SUBMIT_SHARE)
    idempotency_key = _own_key(submitter, idempotency_key)
    digest = _digest(submissions) if idempotency_key else None
    if submitter.max_queued is not None:
        _check_quota(backend, submitter, len(submissions), idempotency_key, digest)
    needs = [Needs()] * len(submissions)
    if any(has_to_be_checked(one) for one in submissions):
        with backend.database.read() as session:
            if idempotency_key and (
                first := jobs.repeats_of(session.connection(), idempotency_key, digest, len(submissions))
            ):
                return jobs.read_snapshots(session.connection(), [job.id for job in first]), False
            resolved = [resolve(session, backend, one, f"{index}.") for index, one in enumerate(submissions)]
            submissions, needs = [one for one, _ in resolved], [needed for _, needed in resolved]
    needs = [_found_by(one, needed) for one, needed in zip(submissions, needs, strict=True)]
    requests = [
        _request(backend, one, needed, submitter.name) for one, needed in zip(submissions, needs, strict=True)
    ]
    places = [f"{index}." for index in range(len(submissions))]
    with _still_there(backend, submissions, places), backend.database.begin() as connection:
        left = quotas.room(connection, submitter)
        made = jobs.submit_many(connection, requests, idempotency_key=idempotency_key, request_sha256=digest)
        if not made[0].is_new:
            return jobs.read_snapshots(connection, [job.id for job in made]), False
        if left is not None and len(made) > left:
            raise quotas.refusal(submitter, len(made), left)
        note(connection, [(job.id, one) for job, one in zip(made, needs, strict=True)])
        seen = jobs.snapshots_of_new(zip(made, requests, strict=True))
    for queue, count in Counter(request.queue for request in requests).items():
        backend.broker.wake(queue, count)
    both = zip(made, requests, strict=True)
    return [jobs.in_a_list(seen[job.id], request.spec) for job, request in both], True


@contextmanager
def _still_there(
    backend: Backend, submissions: Sequence[AnySubmission], places: Sequence[str]
) -> Iterator[None]:
    """Raises BadInput for an upload that was deleted after it was looked up, before the job was inserted."""
    try:
        yield
    except sa.exc.IntegrityError:
        with backend.database.read() as session:
            for submission, where in zip(submissions, places, strict=True):
                resolve(session, backend, submission, where)
        raise


def check_quota(backend: Backend, submitter: Identity, count: int) -> None:
    """Raises QuotaReached where so many jobs would be too many now."""
    if submitter.max_queued is not None:
        _check_quota(backend, submitter, count, None, None)


def check(backend: Backend, submission: AnySubmission) -> None:
    """Raises what `submit` would, and makes no job. PENDING stands for uploads and data sets to come."""
    if has_to_be_checked(submission):
        with backend.database.read() as session:
            resolve(session, backend, submission, pending=PENDING)


def _check_quota(
    backend: Backend, submitter: Identity, count: int, idempotency_key: str | None, digest: str | None
) -> None:
    """Raises QuotaReached: before the request is looked at, and without the lock that makes it exact."""
    with backend.database.autocommit() as connection:
        left = quotas.room(connection, submitter, lock=False)
        if left is None or count <= left:
            return
        # A request that is repeated makes no job.
        key = idempotency_key
        if key and (
            jobs.repeat_of(connection, key, digest) or jobs.repeats_of(connection, key, digest, count)
        ):
            return
    raise quotas.refusal(submitter, count, left)


def _digest(submissions: Sequence[AnySubmission]) -> str:
    """A hash that is the same for equal requests, however they are written."""
    return hashlib.sha256(b"".join(map(_asked, submissions))).hexdigest()


def _asked(submission: AnySubmission) -> bytes:
    """A request as JSON; without the marks that it leaves out, as those of earlier versions."""
    unset = {name for name in MARKS if not getattr(submission, name)}
    return submission.model_dump_json(exclude=unset).encode()


def _request(
    backend: Backend,
    submission: AnySubmission,
    needs: Needs,
    created_by: str,
    idempotency_key: str | None = None,
    digest: str | None = None,
) -> jobs.Request:
    kind, spec = kinds.any_of(submission.kind), submission.spec
    document = spec.model_dump(mode="json")
    return jobs.Request(
        kind=kind.name,
        queue=kind.queue.value,
        name=submission.name,
        labels=submission.labels or None,
        note=submission.note,
        keep=submission.keep,
        does=_does(kind, spec, document, needs.file_names),
        spec=document,
        priority=submission.priority,
        max_attempts=backend.settings.max_attempts,
        deadline_seconds=spec.deadline_seconds,
        created_by=created_by,
        idempotency_key=idempotency_key,
        request_sha256=digest,
    )


def _does(kind: Kind[Any], spec: Spec, document: dict[str, Any], files: Mapping[str, str]) -> str | None:
    """What is stored of it: nothing where every reader can tell from a short spec."""
    if not files and len(spec.model_dump_json()) <= SHORT_BYTES:
        return None
    return kinds.title(kind.name, document, files)


def _found_by(submission: AnySubmission, needs: Needs) -> Needs:
    """With what the job is found by: its marks, its files, and the data sets and models it names or makes."""
    kind = kinds.any_of(submission.kind)
    names = [
        *needs.file_names.values(),
        *(addresses.parse(address).shown for address in needs.addresses.values()),
    ]
    names += [one.name for one in kind.references(submission.spec) if one.name is not None]
    names += [name for name in kind.made(submission.spec) if name is not None]
    marks = submission.name or submission.labels or submission.note
    if not names and not marks:
        return needs
    terms = jobs.terms_of(names, name=submission.name, labels=submission.labels, note=submission.note)
    return replace(needs, terms=terms)
