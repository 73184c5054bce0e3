"""Sending the request of a job, after the files that its spec names."""

import uuid
from typing import Any

from jobyard.client import uploads
from jobyard.client.errors import Json
from jobyard.client.transport import Transport, given
from jobyard.client.uploads import Uploads


def send(
    transport: Transport,
    kind: str,
    spec: Json,
    *,
    priority: int | None,
    marks: Json,
    idempotency_key: str | None = None,
    wait: float | None = None,
) -> Json:
    """The new job as the server answers; `marks` are the members of the request beside its spec."""
    if any(uploads.paths(spec)):
        check(transport, kind, spec, priority=priority, marks=marks)
    with Uploads(transport) as sent:
        body = _request(kind, sent.placed(spec), priority) | marks
        key = idempotency_key or str(uuid.uuid4())
        return transport.post("/jobs", body, key=key, longer=wait or 0.0, wait=wait)


def check(transport: Transport, kind: str, spec: Json, *, priority: int | None, marks: Json) -> None:
    """Raise what `send` would raise, and send no file."""
    for path in uploads.paths(spec):
        uploads.check_readable(path)
    transport.check("/jobs/check", _request(kind, uploads.pending(spec), priority) | marks)


def _request(kind: str, spec: Any, priority: int | None) -> Json:
    return {"kind": kind, "spec": spec} | given({"priority": priority})
