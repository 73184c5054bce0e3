"""Which data sets and models a job names, so that they stay until it has ended.

Revision ID: 0007
Revises: 0006
"""

import uuid
from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The fields that named them until now, and the tables that they are in.
FIELDS = {"dataset": "datasets", "model": "models", "init_from": "models"}


def upgrade() -> None:
    op.create_table(
        "job_references",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("referent_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_references_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "referent_id", name=op.f("pk_job_references")),
    )
    op.create_index("ix_job_references_referent_id", "job_references", ["referent_id"])
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """Of the jobs that have not ended: nobody deletes anything on account of the others."""
    jobs = sa.table(
        "jobs",
        sa.column("id", sa.Uuid()),
        sa.column("parent_id", sa.Uuid()),
        sa.column("state", sa.String()),
        sa.column("spec", sa.JSON()),
    )
    unended = jobs.c.state.in_(["queued", "running", "waiting", "paused"])
    found = set()
    query = sa.select(jobs.c.id, jobs.c.spec).where(unended, jobs.c.parent_id.is_(None))
    for job_id, spec in connection.execute(query).all():
        for field, table in FIELDS.items():
            if reference := spec.get(field):
                found |= {(job_id, referent) for referent in _referents(connection, table, reference)}
    if found:
        references = sa.table(
            "job_references", sa.column("job_id", sa.Uuid()), sa.column("referent_id", sa.Uuid())
        )
        rows = [{"job_id": job_id, "referent_id": referent} for job_id, referent in found]
        connection.execute(sa.insert(references), rows)


def _referents(connection: sa.Connection, table: str, reference: str) -> list[uuid.UUID]:
    """`name@version`, to which names were pinned when jobs were submitted; or an id."""
    things = sa.table(
        table, sa.column("id", sa.Uuid()), sa.column("name", sa.String()), sa.column("version", sa.Integer())
    )
    query = sa.select(things.c.id)
    name, _, version = reference.partition("@")
    if version.isdecimal():
        query = query.where(things.c.name == name, things.c.version == int(version))
    else:
        with suppress(ValueError):
            return [uuid.UUID(reference)]
        return []
    return list(connection.scalars(query))


def downgrade() -> None:
    op.drop_table("job_references")
