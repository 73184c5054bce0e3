"""Sending the request of a job, after the files that its spec names."""

import uuid
from typing import Any

from jobyard.client import heads, uploads
from jobyard.client._async.transport import AsyncTransport
from jobyard.client._async.uploads import AsyncUploads
from jobyard.client.errors import BadRequest, ConnectionFailed, Json, NotFound, ServerError
from jobyard.client.interrupts import noted
from jobyard.client.parameters import given, is_header
from jobyard.client.runtime import AsyncRuntime
from jobyard.client.types import shown


async def send(
    transport: AsyncTransport,
    kind: str,
    spec: Json,
    *,
    priority: int | None,
    marks: Json,
    idempotency_key: str | None = None,
    wait: float | None = None,
) -> Json:
    """The new job as the server answers; `marks` are the members of the request beside its spec.

    An interrupt while the answer is waited for has a note that the job may be there.
    """
    if uploads.paths(spec):
        await check(transport, kind, spec, priority=priority, marks=marks)
        await _look(transport, kind, spec)
    if idempotency_key is not None and not is_header(idempotency_key):
        raise BadRequest(
            f"idempotency_key: should be a text of letters, digits and signs, but is {shown(idempotency_key)}"
        )
    async with AsyncUploads(transport) as sent:
        body = _request(kind, await sent.placed(spec), priority) | marks
        key = idempotency_key or str(uuid.uuid4())
        with noted() as attempts:
            return await transport.post(
                "/jobs", body, key=key, attempts=attempts, longer=wait or 0.0, wait=wait
            )


async def check(
    transport: AsyncTransport, kind: str, spec: Json, *, priority: int | None, marks: Json
) -> None:
    """Raise what `send` would raise, and send no file."""
    for field, path in uploads.paths(spec).items():
        await AsyncRuntime.run(uploads.check_readable, path, field)
    await transport.check("/jobs/check", _request(kind, uploads.pending(spec), priority) | marks)


async def _look(transport: AsyncTransport, kind: str, spec: Json) -> None:
    """Raise BadRequest for a large file of texts that would be refused once it is there: no such column.

    Where nobody can look at it, it is sent all the same.
    """
    if not heads.is_worth_a_look(kind, spec):
        return
    path = spec["file"]
    head = await AsyncRuntime.run(heads.head_of, path, "spec.file")
    try:
        found = await transport.look(head, path.name, heads.reading_of(spec))
    except (ServerError, NotFound, ConnectionFailed):  # no worker is free; or the server is an older one
        return
    if (why := heads.refusal(found, spec, path)) is not None:
        raise BadRequest(why)


def _request(kind: str, spec: Any, priority: int | None) -> Json:
    return {"kind": kind, "spec": spec} | given({"priority": priority})
