"""A job's fields are said once, in `Job`: what is made from them leaves none out."""

import json
import typing
import uuid
from dataclasses import fields
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared.database import Base, utcnow
from jobyard.shared.jobs import FIELDS, Job, JobEvent, JobSnapshot, Request, Shown, State
from jobyard.shared.jobs.fields import field, fields_of
from jobyard.shared.jobs.insertion import insert_jobs, row_of
from jobyard.shared.jobs.snapshots import read_snapshot, snapshots_of_new
from jobyard.shared.jobs.submission import Submitted
from jobyard.shared.queue_controls import QueueControl
from jobyard.shared.registrations import Worker
from jobyard.shared.tokens import Token

GIVEN = [one for one in FIELDS if one.given]
SHOWN = [one for one in FIELDS if one.shown]
SOME: dict[type, Any] = {
    str: "text",
    int: 7,
    float: 2.5,
    bool: True,
    dict: {"naïve": "☃", "a\x00b": None},
    uuid.UUID: uuid.UUID(int=1),
}


def a_request(number: int = 0) -> Request:
    """Each field has a value of its own."""
    values = {}
    for one in GIVEN:
        type_ = next(kind for kind in SOME if kind in _types(one.type))
        text = f"{one.name}-{number}"[: getattr(one.column.type, "length", None)]
        values[one.name] = text if type_ is str else SOME[type_]
    return Request(**values)


def _types(declared: Any) -> set[Any]:
    parts = typing.get_args(declared) if type(None) in typing.get_args(declared) else (declared,)
    return {typing.get_origin(part) or part for part in parts}


@pytest.fixture
def connection() -> typing.Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(
        engine, tables=[table.__table__ for table in (Job, JobEvent, QueueControl, Token, Worker)]
    )  # type: ignore[misc]
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def inserted(connection: sa.Connection, *requests: Request) -> list[Submitted]:
    rows = [row_of(uuid.UUID(int=number), request) for number, request in enumerate(requests, 1)]
    new = insert_jobs(connection, rows, look=True)
    return [Submitted(row["id"], new[row["id"]].created_at, True, *new[row["id"]][1:]) for row in rows]


def test_every_column_is_a_field() -> None:
    assert [one.column for one in FIELDS] == list(Job.__table__.c)
    assert all(set(column.info) == {"given", "shown", "description", "empty"} for column in Job.__table__.c)


def test_a_request_has_exactly_what_is_given() -> None:
    assert {one.name for one in fields(Request)} == {one.name for one in GIVEN}
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Request(**vars(a_request()), colour="red")


def test_what_may_not_be_null_may_not_be_left_out_unless_it_has_a_default() -> None:
    needed = {
        one.name: getattr(a_request(), one.name)
        for one in GIVEN
        if not one.column.nullable and one.column.default is None
    }
    assert vars(Request(**needed)) == {one.name: needed.get(one.name) for one in GIVEN} | {
        "keep": False,
        "created_by": "admin",
    }
    for name in needed:
        with pytest.raises(TypeError, match=f"'{name}'"):
            Request(**{other: value for other, value in needed.items() if other != name})


def test_every_field_of_a_request_reaches_the_row(connection: sa.Connection) -> None:
    """On SQLite; test_group_commit and test_jobs do it on PostgreSQL too."""
    request = a_request()
    [job] = inserted(connection, request)
    row = connection.execute(sa.select(Job.__table__).where(Job.id == job.id)).one()._mapping
    assert {one.name: row[one.name] for one in GIVEN} == vars(request)
    assert (row["state"], row["attempt"], row["version"]) == (State.QUEUED, 0, 1)


def test_every_field_of_a_request_that_is_shown_is_shown_of_each_new_job(connection: sa.Connection) -> None:
    requests = [a_request(number) for number in range(3)]
    requests = [Request(**vars(one) | {"queue": "cpu"}) for one in requests]
    made = inserted(connection, *requests)
    new = snapshots_of_new(zip(made, requests, strict=True))
    assert [new[job.id] for job in made] == [read_snapshot(connection, job.id) for job in made]
    assert len({new[job.id].kind for job in made}) == 3


def test_every_field_that_is_shown_reaches_the_snapshot(connection: sa.Connection) -> None:
    [job] = inserted(connection, a_request())
    now = utcnow()
    connection.execute(sa.update(Job.__table__).values(pause_requested_at=now, progress_done=3))
    snapshot = read_snapshot(connection, job.id)._asdict()
    assert list(snapshot) == [
        *(one.shown_name for one in SHOWN),
        "position",
        "has_workers",
        "queue_pause",
        "queue_limit",
        "owner_quota",
        "truncated",
        "cuts",
    ]
    row = connection.execute(sa.select(Job.__table__)).one()._mapping
    for one in SHOWN:
        value = row[one.name]
        if one.shown == Shown.AS_A_FLAG:
            value = value is not None
        assert snapshot[one.shown_name] == (value if value is None or not one.is_json else json.dumps(value))


def test_names_for_the_type_checker_are_fields() -> None:
    assert set(JobSnapshot.__annotations__) <= set(JobSnapshot._fields)
    assert set(Request.__annotations__) <= {one.name for one in GIVEN}


def test_a_table_says_its_fields_in_their_order() -> None:
    class Base(sa.orm.DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = "notes"

        id: sa.orm.Mapped[int] = field(primary_key=True)
        labels: sa.orm.Mapped[dict[str, Any] | None] = field(sa.JSON, given=True, shown=Shown.AS_IT_IS)
        seen_at: sa.orm.Mapped[str | None] = field(shown=Shown.AS_A_FLAG, description="Whether it was seen")

    number, labels, seen = fields_of(Note)
    assert (number.name, number.type, number.given, number.shown) == ("id", int, False, None)
    assert (labels.shown_name, labels.is_json, labels.given) == ("labels", True, True)
    assert (seen.shown_name, seen.description) == ("seen", "Whether it was seen")
