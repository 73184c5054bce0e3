"""The oldest open transaction of PostgreSQL, for whose sake it keeps what is out of date of every row."""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

# Jobyard's own are over within seconds.
LONG_SECONDS: Final = 300.0

# Those that hold a snapshot or have written something here, standbys with feedback, and prepared ones. Of the
# sessions of other roles a role without pg_read_all_stats sees no times.
_OLDEST: Final = sa.text("""
SELECT extract(epoch FROM clock_timestamp() - began)::float AS seconds, holder
FROM (
    SELECT xact_start AS began,
           format('process %s of %s, %s, %s', pid, coalesce(usename, '?'),
                  coalesce(nullif(application_name, ''), 'without a name'), coalesce(state, '?')) AS holder
    FROM pg_stat_activity
    WHERE (datname = current_database() AND backend_type = 'client backend' OR backend_type = 'walsender')
      AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid()
    UNION ALL
    SELECT prepared, format('prepared as %s by %s', gid, owner) FROM pg_prepared_xacts
    WHERE database = current_database()
) AS transactions
WHERE began IS NOT NULL
ORDER BY began LIMIT 1
""")


@dataclass(frozen=True)
class OpenTransaction:
    """For how long it has been open, and whose it is."""

    seconds: float
    holder: str

    @property
    def is_long(self) -> bool:
        return self.seconds >= LONG_SECONDS


def oldest_transaction(session: Session) -> OpenTransaction | None:
    """None if there is none beside the session's own that this role may see, and always on SQLite."""
    if session.get_bind().dialect.name != "postgresql":
        return None
    row = session.execute(_OLDEST).one_or_none()
    return None if row is None else OpenTransaction(row.seconds, row.holder)
