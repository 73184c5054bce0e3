"""The kinds of job: what each is to do, what it reads and names, where it runs, and what does it."""

from collections.abc import Mapping
from typing import Any

from jobyard.shared.errors import NotFound
from jobyard.shared.kinds.base import Kind, Parameters, Queue, Reference, Source, Spec
from jobyard.shared.kinds.loading import installed

__all__ = ["Kind", "Parameters", "Queue", "Reference", "Source", "Spec", "by_name", "find", "of", "problems"]


def by_name() -> Mapping[str, Kind[Any]]:
    """All installed kinds, in their order."""
    return installed().kinds


def find(name: str) -> Kind[Any]:
    """The kind of that name. Raises NotFound that names what there is."""
    kinds = by_name()
    if name not in kinds:
        raise NotFound(f"there is no kind {name!r}; there are: {', '.join(kinds)}")
    return kinds[name]


def problems() -> tuple[str, ...]:
    """A line for each installed kind that can't be used."""
    return installed().problems


def of(spec: Spec) -> Kind[Any]:
    """The kind whose spec this is."""
    return next(kind for kind in by_name().values() if kind.Spec is type(spec))
