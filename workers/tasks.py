"""The Celery tasks: one per kind of job, named for it, with the job's id as argument and task id."""

import os
import uuid
from typing import Any

from celery import shared_task

from shared import specs
from workers import attempt, kinds
from workers.app import stopping
from workers.process import process


def _run(task: Any, job_id: str) -> None:
    worker = f"{task.request.hostname}/{os.getpid()}"
    attempt.run(process(), kinds.WORKS, uuid.UUID(job_id), worker, stopping)


for _kind in specs.SPECS:
    shared_task(bind=True, name=_kind)(_run)
