"""Values as requests have them: parts of paths, what is left out, what JSON lacks."""

import math
from urllib.parse import quote

from jobyard.client.errors import BadRequest, Json

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


def segment(name: str) -> str:
    """A name as a part of a path: `pets@1`. Raises BadRequest for what is none."""
    try:
        return quote(name, safe="@")
    except (TypeError, UnicodeError):
        raise BadRequest(f"should be a name, but is {name!r}") from None


def not_finite(value: object, path: str = "") -> str | None:
    """Where the first number is that JSON lacks, as `.spec.thresholds.positive: is nan`; None if nowhere."""
    if path.count(".") > DEEPEST:  # it holds itself
        return None
    match value:
        case float() if not math.isfinite(value):
            return f"{path}: is {value}"
        case dict():
            inner = value.items()
        case list() | tuple():
            inner = dict(enumerate(value)).items()
        case _:
            return None
    return next((found for name, one in inner if (found := not_finite(one, f"{path}.{name}"))), None)
