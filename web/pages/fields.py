"""What a form knows of its fields, read off the specs: how to enter them, bounds, choices, defaults, help."""

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

from jobyard.shared import kinds
from jobyard.shared.kinds.base import Kind
from jobyard.shared.kinds.fields import Names

Input = Literal[
    "number",
    "choice",
    "switch",
    "text",
    "column",
    "file",
    "files",
    "lines",
    "pairs",
    "choice or pairs",
    "json",
]


@dataclass(frozen=True)
class Field:
    """One field of a spec. `step` is "any" for numbers with a fraction, "1" for whole ones.

    `noun` says that it names a data set or a model. `defaults` are those of one that has several, by the
    kind's presets: {"compact": "36", "classic": "10"}; it has no `default` then.
    """

    name: str
    input: Input
    required: bool
    default: Any
    help: str
    least: float | None
    most: float | None
    step: str
    choices: tuple[str, ...]
    noun: str | None
    defaults: Mapping[str, str]

    @property
    def label(self) -> str:
        """`learning_rate` → "Learning rate"."""
        return self.name.replace("_", " ").replace(".", ": ").capitalize()


@cache
def fields_of(kind: str) -> dict[str, Field]:
    """The fields of a kind's spec by their dotted names: `augment.shear`. An unknown kind has none."""
    declared = kinds.by_name().get(kind)
    if declared is None:
        return {}
    return {field.name: field for field in _fields(declared, declared.Spec, "")}


def _fields(kind: Kind[Any], model: type[BaseModel], prefix: str) -> list[Field]:
    schema = model.model_json_schema()
    found = []
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found += _fields(kind, info.annotation, f"{prefix}{name}.")
        else:
            noun = _noun([info.annotation, *info.metadata])
            found.append(
                _field(kind, f"{prefix}{name}", schema["properties"][name], info.is_required(), noun)
            )
    return found


def _field(kind: Kind[Any], name: str, schema: dict[str, Any], required: bool, noun: str | None) -> Field:
    # An optional field is "anyOf" its type and null.
    types = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    type_ = types[0]
    presets = kind.presets[1] if kind.presets else {}
    given = {value: _at(preset, name) for value, preset in presets.items()}
    varies = any(value is not None for value in given.values())
    each = {
        value: str(schema.get("default") if default is None else default)
        for value, default in given.items()
        # A preset may leave a field open, and a field may be for one preset only.
        if default is not None or (name not in presets[value] and schema.get("default") is not None)
    }
    return Field(
        name=name,
        input=_input(types),
        required=required,
        default=None if varies else schema.get("default"),
        help=schema.get("description", type_.get("description", "")),
        least=type_.get("minimum"),
        most=type_.get("maximum"),
        step="1" if type_.get("type") == "integer" else "any",
        choices=tuple(type_.get("enum", (type_["const"],) if "const" in type_ else ())),
        noun=noun,
        defaults=each if varies else {},
    )


def _input(types: list[dict[str, Any]]) -> Input:
    if len(types) > 1:
        return _input_of_one_of(types)
    match types:
        case [{"enum": _} | {"const": _}]:
            return "choice"
        case [{"type": "boolean"}]:
            return "switch"
        case [{"type": "integer" | "number"}]:
            return "number"
        case [{"type": "string", "format": "uuid"}]:
            return "file"
        case [{"type": "string"}]:
            return "text"
        case [{"type": "array", "items": {"format": "uuid"} | {"anyOf": [{"format": "uuid"}, *_]}}]:
            return "files"
        case [{"type": "array", "items": {"type": "string"}}]:
            return "lines"
        case [{"type": "object", "additionalProperties": {"type": "number"}}]:
            return "pairs"
    return "json"


def _input_of_one_of(types: list[dict[str, Any]]) -> Input:
    match types:
        case [{"enum": _} | {"const": _}, {"type": "object", "additionalProperties": {"type": "number"}}]:
            return "choice or pairs"
        case [{"type": "string"}, {"type": "integer"}, *_]:
            return "column"
        case [{"format": "uuid"}, {"type": "string"}]:  # an upload's id, or an address
            return "file"
    return "json"


def _noun(annotations: list[Any]) -> str | None:
    """What a field names, as its type says, however deep: `DatasetReference | None`."""
    for one in annotations:
        if isinstance(one, Names):
            return one.noun
        if (inner := _noun([*typing.get_args(one)])) is not None:
            return inner
    return None


def _at(preset: Any, name: str) -> Any:
    """What a preset has for `augment.shear`; None if nothing."""
    for part in name.split("."):
        preset = preset.get(part) if isinstance(preset, dict) else None
    return preset
