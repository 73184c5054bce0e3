"""Since when a job's progress stands still, and which process a worker is.

Revision ID: 0015
Revises: 0014
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("stalled_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("workers", sa.Column("process", sa.String(255), nullable=True))


def downgrade() -> None:
    op.drop_column("workers", "process")
    op.drop_column("jobs", "stalled_since")
