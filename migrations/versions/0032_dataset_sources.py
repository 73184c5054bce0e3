"""What data sets were imported from: the same archive is not uploaded twice.

Revision ID: 0032
Revises: 0031
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "dataset_sources",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("labels", sa.String(length=16), nullable=False),
        sa.Column("allow_partial", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.id"],
            name=op.f("fk_dataset_sources_dataset_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "dataset_id", "sha256", "labels", "allow_partial", name=op.f("pk_dataset_sources")
        ),
    )
    op.create_index(op.f("ix_dataset_sources_sha256"), "dataset_sources", ["sha256"])


def downgrade() -> None:
    op.drop_table("dataset_sources")
