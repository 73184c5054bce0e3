"""What jobs are found by: words and labels.

Revision ID: 0025
Revises: 0024
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "job_terms",
        sa.Column("term", sa.String(319), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("is_mark", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_terms_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("term", "job_id", name=op.f("pk_job_terms")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_job_terms_job_id", "job_terms", ["job_id"])


def downgrade() -> None:
    op.drop_table("job_terms")
