"""Who submitted a job, and whose request each event of its timeline was.

Revision ID: 0024
Revises: 0023
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # There was one token only.
    created_by = sa.Column("created_by", sa.String(length=64), nullable=False, server_default="admin")
    op.add_column("jobs", created_by)
    op.add_column("job_events", sa.Column("actor", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("job_events", "actor")
    op.drop_column("jobs", "created_by")
