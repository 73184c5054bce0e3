"""A hold: for a while no bytes are deleted from the storage, so that a backup finds all that its rows name.

It is a moment in the database's row of the storage, which every process reads before it deletes. It is
renewed as long as it is needed, and ends by itself soon after: a backup that is killed holds nothing back for
good.
"""

import logging
import threading
from types import TracebackType
from typing import Final

import sqlalchemy as sa

from jobyard.shared.database import Database, utcnow

log = logging.getLogger(__name__)

HOLD_SECONDS: Final = 120.0
RENEW_SECONDS: Final = 30.0

_TABLE: Final = sa.table("storage_identity", sa.column("held_until"))


class Hold:
    """In force within the context, and up to HOLD_SECONDS after it: another one may be in force, too.

    A database of an earlier version, which has no such column, is left as it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Hold":
        with self._database.read() as session:
            inspector = sa.inspect(session.connection())
            has_table = inspector.has_table(_TABLE.name)
            columns = inspector.get_columns(_TABLE.name) if has_table else []
        if any(column["name"] == "held_until" for column in columns):
            self._renew()
            self._thread = threading.Thread(target=self._keep, name="hold", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _keep(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            try:
                self._renew()
            except sa.exc.SQLAlchemyError as error:
                log.warning("can't renew the hold on deletions, will retry: %s", str(error).splitlines()[0])

    def _renew(self) -> None:
        with self._database.begin() as connection:
            connection.execute(sa.update(_TABLE).values(held_until=utcnow(HOLD_SECONDS)))
