"""Architectures of networks: what Keras writes, as a file to upload."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from jobyard.client.errors import BadRequest
from jobyard.client.open_files import copy_of, temporary_folder
from jobyard.client.types import kind_of

# What a server reads of one at most.
MAX_BYTES = 8 * 1024**2
OUGHT = "should be what model.to_json() of Keras 3 writes, or a .keras file"
# What reading a part of a damaged zip, or of one that has no such part, raises.
BROKEN = (KeyError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)


@contextmanager
def architecture_file(path: Path) -> Iterator[Path]:
    """The JSON of an architecture as a file: `path` itself, or the config.json of a `.keras` file.

    Raises BadRequest for a `.keras` file that has none, what can't be read, and what is no JSON object.
    """
    if path.suffix.lower() != ".keras" and not _is_zip(path):
        try:
            with path.open("rb") as written:
                content = written.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        _check_json(path, content)
        yield path
        return
    try:
        with zipfile.ZipFile(path) as file, file.open("config.json") as part:
            text = part.read(MAX_BYTES + 1)
    except BROKEN as error:
        raise BadRequest(
            f"architecture: {path} should be a .keras file of Keras 3, with a config.json in it"
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    _check_json(f"the config.json in {path}", text)
    with ExitStack() as opened:
        yield copy_of(text, temporary_folder(opened), f"{path.stem}.json")


def _unreadable(path: Path, error: OSError | ValueError) -> BadRequest:
    """A ValueError is a null character in the path, or half of a surrogate pair."""
    if isinstance(error, OSError):
        return BadRequest(f"architecture: {path} can't be read: {error.strerror or error}")
    return BadRequest(f"architecture: {str(path)!r:.80} can't be read: {error}")


def _is_zip(path: Path) -> bool:
    """Whether it is a `.keras` file by another name, as an open file may have none."""
    try:
        return path.is_file() and zipfile.is_zipfile(path)
    except (OSError, ValueError):
        return False


def _check_json(what: str | Path, text: bytes) -> None:
    """Only a worker reads the architecture itself, after the upload."""
    if len(text) > MAX_BYTES:
        raise BadRequest(f"architecture: {what} should have at most {MAX_BYTES:,} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or too deep
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise BadRequest(f"architecture: {what} is not JSON{where}: {OUGHT}") from None
    if not isinstance(found, dict):
        raise BadRequest(f"architecture: {what} is no architecture, but {kind_of(found)} as JSON: {OUGHT}")
