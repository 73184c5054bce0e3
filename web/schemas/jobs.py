"""Jobs, their timelines and their output, as the API answers them."""

import typing
from typing import Any, Final, NamedTuple

from pydantic import ConfigDict, Field, RootModel, create_model

from jobyard.shared import jobs
from jobyard.web.schemas.base import TRUNCATED, Moment, Out, Page


class Progress(Out):
    done: int
    total: int | None
    unit: str | None
    eta_seconds: float | None
    per_second: float | None = Field(description="Units per second; `eta_seconds` follows from it")


class JobError(Out):
    type: str
    message: str


class Usage(Out):
    """What a job has used so far, or used, with all processes that it started."""

    attempt: int = Field(description="The one that `memory_bytes` is of")
    memory_bytes: int = Field(description="Resident memory when it was last sampled")
    memory_limit_bytes: int = Field(description="Of its worker's control group, or of its machine")
    peak_memory_bytes: int = Field(description="The most in any attempt")
    cpu_seconds: float = Field(description="Of all cores and all attempts")
    gpu: str | None = Field(description="Names of the GPUs; null without one")
    gpu_seconds: float | None = Field(description="In which a GPU was busy, whoever used it")
    peak_gpu_memory_bytes: int | None = Field(description="Of the whole GPUs, whoever used it")


class Computed(NamedTuple):
    """A member of a job's JSON that is no column; `web.api.serializers` has the function for it."""

    name: str
    type: Any
    # The member before it; None: it is the last one.
    after: str | None
    info: Any = Field()


COMPUTED: Final = (
    Computed(
        "title",
        str,
        after="kind",
        info=Field(description="What it is called: its name; without one, what it does"),
    ),
    Computed("error", JobError | None, after="result"),
    Computed("progress", Progress | None, after="error"),
    Computed(
        "position",
        int | None,
        after="max_attempts",
        info=Field(
            description="Position in the queue while it is queued; 1 is the next to run, and "
            f"{jobs.FAR_POSITION:,} is any after {jobs.EXACT_POSITIONS:,}"
        ),
    ),
    Computed(
        "waiting_for",
        str | None,
        after="position",
        info=Field(
            default=None,
            description="What a queued job waits for if its queue is paused, has no running worker or has "
            "reached its limit of running jobs, or the token that submitted it its quota",
        ),
    ),
    Computed(
        "truncated",
        list[str],
        after=None,
        info=TRUNCATED,
    ),
    Computed("links", dict[str, str], after=None),
)


def _type_in_schema(field: jobs.Field) -> Any:
    if field.shown == jobs.Shown.AS_A_FLAG:
        return bool
    if field.empty is not None:
        return next(one for one in typing.get_args(field.type) if one is not type(None))
    if field.name == "usage":
        return Usage | None
    if field.shows_moment:
        return Moment | None if field.column.nullable else Moment
    return field.type


def _members() -> dict[str, Any]:
    """Of a job's JSON: each column that is shown as it is or as a flag, and what is computed."""
    columns = [one for one in jobs.FIELDS if one.shown in (jobs.Shown.AS_IT_IS, jobs.Shown.AS_A_FLAG)]
    members = [
        (one.shown_name, (_type_in_schema(one), Field(description=one.description))) for one in columns
    ]
    for computed in COMPUTED:
        names = [name for name, _ in members]
        place = len(names) if computed.after is None else names.index(computed.after) + 1
        members.insert(place, (computed.name, (computed.type, computed.info)))
    return dict(members)


_JOB: Any = create_model("_JOB", __base__=Out, **_members())


class Job(_JOB):  # type: ignore[misc]  # derived
    """A job."""


class Submitted(RootModel[Job | Page[Job]]):
    """A job, or a list of them if a list was submitted."""


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
    actor: str | None = Field(
        description="Name of the token whose request it was; null: a worker or the sweeper did it"
    )


class LogPiece(Out):
    """Some lines of what an attempt printed and logged."""

    attempt: int
    begins: int = Field(description="How many characters of the attempt's output came before it")
    left_out: int = Field(
        description="How many of them are not kept, between the piece before it and this one"
    )
    text: str
    at: Moment = Field(description="When it was written")
    cursor: str = Field(description="What `after` is to be, to get what comes after it")


class Kind(Out):
    """A kind of job."""

    model_config = ConfigDict(serialize_by_alias=True)

    kind: str
    queue: str
    title: str
    description: str
    spec_schema: dict[str, Any] = Field(alias="schema", description="The JSON Schema of its spec")
