"""Libraries for tables and pictures, none of which the client needs: they are loaded when they are asked for.

Whether a value is one of theirs is found out without loading them: whoever has such a value has loaded them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from jobyard.client.errors import JobyardClientError

EXTRA = '"jobyard[notebook]"'
# What the extra doesn't bring.
BESIDE = frozenset({"polars"})


def needed(library: str, purpose: str) -> Any:
    """The module. Raises JobyardClientError, which says how to install it, where that can't be imported.

    `purpose` is what needs it, as `to_pandas`.
    """
    try:
        return import_module(library)
    except ImportError:
        name = library.partition(".")[0]
        brought = f"{EXTRA} {name}" if name in BESIDE else EXTRA
        raise JobyardClientError(
            f"{purpose} needs {name}, which is not installed: pip install {brought}"
        ) from None


def installed(library: str) -> Any | None:
    """The module, or None where it can't be imported."""
    if sys.modules.get(library, library) is None:  # its import is blocked
        return None
    try:
        return import_module(library) if find_spec(library.partition(".")[0]) else None
    except (ImportError, ValueError):
        return None


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Errors of other libraries become JobyardClientErrors that begin with `what`."""
    try:
        yield
    except JobyardClientError:
        raise
    except Exception as error:
        line = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise JobyardClientError(f"{what}: {line}") from error


def is_of(value: object, library: str, *names: str) -> bool:
    """Whether a value is of one of these classes of a library, which isn't loaded for that."""
    module = sys.modules.get(library)
    classes = tuple(kind for name in names if isinstance(kind := getattr(module, name, None), type))
    return isinstance(value, classes)


def as_it_is_now(value: Any) -> Any:
    """A frame or series of pandas or polars that stays as it is where the caller changes its rows in place.

    The values are not copied.
    """
    if is_of(value, "pandas", "DataFrame", "Series"):
        return value.copy(deep=False)
    return value.clone() if is_of(value, "polars", "DataFrame", "Series") else value


def has_columns(value: object) -> bool:
    """Whether it is a data frame of any library; one that has yet to be computed is not, for that."""
    return hasattr(type(value), "columns") or "columns" in getattr(value, "__dict__", {})
