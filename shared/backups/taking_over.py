"""The storage after there is a second copy of its database: it follows the new one."""

import sqlalchemy as sa

from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.storage import Storage, StorageIdentity


def take_over(settings: Settings) -> None:
    """Raise the epoch above that of every other copy, which may delete nothing any more.

    Raises ConfigError, StorageFailed and DiskFull where the storage can't be used.
    """
    database = Database(settings.database)
    try:
        # A backup's hold was on the database that this one was made of.
        with database.write() as session:
            session.execute(sa.update(StorageIdentity).values(held_until=None))
        identity = Storage(settings.storage, database, patient=True).identity
        if not identity.adopt():
            identity.advance()
    finally:
        database.dispose()
