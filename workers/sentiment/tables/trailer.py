"""Files with a trailer: bytes, then JSON about them, and the length of the JSON."""

import json
from pathlib import Path
from typing import IO, Any

LENGTH_BYTES = 8


def append_trailer(path: Path, note: dict[str, Any]) -> None:
    """Append a trailer to a file, which need not exist."""
    text = json.dumps(note).encode()
    with path.open("ab") as file:
        file.write(text + len(text).to_bytes(LENGTH_BYTES, "little"))


def read_trailer(stream: IO[bytes]) -> tuple[dict[str, Any], int]:
    """The trailer, and how many bytes come before it."""
    end = stream.seek(0, 2) - LENGTH_BYTES
    stream.seek(end)
    length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
    stream.seek(end - length)
    note: dict[str, Any] = json.loads(stream.read(length))
    return note, end - length
