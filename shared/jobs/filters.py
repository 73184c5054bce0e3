"""Which jobs: what lists, pages, the command line and changes of many jobs at once have in common."""

import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.terms import label_term, words_of
from jobyard.shared.kinds.preview import Preview
from jobyard.shared.texts import storable

MAX_VALUES: Final = 32
# The kind whose jobs are the server's own: they have pages, but are in no list of jobs and no count by state,
# and no webhook is told of them.
UNLISTED_KIND: Final = Preview.name


def _with_a_word(written: str) -> str:
    if not words_of(written):
        raise ValueError("should have at least one letter or digit")
    return written


def _storable(written: str) -> str:
    if storable(written) != written:
        raise ValueError("should have no NUL character and no half of a surrogate pair")
    return written


def _label(written: str) -> str:
    key, colon, value = written.partition(":")
    if not key or not colon:
        raise ValueError("should be KEY:VALUE, as in team:birds")
    return label_term(key, value)


def _no_number(written: object) -> object:
    """Pydantic takes numbers, also written as text, for seconds since 1970: 20261129 would be in 1970."""
    if not isinstance(written, int | float | str):
        return written
    try:
        float(written)
    except (ValueError, OverflowError):
        return written
    raise ValueError("should be a date, as in 2026-11-29 or 2026-11-29T18:00:00Z")


def _in_utc(moment: datetime.datetime) -> datetime.datetime:
    """A date alone is its midnight; without a zone, UTC."""
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)
    except OverflowError:
        raise ValueError("should be a date between the years 1 and 9999") from None


Moment = Annotated[datetime.datetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]


class JobFilter(BaseModel):
    """Which jobs: all that meet every condition. What is left out is no condition.

    The names are those of the list's query, and of the bodies of requests that change many jobs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: Annotated[str, Field(max_length=200), AfterValidator(_with_a_word)] | None = Field(
        default=None,
        description="Words, all of which are in the job's name, labels or note, or in the names of its "
        "files, data sets and models: whole ones, in any case",
    )
    label: list[Annotated[str, AfterValidator(_storable), AfterValidator(_label)]] = Field(
        default=[], max_length=MAX_VALUES, description="`key:value`; of several, the job has all"
    )
    kind: list[Annotated[str, AfterValidator(_storable)]] = Field(
        default=[], max_length=MAX_VALUES, description="One of these kinds"
    )
    state: list[State] = Field(default=[], max_length=MAX_VALUES, description="In one of these states")
    created_by: list[Annotated[str, Field(max_length=64), AfterValidator(_storable)]] = Field(
        default=[], max_length=MAX_VALUES, description="Submitted with one of these tokens, by their names"
    )
    after: Moment | None = Field(
        default=None, description="Created then or later: `2026-11-29`, `2026-11-29T18:00:00Z`"
    )
    before: Moment | None = Field(default=None, description="Created earlier")

    @property
    def terms(self) -> list[str]:
        """What the jobs are found by, each once."""
        return list(dict.fromkeys([*words_of(self.q or ""), *self.label]))

    def asked(self) -> dict[str, Any]:
        """The conditions that there are, as JSON: for addresses, and for a request that is told of."""
        return self.model_dump(mode="json", exclude_defaults=True)


ALL: Final = JobFilter()
