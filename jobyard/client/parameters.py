"""Values as requests have them: parts of paths, what is left out, what JSON lacks."""

import math
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from jobyard.client.errors import BadRequest, Json, NotFound
from jobyard.client.types import shown

# No request is nested deeper.
DEEPEST = 50
# So many items of a list are asked for at once.
PAGE = 200


def given(params: Json) -> Json:
    """Without those that are None: they take the server's defaults."""
    return {name: value for name, value in params.items() if value is not None}


def at_most(limit: int | None) -> int | None:
    """How many items of a list are asked for; None for all. Raises BadRequest for what is no number."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise BadRequest(f"limit: should be a whole number from 0, or None for all, but is {limit!r:.50}")
    return limit


def segment(name: str, argument: str) -> str:
    """A name as a part of a path: `pets@1`. Raises BadRequest for what is none."""
    if isinstance(name, str) and name not in ("", ".", ".."):
        try:
            return quote(name, safe="@")
        except UnicodeError:
            pass
    raise BadRequest(f"{argument}: should be a name, but is {shown(name)}")


def id_segment(value: str | uuid.UUID, argument: str, of: str) -> str:
    """An id as a part of a path. Raises NotFound for what can't be one."""
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise NotFound(f"{argument}: should be the id of {of}, but is {shown(value)}") from None


def query(params: Json) -> str:
    """The part of an address behind its `?`, of what is not None. Raises BadRequest."""
    try:
        return urlencode(given(params))
    except Exception as error:  # noqa: BLE001 - of values whose own methods fail, too
        raise BadRequest(unsendable(params) or f"the request can't be sent: {error}") from None


def is_header(value: object) -> bool:
    """Whether it can be the value of a header."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and value == value.strip()


def plain(value: Any) -> Any:
    """A value with Python's numbers in place of NumPy's; others stay as they are."""
    match value:
        case dict():
            return {key: plain(one) for key, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
    is_scalar = hasattr(value, "dtype") and getattr(value, "ndim", None) == 0
    return value.item() if is_scalar else value


def unsendable(value: object, path: str = "", depth: int = 0) -> str | None:
    """Where the first value is that no request can hold, and why: `spec.thresholds.positive: is nan; …`.

    None if there is none.
    """
    if depth > DEEPEST:
        return f"{path.partition('.')[0]}: is nested too deep, or holds itself"
    match value:
        case None | bool() | int():
            return None
        case str():
            return f"{path}: has half of a surrogate pair, which is no character" if _is_half(value) else None
        case float():
            return None if math.isfinite(value) else f"{path}: is {value}; should be a finite number"
        case dict() | list() | tuple():
            found = (unsendable(one, where, depth + 1) for where, one in _inside(value, path))
            return next(filter(None, found), None)
    return (
        f"{path}: is {shown(value)}, which JSON doesn't have; should be a text, a number, a list or a mapping"
    )


def _inside(value: object, path: str) -> Iterator[tuple[str, object]]:
    """What a mapping or a list holds, and where; keys that JSON lacks are values that it lacks."""
    dot = "." if path else ""
    if isinstance(value, Mapping):
        for key, one in value.items():
            is_key = isinstance(key, str | int | float | bool | None) and not _is_half(str(key))
            yield (f"{path}{dot}{key}", one) if is_key else (path, key)
    elif isinstance(value, list | tuple):
        yield from ((f"{path}{dot}{place}", one) for place, one in enumerate(value))


def _is_half(text: str) -> bool:
    return any("\ud800" <= one <= "\udfff" for one in text)
