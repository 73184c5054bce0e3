"""The answers of the API as pydantic models, from which its OpenAPI is generated."""

import datetime
import typing
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Final, Generic, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, RootModel, create_model

from jobyard.shared import jobs, registry, running_workers, storage, tokens, uploads
from jobyard.web.services import bulk, comparisons

API = "/api/v1"


def rfc3339(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[datetime.datetime, PlainSerializer(rfc3339, when_used="json")]


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


# Of what is listed.
TRUNCATED: Final[Any] = Field(
    default=[],
    description="In a list: the dotted paths of what is there only in part (`spec.texts`), as it is long. "
    "Arrays are empty, objects have some of their members, texts end early. Its own GET has it whole",
)

Item = TypeVar("Item", bound=BaseModel)


class Page(BaseModel, Generic[Item]):
    """A page of a list; `next` is the `cursor` of the page after it."""

    items: list[Item]
    next: str | None = None


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
            description="What a queued job waits for if its queue is paused, or has no running worker",
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


class RefusedJob(Out):
    """A job that was left as it is."""

    id: uuid.UUID
    message: str


class Refused(Out):
    """Jobs that were left as they are, for one reason."""

    reason: str = Field(description="Their state, or `a part`, `kept`, `changed`, `not found`, …")
    count: int
    examples: list[RefusedJob] = Field(description="The first few of them")


class Moved(Out):
    """What became of many jobs."""

    matched: int
    moved: int = Field(description="How many were changed or asked to stop, or with `dry_run` would be")
    refused: list[Refused]
    next: uuid.UUID | None = Field(description="Not null if there are more: send it as `cursor`")
    dry_run: bool

    @classmethod
    def of(cls, done: bulk.Outcome, *, dry_run: bool) -> Self:
        refused = [
            Refused(
                reason=reason,
                count=one.count,
                examples=[RefusedJob(id=job_id, message=message) for job_id, message in one.examples],
            )
            for reason, one in done.refused.items()
        ]
        return cls(matched=done.matched, moved=done.moved, refused=refused, next=done.next, dry_run=dry_run)


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


class Outcomes(Out):
    """How many jobs ended in each state; children of other jobs are left out."""

    succeeded: int
    failed: int
    cancelled: int
    failure_rate: float | None = Field(description="Of those that succeeded or failed, the share that failed")


class Queue(Out):
    """A queue and its workers."""

    name: str
    depth: int = Field(description="Number of queued jobs")
    depth_is_exact: bool = Field(
        description=f"Up to {jobs.EXACT_COUNTS:,} it is; beyond, the jobs are counted once a minute"
    )
    running: int
    stalled: int = Field(description="Of the running jobs, those that have made no progress for too long")
    oldest_waiting_seconds: float | None = Field(description="Age of the oldest job that could run")
    workers: list[str] = Field(description="Names of the running workers")
    paused_at: Moment | None = Field(description="Since when no job of it is started; null: it is not paused")
    paused_by: str | None
    pause_reason: str | None
    limit: int | None = Field(description="At most so many of its jobs run at once; null: no limit")
    last_hour: Outcomes = Field(description="To within five minutes")
    last_day: Outcomes = Field(description="To within five minutes")


class Failures(Out):
    """Jobs that failed alike."""

    key: str
    kind: str
    error_type: str
    message: str = Field(description="Of the newest of them")
    jobs: int
    last_at: Moment
    newest: uuid.UUID

    @classmethod
    def of(cls, found: Any) -> Self:
        """Of a `shared.failures.Failures`."""
        return cls(
            **{name: getattr(found, name) for name in ("key", "kind", "error_type", "message", "last_at")},
            jobs=len(found.ids),
            newest=found.ids[0],
        )


class Retried(Out):
    """How many jobs start over, and how many name something that was deleted."""

    retried: int
    refused: int


class WorkersJob(Out):
    """A job that a worker runs."""

    id: uuid.UUID
    kind: str
    phase: str | None
    progress: Progress | None
    started_at: Moment | None
    stalled_since: Moment | None

    @classmethod
    def of(cls, job: jobs.RunningJob) -> Self:
        progress = None
        if job.progress_done is not None:
            done, total, eta = job.progress_done, job.progress_total, job.eta_seconds
            pace = round((total - done) / eta, 1) if eta and total is not None else None
            progress = Progress(
                done=done, total=total, unit=job.progress_unit, eta_seconds=eta, per_second=pace
            )
        return cls(
            id=job.id,
            kind=job.kind,
            phase=job.phase,
            progress=progress,
            started_at=job.started_at,
            stalled_since=job.stalled_since,
        )


class Worker(Out):
    """A worker of a queue."""

    name: str
    host: str
    queue: str
    version: str | None = Field(description="Of Jobyard")
    started_at: Moment
    seen_at: Moment
    is_running: bool = Field(description="Whether it has renewed its registration within fifteen seconds")
    draining_since: Moment | None = Field(
        description="Since when it claims no more jobs; null: it is not draining"
    )
    drained_by: str | None
    jobs: list[WorkersJob]

    @classmethod
    def of(cls, found: running_workers.WorkerView) -> Self:
        return cls(
            **{name: getattr(found, name) for name in cls.model_fields if name != "jobs"},
            jobs=[WorkersJob.of(job) for job in found.jobs],
        )


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
    label: str = Field(description="The reference of its model; else its kind and the end of its id")
    state: str
    points: list[ComparedPoint]
    best: ComparedPoint | None
    last: ComparedPoint | None


class Comparison(Out):
    """One metric of several jobs."""

    name: str
    names: list[str] = Field(description="Names of the metrics that at least one of the jobs has")
    lower_is_better: bool
    jobs: list[ComparedJob]
    differences: dict[str, list[Any]] = Field(
        description="Fields in which the specs differ: the value of each job, in the order of `jobs`"
    )
    truncated: list[str] = Field(description="Those of them whose values are there only in part")

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
            truncated=found.truncated,
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


class Upload(File):
    """An uploaded file, in a list."""

    jobs: int = Field(
        description=f"How many jobs read it; {uploads.EXACT_READERS + 1:,} is any number over "
        f"{uploads.EXACT_READERS:,}"
    )
    kept_until: Moment | None = Field(description="When retention deletes it, if no other job takes it")
    kept_because: str | None = Field(description="Why there is no such time")

    @classmethod
    def listed(cls, upload: uploads.Upload) -> Self:
        out = File.of(upload.file).model_dump()
        return cls(**out, jobs=upload.jobs, kept_until=upload.kept_until, kept_because=upload.kept_because)


class FilesTotal(Out):
    """Files together."""

    files: int
    bytes: int
    is_exact: bool = Field(description="Up to 1,000 files it is; beyond, they are counted once a minute")


class Uploads(Page[Upload]):
    """A page of uploads, and all of them together."""

    total: FilesTotal


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
        description="Findings of the import: sizes, formats, duplicates, leaks between splits, pictures "
        "under two classes, imbalance, and `warnings` as texts; null for imports by versions without reports"
    )
    bytes: int
    sha256: str = Field(description="SHA-256 of the contents; equal for equal pictures")
    job_id: uuid.UUID | None
    created_at: Moment
    truncated: list[str] = TRUNCATED


