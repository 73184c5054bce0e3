"""What the API answers: pydantic models, which also make its OpenAPI."""

import datetime
import uuid
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, RootModel

from shared import jobs, storage

API = "/api/v1"


def _rfc3339(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[datetime.datetime, PlainSerializer(_rfc3339, when_used="json")]


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


Item = TypeVar("Item", bound=BaseModel)


class Page(BaseModel, Generic[Item]):
    """A part of a list; `next` is the `cursor` of the part after it."""

    items: list[Item]
    next: str | None = None


class Progress(Out):
    done: int
    total: int | None
    unit: str | None
    eta_seconds: float | None


class JobError(Out):
    type: str
    message: str


class Job(Out):
    """A job as everybody sees it."""

    id: uuid.UUID
    kind: str
    state: str = Field(description=" ".join(f"{state}: {gloss}" for state, gloss in jobs.GLOSS.items()))
    phase: str | None
    queue: str
    priority: int
    spec: dict[str, Any]
    result: dict[str, Any] | None
    error: JobError | None
    progress: Progress | None
    attempt: int
    max_attempts: int
    position: int | None = Field(description="Place in the queue, 1 is next; while queued")
    waiting_for: str | None = Field(
        default=None, description="What keeps a queued job beside those before it: that no worker listens"
    )
    parent_id: uuid.UUID | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    cancel_requested: bool
    pause_requested: bool
    links: dict[str, str]

    @classmethod
    def of(cls, job: jobs.Job, position: int | None, waiting_for: str | None = None) -> Self:
        error = None
        if job.error_message is not None:
            error = JobError(type=job.error_type or "Error", message=job.error_message)
        progress = None
        if job.progress_done is not None:
            progress = Progress(
                done=job.progress_done,
                total=job.progress_total,
                unit=job.progress_unit,
                eta_seconds=job.eta_seconds,
            )
        return cls(
            id=job.id,
            kind=job.kind,
            state=job.state,
            phase=job.phase,
            queue=job.queue,
            priority=job.priority,
            spec=job.spec,
            result=job.result,
            error=error,
            progress=progress,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            position=position,
            waiting_for=waiting_for,
            parent_id=job.parent_id,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            cancel_requested=job.cancel_requested_at is not None,
            pause_requested=job.pause_requested_at is not None,
            links=_job_links(job),
        )


class Submitted(RootModel[Job | Page[Job]]):
    """A job, or as many as were submitted."""


def _job_links(job: jobs.Job) -> dict[str, str]:
    self = f"{API}/jobs/{job.id}"
    links = {"self": self, "events": f"{self}/events", "files": f"{self}/files", "page": f"/jobs/{job.id}"}
    if job.kind == "train":
        links |= {"metrics": f"{self}/metrics", "history": f"{self}/history.png"}
    if job.kind == "predict":
        links["predictions"] = f"{self}/predictions"
    if job.state in (jobs.State.QUEUED, jobs.State.RUNNING):
        links["pause"] = f"{self}/pause"
    if job.state == jobs.State.PAUSED:
        links["resume"] = f"{self}/resume"
    if not job.terminal:
        links["cancel"] = f"{self}/cancel"
    elif job.state != jobs.State.SUCCEEDED:
        links["retry"] = f"{self}/retry"
    return links


class Event(Out):
    """A row of a job's timeline."""

    id: int
    at: Moment
    state: str
    attempt: int
    phase: str | None
    message: str | None
    worker: str | None
    traceback: str | None


class Queue(Out):
    """A queue and who listens on it."""

    name: str
    depth: int = Field(description="Jobs that wait")
    running: int
    oldest_waiting_seconds: float | None = Field(description="Of the job that could have run for the longest")
    workers: list[str] = Field(description="Names of the workers that are alive")


class Metric(Out):
    name: str
    step: int
    epoch: int | None
    value: float | None = Field(description="null where the number was not finite")
    at: Moment


class File(Out):
    """An uploaded file or an artifact."""

    id: uuid.UUID
    name: str
    media_type: str
    bytes: int
    sha256: str
    created_at: Moment
    links: dict[str, str] = {}

    @classmethod
    def of(cls, file: storage.File) -> Self:
        out = cls.model_validate(file)
        if file.job_id is not None:
            out.links = {"self": f"{API}/jobs/{file.job_id}/files/{file.name}"}
        return out


class Dataset(Out):
    id: uuid.UUID
    name: str
    version: int
    reference: str
    classes: dict[str, dict[str, int]] = Field(description="Pictures by split and class")
    pictures: int
    rejected: list[dict[str, str]]
    rejected_count: int
    bytes: int
    sha256: str = Field(description="Of the contents: the same pictures have the same")
    job_id: uuid.UUID | None
    created_at: Moment


class Model(Out):
    id: uuid.UUID
    name: str
    version: int
    reference: str
    network: str
    classes: list[str] = Field(description="In the order of the network's outputs")
    image_size: int
    metrics: dict[str, Any]
    bytes: int
    sha256: str
    dataset_id: uuid.UUID | None
    job_id: uuid.UUID | None
    created_at: Moment


class Prediction(Out):
    image: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float] | None
    error: str | None
