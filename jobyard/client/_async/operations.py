"""The part of the client that is about queues, workers, and what failed."""

from jobyard.client._async.transport import AsyncTransport
from jobyard.client.errors import Json
from jobyard.client.parameters import given, segment


class AsyncOperations:
    """Methods of the client."""

    _transport: AsyncTransport

    async def queues(self) -> list[Json]:
        """The queues: [{name, depth, running, oldest_waiting_seconds, workers, paused_at, limit, …}]."""
        return await self._transport.all_items("/queues")

    async def pause_queue(self, name: str, reason: str | None = None) -> Json:
        """Start no more jobs of a queue; those that run end normally. Jobs that wait show the reason.

        Returns the queue. Raises NotFound.
        """
        return await self._transport.post(f"/queues/{segment(name, 'name')}/pause", given({"reason": reason}))

    async def resume_queue(self, name: str) -> Json:
        """Start jobs of a queue again; returns the queue. Raises NotFound."""
        return await self._transport.post(f"/queues/{segment(name, 'name')}/resume")

    async def limit_queue(self, name: str, limit: int | None) -> Json:
        """Let at most so many jobs of a queue run at once, or with None any number; returns the queue.

        Raises NotFound, and BadRequest for a limit below 1.
        """
        return await self._transport.patch(f"/queues/{segment(name, 'name')}", {"limit": limit})

    async def setbacks(self) -> list[Json]:
        """Jobs that are tried again, and why: [{queue, kind, message, jobs, last_at, newest}]."""
        return await self._transport.all_items("/failures/setbacks")

    async def workers(self) -> list[Json]:
        """Running and draining workers: [{name, host, queue, version, draining_since, jobs, …}]."""
        return await self._transport.all_items("/workers")

    async def drain_worker(self, name: str) -> Json:
        """Let a worker finish its jobs and claim no more; returns the worker. Raises NotFound."""
        return await self._transport.post(f"/workers/{segment(name, 'name')}/drain")

    async def undrain_worker(self, name: str) -> Json:
        """Let a worker claim jobs again; returns the worker. Raises NotFound."""
        return await self._transport.post(f"/workers/{segment(name, 'name')}/undrain")

    async def failures(self) -> list[Json]:
        """What failed alike within a day, the most frequent first.

        [{key, kind, error_type, message, jobs, first_at, last_at, newest}]: by kind, type and message, in
        which numbers and ids may differ. `jobs` is how many failed, and `newest` the id of the last of them.
        """
        return await self._transport.all_items("/failures")

    async def retry_failures(self, key: str) -> Json:
        """Run the jobs of one group of `failures` again, from the start; returns {retried, refused}.

        Those are refused that name something that was deleted, and those of this token beyond its quota of
        queued jobs. Raises NotFound if none failed so within a day, and BadRequest for what is no key.
        """
        return await self._transport.post(f"/failures/{segment(key, 'key')}/retry")
