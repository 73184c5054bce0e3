"""The line of a queue as workers take from it, and indexes without the rows that have nothing there.

Revision ID: 0003
Revises: 0002
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


SPARSE = ("lease_expires_at", "deadline_at", "finished_at", "checkpoint_key", "parent_id")


def upgrade() -> None:
    op.drop_index("ix_jobs_state_queue_priority_id", "jobs")
    op.create_index("ix_jobs_line", "jobs", ["state", "queue", sa.text("priority DESC"), "id"])
    for column in SPARSE:
        given = sa.text(f"{column} IS NOT NULL")
        op.drop_index(f"ix_jobs_{column}", "jobs")
        op.create_index(f"ix_jobs_{column}", "jobs", [column], sqlite_where=given, postgresql_where=given)


def downgrade() -> None:
    for column in SPARSE:
        op.drop_index(f"ix_jobs_{column}", "jobs")
        op.create_index(f"ix_jobs_{column}", "jobs", [column])
    op.drop_index("ix_jobs_line", "jobs")
    op.create_index("ix_jobs_state_queue_priority_id", "jobs", ["state", "queue", "priority", "id"])
