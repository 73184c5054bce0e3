"""Files that a spec names by their paths: uploaded for one job, and deleted again if there is no job."""

import os
import stat
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from jobyard.client.errors import BadRequest
from jobyard.client.parameters import DEEPEST
from jobyard.client.system_paths import told_apart
from jobyard.client.types import shown

# Stands for what is not on the server yet: an upload, or a data set that will have been imported by then.
PENDING = str(uuid.UUID(int=0))

# How addresses begin that the server fetches files from, if its settings allow it.
ADDRESSES = ("https://", "http://", "s3://")


def pending(value: Any) -> Any:
    """A spec as it is checked: with PENDING instead of the paths of files."""
    match value:
        case Path():
            return PENDING
        case uuid.UUID():
            return str(value)
        case dict():
            return {name: pending(inner) for name, inner in value.items()}
        case list() | tuple():
            return [pending(inner) for inner in value]
    return value


def paths(spec: Any) -> dict[str, Path]:
    """Those of the files that a spec names, by their fields: `spec.file`, `spec.images.0`.

    Raises BadRequest for a spec that is deeper than any.
    """
    return dict(_paths(spec, "spec"))


def _paths(value: Any, field: str) -> Iterator[tuple[str, Path]]:
    if field.count(".") > DEEPEST:
        raise BadRequest(f"{'.'.join(field.split('.')[:2])}: is nested too deep, or holds itself")
    match value:
        case Path():
            yield field, value
        case dict():
            for name, inner in value.items():
                yield from _paths(inner, f"{field}.{name}")
        case list() | tuple():
            for place, inner in enumerate(value):
                yield from _paths(inner, f"{field}.{place}")


def names(given: Iterable[Path]) -> dict[Path, str]:
    """What files are called on the server: by their names, those of the same name with folders before it.

    `a/part-0.csv` and `b/part-0.csv` are `a-part-0.csv` and `b-part-0.csv`: a name there has no folders.
    """
    found = {path: path.name for path in given}
    times = Counter(found.values())
    for name in [name for name, count in times.items() if count > 1]:
        # Links stay as they are written.
        found |= told_apart({path: Path(os.path.abspath(path)) for path in found if path.name == name})  # noqa: PTH100
    return found


def check_readable(path: Path, argument: str) -> None:
    """Raises BadRequest for a path that is no file, that can't be read, or that is empty."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
    except (OSError, ValueError) as error:  # a null character
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadRequest(f"{argument}: {path} can't be read: {reason}") from None
    if stat.S_ISREG(status.st_mode) and not status.st_size:
        raise BadRequest(f"{argument}: {path} is empty")


def is_address(file: str) -> bool:
    """Whether it is where the server is to fetch a file from."""
    return file.lower().startswith(ADDRESSES)


def file_or_id(file: str | Path | uuid.UUID, argument: str) -> str | Path:
    """The id or the address of a file, or the path of one that is to be uploaded.

    Raises BadRequest for what is none.
    """
    if isinstance(file, str):
        if is_address(file):
            return file
        with suppress(ValueError):
            return str(uuid.UUID(file))
        return Path(file)
    if isinstance(file, Path | uuid.UUID):
        return file if isinstance(file, Path) else str(file)
    raise BadRequest(
        f"{argument}: is {shown(file)}, and no file; should be a path, or the id of an uploaded one"
    )
