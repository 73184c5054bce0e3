"""What a request for a job looks like: one of the kinds with its spec, or a list of such requests."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union

from pydantic import Discriminator, Field, RootModel, Tag, TypeAdapter, create_model

from jobyard.shared.kinds import by_name
from jobyard.shared.kinds.base import Kind, Parameters, Spec
from jobyard.shared.kinds.marks import JobName, Labels, Note

MAX_JOBS = 1_000
# What people call a job and how they mark it: fields of a request that its work does not read.
MARKS = ("name", "labels", "note", "keep")


class Submission(Parameters):
    """What every request for a job has in common."""

    priority: int = Field(
        default=5,
        ge=0,
        le=9,
        description="9 runs first; jobs of equal priority run in the order of submission",
    )
    name: JobName | None = None
    labels: Labels = Field(default={})
    note: Note | None = None
    keep: bool = Field(default=False, description="Retention leaves the job, and all that is its own")
    kind: str
    spec: Spec


def _submission(kind: Kind[Any]) -> type[Submission]:
    """`SubmitTrain`: its kind is "train" and its spec a TrainSpec."""
    title = "".join(part.capitalize() for part in kind.name.split("-"))
    return create_model(
        f"Submit{title}",
        __base__=Submission,
        __doc__=type(kind).__doc__,
        kind=(Literal[kind.name], ...),  # type: ignore[arg-type]
        spec=(kind.Spec, ...),
    )


SUBMISSIONS: dict[str, type[Submission]] = {kind.name: _submission(kind) for kind in by_name().values()}

if TYPE_CHECKING:
    AnySubmission: TypeAlias = Submission
else:
    AnySubmission = Annotated[Union[tuple(SUBMISSIONS.values())], Field(discriminator="kind")]  # noqa: UP007

# One request, where a list of them would not do.
SUBMISSION: TypeAdapter[Submission] = TypeAdapter(AnySubmission)

# Tags of a body with one request or many; they come first in the paths of validation errors.
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
    """A request for a job, its kind and spec; or a list of such requests."""
