"""Whether a value is what an argument takes, by its type in the signature; what it should be, in words."""

import os
import types
import typing
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from numbers import Integral, Real
from pathlib import Path
from typing import Any

SHOWN_CHARACTERS = 50
# By the type in a signature: what fits it, and what that is called.
SIMPLE: dict[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a text"),
    int: ((Integral,), "a whole number"),
    float: ((Real,), "a number"),
    bool: ((bool, Integral), "True or False"),
    Path: ((os.PathLike,), "a path"),
    uuid.UUID: ((uuid.UUID,), "an id"),
    datetime: ((datetime,), "a moment"),
    type(None): ((type(None),), "None"),
}


def fits(value: object, kind: Any) -> bool:
    """True also for a type about which nothing is known here."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is typing.Literal:
        return isinstance(value, str)
    if origin in (Mapping, dict):
        return isinstance(value, Mapping) and all(fits(one, inner[1]) for one in value.values())
    if typing.is_typeddict(kind):
        return isinstance(value, Mapping)
    if origin in (Sequence, Iterable, list):
        if isinstance(value, str | bytes | Mapping):
            return False
        if isinstance(value, list | tuple | set | frozenset):
            return all(fits(one, inner[0]) for one in value)
        return isinstance(value, Iterable)
    if kind in SIMPLE:
        return isinstance(value, SIMPLE[kind][0])
    is_class = isinstance(kind, type) and kind.__module__ != "typing"
    return not is_class or isinstance(value, kind)


def words(kind: Any) -> str:
    """ "a text or a list of texts"."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        options = dict.fromkeys(words(one) for one in inner if one is not type(None))
        return " or ".join(options)
    if origin is typing.Literal:
        return f"one of {', '.join(map(repr, inner))}"
    if origin in (Sequence, Iterable, list):
        return f"a list, each item {words(inner[0])}"
    if kind in SIMPLE:
        return SIMPLE[kind][1]
    is_mapping = origin in (Mapping, dict) or typing.is_typeddict(kind)
    return "a mapping" if is_mapping else f"a {getattr(kind, '__name__', kind)}"


def shown(value: object) -> str:
    """A value in a message: a simple one as it is written, any other by its type."""
    if value is None or type(value) in (str, bool, float):
        return f"{value!r:.{SHOWN_CHARACTERS}}"
    if type(value) is int:
        return str(value) if value.bit_length() < 100 else "a number of many digits"
    return kind_of(value)


def kind_of(value: object) -> str:
    """The type of a value in a message: "a list", "an int"."""
    name = type(value).__name__
    return f"an {name}" if name[:1] in "aeiouAEIO" else f"a {name}"
