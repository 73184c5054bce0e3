"""Files and artifacts: bytes in fsspec, their rows in SQL. This is the package's door."""

from jobyard.shared.storage.backend import CHUNK_BYTES, KEY, Storage, Stored
from jobyard.shared.storage.files import (
    File,
    add_file,
    artifact,
    artifacts,
    file_names,
    get_file,
    get_files,
)

__all__ = [
    "CHUNK_BYTES",
    "KEY",
    "File",
    "Storage",
    "Stored",
    "add_file",
    "artifact",
    "artifacts",
    "file_names",
    "get_file",
    "get_files",
]
