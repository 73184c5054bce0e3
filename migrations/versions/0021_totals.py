"""What is counted over all jobs, and how far the sweeper has come.

Revision ID: 0021
Revises: 0020
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# As SQLAlchemy writes times, with six digits after the point.
NOW = {"sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now')", "postgresql": "clock_timestamp()"}


def upgrade() -> None:
    op.create_table(
        "job_totals",
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("queue", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("bound_ms", sa.BigInteger(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("what", "queue", "kind", "state", "bound_ms", name=op.f("pk_job_totals")),
    )
    op.create_table(
        "job_tallies",
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("queue", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("state", "queue", "kind", name=op.f("pk_job_tallies")),
    )
    op.create_table(
        "sweep_marks",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sweep_marks")),
    )
    # Jobs that end from now on are counted, and for so long no sweep has been seen.
    now = NOW[op.get_bind().dialect.name]
    for name in ("counted", "swept"):
        op.execute(f"INSERT INTO sweep_marks (name, at, version) VALUES ('{name}', {now}, 0)")  # noqa: S608


def downgrade() -> None:
    for table in ("sweep_marks", "job_tallies", "job_totals"):
        op.drop_table(table)
