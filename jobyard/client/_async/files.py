"""The part of the client that is about uploaded files."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from jobyard.client import uploads
from jobyard.client._async.transport import AsyncTransport
from jobyard.client.errors import Json
from jobyard.client.parameters import PAGE, at_most, segment
from jobyard.client.runtime import AsyncRuntime


class AsyncFiles:
    """Methods of the client."""

    _transport: AsyncTransport

    async def upload(self, path: str | Path) -> Json:
        """Upload a file, for a spec to refer to by its id: {id, name, bytes, sha256, media_type}."""
        path = Path(path)
        await AsyncRuntime.run(uploads.check_readable, path)
        return await self._transport.upload(path, path.name)

    def files(self, *, limit: int | None = None) -> AsyncIterator[Json]:
        """All uploads, newest first: {id, name, bytes, sha256, jobs, kept_until, kept_because, …}.

        `jobs` is how many jobs read it. `kept_until` is when retention deletes it; where that is None,
        `kept_because` says why. There are `limit` of them at most, or all; they are fetched lazily.
        """
        return self._transport.items("/files", most=at_most(limit), limit=PAGE)

    async def delete_file(self, file_id: str | uuid.UUID) -> None:
        """Delete an upload. Jobs that have ended and read it can't be retried any more.

        Raises NotFound, and Conflict while an unfinished job needs it, or if any job has read it and the
        token's scope is `submit`.
        """
        await self._transport.delete(f"/files/{segment(str(file_id))}")
