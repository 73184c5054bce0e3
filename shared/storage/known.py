"""What the database's rows know of the storage, asked without their classes: those import this package."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

# Every column that holds a key; a test compares it with the tables.
COLUMNS = (
    ("files", "storage_key"),
    ("datasets", "storage_key"),
    ("models", "storage_key"),
    ("model_exports", "storage_key"),
    ("jobs", "checkpoint_key"),
    ("pending_keys", "key"),
)
REFERENCES = COLUMNS[:-1]


def _column(table: str, name: str) -> "sa.ColumnClause[str]":
    column: sa.ColumnClause[str] = sa.column(name, sa.String)
    sa.table(table, column)
    return column


def sample(session: Session, each: int = 20) -> list[str]:
    """Some of the keys that rows refer to, of every table."""
    found: list[str] = []
    for table, name in REFERENCES:
        column = _column(table, name)
        # As `IS NOT NULL`, which SQLite finds by no index.
        found += session.scalars(sa.select(column).where(column > "").limit(each))
    return found


def known(session: Session, keys: Sequence[str]) -> set[str]:
    """Those of the keys that a row refers to or an intent names."""
    found: set[str] = set()
    for table, name in COLUMNS:
        column = _column(table, name)
        found |= set(session.scalars(sa.select(column).where(column.in_(keys))))
    return found
