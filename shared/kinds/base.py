"""A kind of job is one declaration: everything else that knows of kinds is derived from it.

Validation messages are for people: they reach the user as problem details, with the field's dotted path.
"""

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from jobyard.shared.kinds.findings import Findings


class Queue(enum.StrEnum):
    """Where a kind of job waits, and which workers take it."""

    GPU = "gpu"
    PREDICT = "predict"
    CPU = "cpu"


class Parameters(BaseModel):
    """Fields of a spec or a part; immutable. An unknown field is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Spec(Parameters):
    """What a job is to do: the base of each kind's own spec."""

    deadline_seconds: float | None = Field(
        default=None,
        ge=1,
        le=366 * 86_400,
        description="Seconds after its first start at which an unfinished job fails; default: never",
    )


@dataclass(frozen=True)
class Reference:
    """A data set or model that a spec names.

    When the job is submitted the name is replaced by `name@version`, so that the job means what was there
    then; the data set or model can't be deleted until the job has ended.
    """

    # The field's dotted path in the spec.
    field: str
    noun: Literal["dataset", "model"]
    # A name, `name@version`, `name@alias`, or an id. None: the field is not set.
    name: str | None


@dataclass(frozen=True)
class Source:
    """One of several fields that say what a job works on, of which a spec has exactly one.

    A form shows one source at a time; fields that belong to another one are left out of the spec.
    """

    # The name of the choice in the form.
    name: str
    field: str
    # The form's message if the field is empty: "choose a file".
    missing: str
    # Fields that make sense with this source only.
    fields: tuple[str, ...] = ()
    # For a field that takes one file: the one that takes several, for which a form has no place of its own.
    several: str | None = None


S = TypeVar("S", bound=Spec)


class Kind(ABC, Generic[S]):
    """One kind of job. A subclass is registered by its name in the entry-point group `jobyard.kinds`.

    `inputs` and `references` have no default on purpose: a kind that forgot them would lose an upload, a
    data set or a model while its job still needs it.
    """

    # As requests name it: lower-case letters, digits and '-'.
    name: ClassVar[str]
    queue: ClassVar[Queue]
    Spec: ClassVar[type[Spec]]
    # "package.module:function", imported only by the worker that does the job.
    work: ClassVar[str]
    # What its children are to do, if it splits its work.
    Part: ClassVar[type[Parameters] | None] = None
    # Its name for people ("Training"), and that of the form's button and menu entry ("Train a model").
    label: ClassVar[str]
    action: ClassVar[str]
    # The name of a Bootstrap icon.
    icon: ClassVar[str] = "gear"
    # The phase of a job that waits for its module to be imported, where that takes seconds.
    starting: ClassVar[str | None] = None
    # How long its work may take between two steps (calls of `Progress`); a setting overrides it.
    stall_seconds: ClassVar[float] = 1_800.0
    # Whether an attempt continues from the checkpoint of the one before.
    has_checkpoints: ClassVar[bool] = False
    # Whether there is a metric history to show.
    has_metrics: ClassVar[bool] = False
    sources: ClassVar[tuple[Source, ...]] = ()
    # Defaults that depend on one field: its name, and for each of its values what the others default to.
    presets: ClassVar[tuple[str, Mapping[str, Mapping[str, Any]]] | None] = None
    # A package whose folder `templates/kinds/NAME/` has `form.html` or `result.html`, if there are any.
    templates: ClassVar[str | None] = None
    # Its place in lists of kinds, lowest first.
    order: ClassVar[int] = 100

    @abstractmethod
    def inputs(self, spec: S) -> Mapping[str, UUID | None]:
        """The ids of the uploads that the job reads, by the dotted path of the field: `{"file": spec.file}`.

        None is a field that is not set. Retention keeps these uploads as long as the job.
        """

    def addresses(self, spec: S) -> Mapping[str, str]:
        """The addresses of files elsewhere that the job reads, by the dotted path of the field.

        Each is checked when the job is submitted, and kept in the spec without its query. The work makes
        them uploads with `workers.kinds.fetching.fetch`.
        """
        return {}

    @abstractmethod
    def references(self, spec: S) -> Sequence[Reference]:
        """The data sets and models that the spec names, which can't be deleted until the job has ended."""

    def resolve(self, spec: S, found: "Findings") -> S:
        """Check the spec against what it refers to, when it is submitted; returns it, perhaps completed.

        Raises BadInput that names the field. It opens no upload: what is in one is checked by the job. Where
        the spec is only checked, before its files are uploaded, what is not there yet is not in `found`.
        """
        return spec

    def title(self, spec: Mapping[str, Any], files: Mapping[str, str]) -> str:
        """A job in a few words; `spec` is its JSON, `files` has the names of uploads by their ids.

        In a list, long values of the spec are cut: arrays are empty, though their length is what it was,
        objects are empty, and texts end early.
        """
        return self.action

    def wrong_field(self, spec: Mapping[str, Any], error: str) -> str | None:
        """The field of a failed job's spec that its error is about: its page offers to run it with another.

        None where an error is about no one field, or about what a retry may do.
        """
        return None

    def made(self, spec: S) -> Sequence[str | None]:
        """The names of the data sets and models that the job makes: it is found by them."""
        return ()

    def links(self, spec: str) -> Sequence[str]:
        """The links of a job beside events and files: "metrics" is `/api/v1/jobs/ID/metrics`.

        `spec` is JSON, perhaps long: it should be read only where it has to be.
        """
        return ["metrics"] if self.has_metrics else []