class ModelExport(Out):
    """A file of a model in another format."""

    format: str
    quantize: str
    file: str = Field(description="The name under which it is saved")
    bytes: int
    sha256: str
    created_at: Moment
    link: str

    @classmethod
    def of(cls, export: registry.ModelExport, model: registry.Model) -> Self:
        how = "" if export.quantize == "none" else f"&quantize={export.quantize}"
        return cls(
            format=export.format,
            quantize=export.quantize,
            file=export.file_name(model),
            bytes=export.bytes,
            sha256=export.sha256,
            created_at=export.created_at,
            link=f"{API}/models/{model.reference}/file?format={export.format}{how}",
        )


class Model(Out):
    id: uuid.UUID
    name: str
    version: int
    reference: str
    network: str
    classes: list[str] = Field(description="In the order of the model's outputs")
    image_size: int
    aliases: list[str] = Field(
        [], description="`latest` and `best` where they apply, then the aliases that were set"
    )
    accuracy: float | None = Field(description="Accuracy of its evaluation; the highest of a name is `best`")
    metrics: dict[str, Any]
    bytes: int
    sha256: str
    dataset_id: uuid.UUID | None
    job_id: uuid.UUID | None
    created_at: Moment
    exports: list[ModelExport] = Field(
        [], description="Its files in other formats; a job of kind `export` makes one"
    )
    truncated: list[str] = TRUNCATED
    links: dict[str, str] = {}

    @classmethod
    def of(
        cls, model: registry.Model, aliases: list[str], exports: Sequence[registry.ModelExport] = ()
    ) -> Self:
        out = cls.model_validate(model)
        out.aliases = aliases
        out.exports = [ModelExport.of(one, model) for one in exports]
        own = f"{API}/models/{model.reference}"
        out.links = {
            "self": own,
            "file": f"{own}/file",
            "card": f"{own}/card",
            "evaluations": f"{own}/evaluations",
        }
        return out


