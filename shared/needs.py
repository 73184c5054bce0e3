"""What jobs need: uploads are kept as long as the job, data sets and models until it has ended.

A file that a job names by its address is an upload from when it was fetched on.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base
from jobyard.shared.jobs import NO_TERMS, TERMINAL, Job, State, Terms, keep_terms
from jobyard.shared.texts import OutsideText

UNENDED = [state for state in State if state not in TERMINAL]


class JobInput(Base):
    """An upload that a job reads: it stays as long as the job does."""

    __tablename__ = "job_inputs"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    file_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("files.id", ondelete="CASCADE"), primary_key=True
    )

    __table_args__ = (sa.Index("ix_job_inputs_file_id", "file_id"),)


class JobReference(Base):
    """A data set or model that a job's spec names: it can't be deleted until the job has ended. Or an upload
    that was deleted after that: its row is a sign that it is missed.
    """

    __tablename__ = "job_references"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    # Its id. It outlives the job as the job outlives it: there is no foreign key.
    referent_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)

    __table_args__ = (sa.Index("ix_job_references_referent_id", "referent_id"),)


class JobAddress(Base):
    """A file that a job names by its address, and the upload that it is once it was fetched."""

    __tablename__ = "job_addresses"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    # The dotted path of the field that names it: "file", "files.3".
    field: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    # With its query, which may be a secret, until it was fetched; then without.
    address: Mapped[str] = mapped_column(sa.Text())
    file_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("files.id", ondelete="CASCADE"))
    # What its host said of it.
    etag: Mapped[str | None] = mapped_column(OutsideText(255))
    last_modified: Mapped[str | None] = mapped_column(OutsideText(255))

    __table_args__ = (sa.Index("ix_job_addresses_file_id", "file_id"),)


@dataclass(frozen=True)
class Needs:
    """The ids of the uploads that a job reads, and of the data sets and models that it names.

    `addresses` are those of files elsewhere, whole, by the field that names them.
    """

    files: Sequence[uuid.UUID] = ()
    referents: Sequence[uuid.UUID] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    # The names of these uploads by their ids, as texts: a job is called by them.
    file_names: Mapping[str, str] = field(default_factory=dict)
    # What the job is found by.
    terms: Terms = NO_TERMS


def note(connection: sa.Connection, needs: Iterable[tuple[uuid.UUID, Needs]]) -> None:
    """Remember what each job needs, and what it is found by, in the transaction that inserts it."""
    needs = list(needs)
    keep_terms(connection, ((job_id, one.terms) for job_id, one in needs))
    inputs = dict.fromkeys((job_id, file_id) for job_id, one in needs for file_id in one.files)
    if inputs:
        # Their rows are locked in one order, by this and by what deletes them.
        rows = [{"job_id": job_id, "file_id": file_id} for job_id, file_id in sorted(inputs, key=_by_file)]
        connection.execute(sa.insert(JobInput), rows)
    references = dict.fromkeys((job_id, referent) for job_id, one in needs for referent in one.referents)
    if references:
        rows = [{"job_id": job_id, "referent_id": referent} for job_id, referent in references]
        connection.execute(sa.insert(JobReference), rows)
    addresses = [
        {"job_id": job_id, "field": name, "address": address}
        for job_id, one in needs
        for name, address in one.addresses.items()
    ]
    if addresses:
        connection.execute(sa.insert(JobAddress), addresses)


def _by_file(one: tuple[uuid.UUID, uuid.UUID]) -> uuid.UUID:
    return one[1]


def addresses_of(session: Session, job_id: uuid.UUID) -> dict[str, JobAddress]:
    """The files that a job names by their addresses, fetched or not, by the field that names them."""
    found = session.scalars(sa.select(JobAddress).where(JobAddress.job_id == job_id))
    return {one.field: one for one in found}


def keep_fetched(
    session: Session,
    job_id: uuid.UUID,
    name: str,
    file_id: uuid.UUID,
    *,
    address: str,
    etag: str | None,
    last_modified: str | None,
) -> None:
    """The file that the field `name` has the address of is this upload now; what was secret is forgotten.

    `address` is without its query.
    """
    where = (JobAddress.job_id == job_id) & (JobAddress.field == name)
    values = {"file_id": file_id, "address": address, "etag": etag, "last_modified": last_modified}
    session.execute(sa.update(JobAddress).where(where).values(values))
    session.execute(sa.insert(JobInput).values(job_id=job_id, file_id=file_id))


def job_that_needs(session: Session, file_id: uuid.UUID) -> uuid.UUID | None:
    """A job that reads this upload and has not ended, or is to be kept."""
    query = (
        sa.select(Job.id)
        .join(JobInput, JobInput.job_id == Job.id)
        .where(JobInput.file_id == file_id, Job.state.in_(UNENDED) | Job.keep)
        .limit(1)
    )
    return session.scalar(query)


def note_lost(session: Session, file_id: uuid.UUID) -> None:
    """Remember of all jobs that read this upload that they need it, for it is to be deleted."""
    readers = sa.select(JobInput.job_id, sa.literal(file_id, JobInput.file_id.type))
    readers = readers.where(JobInput.file_id == file_id)
    session.execute(sa.insert(JobReference).from_select(["job_id", "referent_id"], readers))


def referents_of(session: Session, job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, set[uuid.UUID]]:
    """The ids of the data sets and models that each of these jobs names, whether they are there or not.

    And of the uploads that it read and that were deleted.
    """
    found: dict[uuid.UUID, set[uuid.UUID]] = {}
    query = sa.select(JobReference.job_id, JobReference.referent_id).where(JobReference.job_id.in_(job_ids))
    for job_id, referent_id in session.execute(query):
        found.setdefault(job_id, set()).add(referent_id)
    return found


def unended_job_that_names(session: Session, referent_id: uuid.UUID) -> uuid.UUID | None:
    """The oldest job that has not ended and whose spec names this data set or model."""
    query = (
        sa.select(Job.id)
        .join(JobReference, JobReference.job_id == Job.id)
        .where(JobReference.referent_id == referent_id, Job.state.in_(UNENDED))
        .order_by(Job.id)
        .limit(1)
    )
    return session.scalar(query)
