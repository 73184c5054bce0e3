"""Files that came with a request: kept if it is accepted, gone without a trace if it is refused."""

import mimetypes
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from werkzeug.datastructures import FileStorage

from jobyard.shared import storage
from jobyard.shared.errors import BadInput, TooLarge
from jobyard.shared.file_names import file_name
from jobyard.shared.storage import Reason
from jobyard.web.backend import current_backend


def store(upload: FileStorage, field: str, *, may_be_empty: bool = False) -> storage.File:
    """Keep an uploaded file. Raises BadInput for an empty one, TooLarge past the limit, and DiskFull."""
    backend = current_backend()
    if not isinstance(upload, FileStorage):
        raise BadInput(field, "should be a file with a name, but is a plain field")
    name = file_name(upload.filename or "")
    try:
        stream = backend.disk.watched(upload.stream)
        stored = backend.storage.put("files", stream, backend.settings.max_upload_bytes)
    except TooLarge as error:
        raise TooLarge(f"{field}: {error.message}") from None
    if stored.bytes == 0 and not may_be_empty:
        backend.storage.discard(stored.key)
        raise BadInput(field, "the file is empty")
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    try:
        with backend.database.write() as session:
            return storage.add_file(session, stored, name=name, media_type=media_type)
    except (sa.exc.OperationalError, sa.exc.InterfaceError):
        raise  # the commit may have been done, and only its answer lost: the sweeper finds out
    except BaseException:
        backend.storage.discard(stored.key)
        raise


class Uploads:
    """A context: an exception that leaves it discards every file that was kept in it."""

    def __init__(self) -> None:
        self._discards = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._discards.pop_all()
        self._discards.close()

    def keep(self, upload: FileStorage, field: str, *, may_be_empty: bool = False) -> storage.File:
        """Store a file. Raises what `store` raises."""
        file = store(upload, field, may_be_empty=may_be_empty)
        self._discards.callback(_discard, file)
        return file


def _discard(file: storage.File) -> None:
    backend = current_backend()
    with backend.database.write() as session:
        session.delete(file)
        storage.plan_deletion(session, [file.storage_key], Reason.UNUSED)
    backend.storage.remove([file.storage_key], Reason.UNUSED)
