"""The head of a file of texts, which the server looks at before the file is uploaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from jobyard.client.errors import BadRequest, Json
from jobyard.client.suggestions import nearest

# What a dialect may depend on.
HEAD_BYTES = 2 << 20
# Of formats whose directory is at their end: what is sent as a whole, and else of the end.
WHOLE_BYTES = 16 << 20
TAIL_BYTES = 1 << 20
DIRECTORY_LAST = (b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# Formats whose rows each say what columns they have.
KEYED = ("json", "jsonl")
# A file of less is uploaded as soon as it is looked at.
LARGE_BYTES = 8 << 20

# The fields of a sentiment job that say how a file is read.
READING = (
    *("column", "group_by", "sheet", "delimiter", "quote", "header", "skip_lines", "null_values"),
    "encoding",
)
SHOWN = 10


class Head(NamedTuple):
    """What is sent of a file of `size` bytes; `head_bytes` are its first ones, if the others are its last."""

    content: bytes
    size: int
    head_bytes: int | None


def head_of(path: Path, argument: str) -> Head:
    """Raises BadRequest where the file can't be read."""
    try:
        with path.open("rb") as file:
            return _head_of(file)
    except (OSError, ValueError) as error:  # a null character
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadRequest(f"{argument}: {path} can't be read: {reason}") from None


def _head_of(file: IO[bytes]) -> Head:
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head.startswith(DIRECTORY_LAST) or size <= HEAD_BYTES:
        return Head(head, size, None)
    if size <= WHOLE_BYTES:
        return Head(head + file.read(), size, None)
    file.seek(size - TAIL_BYTES)
    return Head(head + file.read(), size, len(head))


def reading_of(spec: Mapping[str, Any]) -> Json:
    """The part of a sentiment job's spec that says how its file is read."""
    return {name: spec[name] for name in READING if spec.get(name) is not None}


def is_worth_a_look(kind: str, spec: Mapping[str, Any]) -> bool:
    """Whether a job's file is so large that what the job would refuse should be found before the upload."""
    file = spec.get("file")
    try:
        return kind == "sentiment" and isinstance(file, Path) and file.stat().st_size >= LARGE_BYTES
    except (OSError, ValueError):  # it is said where the file is opened
        return False


def refusal(found: Mapping[str, Any], spec: Mapping[str, Any], path: Path) -> str | None:
    """Why a job of this file would fail, by what the server has found in its head; None if it may not.

    The message names the field, and of columns those that there are and the nearest.
    """
    problem = found.get("problem")
    if not problem:
        return None
    field, message = str(problem["field"]), str(problem["message"])
    columns = [*found.get("columns", []), *found.get("within", [])]
    asked = spec.get(field)
    if field not in ("column", "group_by") or not columns:
        return f"{path.name}: {message}" if field == "file" else f"{field}: {path.name}: {message}"
    near = nearest(str(asked or "text"), columns)
    if asked is None:
        why = f"should say which one has the texts, of {_shown(columns)}"
    elif near is None and not found.get("is_whole") and found.get("read_as", {}).get("format") in KEYED:
        return None  # later rows may have it; what looks mistyped is refused all the same
    elif near is not None and near != asked:
        why = f"{path.name} has no column {asked!r}; did you mean {near!r}? It has {_shown(columns)}"
    else:
        why = f"{path.name}: {message}"
    return f"{field}: {why}"


def _shown(columns: list[str]) -> str:
    more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
    return ", ".join(repr(name[:100]) for name in columns[:SHOWN]) + more
