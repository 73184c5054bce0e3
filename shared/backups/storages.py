"""Whether a storage is the one that a database's rows name."""

import uuid

from jobyard.shared.errors import ConfigError
from jobyard.shared.storage import Objects
from jobyard.shared.storage.identity import NAME, Mark


def require_storage_of(objects: Objects, database_id: uuid.UUID | None) -> None:
    """Raises ConfigError where a backup of this database would be one without its files.

    A database without an identity is of a version before there were any.
    """
    if database_id is not None and owner_of(objects) != database_id:
        raise ConfigError(
            f"JOBYARD_STORAGE_URL: the storage {objects.place} is not this database's, and has none of its "
            "files: set it as the server has it (nothing was backed up)"
        )


def owner_of(objects: Objects) -> uuid.UUID | None:
    """The id of the database whose storage it is; None if it says none that can be understood."""
    content = objects.read_note(NAME)
    try:
        return None if content is None else Mark.of(content).database_id
    except ValueError:
        return None
