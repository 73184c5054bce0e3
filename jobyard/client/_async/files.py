"""The part of the client that is about uploaded files."""

import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from jobyard.client import uploads
from jobyard.client._async.transport import AsyncTransport
from jobyard.client.errors import Json
from jobyard.client.open_files import is_open_file, saved, temporary_folder
from jobyard.client.parameters import PAGE, at_most, segment
from jobyard.client.runtime import AsyncRuntime
from jobyard.client.sources import path_of


class AsyncFiles:
    """Methods of the client."""

    _transport: AsyncTransport

    async def upload(self, path: str | Path | IO[Any]) -> Json:
        """Upload a file, for a spec to refer to by its id: {id, name, bytes, sha256, media_type}.

        `path` is a path, or an open file.
        """
        with ExitStack() as opened:
            if is_open_file(path):
                path = await AsyncRuntime.run(saved, path, temporary_folder(opened), "path")
            file = path_of(path, "path")
            await AsyncRuntime.run(uploads.check_readable, file)
            return await self._transport.upload(file, file.name)

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