class ModelEvaluation(Out):
    """An evaluation of a model on a data set, in short; the result of its job has the whole of it."""

    id: uuid.UUID
    dataset: str = Field(description="`name@version` of the data set")
    dataset_sha256: str
    dataset_id: uuid.UUID | None = Field(description="null after the data set was deleted")
    split: str
    pictures: int
    accuracy: float
    accuracy_interval: list[float] = Field(description="Wilson's, at 95 %")
    loss: float
    job_id: uuid.UUID | None = Field(description="null after the job was deleted")
    created_at: Moment


class ModelCard(Out):
    """What a model is, how good it is, and how to use its file without this server."""

    name: str
    version: int
    reference: str
    aliases: list[str]
    created_at: str
    format: str
    least_keras: str | None = Field(description="The oldest version of Keras that reads the file: `3.8`")
    bytes: int
    sha256: str = Field(description="SHA-256 of the file; verify it before loading the file")
    network: str
    image_size: int
    preprocessing: str
    background: str | None = Field(
        description="What is transparent is laid on it; null: it keeps the colour that the file has there"
    )
    classes: list[str]
    outputs: str
    accuracy: float | None
    metrics: dict[str, Any]
    data: dict[str, Any] | None = Field(
        description="The data set it was trained on: reference, SHA-256, pictures"
    )
    source: dict[str, Any] | None = Field(
        description="Of a model that was made elsewhere: the file, its SHA-256, what its network is, warnings"
    )
    warnings: list[str] = Field(
        description="About its training: that it diverged, or that the model is no better than guessing"
    )
    backbone: dict[str, str] | None = Field(
        description="Name and SHA-256 of the pretrained weights that its training began with"
    )
    class_weight: dict[str, float] | None = Field(
        description="What the pictures of each class counted in the loss; null if all the same"
    )
    evaluation: dict[str, Any] | None = Field(description="That of its training")
    evaluations: list[dict[str, Any]] = Field(
        description="The newest 50 on data sets, by jobs of kind `evaluate`, newest first"
    )
    environment: dict[str, Any] | None
    timings: dict[str, Any] | None
    exports: list[dict[str, Any]] = Field(
        description="Its files in other formats: names and shapes of input and output, SHA-256, precision, "
        "and the largest difference between a probability of the file's and one of the `.keras` file's"
    )
    spec: dict[str, Any] | None = Field(description="Spec of the job that made it")


class Prediction(Out):
    image: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float] | None
    error: str | None
    overlay: str | None = Field(
        default=None,
        description="Name of the job's file that shows which regions support the label; with `explain`",
    )


class ScoredRow(Out):
    """A row of a scored file; the scores are null if the text is null."""

    row: int = Field(description="Number of the row in the scored file, from 0")
    columns: dict[str, Any] = Field(
        description="The original columns by name; times, decimals, NaN and infinities as text. "
        "Texts within a column, as user.name, come first"
    )
    neg: float | None
    neu: float | None
    pos: float | None
    compound: float | None
    label: str | None


class ScoreGroup(Out):
    """Summary of the rows of a scored file that have one value in the column `group_by`."""

    value: str | None = Field(description="The value as text; null for rows without a value")
    rows: int
    nulls: int = Field(description="Rows without a text; they have no scores")
    labels: dict[str, int]
    mean: float | None = Field(description="Mean of the compound score")
    std: float | None = Field(description="Standard deviation of the compound score")
    histogram: list[int] = Field(
        description="Counts of compound scores between the edges in the result's `histogram`"
    )


class Token(Out):
    """A named token, without its secret."""

    id: uuid.UUID
    name: str
    scope: tokens.Scope
    created_at: Moment
    created_by: str = Field(description="Name of the token with which it was made")
    max_queued: int | None = Field(description="How many of its jobs may be queued at once; null: any number")
    expires_at: Moment | None = Field(description="null: it does not expire")
    last_used_at: Moment | None = Field(description="To within a minute; null: never")
    revoked_at: Moment | None


class NewToken(Token):
    """A token that was just made."""

    secret: str = Field(description="The token itself, which is not kept: no later answer has it")


class AuditEntry(Out):
    """An action of a token."""

    id: int
    at: Moment
    actor: str = Field(description="Name of the token")
    action: str = Field(description="A noun and a verb: `token.create`, `model.delete`")
    object: str = Field(description="What it was done to: a name, a reference or an id")
    details: dict[str, Any] | None
