"""The part of the client that submits and finds jobs."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from jobyard.client._async import submission
from jobyard.client._async.job import AsyncJob
from jobyard.client._async.lookups import whole_id
from jobyard.client._async.transport import AsyncTransport
from jobyard.client.errors import Json
from jobyard.client.parameters import PAGE, at_most, given


class AsyncJobs:
    """Methods of the client."""

    _transport: AsyncTransport

    async def submit(
        self,
        kind: str,
        spec: Json,
        *,
        priority: int | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        note: str | None = None,
        keep: bool | None = None,
        idempotency_key: str | None = None,
        wait: float | None = None,
    ) -> AsyncJob:
        """Submit a job of any kind that `kinds` lists; fields that `spec` leaves out take their defaults.

        A Path anywhere in the spec is uploaded and replaced by the file's id; the rest is checked before, and
        what was uploaded is deleted if the job is refused. `priority` is 0 to 9; 9 runs first. `name` is what
        the job is called; without one, it is called by what it does. `labels` (at most 32) are what it
        belongs to, as {"team": "birds"}, `note` is for people, and with `keep` retention leaves the job.
        Requests with the same `idempotency_key` give the same job. With `wait`, the answer comes when the job
        has ended, or after so many seconds (at most 60), which saves short jobs a second request.

        Raises BadRequest for a wrong field, and Conflict if the key was used for a different request.
        """
        marks = given({"name": name, "labels": labels and dict(labels), "note": note, "keep": keep})
        made = await submission.send(
            self._transport,
            kind,
            spec,
            priority=priority,
            marks=marks,
            idempotency_key=idempotency_key,
            wait=wait,
        )
        return self._job(made)

    async def check(
        self,
        kind: str,
        spec: Json,
        *,
        priority: int | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        note: str | None = None,
        keep: bool | None = None,
    ) -> None:
        """Raise what `submit` would raise, but upload nothing and make no job.

        A Path stands for a file that would be uploaded, and must be readable; PENDING as the name of a data
        set for one that is yet to be imported.
        """
        marks = given({"name": name, "labels": labels and dict(labels), "note": note, "keep": keep})
        await submission.check(self._transport, kind, spec, priority=priority, marks=marks)

    async def kinds(self) -> list[Json]:
        """The kinds of job of the server: [{kind, queue, title, description, schema}].

        `schema` is the JSON Schema of the kind's spec.
        """
        found = await self._transport.get("/kinds")
        items: list[Json] = found["items"]
        return items

    async def job(self, job_id: str | uuid.UUID) -> AsyncJob:
        """A job by its id, by the beginning or end of one (at least 4 characters), or `@last`: your newest.

        An end is looked for among the newest 10,000 jobs. Raises NotFound, and BadRequest where several jobs
        have that beginning or end.
        """
        return self._job(await self._transport.get(f"/jobs/{await self.job_id(job_id)}"))

    async def job_id(self, part: str | uuid.UUID) -> str:
        """The whole id for what `job` takes; one that is whole is not looked up. Raises as `job`."""
        try:
            return str(uuid.UUID(str(part)))
        except ValueError:
            return await whole_id(self._transport, str(part))

    def jobs(
        self,
        *,
        q: str | None = None,
        label: str | Sequence[str] | Mapping[str, str] | None = None,
        kind: str | Sequence[str] | None = None,
        state: str | Sequence[str] | None = None,
        created_by: str | Sequence[str] | None = None,
        after: datetime | str | None = None,
        before: datetime | str | None = None,
        sort: str | None = None,
        parent: str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[AsyncJob]:
        """The jobs that meet every condition, or the parts of the job `parent`, newest first.

        `q` are words, all of which are in a job's name, labels or note, or in the names of its files, data
        sets and models. `label` are labels that it has, as {"team": "birds"} or "team:birds"; `kind`, `state`
        and `created_by`, the name of a token, are one or several, of which it has one. It was created at
        `after` or later, and earlier than `before`: moments, or dates as "2026-11-29". `sort` is "newest",
        "oldest", "finished" (jobs that have ended, the last one first) or "priority" (those that are queued,
        the highest priority first, then the oldest).

        There are `limit` of them at most, or all; they are fetched lazily. Long values of `spec` and `result`
        are cut in a list; `raw["truncated"]` has their paths, and `refresh` gets the job whole.
        """
        if isinstance(label, Mapping):
            label = [f"{key}:{value}" for key, value in label.items()]
        asked: Json = {
            "q": q,
            "label": label,
            "kind": kind,
            "state": state,
            "created_by": created_by,
            "after": _moment(after),
            "before": _moment(before),
            "sort": sort,
        }
        return self._jobs(
            self._transport.items("/jobs", most=at_most(limit), limit=PAGE, parent=parent, **asked)
        )

    async def compare(
        self, jobs: Sequence[AsyncJob | str | uuid.UUID], name: str | None = None, points: int | None = None
    ) -> Json:
        """One metric (by default val_accuracy) of several jobs, and the differences between their specs.

        {name, names, lower_is_better, jobs: [{id, label, state, points, best, last}], differences}, with at
        most `points` points {step, epoch, value} per job; `differences` has the value of each job by field.
        Raises NotFound, and BadRequest for too many jobs.
        """
        ids = ",".join(job.id if isinstance(job, AsyncJob) else str(job) for job in jobs)
        return await self._transport.get("/metrics/compare", jobs=ids, name=name, points=points)

    async def _jobs(self, items: AsyncIterator[Json]) -> AsyncIterator[AsyncJob]:
        async for raw in items:
            yield self._job(raw)

    def _job(self, raw: Json) -> AsyncJob:
        return AsyncJob(self._transport, raw)


def _moment(given: datetime | str | None) -> str | None:
    return given.isoformat() if isinstance(given, datetime) else given
