"""How many jobs of a token may run at once.

Revision ID: 0030
Revises: 0029
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

HAS_QUOTA = sa.text("max_running IS NOT NULL")


def upgrade() -> None:
    op.add_column("tokens", sa.Column("max_running", sa.Integer(), nullable=True))
    op.create_index(
        "uq_tokens_quota", "tokens", ["name"], unique=True, sqlite_where=HAS_QUOTA, postgresql_where=HAS_QUOTA
    )


def downgrade() -> None:
    op.drop_index("uq_tokens_quota", "tokens")
    op.drop_column("tokens", "max_running")
