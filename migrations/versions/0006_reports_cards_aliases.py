"""Reports of data sets, cards of models, aliases, and numbers of versions that are given once.

Revision ID: 0006
Revises: 0005
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("report", sa.JSON(), nullable=True))
    op.add_column("models", sa.Column("card", sa.JSON(), nullable=True))
    op.create_table(
        "model_aliases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("alias", sa.String(length=64), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_model_aliases_model_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name", "alias", name=op.f("pk_model_aliases")),
    )
    op.create_index("ix_model_aliases_model_id", "model_aliases", ["model_id"])
    op.create_table(
        "last_versions",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_last_versions")),
    )
    for kind in ("datasets", "models"):
        things, counts = (
            sa.table(name, sa.column("kind"), sa.column("name"), sa.column("version"))
            for name in (kind, "last_versions")
        )
        newest = sa.select(sa.literal(kind), things.c.name, sa.func.max(things.c.version))
        op.execute(counts.insert().from_select(["kind", "name", "version"], newest.group_by(things.c.name)))


def downgrade() -> None:
    op.drop_table("last_versions")
    op.drop_table("model_aliases")
    op.drop_column("models", "card")
    op.drop_column("datasets", "report")
