"""Files that a spec names by their paths: uploaded for one job, and deleted again if there is no job."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from jobyard.client._async.transport import AsyncTransport
from jobyard.client.errors import JobyardClientError
from jobyard.client.uploads import names, paths


class AsyncUploads:
    """A context: an exception that leaves it deletes what was uploaded in it."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._ids: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        for file_id in self._ids:
            # If the job was accepted after all, and only its answer lost, the server keeps the file.
            with suppress(JobyardClientError):
                await self._transport.delete(f"/files/{quote(file_id, safe='')}?unread=true")

    async def placed(self, spec: Any) -> Any:
        """A spec as it is sent: with the ids of files instead of their paths."""
        return await self._placed(spec, names(paths(spec).values()))

    async def _placed(self, value: Any, called: Mapping[Path, str]) -> Any:
        match value:
            case Path():
                sent = await self._transport.upload(value, called[value])
                self._ids.append(str(sent["id"]))
                return self._ids[-1]
            case uuid.UUID():
                return str(value)
            case dict():
                return {name: await self._placed(inner, called) for name, inner in value.items()}
            case list() | tuple():
                return [await self._placed(inner, called) for inner in value]
        return value
