"""FIELD=VALUE from a command line, made JSON by the JSON Schema of a kind's spec."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from jobyard.cli.targets import expanded
from jobyard.client.errors import Json
from jobyard.client.suggestions import nearest

WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
UPLOAD = "@"

# What a value should be, by its type in the schema; in the order in which they are tried.
TYPES = {
    "null": "null",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a JSON array",
    "object": "a JSON object",
    "string": "a text",
}
UNREADABLE = object()


class FieldError(click.UsageError):
    """A field or its value is not what the schema says."""


def fill(spec: Json, given: Iterable[str], schema: Json) -> Json:
    """A copy of `spec` with each FIELD=VALUE of `given` in it; `augment.shear=0.2` goes into `augment`.

    A field that is an array may be given several times, an element each, or once as JSON. `@path` is a Path
    where the schema has the id of a file, which is thus to be uploaded. Limits are left to the server.
    Raises FieldError.
    """
    filled = json.loads(json.dumps(spec))
    schemas = _Schemas(schema)
    seen: set[tuple[str, ...]] = set()
    for assignment in given:
        written, equals, text = assignment.partition("=")
        if not equals or not written:
            raise FieldError(f"{assignment}: should be FIELD=VALUE")
        keys, wanted = schemas.locate(written)
        holder = _holder(filled, keys, written)
        value = schemas.read(text, wanted, written)
        if keys not in seen:
            holder[keys[-1]] = value
        elif isinstance(value, list) and isinstance(holder[keys[-1]], list):
            holder[keys[-1]] += value
        else:
            raise FieldError(f"{written}: is given twice")
        seen.add(keys)
    return dict(filled)


def uploads(value: object) -> Iterator[Path]:
    """The files that a filled spec has to have uploaded."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from uploads(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from uploads(inner)


def _holder(spec: Json, keys: tuple[str, ...], written: str) -> Json:
    """The object that holds the last of the keys; made where there is none yet."""
    for key in keys[:-1]:
        spec = spec.setdefault(key, {})
        if not isinstance(spec, dict):
            raise FieldError(f"{written}: {key} is given as {json.dumps(spec)} already")
    return spec


class _Schemas:
    """A JSON Schema with its definitions."""

    def __init__(self, whole: Json) -> None:
        self._whole = whole

    def locate(self, written: str) -> tuple[tuple[str, ...], Json]:
        """The keys that lead to a field, and its schema. Raises FieldError with the nearest name."""
        names = written.split(".")
        keys: list[str] = []
        schema = self._whole
        while names:
            objects = [one for one in self._alternatives(schema) if one.get("type", "object") == "object"]
            known = {name: inner for one in objects for name, inner in one.get("properties", {}).items()}
            free = [inner for one in objects if (inner := _additional(one)) is not None]
            if names[0] in known:
                keys.append(names.pop(0))
                schema = known[keys[-1]]
            elif free:  # a map: what is left of the name is its key, dots and all
                return (*keys, ".".join(names)), free[0]
            else:
                raise FieldError(_no_such_field(written, keys, names[0], known))
        return tuple(keys), schema

    def read(self, text: str, schema: Json, written: str) -> Any:
        """The value that a text stands for. Raises FieldError with what would be right."""
        alternatives = self._alternatives(schema)
        beyond = UNREADABLE
        for kind in TYPES:
            for one in (one for one in alternatives if _type(one) == kind):
                value = _read_as(kind, text, one, written)
                if value is not UNREADABLE and _within(value, one):
                    return value
                beyond = value if beyond is UNREADABLE else beyond
        if (
            beyond is not UNREADABLE
        ):  # a number, and none of its alternatives is a text: the server says its limits
            return beyond
        if any(_type(one) is None for one in alternatives):
            return _json(text, text)
        for one in alternatives:
            if _type(one) == "array":
                return [self.read(text, one.get("items", {}), written)]
        types = set(map(_type, alternatives))
        wanted = " or ".join(words for kind, words in TYPES.items() if kind in types - {"null"})
        raise FieldError(f"{written}: should be {wanted or 'null'}, but is {text!r}")

    def _alternatives(self, schema: Json) -> list[Json]:
        """What a value may be instead: `anyOf`, references and lists of types are resolved."""
        if "$ref" in schema:
            return self._alternatives(self._at(schema["$ref"]))
        for combined in ("anyOf", "oneOf", "allOf"):
            if combined in schema:
                return [found for one in schema[combined] for found in self._alternatives(one)]
        if isinstance(schema.get("type"), list):
            return [{**schema, "type": one} for one in schema["type"]]
        return [schema]

    def _at(self, reference: str) -> Json:
        """The definition that `#/$defs/Augment` names."""
        found: Any = self._whole
        for part in reference.removeprefix("#").split("/")[1:]:
            found = found[part.replace("~1", "/").replace("~0", "~")]
        return dict(found)


def _read_as(kind: str, text: str, schema: Json, written: str) -> Any:
    """The text as a value of one type, or UNREADABLE."""
    match kind:
        case "null":
            return None if text == "null" else UNREADABLE
        case "boolean":
            return {"true": True, "false": False}.get(text.lower(), UNREADABLE)
        case "integer":
            return int(text) if WHOLE_NUMBER.fullmatch(text) else UNREADABLE
        case "number":
            return _number(text)
        case "array":
            return value if isinstance(value := _json(text, None), list) else UNREADABLE
        case "object":
            return value if isinstance(value := _json(text, None), dict) else UNREADABLE
        case _ if schema.get("format") == "uuid" and text.startswith(UPLOAD):
            return _file(text.removeprefix(UPLOAD), written)
        case _ if schema.get("format") == "uuid" and Path(text[:255]).is_file():
            raise FieldError(f"{written}: should be the id of a file; {UPLOAD}{text} uploads it")
    return text


def _type(schema: Json) -> str | None:
    """Its type, perhaps derived from the values that it lists; None if any value is right."""
    if "type" in schema:
        return str(schema["type"])
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return "string" if values and all(isinstance(value, str) for value in values) else None


def _additional(schema: Json) -> Json | None:
    """The schema of values under names that are not listed; None if there may be none."""
    extra = schema.get("additionalProperties", "properties" not in schema)
    if isinstance(extra, dict):
        return extra
    return {} if extra else None


def _within(value: object, schema: Json) -> bool:
    """Whether a number is within its limits; distinguishes it from a text where a field may be either."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return bool(schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf))


def _number(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return UNREADABLE
    if not math.isfinite(value):
        return UNREADABLE
    return int(text) if WHOLE_NUMBER.fullmatch(text) else value


def _json(text: str, otherwise: object) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return otherwise


def _file(path: str, written: str) -> Path:
    found = expanded(path)
    if not found.is_file():
        raise FieldError(f"{written}: there is no file {path}")
    return found


def _no_such_field(written: str, keys: list[str], name: str, known: Iterable[str]) -> str:
    prefix = ".".join([*keys, ""])
    meant = nearest(name, known)
    if meant is not None:
        return f"{written}: there is no such field; did you mean {prefix + meant!r}?"
    if not known:
        return f"{written}: there is no such field; {'.'.join(keys)} has no fields"
    return f"{written}: there is no such field; should be one of {', '.join(prefix + one for one in known)}"
