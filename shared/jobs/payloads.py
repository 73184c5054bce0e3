"""What the message of an event says of a job, made by the database while it writes the row of the event."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from jobyard.shared.database import Json

# Of a job, in the payload of each event.
SHOWN: Final = (
    *("id", "kind", "name", "labels", "state", "queue", "priority", "attempt"),
    *("created_at", "started_at", "finished_at"),
)
# What is read of a job for it, and to find out whom to tell.
READ: Final = (*SHOWN, "version", "parent_id", "error_type", "error_message")


class _rfc3339(FunctionElement[str]):  # noqa: N801 - reads as the SQL function that it is
    """A moment as the API writes it."""

    type = sa.Text()
    inherit_cache = True


@compiles(_rfc3339, "postgresql")
def _rfc3339_postgresql(element: _rfc3339, compiler: Any, **kw: Any) -> str:
    moment = compiler.process(element.clauses, **kw)
    return f"to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"


@compiles(_rfc3339, "sqlite")
def _rfc3339_sqlite(element: _rfc3339, compiler: Any, **kw: Any) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {compiler.process(element.clauses, **kw)})"


class _json_object(FunctionElement[Any]):  # noqa: N801
    """A JSON object of names and values in turn."""

    type = Json
    inherit_cache = True


@compiles(_json_object, "postgresql")
def _json_object_postgresql(element: _json_object, compiler: Any, **kw: Any) -> str:
    return f"json_build_object({compiler.process(element.clauses, **kw)})"


@compiles(_json_object, "sqlite")
def _json_object_sqlite(element: _json_object, compiler: Any, **kw: Any) -> str:
    return f"json_object({compiler.process(element.clauses, **kw)})"


class digits(FunctionElement[str]):  # noqa: N801
    """An id as its 32 digits."""

    type = sa.Text()
    inherit_cache = True


@compiles(digits, "postgresql")
def _digits_postgresql(element: digits, compiler: Any, **kw: Any) -> str:
    return f"replace(CAST({compiler.process(element.clauses, **kw)} AS TEXT), '-', '')"


@compiles(digits, "sqlite")
def _digits_sqlite(element: digits, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


class _dashed(FunctionElement[str]):  # noqa: N801
    """An id as people write it."""

    type = sa.Text()
    inherit_cache = True


@compiles(_dashed, "postgresql")
def _dashed_postgresql(element: _dashed, compiler: Any, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} AS TEXT)"


@compiles(_dashed, "sqlite")
def _dashed_sqlite(element: _dashed, compiler: Any, **kw: Any) -> str:
    digits = compiler.process(element.clauses, **kw)
    parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    return "||'-'||".join(f"substr({digits}, {start}, {length})" for start, length in parts)


class _labels(FunctionElement[Any]):  # noqa: N801
    """A job's labels as a member of a JSON object."""

    type = Json
    inherit_cache = True


@compiles(_labels, "postgresql")
def _labels_postgresql(element: _labels, compiler: Any, **kw: Any) -> str:
    return f"coalesce({compiler.process(element.clauses, **kw)}, CAST('{{}}' AS JSON))"


@compiles(_labels, "sqlite")
def _labels_sqlite(element: _labels, compiler: Any, **kw: Any) -> str:
    return f"json(coalesce({compiler.process(element.clauses, **kw)}, '{{}}'))"


class includes(FunctionElement[bool]):  # noqa: N801
    """Whether the first JSON object has all members of the second."""

    type = sa.Boolean()
    inherit_cache = True


@compiles(includes, "postgresql")
def _includes_postgresql(element: includes, compiler: Any, **kw: Any) -> str:
    has, wanted = (f"CAST({compiler.process(one, **kw)} AS JSONB)" for one in element.clauses)
    return f"({has} @> {wanted})"


@compiles(includes, "sqlite")
def _includes_sqlite(element: includes, compiler: Any, **kw: Any) -> str:
    has, wanted = (compiler.process(one, **kw) for one in element.clauses)
    is_same = "has.key = wanted.key AND has.value = wanted.value"
    is_there = f"SELECT 1 FROM json_each({has}) AS has WHERE {is_same}"  # noqa: S608 - of columns
    return f"NOT EXISTS (SELECT 1 FROM json_each({wanted}) AS wanted WHERE NOT EXISTS ({is_there}))"  # noqa: S608


def text(written: str) -> sa.ColumnElement[str]:
    """Written out, since each parameter of a statement costs every job something."""
    return sa.literal_column(f"'{written}'", sa.Text)


def payload(job: Any) -> sa.ColumnElement[Any]:
    """What an event says of a job, given its columns."""
    members: list[Any] = []
    for name in SHOWN:
        value = job[name]
        if name == "id":
            value = _dashed(value)
        elif name == "labels":
            value = _labels(value)
        elif name.endswith("_at"):
            value = _rfc3339(value)
        members += [text(name), value]
    error = _json_object(text("type"), job.error_type, text("message"), job.error_message)
    return _json_object(*members, text("error"), sa.case((job.error_message.is_not(None), error)))
