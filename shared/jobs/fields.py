"""What the code needs to know of each column of a job beside its type, declared once, with the column.

A column of `tables.Job` is a `field`. From these are made the request and the INSERT (`insertion`), what
readers see (`snapshots`), and the API's JSON and its schema (in `web`). A new column is one line and a
migration.
"""

import datetime
import enum
import typing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, MappedColumn, mapped_column


class Shown(enum.Enum):
    """How readers see a column."""

    AS_IT_IS = enum.auto()
    # Whether it has a value, under its name without `_at`.
    AS_A_FLAG = enum.auto()
    # Not by itself: other members of the JSON are computed from it.
    WITHIN_OTHERS = enum.auto()


@dataclass(frozen=True)
class Field:
    """One column of a job."""

    column: sa.Column[Any]
    # As Python has it, with None where there may be none.
    type: Any
    # A request brings it.
    given: bool
    shown: Shown | None
    # For the API's schema.
    description: str | None
    # Of a JSON document: the text that readers see where there is none.
    empty: str | None

    @cached_property
    def name(self) -> str:
        """The column's."""
        return self.column.name

    @cached_property
    def shown_name(self) -> str:
        """Its name for readers."""
        return self.name.removesuffix("_at") if self.shown == Shown.AS_A_FLAG else self.name

    @cached_property
    def is_json(self) -> bool:
        """Its value is a JSON document; readers see its text, as the database keeps it."""
        return isinstance(self.column.type, sa.JSON)

    @property
    def shows_moment(self) -> bool:
        """Readers see a moment, or None."""
        is_moment = datetime.datetime in (self.type, *typing.get_args(self.type))
        return is_moment and self.shown == Shown.AS_IT_IS


def field(
    type_: Any = None,
    *,
    given: bool = False,
    shown: Shown | None = None,
    description: str | None = None,
    empty: str | None = None,
    **options: Any,
) -> MappedColumn[Any]:
    """A `mapped_column` that is `given` by a request, or `shown` to readers."""
    info = {"given": given, "shown": shown, "description": description, "empty": empty}
    return mapped_column(type_, info=info, **options)


def fields_of(table: type[DeclarativeBase]) -> tuple[Field, ...]:
    """All of them, in the order in which they are declared."""
    return tuple(
        Field(column, type=typing.get_args(table.__annotations__[column.name])[0], **column.info)
        for column in typing.cast(sa.Table, table.__table__).c
    )
