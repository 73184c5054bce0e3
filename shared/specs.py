"""One pydantic model per kind of job: its parameters, limits, queue and task name.

The kind is also the name of the Celery task. Validation messages are for people: they reach the
user as problem details, with the field's dotted path.
"""

import enum
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    StringConstraints,
    Tag,
    TypeAdapter,
    model_validator,
)

MAX_TEXTS = 1_000
MAX_TEXT_CHARACTERS = 10_000
MAX_IMAGES = 1_000
MAX_JOBS = 1_000

REFERENCE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(@[1-9][0-9]{0,8})?$"

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    Field(description="Letters, digits, '.', '_' and '-'; at most 64"),
]
Reference = Annotated[
    str,
    StringConstraints(pattern=REFERENCE),
    Field(description="A name (its latest version), `name@version`, or an id"),
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_CHARACTERS, pattern=r"\S")]


class Queue(enum.StrEnum):
    """Where a kind of job waits, and which workers take it."""

    GPU = "gpu"
    PREDICT = "predict"
    CPU = "cpu"


class Parameters(BaseModel):
    """Strict about names: an unknown field is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Spec(Parameters):
    """What a job is to do."""

    kind: ClassVar[str]
    queue: ClassVar[Queue]

    deadline_seconds: float | None = Field(
        default=None, ge=1, le=366 * 86_400, description="Fails so long after its first start; default: never"
    )

    @property
    def inputs(self) -> list[UUID]:
        """The uploads that the job reads."""
        return []


class Augment(Parameters):
    """Random changes of training pictures; validation pictures stay as they are."""

    shear: float = Field(default=0.2, ge=0, le=45, description="Largest shear angle in degrees, as in Keras")
    zoom: float = Field(default=0.2, ge=0, lt=1, description="Zoom by 1 ± this")
    flip: bool = Field(default=True, description="Mirror half of the pictures")


class TrainSpec(Spec):
    """Train a CNN on a data set of pictures."""

    kind = "train"
    queue = Queue.GPU

    dataset: Reference
    network: Literal["classic"] = Field(
        default="classic", description="`classic`: three convolutions (32-64-128) and 512 dense units"
    )
    epochs: int = Field(default=10, ge=1, le=10_000)
    batch_size: int = Field(default=32, ge=1, le=4_096)
    image_size: int = Field(default=150, ge=32, le=512, description="Pictures are resized to this square")
    learning_rate: float = Field(default=0.001, gt=0, le=1)
    augment: Augment = Field(default=Augment())
    validation_split: float = Field(
        default=0.2,
        ge=0.01,
        le=0.9,
        description="Share held out if there is no validation/ folder",
    )
    steps_per_epoch: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Batches per epoch; default: the whole data set once"
    )
    validation_steps: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Batches per validation; default: all of it once"
    )
    patience: int | None = Field(
        default=None, ge=1, description="Stop after so many epochs without a lower val_loss"
    )
    seed: int = Field(default=0, ge=0, lt=2**31)
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="auto", description="`auto`: mixed on a GPU that has the units for it, else float32"
    )
    model_name: Name | None = Field(default=None, description="Name in the registry; default: the data set's")


class PredictSpec(Spec):
    """Say what is on pictures, by a registered model."""

    kind = "predict"
    queue = Queue.PREDICT

    model: Reference
    images: list[UUID] | None = Field(
        default=None, min_length=1, max_length=MAX_IMAGES, description="Ids of uploaded files"
    )
    dataset: Reference | None = Field(default=None, description="Predict every picture of this data set")
    top: int | None = Field(
        default=None, ge=1, description="Keep only the most probable classes; default: all"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.images is None) == (self.dataset is None):
            raise ValueError("should have either images or dataset")
        return self

    @property
    def inputs(self) -> list[UUID]:
        return self.images or []


class Thresholds(Parameters):
    """From which compound score on a text counts as positive or negative."""

    positive: float = Field(default=0.05, ge=-1, le=1)
    negative: float = Field(default=-0.05, ge=-1, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.negative >= self.positive:
            raise ValueError("negative should be below positive")
        return self

    def label(self, compound: float) -> str:
        """positive ≥ its threshold, negative ≤ its threshold, else neutral."""
        if compound >= self.positive:
            return "positive"
        if compound <= self.negative:
            return "negative"
        return "neutral"


class SentimentSpec(Spec):
    """Score texts with NLTK's VADER: neg, neu, pos, compound and a label."""

    kind = "sentiment"
    queue = Queue.CPU

    texts: list[Text] | None = Field(default=None, min_length=1, max_length=MAX_TEXTS)
    file: UUID | None = Field(default=None, description="Id of an uploaded CSV, JSONL or plain text file")
    column: Annotated[str, StringConstraints(min_length=1, max_length=1_000)] | None = Field(
        default=None, description="The file's column of texts (CSV, JSONL); default: `text`"
    )
    thresholds: Thresholds = Field(default=Thresholds())
    format: Literal["parquet", "csv", "jsonl"] = Field(
        default="parquet", description="Format of the scored file"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.texts is None) == (self.file is None):
            raise ValueError("should have either texts or file")
        if self.column is not None and self.file is None:
            raise ValueError("column should only be given with file")
        return self

    @property
    def inputs(self) -> list[UUID]:
        return [] if self.file is None else [self.file]


