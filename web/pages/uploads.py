"""Files that came with a form: kept if the form is accepted, gone without a trace if it is refused."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from werkzeug.datastructures import FileStorage

from shared import storage
from shared.errors import BadInput, TooLarge
from web.api.files import store
from web.backend import backend


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

    def keep(self, upload: FileStorage, field: str) -> storage.File:
        """Store a file. Raises BadInput for one that is empty or too large."""
        try:
            file = store(upload, field)  # type: ignore[arg-type]  # the library's subclass adds its OpenAPI
        except TooLarge as error:
            raise BadInput(field, error.message.removeprefix(f"{field}: ")) from None
        self._discards.callback(_discard, file)
        return file


def _discard(file: storage.File) -> None:
    here = backend()
    with here.database.write() as session:
        session.delete(file)
    here.storage.delete(file.storage_key)
