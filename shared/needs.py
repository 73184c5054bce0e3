"""What jobs need: uploads are kept as long as the job, data sets and models until it has ended."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base
from jobyard.shared.jobs import TERMINAL, Job, State


class JobInput(Base):
    """An upload that a job reads: it stays as long as the job does."""

    __tablename__ = "job_inputs"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    file_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("files.id", ondelete="CASCADE"), primary_key=True
    )

    __table_args__ = (sa.Index("ix_job_inputs_file_id", "file_id"),)


class JobReference(Base):
    """A data set or model that a job's spec names: it can't be deleted until the job has ended."""

    __tablename__ = "job_references"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    # The id of the data set or model. It outlives the job as the job outlives it: there is no foreign key.
    referent_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)

    __table_args__ = (sa.Index("ix_job_references_referent_id", "referent_id"),)


@dataclass(frozen=True)
class Needs:
    """The ids of the uploads that a job reads, and of the data sets and models that it names."""

    files: Sequence[uuid.UUID] = ()
    referents: Sequence[uuid.UUID] = ()


def note(connection: sa.Connection, needs: Iterable[tuple[uuid.UUID, Needs]]) -> None:
    """Remember what each job needs, in the transaction that inserts it."""
    needs = list(needs)
    inputs = dict.fromkeys((job_id, file_id) for job_id, one in needs for file_id in one.files)
    if inputs:
        rows = [{"job_id": job_id, "file_id": file_id} for job_id, file_id in inputs]
        connection.execute(sa.insert(JobInput), rows)
    references = dict.fromkeys((job_id, referent) for job_id, one in needs for referent in one.referents)
    if references:
        rows = [{"job_id": job_id, "referent_id": referent} for job_id, referent in references]
        connection.execute(sa.insert(JobReference), rows)


def referents_of(session: Session, job_id: uuid.UUID) -> list[uuid.UUID]:
    """The ids of the data sets and models that a job names, whether they are there or not."""
    query = sa.select(JobReference.referent_id).where(JobReference.job_id == job_id)
    return list(session.scalars(query))


def unended_job_that_names(session: Session, referent_id: uuid.UUID) -> uuid.UUID | None:
    """The oldest job that has not ended and whose spec names this data set or model."""
    unended = [state for state in State if state not in TERMINAL]
    query = (
        sa.select(Job.id)
        .join(JobReference, JobReference.job_id == Job.id)
        .where(JobReference.referent_id == referent_id, Job.state.in_(unended))
        .order_by(Job.id)
        .limit(1)
    )
    return session.scalar(query)
