"""The part of the client that waits for several jobs."""

from collections.abc import Iterable

from jobyard.client._async.job import AsyncJob
from jobyard.client.deadlines import Deadline
from jobyard.client.errors import BadRequest, JobFailed
from jobyard.client.job_list import JobList
from jobyard.client.progress import check_progress
from jobyard.client.progress_of_many import following_all
from jobyard.client.texts import listed


class AsyncWaiting:
    """Methods of the client."""

    async def wait_all(
        self,
        jobs: Iterable[AsyncJob],
        timeout: float | None = None,
        *,
        check: bool = True,
        progress: bool | None = None,
    ) -> JobList[AsyncJob]:
        """Return these jobs when all have ended, in a list that notebooks show as a table.

        `timeout`, in seconds, is for all of them. With `progress`, a bar counts those that have ended; by
        default, in notebooks. Raises WaitTimeout, and when all have ended JobFailed for the first that failed
        or was cancelled (not with check=False).
        """
        check_progress(progress)
        waited: JobList[AsyncJob] = JobList(listed(jobs, "jobs"))
        for job in waited:
            if not isinstance(job, AsyncJob):
                raise BadRequest(f"jobs: should be jobs of this client, but has {job!r:.80}")
        deadline = Deadline(timeout)
        with following_all(waited, progress) as shown:
            for place, job in enumerate(waited):
                while True:
                    shown.show(place)
                    if job.done:
                        break
                    await job._wait_for_change(shown.seconds, deadline)
            shown.show(len(waited))
        failed = [job for job in waited if not job.succeeded]
        if check and failed:
            raise JobFailed(failed[0])
        return waited
