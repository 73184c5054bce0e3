"""The part of the client that is about uploaded files."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from jobyard.client import heads, uploads
from jobyard.client._async.transport import AsyncTransport
from jobyard.client.errors import Json
from jobyard.client.open_files import is_open_file, saved, temporary_folder
from jobyard.client.parameters import PAGE, at_most, id_segment
from jobyard.client.runtime import AsyncRuntime
from jobyard.client.sources import path_of
from jobyard.client.texts import listed


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
            await AsyncRuntime.run(uploads.check_readable, file, "path")
            return await self._transport.upload(file, file.name)

    async def preview(
        self,
        path: str | Path | IO[Any],
        *,
        column: str | int | Mapping[str, int] | None = None,
        group_by: str | int | Mapping[str, int] | None = None,
        sheet: str | None = None,
        delimiter: str | None = None,
        quote: str | None = None,
        header: str | None = None,
        skip_lines: int | None = None,
        null_values: Sequence[str] | None = None,
        encoding: str | None = None,
    ) -> Json:
        """What `score` would read a file as, by its first 2 MiB, which are not kept.

        `path` is a path, or an open file.

        {columns, rows (the first five), read_as, row_estimate, seconds_estimate, warnings, problem, …};
        `problem` is None, or has the field for which a job would be refused and says why. The arguments are
        those of `score`. Raises ServerError while no worker is free.
        """
        with ExitStack() as opened:
            if is_open_file(path):
                path = await AsyncRuntime.run(saved, path, temporary_folder(opened), "path")
            file = path_of(path, "path")
            await AsyncRuntime.run(uploads.check_readable, file, "path")
            head = await AsyncRuntime.run(heads.head_of, file, "path")
        reading = {
            "column": column,
            "group_by": group_by,
            "sheet": sheet,
            "delimiter": delimiter,
            "quote": quote,
            "header": header,
            "skip_lines": skip_lines,
            "null_values": None if null_values is None else listed(null_values, "null_values"),
            "encoding": encoding,
        }
        return await self._transport.look(head, file.name, heads.reading_of(reading))

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
        await self._transport.delete(f"/files/{id_segment(file_id, 'file_id', 'an upload')}")
