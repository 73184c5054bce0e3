"""Briefs of long specs and results, so that lists are read without these.

Revision ID: 0009
Revises: 0008
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from jobyard.shared.jobs import WHOLE_BYTES, brief_of

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "job_briefs",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.String(16), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("cuts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_briefs_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "field", name=op.f("pk_job_briefs")),
    )
    for name in ("spec", "result"):
        _fill(op.get_bind(), name)


def _fill(connection: sa.Connection, name: str) -> None:
    """Of the jobs that are there, one after the other: their documents may be long."""
    document: sa.ColumnClause[Any] = sa.column(name, sa.JSON())
    jobs = sa.table("jobs", sa.column("id", sa.Uuid()), document)
    briefs = sa.table(
        "job_briefs",
        sa.column("job_id", sa.Uuid()),
        sa.column("field", sa.String()),
        sa.column("value", sa.JSON()),
        sa.column("cuts", sa.JSON()),
    )
    is_long = sa.func.length(sa.cast(document, sa.Text)) > WHOLE_BYTES
    for job_id in connection.scalars(sa.select(jobs.c.id).where(is_long)).all():
        value, cuts = brief_of(connection.scalars(sa.select(document).where(jobs.c.id == job_id)).one())
        row = {"job_id": job_id, "field": name, "value": value, "cuts": cuts}
        connection.execute(sa.insert(briefs).values(row))


def downgrade() -> None:
    op.drop_table("job_briefs")
