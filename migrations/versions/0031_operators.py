"""What operators ask first: whose jobs wait, and how much disk each worker has.

Revision ID: 0031
Revises: 0030
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COLUMNS = ("free_bytes", "min_free_bytes")


def upgrade() -> None:
    op.create_table(
        "owner_counts",
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "owner", name=op.f("pk_owner_counts")),
    )
    for name in _COLUMNS:
        op.add_column("workers", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("workers", name)
    op.drop_table("owner_counts")
