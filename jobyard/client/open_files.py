"""Open files, of texts or of bytes: what is left to read of one, as a file that can be sent twice."""

import io
import os
import stat
from contextlib import ExitStack
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import IO, Any

from jobyard.client.errors import BadRequest, JobyardClientError
from jobyard.client.types import kind_of

CHUNK = 1 << 20


def temporary_folder(opened: ExitStack) -> Path:
    """A folder that is deleted with what is in it when `opened` is closed. Raises JobyardClientError."""
    try:
        return Path(opened.enter_context(TemporaryDirectory(prefix="jobyard-", ignore_cleanup_errors=True)))
    except OSError as error:
        raise JobyardClientError(
            f"no temporary folder can be made: {error.strerror or error}; set TMPDIR to one that is writable"
        ) from None


def open_file(path: Path) -> IO[bytes]:
    """To read its bytes. Raises BadRequest where it can't be read."""
    try:
        return path.open("rb")
    except OSError as error:
        raise BadRequest(f"{path} can't be read: {error.strerror or error}") from None


def is_open_file(value: object) -> bool:
    """Whether it is read as a file is: also `io.BytesIO`, `sys.stdin`, or the body of an answer."""
    return callable(getattr(value, "read", None))


def is_of_text(file: object) -> bool:
    """Whether reading it gives texts."""
    return isinstance(file, io.TextIOBase) or (
        not isinstance(file, io.RawIOBase | io.BufferedIOBase)
        and isinstance(getattr(file, "encoding", None), str)
    )


def name_of(file: object, otherwise: str) -> str:
    """What an open file is called: the last part of its path; `otherwise` where it has none."""
    name = getattr(file, "name", None)
    if name == "<stdin>":
        return "stdin"
    if not isinstance(name, str) or name.startswith("<"):
        return otherwise
    return PurePath(name).name or otherwise


def saved(file: Any, folder: Path, argument: str, otherwise: str = "file") -> Path:
    """The rest of an open file: a copy in `folder` under its name, or itself where all of it is left to read.

    Texts become UTF-8. Raises BadRequest for one that can't be read, or has nothing more to read.
    """
    name = name_of(file, otherwise)
    if (path := _whole_on_disk(file)) is not None:
        return path
    target = _free(folder, name)
    try:
        with target.open("wb") as copy:
            _copy(file, copy)
            if not copy.tell():
                raise BadRequest(
                    f"{argument}: there is nothing to read in {_shown(file, name)}; is it at its end?"
                )
    except UnicodeEncodeError as error:
        raise BadRequest(
            f"{argument}: {_shown(file, name)} has half of a surrogate pair, {error.object[error.start]!r}, "
            "which is no character; open it in binary mode"
        ) from None
    except UnicodeDecodeError as error:
        raise BadRequest(
            f"{argument}: {_shown(file, name)} can't be read as {error.encoding}; open it in binary mode, "
            "and give its encoding"
        ) from None
    except OSError as error:
        raise JobyardClientError(
            f"{argument}: {_shown(file, name)} can't be read: {error.strerror or error}"
        ) from None
    except (ValueError, TypeError) as error:  # closed, or no file at all
        raise BadRequest(f"{argument}: {_shown(file, name)} can't be read: {error}") from None
    return target


def _copy(file: Any, copy: IO[bytes]) -> None:
    while chunk := file.read(CHUNK):
        if isinstance(chunk, str):
            copy.write(chunk.encode())
        elif isinstance(chunk, bytes | bytearray | memoryview):
            copy.write(chunk)
        else:
            raise ValueError(f"reading gives {kind_of(chunk)}")


def _whole_on_disk(file: Any) -> Path | None:
    """The path of a binary file that nothing was read of."""
    if is_of_text(file) or not isinstance(file, io.BufferedReader | io.FileIO):
        return None
    try:
        status = os.fstat(file.fileno())
        path = Path(os.fsdecode(file.name))
        if not stat.S_ISREG(status.st_mode) or file.tell() or not status.st_size:
            return None
        return path if os.path.samestat(status, path.stat()) else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _free(folder: Path, name: str) -> Path:
    """A path of that name, in a folder of its own where it is taken."""
    number = 0
    target = folder / name
    while target.exists():
        number += 1
        target = folder / str(number) / name
    target.parent.mkdir(exist_ok=True)
    return target


def _shown(file: object, name: str) -> str:
    return repr(name) if isinstance(getattr(file, "name", None), str) else f"the {type(file).__name__}"


def copy_of(content: bytes, folder: Path, name: str) -> Path:
    """A file of these bytes."""
    try:
        target = _free(folder, name)
        target.write_bytes(content)
    except OSError as error:
        raise JobyardClientError(f"{name} can't be written to {folder}: {error.strerror or error}") from None
    return target
