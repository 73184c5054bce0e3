"""Inserting jobs: the only code that does."""

import datetime
import json
import uuid
from collections.abc import Sequence
from dataclasses import field, make_dataclass
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from jobyard.shared.database import utcnow
from jobyard.shared.jobs import briefs
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import EVENTS, FIELDS, JOBS
from jobyard.shared.texts import to_json

_GIVEN: Final = tuple(field for field in FIELDS if field.given)

# Where a column may be NULL, a request may leave it out.
_REQUEST: Any = make_dataclass(
    "_REQUEST",
    [
        (one.name, one.type, field(default=None)) if one.column.nullable else (one.name, one.type)
        for one in _GIVEN
    ],
    frozen=True,
    kw_only=True,
)


class Request(_REQUEST):  # type: ignore[misc]  # derived
    """What a new job is made from: the fields that are `given`."""

    # Those that code reads by their names, for the type checker.
    kind: str
    queue: str
    spec: dict[str, Any]
    priority: int
    idempotency_key: str | None
    request_sha256: str | None


def _type_in_json(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    """Its type in the JSON that brings the rows, for PostgreSQL. A JSON document is a text in there, and so
    is kept to the letter.
    """
    if isinstance(column.type, sa.String | sa.JSON):
        return sa.Text()
    if isinstance(column.type, sa.Integer | sa.Float | sa.Boolean | sa.Uuid):
        return column.type
    raise TypeError(f"jobs.{column.name}: a request should bring texts, numbers, UUIDs or JSON")


# What a request brings, and what every new job has.
_INSERTED: Final = {
    name: _type_in_json(JOBS.c[name])
    for name in ("id", "state", "attempt", "version", *(one.name for one in _GIVEN))
}
_JSON: Final = [name for name in _INSERTED if isinstance(JOBS.c[name].type, sa.JSON)]
_UUIDS: Final = [name for name in _INSERTED if isinstance(JOBS.c[name].type, sa.Uuid)]

_NONE: Final = sa.literal_column("0", sa.Integer)


class _Insertion:
    """New jobs and their first events: one parameter for any number of jobs, of which each would cost
    SQLAlchemy more time than the database takes for a job. If a key exists already, nothing is inserted.
    """

    def __init__(self) -> None:
        rows = sa.bindparam("rows", type_=sa.Text)
        recordset = sa.func.json_to_recordset(sa.cast(rows, sa.JSON))
        given = recordset.table_valued(*(sa.column(name, type_) for name, type_ in _INSERTED.items()))
        given = given.render_derived(name="given", with_types=True)
        values = {**given.c, **{name: sa.cast(given.c[name], sa.JSON) for name in _JSON}}
        new = _inserted(postgresql.insert(JOBS), values, given).cte("new")
        self._insert_and_note = sa.select(new).add_cte(_first_events(new.c.id, new).cte("noted"))

        each = sa.func.json_each(rows).table_valued(sa.column("value", sa.Text), name="given")
        values = {name: sa.literal_column(f"json_extract(given.value, '$.{name}')") for name in _INSERTED}
        self._insert = _inserted(sqlite.insert(JOBS), values, each)
        ids = sa.func.json_each(sa.bindparam("ids", type_=sa.Text)).table_valued(sa.column("value", sa.Text))
        self._note = _first_events(ids.c.value, ids)

    def __call__(
        self, connection: sa.Connection, rows: Sequence[dict[str, Any]]
    ) -> dict[uuid.UUID, datetime.datetime]:
        """The ids of those that are new, and since when they are there."""
        is_postgresql = connection.dialect.name == "postgresql"
        # SQLite keeps a UUID without its dashes.
        text_of_uuid = str if is_postgresql else attrgetter("hex")
        # Two transactions with the same keys wait for each other in one order only.
        rows = sorted(rows, key=lambda row: row["idempotency_key"] or "")
        given = [
            row
            | {name: to_json(row[name]) for name in _JSON if row[name] is not None}
            | {name: text_of_uuid(row[name]) for name in _UUIDS if row[name] is not None}
            for row in rows
        ]
        # Not `to_json`: the documents in it are JSON already.
        if is_postgresql:
            new = dict(connection.execute(self._insert_and_note, {"rows": json.dumps(given)}).all())
        elif new := dict(connection.execute(self._insert, {"rows": json.dumps(given)}).all()):
            connection.execute(self._note, {"ids": to_json([job_id.hex for job_id in new])})
        both = zip(rows, given, strict=True)
        specs = [(row["id"], row["spec"], text["spec"]) for row, text in both if row["id"] in new]
        briefs.keep(connection, "spec", specs)
        return new


def _inserted(insert: Any, values: dict[str, Any], source: sa.FromClause) -> Any:
    columns = [*values, "created_at", "queued_at", "available_at"]
    rows = sa.select(*values.values(), utcnow(_NONE), utcnow(_NONE), utcnow(_NONE)).select_from(source)
    # Without a condition SQLite takes ON CONFLICT for that of a join.
    insert = insert.from_select(columns, rows.where(sa.text("true")))
    return insert.on_conflict_do_nothing(index_elements=["idempotency_key"]).returning(
        JOBS.c.id, JOBS.c.created_at
    )


def _first_events(ids: sa.ColumnElement[Any], source: sa.FromClause) -> sa.Insert:
    queued = sa.literal_column(f"'{State.QUEUED}'", sa.String)
    rows = sa.select(ids, utcnow(_NONE), queued, _NONE).select_from(source)
    return sa.insert(EVENTS).from_select(["job_id", "at", "state", "attempt"], rows)


insert_jobs: Final = _Insertion()


def row_of(job_id: uuid.UUID, request: Request) -> dict[str, Any]:
    return vars(request) | {"id": job_id, "state": State.QUEUED, "attempt": 0, "version": 1}
