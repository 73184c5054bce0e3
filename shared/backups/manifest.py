"""What a backup says of itself: `manifest.json`, which is written last, and the checksums of everything else.

manifest.json           version, revision, counts, whose storage it is
SHA256SUMS              of all other files; `sha256sum -c` understands it
database/               jobyard.db of SQLite, or one TABLE.copy for each table of PostgreSQL
storage/                the files, under their keys
token                   of the API, where HOME has one
"""

import datetime
import hashlib
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, ValidationError

from jobyard.shared.errors import BadInput
from jobyard.shared.storage.objects import CHUNK_BYTES, KEY

FORMAT: Final = 1
NAME: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
DATABASE: Final = "database"
SQLITE_FILE: Final = f"{DATABASE}/jobyard.db"
STORAGE: Final = "storage"
TOKEN: Final = "token"  # noqa: S105 - the name of a file
# What a manifest may have; one of a hundred tables and missing files has 30 kB.
MAX_MANIFEST_BYTES: Final = 1 << 20
# How many missing files are named.
NAMED: Final = 100

Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]


class Table(BaseModel):
    """A table as it was copied."""

    name: Identifier
    columns: list[Identifier]
    rows: int

    @property
    def file(self) -> str:
        """Its path in a backup of PostgreSQL."""
        return f"{DATABASE}/{self.name}.copy"


class DatabaseCopy(BaseModel):
    """The database; the tables in an order in which none refers to a later one."""

    dialect: Literal["sqlite", "postgresql"]
    server_version: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-z]{1,32}$")]
    tables: list[Table]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables)


class StorageCopy(BaseModel):
    """The storage: whose it is, and whether its files are in the backup or only named."""

    included: bool
    place: str
    database_id: uuid.UUID | None
    epoch: int | None
    # That the database refers to.
    keys: int
    # That are in the backup.
    files: int
    bytes: int
    # That the database refers to, and the storage did not have: how many, and the first of them.
    missing_count: int
    missing: list[str]


class Manifest(BaseModel):
    """The whole of it."""

    format: Literal[1]
    version: str
    made_at: datetime.datetime
    database: DatabaseCopy
    storage: StorageCopy
    sums_sha256: str

    def write(self, folder: Path) -> None:
        """Make a backup of the folder: it is none before that."""
        draft = folder / f".{NAME}"
        draft.write_text(self.model_dump_json(indent=2) + "\n")
        draft.replace(folder / NAME)

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Raises BadInput where the folder holds no whole backup that this version understands."""
        try:
            require_file(folder / NAME)
            with (folder / NAME).open("rb") as file:
                return cls.model_validate_json(file.read(MAX_MANIFEST_BYTES))
        except OSError as error:
            raise BadInput(
                "folder",
                f"{folder} is no backup: {NAME} can't be read ({error.strerror}); it is written last",
            ) from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise BadInput(
                "folder", f"{folder / NAME} is damaged, or of a later version: {where}: {first['msg']}"
            ) from None


class Sums:
    """The checksums, written as files are added; to be used in a context, which closes the file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = (folder / SUMS).open("w")

    def __enter__(self) -> "Sums":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, path: str, sha256: str) -> None:
        """A file of the backup, by its path in there."""
        self._file.write(f"{sha256}  {path}\n")

    def close(self) -> str:
        """The SHA-256 of the list itself."""
        self._file.close()
        return digest_of(self._folder / SUMS)


def read_sums(folder: Path, manifest: Manifest) -> dict[str, str]:
    """The SHA-256 of each file by its path in the backup. Raises BadInput where the list is damaged."""
    path = folder / SUMS
    try:
        require_file(path)
        if digest_of(path) != manifest.sums_sha256:
            raise BadInput("folder", f"{path} is damaged: it is not the list that {NAME} names")
        return dict(_entries(path))
    except OSError as error:
        raise BadInput("folder", f"{path} can't be read: {error.strerror}") from None


def require_file(path: Path) -> None:
    """Raises OSError where it is not there, and BadInput for what would have no end, such as a pipe."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise BadInput("folder", f"{path} is no file; take another backup")


def check(path: Path, sha256: str) -> None:
    """Raises BadInput if a file of a backup is missing, can't be read, or is not what it was."""
    with reading(path):
        require_file(path)
        if digest_of(path) != sha256:
            raise damaged(path)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """An OSError within is one of a backup's file. Raises BadInput."""
    try:
        yield
    except FileNotFoundError:
        raise BadInput("folder", f"{path} is missing; take another backup") from None
    except OSError as error:
        raise BadInput("folder", f"{path} can't be read: {error.strerror}") from None


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_checked(source: Path, target: Path, sha256: str) -> None:
    """Copy a file of a backup. Raises BadInput if it is not what it was."""
    digest = hashlib.sha256()
    with source.open("rb") as read, target.open("wb") as written:
        while chunk := read.read(CHUNK_BYTES):
            digest.update(chunk)
            written.write(chunk)
    if digest.hexdigest() != sha256:
        raise damaged(source)


def damaged(path: Path) -> BadInput:
    """For a file whose checksum is another."""
    return BadInput("folder", f"{path} is damaged: its SHA-256 is not that of {SUMS}; take another backup")


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """Only such paths as a backup has: what comes from elsewhere must not name others."""
    allowed = re.compile(rf"{DATABASE}/[a-z_0-9]+\.(db|copy)|{STORAGE}/{KEY.pattern}|{TOKEN}")
    with path.open() as lines:
        for line in lines:
            sha256, _, name = line.rstrip("\n").partition("  ")
            if not allowed.fullmatch(name):
                raise BadInput("folder", f"{path} names {name!r}, which is no file of a backup")
            yield name, sha256
