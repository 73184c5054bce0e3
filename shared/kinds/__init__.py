"""The kinds of job, each with its spec, what it reads and names, its queue and its work."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jobyard.shared.errors import NotFound
from jobyard.shared.kinds.base import Kind, Parameters, Queue, Reference, Source, Spec
from jobyard.shared.kinds.loading import installed
from jobyard.shared.kinds.preview import Preview

log = logging.getLogger(__name__)

TITLE_CHARACTERS: Final = 200
# Of these only the server itself asks for jobs: they are in no list or form, and no request can name them.
INTERNAL: Final[Mapping[str, Kind[Any]]] = {kind.name: kind for kind in [Preview()]}

__all__ = [
    "INTERNAL",
    "Kind",
    "Parameters",
    "Queue",
    "Reference",
    "Source",
    "Spec",
    "any_of",
    "by_name",
    "every",
    "find",
    "label",
    "links",
    "of",
    "of_job",
    "problems",
    "title",
    "wrong_field",
]


def by_name() -> Mapping[str, Kind[Any]]:
    """The installed kinds that may be asked for, by their names, in their order."""
    return installed().kinds


def every() -> tuple[Kind[Any], ...]:
    """The installed kinds and the internal ones."""
    return (*by_name().values(), *INTERNAL.values())


def of_job(name: str) -> Kind[Any] | None:
    """The kind of a job that there is, which may be internal. None if it is not installed."""
    return installed().kinds.get(name) or INTERNAL.get(name)


def find(name: str) -> Kind[Any]:
    """The kind of that name that may be asked for. Raises NotFound, which lists them."""
    kinds = by_name()
    if name not in kinds:
        raise NotFound(f"there is no kind {name!r}; should be one of {', '.join(kinds)}")
    return kinds[name]


def any_of(name: str) -> Kind[Any]:
    """The kind of that name, which may be internal. Raises NotFound, as `find` does."""
    return of_job(name) or find(name)


def title(kind: str, spec: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """A job in a few words; of a kind that is not installed, or that fails at it, the kind alone.

    At most TITLE_CHARACTERS: the rest is cut.
    """
    declared = of_job(kind)
    if declared is None:
        return kind
    try:
        found = str(declared.title(spec, files))
        return found if len(found) <= TITLE_CHARACTERS else f"{found[: TITLE_CHARACTERS - 1]}…"
    except Exception as error:  # noqa: BLE001 - a list of jobs is shown all the same
        log.warning("the kind %r can't name a job: %s: %s", kind, type(error).__name__, error)
        return declared.label


def label(kind: str) -> str:
    """A kind's name for people: "Training"; of one that is not installed, its own name."""
    declared = of_job(kind)
    return kind if declared is None else declared.label


def links(kind: str, spec: str) -> Sequence[str]:
    """What a job has beside events and files; nothing where its kind is unknown, or fails at it."""
    declared = of_job(kind)
    if declared is None:
        return ()
    try:
        return declared.links(spec)
    except Exception as error:  # noqa: BLE001 - the job is answered all the same
        log.warning("the kind %r can't say what a job has: %s: %s", kind, type(error).__name__, error)
        return ()


def wrong_field(kind: str, spec: Mapping[str, Any], error: str) -> str | None:
    """The field that a failed job's error is about; None where its kind is unknown, or fails at it."""
    declared = of_job(kind)
    if declared is None:
        return None
    try:
        return declared.wrong_field(spec, error)
    except Exception as failure:  # noqa: BLE001 - the job's page is shown all the same
        log.warning("the kind %r can't say what was wrong: %s: %s", kind, type(failure).__name__, failure)
        return None


def problems() -> tuple[str, ...]:
    """A line for each installed kind that can't be used."""
    return installed().problems


def of(spec: Spec) -> Kind[Any]:
    """The kind whose spec this is."""
    return next(kind for kind in every() if kind.Spec is type(spec))