class SentimentPart(Parameters):
    """One part of a file that is scored in parts: what a child is to do. Nobody can submit it."""

    part: int = Field(ge=0, description="Which, from 0")
    parts: int = Field(ge=1)
    rows: int = Field(ge=1)


class ImportSpec(Spec):
    """Make a data set out of an archive or a folder of pictures."""

    kind = "import"
    queue = Queue.CPU

    name: Name
    file: UUID | None = Field(default=None, description="Id of an uploaded zip or tar archive")
    path: Annotated[str, StringConstraints(min_length=1, max_length=4_096, pattern=r"^/[^\x00]*$")] | None = (
        Field(default=None, description="A folder on the worker's machine, as an absolute path")
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.path is None):
            raise ValueError("should have either file or path")
        return self

    @property
    def inputs(self) -> list[UUID]:
        return [] if self.file is None else [self.file]


SPECS: dict[str, type[Spec]] = {
    spec.kind: spec for spec in (TrainSpec, PredictSpec, SentimentSpec, ImportSpec)
}

# What children are to do, by their parent's kind.
PARTS: dict[str, type[Parameters]] = {SentimentSpec.kind: SentimentPart}


class Submission(Parameters):
    """What every request for a job has in common."""

    priority: int = Field(
        default=5, ge=0, le=9, description="9 runs first; equal ones run in the order they came"
    )


class SubmitTrain(Submission):
    """Train a CNN."""

    kind: Literal["train"]
    spec: TrainSpec


class SubmitPredict(Submission):
    """Predict pictures."""

    kind: Literal["predict"]
    spec: PredictSpec


class SubmitSentiment(Submission):
    """Score texts."""

    kind: Literal["sentiment"]
    spec: SentimentSpec


class SubmitImport(Submission):
    """Import pictures."""

    kind: Literal["import"]
    spec: ImportSpec


AnySubmission = Annotated[
    SubmitTrain | SubmitPredict | SubmitSentiment | SubmitImport, Field(discriminator="kind")
]
# One request, where a list of them would not do.
SUBMISSION: TypeAdapter[AnySubmission] = TypeAdapter(AnySubmission)

# How a body is told to be one request or many: the tags come first in the paths of validation errors.
ONE, MANY = "one", "many"


class Submit(
    RootModel[
        Annotated[
            Annotated[AnySubmission, Tag(ONE)]
            | Annotated[list[AnySubmission], Field(min_length=1, max_length=MAX_JOBS), Tag(MANY)],
            Discriminator(lambda body: MANY if isinstance(body, list) else ONE),
        ]
    ]
):
    """A request for a job: its kind and what it is to do; or a list of such requests."""
