"""The storage: bytes under keys, the rows of files, whose storage it is, and what is deleted from it.

Bytes are written and deleted only after the database has a row that says so (`intents`), and only where
storage and database are one (`identity`). This is the package's door.
"""

from jobyard.shared.storage.failures import failure_behind
from jobyard.shared.storage.files import (
    UPLOAD_ID,
    File,
    add_file,
    artifact,
    artifacts,
    file_names,
    get_file,
    get_files,
    uploads_in_order,
)
from jobyard.shared.storage.holds import Hold
from jobyard.shared.storage.identity import LIST_ORPHANS, Identity, StorageIdentity, take_turn_to_count
from jobyard.shared.storage.intents import PendingKey, Reason, complete, plan_deletion
from jobyard.shared.storage.objects import CHUNK_BYTES, Objects, Stored
from jobyard.shared.storage.orphans import orphans
from jobyard.shared.storage.sizes import (
    DATABASE,
    count_stored,
    database_bytes,
    forget_empty,
    is_counted,
    stored,
)
from jobyard.shared.storage.storage import Storage
from jobyard.shared.storage.totals import (
    ARTIFACTS,
    UPLOADS,
    FileTotal,
    Total,
    counted,
    keep_totals,
    recount,
    total,
)

__all__ = [
    "ARTIFACTS",
    "CHUNK_BYTES",
    "DATABASE",
    "LIST_ORPHANS",
    "UPLOADS",
    "UPLOAD_ID",
    "File",
    "FileTotal",
    "Hold",
    "Identity",
    "Objects",
    "PendingKey",
    "Reason",
    "Storage",
    "StorageIdentity",
    "Stored",
    "Total",
    "add_file",
    "artifact",
    "artifacts",
    "complete",
    "count_stored",
    "counted",
    "database_bytes",
    "failure_behind",
    "file_names",
    "forget_empty",
    "get_file",
    "get_files",
    "is_counted",
    "keep_totals",
    "orphans",
    "plan_deletion",
    "recount",
    "stored",
    "take_turn_to_count",
    "total",
    "uploads_in_order",
]
