"""Uploads have an index, and their number and size are counted.

Revision ID: 0016
Revises: 0015
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

UPLOADS = sa.text("job_id IS NULL")


def upgrade() -> None:
    op.create_index(
        "ix_files_uploads", "files", ["id", "bytes"], sqlite_where=UPLOADS, postgresql_where=UPLOADS
    )
    op.create_table(
        "file_totals",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_file_totals")),
    )


def downgrade() -> None:
    op.drop_table("file_totals")
    op.drop_index("ix_files_uploads", "files")
