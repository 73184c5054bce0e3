"""Finds the installed kinds: the built-in ones and those of other packages alike."""

import functools
import importlib.resources
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final

from jobyard.shared.kinds.base import Kind, Parameters, Queue, Spec

GROUP: Final = "jobyard.kinds"
NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
# What every kind has to declare.
NEEDED: Final = ("name", "queue", "Spec", "work", "label", "action")
WORK: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Installed:
    """The kinds by name, in their order, and a line for each one that can't be used."""

    kinds: Mapping[str, Kind[Any]]
    problems: tuple[str, ...]


class _Wrong(Exception):
    """What is wrong with a declaration."""


@functools.cache
def installed() -> Installed:
    """What is installed now; a package that is installed later takes a new process.

    A kind that fails to load hurts no other kind: it is left out, and `problems` says why.
    """
    kinds: dict[str, Kind[Any]] = {}
    problems = []
    for entry in sorted(entry_points(group=GROUP), key=_rank):
        try:
            kind = _load(entry)
            if kind.name in kinds:
                raise _Wrong("a kind of that name exists already; it should have another name")
            if kind.Spec.__name__ in {other.Spec.__name__ for other in kinds.values()}:
                raise _Wrong(
                    f"another kind's Spec is called {kind.Spec.__name__} too; it should have another name"
                )
            kinds[kind.name] = kind
        except Exception as error:  # noqa: BLE001 - whatever a foreign package does, the others work
            why = str(error) if isinstance(error, _Wrong) else f"{type(error).__name__}: {error}"
            problems.append(f"the kind {entry.name!r} of {_package(entry)} can't be used: {_line(why)}")
    in_order = sorted(kinds.values(), key=lambda kind: kind.order)
    return Installed(MappingProxyType({kind.name: kind for kind in in_order}), tuple(problems))


def _rank(entry: EntryPoint) -> tuple[bool, str, str]:
    """The built-in kinds first: no other package takes a name from them."""
    package = entry.dist.name if entry.dist else ""
    return package != "jobyard", package, entry.name


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _line(text: str) -> str:
    return " ".join(text.split()) or "no reason was given"


def _load(entry: EntryPoint) -> Kind[Any]:
    declared = entry.load()
    if not (isinstance(declared, type) and issubclass(declared, Kind)):
        raise _Wrong(f"{entry.value} should be a subclass of jobyard.shared.kinds.base.Kind")
    missing = [name for name in NEEDED if not hasattr(declared, name)]
    missing += sorted(getattr(declared, "__abstractmethods__", ()))
    if missing:
        raise _Wrong(f"{declared.__name__} should define {', '.join(missing)}")
    kind = declared()
    if not (isinstance(kind.name, str) and NAME.fullmatch(kind.name)):
        raise _Wrong(f"name should be lower-case letters, digits and '-', at most 32, but is {kind.name!r}")
    if kind.name != entry.name:
        raise _Wrong(f"name should be that of the entry point, {entry.name!r}, but is {kind.name!r}")
    if kind.queue not in list(Queue):
        raise _Wrong(f"queue should be one of {', '.join(Queue)}, but is {kind.queue!r}")
    if not (isinstance(kind.Spec, type) and issubclass(kind.Spec, Spec)):
        raise _Wrong("Spec should be a subclass of jobyard.shared.kinds.base.Spec")
    if kind.Part is not None and not (isinstance(kind.Part, type) and issubclass(kind.Part, Parameters)):
        raise _Wrong("Part should be a subclass of jobyard.shared.kinds.base.Parameters")
    if not (isinstance(kind.work, str) and WORK.fullmatch(kind.work)):
        raise _Wrong(f"work should be 'package.module:function', but is {kind.work!r}")
    if kind.templates is not None and not _has_templates(kind.templates):
        raise _Wrong(f"templates should be a package with a folder `templates`, but is {kind.templates!r}")
    kind.Spec.model_json_schema()  # raises where a field's type has no schema
    return kind


def _has_templates(package: str) -> bool:
    try:
        return importlib.resources.files(package).joinpath("templates").is_dir()
    except (ImportError, TypeError, AttributeError, ValueError):
        return False
