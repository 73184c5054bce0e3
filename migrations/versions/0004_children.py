"""Jobs that are split: how many of their children may be at work, and the children by state, in order.

Revision ID: 0004
Revises: 0003
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _index(name: str, columns: list[str], given: str) -> None:
    where = sa.text(f"{given} IS NOT NULL")
    op.create_index(name, "jobs", columns, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    op.add_column("jobs", sa.Column("child_window", sa.Integer(), nullable=True))
    op.drop_index("ix_jobs_parent_id", "jobs")
    _index("ix_jobs_parent_id", ["parent_id", "state", "id"], "parent_id")
    _index("ix_jobs_parents", ["state", "id"], "child_window")


def downgrade() -> None:
    op.drop_index("ix_jobs_parents", "jobs")
    op.drop_index("ix_jobs_parent_id", "jobs")
    _index("ix_jobs_parent_id", ["parent_id"], "parent_id")
    op.drop_column("jobs", "child_window")
