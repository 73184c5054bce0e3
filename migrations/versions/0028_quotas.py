"""How many jobs of a token may be queued at once.

Revision ID: 0028
Revises: 0027
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("tokens", sa.Column("max_queued", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("tokens", "max_queued")
