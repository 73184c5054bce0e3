"""What jobs are called and how they are marked: name, labels, note, whether they are kept.

Revision ID: 0018
Revises: 0017
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # None of them rewrites the table: NULL, or a default that both databases keep once.
    op.add_column("jobs", sa.Column("name", sa.String(200), nullable=True))
    op.add_column("jobs", sa.Column("labels", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("jobs", sa.Column("note", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("keep", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("jobs", sa.Column("does", sa.String(200), nullable=True))


def downgrade() -> None:
    for name in ("does", "keep", "note", "labels", "name"):
        op.drop_column("jobs", name)
