"""One pydantic model per kind of job: its parameters, limits, queue and task name.

The kind is also the name of the Celery task. Validation messages are for people: they reach the
user as problem details, with the field's dotted path.
"""

import codecs
import enum
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    StringConstraints,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

MAX_TEXTS = 1_000
MAX_TEXT_CHARACTERS = 10_000
MAX_IMAGES = 10_000
MAX_EXPLAINED_PICTURES = 100
# What is said of each word takes some hundred times its letters in the result.
MAX_EXPLAINED_CHARACTERS = 500_000
MAX_JOBS = 1_000
MAX_COLUMNS = 1_000
MAX_LEXICON_WORDS = 10_000
MAX_WORD_CHARACTERS = 100

# What Python calls the encodings that files of texts come in. Those that run into millions of characters
# for a few bytes, or that are no encodings of text, are not among them.
SHOWN_ENCODINGS = ("utf-8", "utf-16", "cp1252", "iso8859-1", "gb18030", "shift_jis")
ENCODINGS = frozenset(
    (
        *SHOWN_ENCODINGS,
        *("ascii", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"),
        *(f"iso8859-{part}" for part in range(2, 17) if part != 12),
        *(f"cp125{page}" for page in (0, 1, 3, 4, 5, 6, 7, 8)),
        *("cp437", "cp850", "cp866", "mac-roman", "koi8-r", "koi8-u"),
        *("gbk", "gb2312", "big5", "euc_jp", "euc_kr", "cp932", "cp949", "cp950"),
    )
)

ALIAS = r"[A-Za-z][A-Za-z0-9._-]{0,63}"
ALIAS_IS = "a letter, then letters, digits, '.', '_' and '-', at most 64"
REFERENCE = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,63}}(@([1-9][0-9]{{0,8}}|{ALIAS}))?$"

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    Field(description="Letters, digits, '.', '_' and '-'; at most 64"),
]
Reference = Annotated[
    str,
    StringConstraints(pattern=REFERENCE),
    Field(description="A name (its latest version), `name@version`, `name@latest`, or an id"),
]
ModelReference = Annotated[
    Reference,
    Field(description="A name (its latest version), `name@version`, `name@alias`, or an id"),
]
Alias = Annotated[
    str,
    StringConstraints(pattern=rf"^{ALIAS}$"),
    Field(description=f"Should be {ALIAS_IS}"),
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

    shear: float = Field(default=8, ge=0, le=45, description="Largest shear angle in degrees, as in Keras")
    zoom: float = Field(default=0.1, ge=0, lt=1, description="Zoom width and height, each by 1 ± this")
    crop: float = Field(
        default=0.4, ge=0, lt=1, description="Cut up to this share off width and height, anywhere"
    )
    flip: bool = Field(default=True, description="Mirror half of the pictures")


# The networks whose weights fit pictures of any size, so that `init_from` may change it.
ANY_SIZE = frozenset({"compact"})

# What a network is trained with where nothing else is said; `compact` by the defaults of the fields.
RECIPES: dict[str, dict[str, Any]] = {
    "compact": {},
    "classic": {
        "epochs": 10,
        "batch_size": 32,
        "image_size": 150,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "schedule": "constant",
        "warmup_epochs": 0,
        "weight_decay": 0,
        "label_smoothing": 0,
        "augment": {"shear": 0.2, "zoom": 0.2, "crop": 0},
    },
}


class TrainSpec(Spec):
    """Train a CNN on a data set of pictures. Defaults are those of `compact`; `classic` has its own."""

    kind = "train"
    queue = Queue.GPU

    dataset: Reference
    network: Literal["compact", "classic"] = Field(
        default="compact",
        description="`compact`: a small residual network; "
        "`classic`: three convolutions (32-64-128) and 512 dense units. With init_from, that model's",
    )
    init_from: ModelReference | None = Field(
        default=None, description="Go on from this model's weights; other classes get a new last layer"
    )
    epochs: int = Field(default=36, ge=1, le=10_000)
    batch_size: int = Field(default=64, ge=1, le=4_096)
    image_size: int = Field(default=96, ge=32, le=512, description="Pictures are resized to this square")
    optimizer: Literal["muon", "adam"] = Field(
        default="muon", description="`muon`: convolutions by Muon, all else by Adam"
    )
    learning_rate: float = Field(default=0.008, gt=0, le=1)
    schedule: Literal["constant", "cosine"] = Field(
        default="cosine", description="`cosine`: the learning rate falls to 0 over all epochs"
    )
    warmup_epochs: float = Field(
        default=2, ge=0, le=100, description="Epochs over which the learning rate first rises from 0"
    )
    weight_decay: float = Field(
        default=0.05, ge=0, le=1, description="Decoupled from the gradient, as in AdamW; 0 is none"
    )
    label_smoothing: float = Field(
        default=0.1, ge=0, le=0.5, description="Share of each label spread over all classes; not in val_loss"
    )
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
        default="auto",
        description="`auto`: mixed where the GPU or processor has the units for it, else float32",
    )
    model_name: Name | None = Field(default=None, description="Name in the registry; default: the data set's")

    @model_validator(mode="before")
    @classmethod
    def _by_the_networks_recipe(cls, given: Any) -> Any:
        """What is not said is as the network's recipe has it."""
        if not isinstance(given, dict):
            return given
        recipe = RECIPES.get(str(given.get("network")), {})
        filled = recipe | given
        if isinstance(given.get("augment"), dict):
            filled["augment"] = recipe.get("augment", {}) | given["augment"]
        return filled


