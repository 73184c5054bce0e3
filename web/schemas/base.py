"""What all answers of the API have in common."""

import datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

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
