"""Things that have a name and versions: data sets and models."""

import datetime
import re
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, ClassVar, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column
from uuid_utils.compat import uuid7

from jobyard.shared.database import Base, UtcDateTime, insert_into, utcnow
from jobyard.shared.errors import NotFound
from jobyard.shared.kinds.fields import REFERENCE
from jobyard.shared.storage import complete

# So many are read at once: one may be some megabytes.
ROWS_AT_ONCE = 8

# The alias that the server sets: the newest version of a name.
LATEST = "latest"


class Versioned(Base):
    """A name and a version that grows by one; `name@version` is how people refer to it."""

    __abstract__ = True

    # What people call such a thing.
    noun: ClassVar[str]

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(64))
    version: Mapped[int]
    # The job that made it; the thing outlives the job.
    job_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("jobs.id", ondelete="SET NULL"))
    storage_key: Mapped[str] = mapped_column(sa.String(500))
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"

    @classmethod
    def find_alias(cls, session: Session, name: str, alias: str) -> "sa.Select[Any]":
        """The version that `name@alias` means, of the aliases other than `latest`."""
        return sa.select(cls).where(sa.false())

    @classmethod
    def listing(cls) -> "sa.Select[Any]":
        """What a list reads: rows for `of_listing`."""
        return sa.select(cls)

    @classmethod
    def of_listing(cls, *row: Any) -> Self:
        """The thing in a row of `listing`."""
        found: Self = row[0]
        return found


class LastVersion(Base):
    """The newest version that a name ever had: a deleted version's number is not given again."""

    __tablename__ = "last_versions"

    # The table that the name is in.
    kind: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    version: Mapped[int]


Thing = TypeVar("Thing", bound=Versioned)


def add(session: Session, thing: Thing) -> Thing:
    """Register `thing` (id and version are given here) as the newest version of its name.

    Jobs that register one name at once take turns: the row of its count is locked until the commit.
    """
    count = (
        insert_into(session.get_bind(), LastVersion)
        .values(kind=thing.__tablename__, name=thing.name, version=1)
        .on_conflict_do_update(index_elements=["kind", "name"], set_={"version": LastVersion.version + 1})
        .returning(LastVersion.version)
    )
    thing.id = uuid7()
    thing.version = session.scalars(count).one()
    thing.created_at = utcnow()
    session.add(thing)
    complete(session, [thing.storage_key])
    session.flush()
    session.refresh(thing)
    return thing


def find(session: Session, kind: type[Thing], reference: str) -> Thing:
    """By name (its newest version), `name@version`, `name@latest`, id, and of models by `name@best` and
    `name@alias`. Raises NotFound that names what there is.
    """
    found: Thing | None = None
    with suppress(ValueError):
        found = session.get(kind, uuid.UUID(reference))
    if found is None and re.fullmatch(REFERENCE, reference, re.ASCII):
        found = session.scalar(_named(session, kind, *reference.partition("@")[::2]).limit(1))
    if found is None:
        names = session.scalars(sa.select(kind.name).distinct().order_by(kind.name).limit(10)).all()
        there_is = f"there are: {', '.join(names)}" if names else "there are none yet"
        raise NotFound(f"no {kind.noun} {reference!r}; {there_is}")
    return found


def _named(session: Session, kind: type[Thing], name: str, which: str) -> "sa.Select[Any]":
    query = sa.select(kind).where(kind.name == name)
    if which.isdecimal():
        return query.where(kind.version == int(which))
    if which in ("", LATEST):
        return query.order_by(kind.version.desc())
    return kind.find_alias(session, name, which)


def page(
    session: Session, kind: type[Thing], *, before: uuid.UUID | None = None, limit: int = 50
) -> list[Thing]:
    """Newest first; `before` is the last id of the page above."""
    return list(each(session, kind, before=before, limit=limit))


def each(
    session: Session,
    kind: type[Thing],
    *where: "sa.ColumnElement[bool]",
    before: uuid.UUID | None = None,
    limit: int = 50,
) -> Iterator[Thing]:
    """A page's, a few at a time read: they may be long. They are as `listing` has them."""
    query = kind.listing().where(*where).order_by(kind.id.desc()).limit(limit)
    query = query if before is None else query.where(kind.id < before)
    with closing(session.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})) as rows:
        for row in rows:
            yield kind.of_listing(*row)


def references(session: Session, kind: type[Thing], *, limit: int) -> list[str]:
    """`name@version` of so many, newest first."""
    query = sa.select(kind.name, kind.version).order_by(kind.id.desc()).limit(limit)
    return [f"{name}@{version}" for name, version in session.execute(query)]
