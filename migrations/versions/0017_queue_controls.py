"""Queues that are paused or limited, workers that drain, and which version a worker has.

Revision ID: 0017
Revises: 0016
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "queues",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by", sa.String(255), nullable=True),
        sa.Column("pause_reason", sa.String(500), nullable=True),
        sa.Column("running_limit", sa.Integer(), nullable=True),
        sa.CheckConstraint("running_limit >= 1", name=op.f("ck_queues_limit")),
        sa.CheckConstraint(
            "paused_at IS NOT NULL OR (paused_by IS NULL AND pause_reason IS NULL)",
            name=op.f("ck_queues_paused_says_why"),
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_queues")),
    )
    op.add_column("workers", sa.Column("version", sa.String(64), nullable=True))
    op.add_column("workers", sa.Column("draining_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("workers", sa.Column("drained_by", sa.String(255), nullable=True))


def downgrade() -> None:
    op.drop_column("workers", "drained_by")
    op.drop_column("workers", "draining_since")
    op.drop_column("workers", "version")
    op.drop_table("queues")
