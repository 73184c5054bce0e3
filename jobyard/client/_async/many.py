"""Changes of many jobs at once."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from jobyard.client._async.transport import AsyncTransport
from jobyard.client.errors import BadRequest, Json
from jobyard.client.parameters import given
from jobyard.client.types import fits

# So many ids are sent in one request.
IDS_AT_ONCE = 10_000
EXAMPLES = 3
# Conditions that may have several values.
LISTS = ("kind", "state", "label", "created_by")
# In seconds: more than the server takes for one request, which says then where to continue.
LONGER = 60.0


class AsyncManyJobs:
    """The methods of a `Client` that change many jobs.

    Each takes the `ids` of jobs, or a filter as `Client.jobs` has it (`state="failed"`, `label="team:a"`, …),
    or `all=True` for all jobs. With `dry_run` nothing is changed. They return {matched, moved, refused:
    [{reason, count, examples: [{id, message}]}]}: how many jobs were meant and changed, and why others
    were not. Raises BadRequest for a filter that the server doesn't know, or for none.
    """

    _transport: AsyncTransport

    async def cancel_jobs(
        self, ids: Iterable[str | uuid.UUID] | None = None, *, dry_run: bool = False, **chosen: Any
    ) -> Json:
        """Cancel queued, waiting and paused jobs at once, and running ones at their next step."""
        return await self._move("cancel", ids, dry_run, chosen)

    async def pause_jobs(
        self, ids: Iterable[str | uuid.UUID] | None = None, *, dry_run: bool = False, **chosen: Any
    ) -> Json:
        """Pause queued and waiting jobs at once, and running ones at their next step."""
        return await self._move("pause", ids, dry_run, chosen)

    async def resume_jobs(
        self, ids: Iterable[str | uuid.UUID] | None = None, *, dry_run: bool = False, **chosen: Any
    ) -> Json:
        """Resume paused jobs."""
        return await self._move("resume", ids, dry_run, chosen)

    async def retry_jobs(
        self, ids: Iterable[str | uuid.UUID] | None = None, *, dry_run: bool = False, **chosen: Any
    ) -> Json:
        """Run failed and cancelled jobs again, from the start."""
        return await self._move("retry", ids, dry_run, chosen)

    async def delete_jobs(
        self, ids: Iterable[str | uuid.UUID] | None = None, *, dry_run: bool = False, **chosen: Any
    ) -> Json:
        """Delete jobs that have ended, with their results and files, as `Job.delete` does."""
        return await self._move("delete", ids, dry_run, chosen)

    async def _move(
        self, verb: str, ids: Iterable[str | uuid.UUID] | None, dry_run: bool, chosen: Json
    ) -> Json:
        wanted = {name: _written(name, value) for name, value in given(chosen).items()}
        parts: list[Json] = [wanted]
        if ids is not None:
            names = [str(one) for one in ids]
            starts = range(0, max(len(names), 1), IDS_AT_ONCE)
            parts = [wanted | {"ids": names[start : start + IDS_AT_ONCE]} for start in starts]
        total: Json = {"matched": 0, "moved": 0, "refused": []}
        for part in parts:
            cursor = None
            while True:
                body = part | {"dry_run": dry_run, "cursor": cursor}
                done = await self._transport.post(f"/jobs/{verb}", body, longer=LONGER)
                _add(total, done)
                cursor = done["next"]
                if cursor is None:
                    break
        return total


def _written(name: str, value: Any) -> Any:
    """A condition of a filter as JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        if not fits(value, Mapping[str, str]):
            raise BadRequest(f"{name}: should have texts, as in {{'team': 'birds'}}")
        return [f"{key}:{one}" for key, one in value.items()]
    return [value] if name in LISTS and isinstance(value, str) else value


def _add(total: Json, done: Json) -> None:
    """What became of some more jobs."""
    for name in ("matched", "moved"):
        total[name] += done[name]
    known = {one["reason"]: one for one in total["refused"]}
    for one in done["refused"]:
        before = known.get(one["reason"])
        if before is None:
            total["refused"].append(one)
            continue
        before["count"] += one["count"]
        before["examples"] = (before["examples"] + one["examples"])[:EXAMPLES]
