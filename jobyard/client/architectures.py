"""Architectures of networks: what Keras writes, as a file to upload."""

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobyard.client.errors import BadRequest

# What a server reads of one at most.
MAX_BYTES = 8 * 1024**2
# What reading a part of a damaged zip, or of one that has no such part, raises.
BROKEN = (KeyError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)


@contextmanager
def architecture_file(path: Path) -> Iterator[Path]:
    """The JSON of an architecture as a file: `path` itself, or the config.json of a `.keras` file.

    Raises BadRequest for a `.keras` file that has none, or can't be read.
    """
    if path.suffix.lower() != ".keras":
        yield path
        return
    try:
        with zipfile.ZipFile(path) as file, file.open("config.json") as part:
            text = part.read(MAX_BYTES + 1)
    except BROKEN as error:
        raise BadRequest(f"{path} should be a .keras file of Keras 3, with a config.json in it") from error
    except OSError as error:
        raise BadRequest(f"{path} can't be read: {error.strerror or error}") from None
    if len(text) > MAX_BYTES:
        raise BadRequest(f"the config.json in {path} should have at most {MAX_BYTES:,} bytes")
    with tempfile.TemporaryDirectory(prefix="jobyard-") as folder:
        extracted = Path(folder) / f"{path.stem}.json"
        extracted.write_bytes(text)
        yield extracted
