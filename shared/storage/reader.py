"""An open file of the storage, whose errors are understood whenever they come."""

import io
from typing import IO, Any

from fsspec.spec import AbstractBufferedFile

from jobyard.shared.errors import StorageAway
from jobyard.shared.storage.guard import Guard


class Reader(io.BufferedIOBase):
    """Reads as the file that it wraps. Reading raises what `Guard` does, and never gives less than there is:
    an end that comes too early would look like a damaged file.
    """

    def __init__(self, file: IO[bytes], guard: Guard, key: str) -> None:
        self._file: Any = file
        self._guard = guard
        self._key = key
        # What a local file has may change, and its system tells the truth about its end.
        self._size: int | None = file.size if isinstance(file, AbstractBufferedFile) else None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def read(self, size: int | None = -1, /) -> bytes:
        begin = self._file.tell() if self._size is not None else 0
        with self._guard.continues(self._key):
            data: bytes = self._file.read(-1 if size is None else size)
            if self._size is not None:
                left = max(0, self._size - begin)
                if len(data) < (left if size is None or size < 0 else min(size, left)):
                    raise StorageAway(f"the storage gave only a part of {self._key}")
        return data

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def fileno(self) -> int:
        try:
            return int(self._file.fileno())
        except AttributeError:
            raise io.UnsupportedOperation("fileno") from None

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
