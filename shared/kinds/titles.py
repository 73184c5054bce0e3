"""What a job is called: its name; without one, what it does."""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jobyard.shared import kinds
from jobyard.shared.jobs import WHOLE_BYTES, restore

# Specs whose JSON is longer have their title stored with them, so that no reader takes them apart.
SHORT_BYTES: Final = 500
NO_FILES: Final[Mapping[str, str]] = {}


def called(
    kind: str,
    spec: str,
    *,
    name: str | None = None,
    does: str | None = None,
    is_part: bool = False,
    cuts: Sequence[Any] = (),
) -> str:
    """A job in at most 200 characters; `spec` is JSON, `does` what is stored of it.

    `cuts` are what its spec lacks in a list.
    """
    if name is not None:
        return name
    if does is not None:
        return does
    if cuts:
        document = restore(json.loads(spec), cuts)
        return of_part(kind, document) if is_part else kinds.title(kind, document, NO_FILES)
    # Clients ask for the same few jobs again and again.
    read = _of_a_short_spec if len(spec) <= WHOLE_BYTES else _of_spec
    return read(kind, spec, is_part)


def of_part(kind: str, spec: Mapping[str, Any]) -> str:
    """A child, by its place among its parent's."""
    if "part" in spec and "parts" in spec:
        return f"part {spec['part'] + 1:,} of {spec['parts']:,}"
    return kinds.label(kind)


def _of_spec(kind: str, spec: str, is_part: bool) -> str:
    document = json.loads(spec)
    return of_part(kind, document) if is_part else kinds.title(kind, document, NO_FILES)


_of_a_short_spec = functools.lru_cache(maxsize=512)(_of_spec)
