"""Whose storage it is, and which of its keys are being written or deleted.

Revision ID: 0008
Revises: 0007
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # Its row is made when the storage is first used: a copy of an unused database is a database of its own.
    op.create_table(
        "storage_identity",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("database_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.Uuid(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("orphans_counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_storage_identity_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storage_identity")),
    )
    op.create_table(
        "pending_keys",
        sa.Column("key", sa.String(500), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_pending_keys")),
    )
    op.create_index("ix_pending_keys_since", "pending_keys", ["since"])


def downgrade() -> None:
    op.drop_table("pending_keys")
    op.drop_table("storage_identity")
