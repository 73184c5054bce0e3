"""What a request for a job looks like: one of the kinds with its spec, or a list of such requests."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, RootModel, Tag, TypeAdapter

from jobyard.shared.kinds.base import Parameters, Spec
from jobyard.shared.kinds.imports import ImportSpec
from jobyard.shared.kinds.predict import PredictPart, PredictSpec
from jobyard.shared.kinds.sentiment import SentimentPart, SentimentSpec
from jobyard.shared.kinds.train import TrainSpec

MAX_JOBS = 1_000

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
