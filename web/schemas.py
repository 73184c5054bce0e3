"""What the API answers: pydantic models, which also make its OpenAPI."""

import datetime
import uuid
from typing import Annotated, Any, Final, Generic, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, RootModel, create_model

from jobyard.shared import jobs, registry, storage
from jobyard.web.services import comparisons

API = "/api/v1"


def rfc3339(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[datetime.datetime, PlainSerializer(rfc3339, when_used="json")]


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
    per_second: float | None = Field(description="Units a second, as the time left was reckoned")


class JobError(Out):
    type: str
    message: str


class Computed(NamedTuple):
    """A member of a job's JSON that is no column; `web.api.serializers` has the function for it."""

    name: str
    type: Any
    # The member before it; None: it is the last one.
    after: str | None
    info: Any = Field()


COMPUTED: Final = (
    Computed("error", JobError | None, after="result"),
    Computed("progress", Progress | None, after="error"),
    Computed(
        "position",
        int | None,
        after="max_attempts",
        info=Field(description="Place in the queue, 1 is next; while queued"),
    ),
    Computed(
        "waiting_for",
        str | None,
        after="position",
        info=Field(
            default=None,
            description="What keeps a queued job beside those before it: that no worker listens",
        ),
    ),
    Computed("links", dict[str, str], after=None),
)


def _type_in_schema(field: jobs.Field) -> Any:
    if field.shown == jobs.Shown.AS_A_FLAG:
        return bool
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
    """A job as everybody sees it; `web.api.serializers` writes it."""


class Submitted(RootModel[Job | Page[Job]]):
    """A job, or as many as were submitted."""


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


class Kind(Out):
    """A kind of job."""

    model_config = ConfigDict(serialize_by_alias=True)

    kind: str
    queue: str
    title: str
    description: str
    spec_schema: dict[str, Any] = Field(alias="schema", description="The JSON Schema of its spec")


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


class ComparedPoint(Out):
    step: int
    epoch: int | None
    value: float | None


class ComparedJob(Out):
    """One job of a comparison."""

    id: uuid.UUID
    label: str = Field(description="The model that it made; else its kind and the end of its id")
    state: str
    points: list[ComparedPoint]
    best: ComparedPoint | None
    last: ComparedPoint | None


class Comparison(Out):
    """One metric of several jobs."""

    name: str
    names: list[str] = Field(description="Metrics that at least one of the jobs has")
    lower_is_better: bool
    jobs: list[ComparedJob]
    differences: dict[str, list[Any]] = Field(
        description="Fields of the specs that are not all the same: the value of each job, in their order"
    )

    @classmethod
    def of(cls, found: comparisons.Comparison) -> Self:
        runs = [
            ComparedJob(
                id=run.job.id,
                label=run.label,
                state=run.job.state,
                points=[ComparedPoint.model_validate(point) for point in run.points],
                best=None if run.best is None else ComparedPoint.model_validate(run.best),
                last=None if run.last is None else ComparedPoint.model_validate(run.last),
            )
            for run in found.runs
        ]
        return cls(
            name=found.name,
            names=found.names,
            lower_is_better=found.lower_is_better,
            jobs=runs,
            differences=found.differences,
        )


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
    report: dict[str, Any] | None = Field(
        description="What the import found out: sizes, formats, duplicates, leaks between splits, pictures "
        "under two classes, imbalance, and `warnings` in words; null if it was imported before there were any"
    )
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
    aliases: list[str] = Field(
        [], description="`latest` and `best` where it is that, then those that were set"
    )
    accuracy: float | None = Field(description="Of its evaluation; what makes it the `best` of its name")
    metrics: dict[str, Any]
    bytes: int
    sha256: str
    dataset_id: uuid.UUID | None
    job_id: uuid.UUID | None
    created_at: Moment
    links: dict[str, str] = {}

    @classmethod
    def of(cls, model: registry.Model, aliases: list[str]) -> Self:
        out = cls.model_validate(model)
        out.aliases = aliases
        here = f"{API}/models/{model.reference}"
        out.links = {"self": here, "file": f"{here}/file", "card": f"{here}/card"}
        return out


class ModelCard(Out):
    """What a model is, how good it is, and how to use its file without this server."""

    name: str
    version: int
    reference: str
    aliases: list[str]
    created_at: str
    format: str
    bytes: int
    sha256: str = Field(description="Of the file; check it before you load it")
    network: str
    image_size: int
    preprocessing: str
    classes: list[str]
    outputs: str
    accuracy: float | None
    metrics: dict[str, Any]
    data: dict[str, Any] | None = Field(
        description="The data set it was trained on: reference, SHA-256, pictures"
    )
    evaluation: dict[str, Any] | None
    environment: dict[str, Any] | None
    timings: dict[str, Any] | None
    spec: dict[str, Any] | None = Field(description="Of the training")


class Prediction(Out):
    image: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float] | None
    error: str | None
    overlay: str | None = Field(
        default=None, description="Name of the job's file that shows what spoke for the label; with `explain`"
    )


class ScoredRow(Out):
    """A row of a scored file; its scores are null where its text is."""

    row: int = Field(description="Its number in the scored file, from 0")
    columns: dict[str, Any] = Field(
        description="The original columns by name; times, decimals, NaN and the like as text"
    )
    neg: float | None
    neu: float | None
    pos: float | None
    compound: float | None
    label: str | None


class ScoreGroup(Out):
    """What the rows of a scored file with one value in the column `group_by` come to."""

    value: str | None = Field(description="As text; null for the rows without one")
    rows: int
    nulls: int = Field(description="Rows without a text, which have no scores")
    labels: dict[str, int]
    mean: float | None = Field(description="Of the compound")
    std: float | None = Field(description="Standard deviation of the compound")
    histogram: list[int] = Field(
        description="Counts of the compound, by the edges in the result's `histogram`"
    )
