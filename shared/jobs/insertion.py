"""Inserting jobs: the only code that does."""

import datetime
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import field, make_dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from jobyard.shared.database import utcnow
from jobyard.shared.jobs import briefs
from jobyard.shared.jobs.fields import Field
from jobyard.shared.jobs.positions import HOLDS, jobs_before
from jobyard.shared.jobs.quotas import OWNER, quota_reached
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import EVENTS, FIELDS, JOBS
from jobyard.shared.texts import OutsideText, storable, to_json

_GIVEN: Final = tuple(field for field in FIELDS if field.given)


def _member(one: Field) -> Any:
    """What may be NULL or has a default, a request may leave out."""
    if one.column.nullable:
        return one.name, one.type, field(default=None)
    if one.column.default is not None:
        return one.name, one.type, field(default=cast(Any, one.column.default).arg)
    return one.name, one.type


_REQUEST: Any = make_dataclass(
    "_REQUEST",
    [_member(one) for one in _GIVEN],
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
    if isinstance(column.type, sa.String | OutsideText | sa.JSON):
        return sa.Text()
    if isinstance(column.type, sa.Integer | sa.Float | sa.Boolean | sa.Uuid):
        return column.type
    raise TypeError(f"jobs.{column.name}: a request should bring texts, numbers, UUIDs or JSON")


# What every new job has.
NEW: Final = {"state": State.QUEUED, "attempt": 0, "version": 1}
# The same, and what a request brings.
_INSERTED: Final = {name: _type_in_json(JOBS.c[name]) for name in ("id", *NEW, *(one.name for one in _GIVEN))}
_JSON: Final = [name for name in _INSERTED if isinstance(JOBS.c[name].type, sa.JSON)]
_UUIDS: Final = [name for name in _INSERTED if isinstance(JOBS.c[name].type, sa.Uuid)]

# Of which the type does not see what is inside that JSON.
_OUTSIDE: Final = [name for name in _INSERTED if isinstance(JOBS.c[name].type, OutsideText)]

_NONE: Final = sa.literal_column("0", sa.Integer)
# What all new jobs of a queue have in common.
_OF_QUEUE: Final = tuple(name for name in HOLDS if name != "owner_quota")
# In the order in which they are read.
_HOLDS: Final = (*_OF_QUEUE, "owner_quota")


class Inserted(NamedTuple):
    """A new job: since when it is there, and, after a look, what its queue was like just before."""

    created_at: datetime.datetime
    # Jobs that are queued before all new ones of its queue and priority, at most `EXACT_POSITIONS`.
    jobs_before: int = 0
    # What keeps it, by the names of `HOLDS`.
    holds: Mapping[str, Any] = MappingProxyType({})
    # What it has of JSON, as the texts that the database keeps, by column.
    texts: Mapping[str, str] = MappingProxyType({})


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
        noted = _first_events(new.c.id, new.c.created_by, new).cte("noted")
        self._insert_and_note = sa.select(new.c.id, new.c.created_at).add_cte(noted)
        # Otherwise PostgreSQL may count for each job, and not for each queue and priority.
        queues = _queues(values, given).cte("queues").prefix_with("MATERIALIZED")
        looks = (queues.c[name] for name in _OF_QUEUE)
        shown = sa.select(
            new.c.id, new.c.created_at, queues.c.jobs_before, *looks, quota_reached(new.c.created_by)
        )
        shown = shown.join_from(new, queues, _same_line(new, queues))
        self._insert_note_and_look = shown.add_cte(noted)

        each = sa.func.json_each(rows).table_valued(sa.column("value", sa.Text), name="given")
        values = {name: sa.literal_column(f"json_extract(given.value, '$.{name}')") for name in _INSERTED}
        self._queues = _queues(values, each)
        self._insert = _inserted(sqlite.insert(JOBS), values, each)
        self._insert_and_look = self._insert.returning(quota_reached(OWNER))
        each_made = sa.func.json_each(sa.bindparam("made", type_=sa.Text))
        made = each_made.table_valued(sa.column("value", sa.Text), name="made")
        job_id: Any = sa.literal_column("json_extract(made.value, '$[0]')")
        actor: Any = sa.literal_column("json_extract(made.value, '$[1]')")
        self._note = _first_events(job_id, actor, made)

    def __call__(
        self, connection: sa.Connection, rows: Sequence[dict[str, Any]], *, look: bool = False
    ) -> dict[uuid.UUID, Inserted]:
        """Those that are new, by their ids. One statement on PostgreSQL, unless a spec is long.

        `look` at their queues, too.
        """
        is_postgresql = connection.dialect.name == "postgresql"
        # SQLite keeps a UUID without its dashes.
        text_of_uuid = str if is_postgresql else attrgetter("hex")
        # Two transactions with the same keys wait for each other in one order only.
        rows = sorted(rows, key=lambda row: row["idempotency_key"] or "")
        texts = {
            row["id"]: {name: to_json(row[name]) for name in _JSON if row[name] is not None} for row in rows
        }
        given = [
            {name: value for name, value in row.items() if value is not None}
            | texts[row["id"]]
            | {name: text_of_uuid(row[name]) for name in _UUIDS if row[name] is not None}
            | {name: storable(row[name]) for name in _OUTSIDE if row[name] is not None}
            for row in rows
        ]
        # Not `to_json`: the documents in it are JSON already.
        parameters = {"rows": json.dumps(given)}
        new = (self._on_postgresql if is_postgresql else self._on_sqlite)(connection, parameters, look)
        specs = [(row["id"], row["spec"], texts[row["id"]]["spec"]) for row in rows if row["id"] in new]
        briefs.keep(connection, "spec", specs)
        return {job_id: one._replace(texts=texts[job_id]) for job_id, one in new.items()}

    def _on_postgresql(
        self, connection: sa.Connection, parameters: dict[str, str], look: bool
    ) -> dict[uuid.UUID, Inserted]:
        statement = self._insert_note_and_look if look else self._insert_and_note
        rows = connection.execute(statement, parameters).all()
        if not look:
            return {row[0]: Inserted(row[1]) for row in rows}
        return {row[0]: Inserted(row[1], row[2], dict(zip(_HOLDS, row[3:], strict=True))) for row in rows}

    def _on_sqlite(
        self, connection: sa.Connection, parameters: dict[str, str], look: bool
    ) -> dict[uuid.UUID, Inserted]:
        queues: dict[tuple[str, int], tuple[int, dict[str, Any]]] = {}
        if look:
            found = connection.execute(self._queues, parameters)
            queues = {(row[0], row[1]): (row[2], dict(zip(_OF_QUEUE, row[3:], strict=True))) for row in found}
        rows = connection.execute(self._insert_and_look if look else self._insert, parameters).all()
        if rows:
            made = [(row.id.hex, row.created_by) for row in rows]
            connection.execute(self._note, {"made": to_json(made)})
        if not look:
            return {row.id: Inserted(row.created_at) for row in rows}
        new = {}
        for row in rows:
            before, holds = queues[row.queue, row.priority]
            new[row.id] = Inserted(row.created_at, before, holds | {"owner_quota": row[-1]})
        return new


def _inserted(insert: Any, values: dict[str, Any], source: sa.FromClause) -> Any:
    columns = [*values, "created_at", "queued_at", "available_at"]
    rows = sa.select(*values.values(), utcnow(_NONE), utcnow(_NONE), utcnow(_NONE)).select_from(source)
    # Without a condition SQLite takes ON CONFLICT for that of a join.
    insert = insert.from_select(columns, rows.where(sa.text("true")))
    return insert.on_conflict_do_nothing(index_elements=["idempotency_key"]).returning(
        JOBS.c.id, JOBS.c.created_at, JOBS.c.queue, JOBS.c.priority, JOBS.c.created_by
    )


def _queues(values: Mapping[str, Any], source: sa.FromClause) -> sa.Select[Any]:
    """What each queue is like for new jobs of each priority."""
    names = sa.select(values["queue"].label("queue"), values["priority"].label("priority"))
    named = names.select_from(source).distinct().subquery("named")
    return sa.select(
        named,
        jobs_before(named, by_id=False).label("jobs_before"),
        *(HOLDS[name](named).label(name) for name in _OF_QUEUE),
    )


def _same_line(one: sa.FromClause, other: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(one.c.queue == other.c.queue, one.c.priority == other.c.priority)


def _first_events(
    ids: sa.ColumnElement[Any], actors: sa.ColumnElement[Any], source: sa.FromClause
) -> sa.Insert:
    queued = sa.literal_column(f"'{State.QUEUED}'", sa.String)
    rows = sa.select(ids, utcnow(_NONE), queued, _NONE, actors).select_from(source)
    return sa.insert(EVENTS).from_select(["job_id", "at", "state", "attempt", "actor"], rows)


insert_jobs: Final = _Insertion()


def row_of(job_id: uuid.UUID, request: Request) -> dict[str, Any]:
    return vars(request) | NEW | {"id": job_id}
