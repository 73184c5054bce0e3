"""A job is run again, with changes."""

from collections.abc import Mapping
from typing import Any

from jobyard.client._async.submission import send
from jobyard.client._async.transport import AsyncTransport
from jobyard.client.again import changed_spec, marks_of
from jobyard.client.errors import Json


async def run_again(
    transport: AsyncTransport, job_id: str, changes: Mapping[str, Any], priority: int | None
) -> Json:
    """The new job, as the server answers. Raises what `changed_spec` and the server raise."""
    found: Json = await transport.get(f"/jobs/{job_id}/request")
    request = found["request"]
    spec = changed_spec(found, changes)
    return await send(
        transport,
        request["kind"],
        spec,
        priority=request["priority"] if priority is None else priority,
        marks=marks_of(request),
    )
