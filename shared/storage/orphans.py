"""Orphans: keys in the storage that neither a row nor an intent knows. They are listed, and never deleted."""

from collections.abc import Iterator
from itertools import islice

from jobyard.shared.database import Database
from jobyard.shared.storage.known import known
from jobyard.shared.storage.objects import Listed, Objects

KEYS_AT_ONCE = 500


def orphans(objects: Objects, database: Database, *, most: int | None = None) -> Iterator[Listed]:
    """What nothing refers to, in the order of the listing, which may take minutes on a large bucket.

    `most`: how many keys are looked at; None: all.
    """
    listing = islice(objects.listing(), most)
    while some := list(islice(listing, KEYS_AT_ONCE)):
        with database.read() as session:
            theirs = known(session, [one.key for one in some])
        # What was deleted since it was listed is no orphan.
        yield from (one for one in some if one.key not in theirs and objects.exists(one.key))
