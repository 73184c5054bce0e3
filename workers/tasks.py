"""The Celery tasks: one per kind of job, named for it, with the job's id as argument and task id."""

import os
import uuid
from typing import Any

from celery import shared_task

from shared import specs
from shared.jobs import State
from workers import attempt, kinds
from workers.app import heeding_stop, stopping
from workers.process import process


class JobFailed(Exception):
    """The job failed, and SQL says so already."""


def _run(task: Any, job_id: str) -> str:
    """The returned word, or the exception, is for Flower; the job's state is in SQL."""
    worker = f"{task.request.hostname}/{os.getpid()}"
    with heeding_stop():
        job = attempt.run(process(), kinds.WORKS, uuid.UUID(job_id), worker, stopping)
    if job is None:
        return "left to another worker"
    if job.state == State.FAILED:
        raise JobFailed(job.error_message)
    return str(job.state)


for _kind in specs.SPECS:
    shared_task(bind=True, name=_kind, throws=(JobFailed,))(_run)