class PredictSpec(Spec):
    """Say what is on pictures, by a registered model."""

    kind = "predict"
    queue = Queue.PREDICT

    model: ModelReference
    images: list[UUID] | None = Field(
        default=None, min_length=1, max_length=MAX_IMAGES, description="Ids of uploaded files"
    )
    dataset: Reference | None = Field(default=None, description="Predict every picture of this data set")
    archive: UUID | None = Field(
        default=None, description="Id of an uploaded zip or tar archive of pictures, in whatever folders"
    )
    top: int | None = Field(
        default=None, ge=1, description="Keep only the most probable classes; default: all"
    )
    explain: bool = Field(
        default=False,
        description="Draw over each picture what speaks for its label (Grad-CAM): a file of the job; "
        f"for at most {MAX_EXPLAINED_PICTURES} pictures",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.images, self.dataset, self.archive)) != 1:
            raise ValueError("should have either images, dataset or archive")
        self.check_explained(len(self.images or []))
        return self

    @property
    def inputs(self) -> list[UUID]:
        return [self.archive] if self.archive is not None else self.images or []

    def check_explained(self, pictures: int) -> None:
        """Raises ValueError if so many are too many to explain."""
        if self.explain and pictures > MAX_EXPLAINED_PICTURES:
            raise ValueError(
                f"with explain, there should be at most {MAX_EXPLAINED_PICTURES} pictures, not {pictures:,}"
            )


def overlay_name(row: int) -> str:
    """The file of the job in which the picture of that row is explained."""
    return f"overlay-{row}.png"


class PredictPart(Parameters):
    """Some of the pictures of a prediction in parts: what a child is to do. Nobody can submit it."""

    part: int = Field(ge=0, description="Which, from 0")
    parts: int = Field(ge=1)
    start: int = Field(ge=0, description="The first picture's number in the whole")
    count: int = Field(ge=1)


def _column(value: object, check: ValidatorFunctionWrapHandler) -> str | int:
    """One message, where the union would give one for each of its types."""
    try:
        found: str | int = check(value)
    except ValidationError:
        raise ValueError(f"should be a name, or a number from 1 to {MAX_COLUMNS:,}") from None
    return found


Column = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    | Annotated[int, Field(strict=True, ge=1, le=MAX_COLUMNS)],
    Field(union_mode="left_to_right"),
    WrapValidator(_column),
]


def _encoding(name: str) -> str:
    """The codec's own name. Raises ValueError where Python knows no such encoding of text."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    if found not in ENCODINGS:
        raise ValueError(f"should be an encoding of texts, such as {', '.join(SHOWN_ENCODINGS)}")
    return found


Encoding = Annotated[str, StringConstraints(max_length=30), AfterValidator(_encoding)]


def _words(lexicon: dict[str, float]) -> dict[str, float]:
    """Raises ValueError at a word that VADER could not find in any text."""
    for word in lexicon:
        shown = repr(word[:50])
        if word.split() != [word]:
            raise ValueError(f"{shown} should be one word, without white space")
        if len(word) < 2 or len(word) > MAX_WORD_CHARACTERS:
            raise ValueError(f"{shown} should have 2 to {MAX_WORD_CHARACTERS} characters")
        if word != word.lower():
            raise ValueError(f"{shown} should be in lower case: that is how texts are looked up")
    return lexicon


Lexicon = Annotated[
    dict[str, Annotated[float, Field(ge=-4, le=4)]],
    Field(min_length=1, max_length=MAX_LEXICON_WORDS),
    AfterValidator(_words),
]


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
    file: UUID | None = Field(
        default=None,
        description="Id of an uploaded file: CSV, TSV, JSONL, Parquet or plain lines, also as gzip or zstd",
    )
    column: Column | None = Field(
        default=None, description="The file's column of texts, by name or by number from 1; default: `text`"
    )
    group_by: Column | None = Field(
        default=None, description="Sum up each value of this column of the file as well, by name or number"
    )
    encoding: Encoding = Field(default="utf-8", description="Of the file, unless it is Parquet")
    errors: Literal["fail", "skip"] = Field(
        default="fail", description="What a broken row does: fail the job, or be left out and reported"
    )
    thresholds: Thresholds = Field(default=Thresholds())
    lexicon: Lexicon | None = Field(
        default=None, description="Words and their valences (−4 to 4) for this job, over the lexicon's own"
    )
    explain: bool = Field(
        default=False, description="Of texts: what each word adds to the compound score, and why"
    )
    format: Literal["parquet", "csv", "jsonl"] = Field(
        default="parquet", description="Format of the scored file"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.texts is None) == (self.file is None):
            raise ValueError("should have either texts or file")
        if self.file is None:
            for name in ("column", "group_by", "encoding", "errors", "format"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} should only be given with file")
        elif self.explain:
            raise ValueError("explain should only be given with texts")
        if self.explain and sum(map(len, self.texts or [])) > MAX_EXPLAINED_CHARACTERS:
            raise ValueError(
                f"with explain, texts should have at most {MAX_EXPLAINED_CHARACTERS:,} characters in all"
            )
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
PARTS: dict[str, type[Parameters]] = {PredictSpec.kind: PredictPart, SentimentSpec.kind: SentimentPart}


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
