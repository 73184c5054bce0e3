"""A file of which zipfile or tarfile may read only so much: both read whatever an archive says."""

import os
from typing import IO


class Guarded:
    """What these libraries need of a file; a subclass limits `read`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True
