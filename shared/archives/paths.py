"""The paths in an archive: names that some program wrote, on some system."""

import re

from jobyard.shared.archives import limits
from jobyard.shared.archives.members import printable
from jobyard.shared.errors import WorkError


def split_path(name: str) -> tuple[str, ...]:
    """The names on an archive's path. Raises WorkError if it leads, or could lead, out, or is too long."""
    path = name.replace("\\", "/")  # as written by some Windows programs
    if len(path) > limits.MAX_PATH:
        raise WorkError(f"{printable(name)!r}: the path is longer than {limits.MAX_PATH:,} characters")
    if path.startswith("/") or re.match("[A-Za-z]:", path):
        raise WorkError(f"{printable(name)!r}: the archive should have no absolute paths")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts:
        raise WorkError(f"{printable(name)!r}: the archive should have no paths with '..'")
    check_depth(parts)
    return parts


def check_depth(parts: tuple[str, ...]) -> None:
    """Raises WorkError for a path of over limits.MAX_DEPTH names."""
    if len(parts) > limits.MAX_DEPTH:
        raise WorkError(
            f"{printable('/'.join(parts))!r} lies in {len(parts) - 1:,} folders, one inside the other; "
            f"a path should have at most {limits.MAX_DEPTH} names"
        )
