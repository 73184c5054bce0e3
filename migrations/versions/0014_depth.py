"""Counts of jobs, and indexes that serve at any depth of a queue.

Revision ID: 0014
Revises: 0013
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TOP = sa.text("parent_id IS NULL")
WAITING = sa.text("state = 'queued' AND finished_at IS NULL")
GIVEN = sa.text("lease_expires_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "job_counts",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_counts")),
    )
    op.create_index("ix_jobs_listed", "jobs", ["state", "id"], sqlite_where=TOP, postgresql_where=TOP)
    op.create_index(
        "ix_jobs_waiting", "jobs", ["queue", "available_at"], sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.drop_index("ix_jobs_state_id", "jobs")
    op.drop_index("ix_jobs_lease_expires_at", "jobs")
    # Room in each page for the next version of a row: then a heartbeat writes to no index (HOT).
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE jobs SET (fillfactor = 80)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE jobs RESET (fillfactor)")
    op.create_index(
        "ix_jobs_lease_expires_at", "jobs", ["lease_expires_at"], sqlite_where=GIVEN, postgresql_where=GIVEN
    )
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"])
    op.drop_index("ix_jobs_waiting", "jobs")
    op.drop_index("ix_jobs_listed", "jobs")
    op.drop_table("job_counts")
