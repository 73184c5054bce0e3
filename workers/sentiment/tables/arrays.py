"""The texts in Arrow's arrays: strings, bytes, dictionaries, JSON, nothing but nulls."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

JSON = "arrow.json"


def plain_type(kind: Any) -> Any:
    """The type of values, without the dictionary that they are in and the extension that they are."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    return plain_type(kind.value_type) if pa.types.is_dictionary(kind) else kind


def is_text(kind: Any) -> bool:
    """Whether Arrow's type is one of strings."""
    kind = plain_type(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_binary(kind: Any) -> bool:
    """Whether Arrow's type is one of bytes, which may be texts that someone wrote without saying so."""
    kind = plain_type(kind)
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def is_json(kind: Any) -> bool:
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == JSON


def may_be_texts(kind: Any) -> bool:
    """Whether values of Arrow's type can be scored."""
    return is_text(kind) or is_binary(kind) or pa.types.is_null(kind)


def strings_of(array: Any) -> Any:
    """The same texts as an array of plain strings, of what they are written as: numbers, too.

    Bytes are taken as UTF-8 without being checked. JSON's strings are what they stand for.
    Raises ArrowException for lists and the like.
    """
    if is_json(array.type):
        return pa.array(map(_text_of_json, strings_of(array.storage).to_pylist()), pa.string())
    if isinstance(array.type, pa.BaseExtensionType):
        return strings_of(array.storage)
    if pa.types.is_string(array.type):
        return array
    if pa.types.is_dictionary(array.type):
        return strings_of(array.cast(array.type.value_type))
    if is_binary(array.type):
        return pc.cast(array.cast(pa.binary()), options=_unchecked)
    return array.cast(pa.string())


_unchecked = pc.CastOptions(target_type=pa.string(), allow_invalid_utf8=True)


def is_utf_8(array: Any) -> bool:
    """Whether all texts in an array are UTF-8, which Arrow takes for granted."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _text_of_json(value: str | None) -> str | None:
    """The text that JSON stands for: a string's own, else the JSON; what is none is a text as it is."""
    if value is None:
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    if found is None:
        return None
    return found if isinstance(found, str) else value


def nested_json(array: Any) -> Any:
    """Which values of an array of JSON are objects or arrays, which are no texts."""
    return pa.array(map(_is_nested, strings_of(array.storage).to_pylist()), pa.bool_())


def _is_nested(value: str | None) -> bool:
    try:
        return value is not None and isinstance(json.loads(value), dict | list)
    except RecursionError:
        return True
    except ValueError:
        return False


def inner_type(schema: Any, columns: list[str], name: str) -> Any:
    """The type of a column, or of what is within structs: `user.name`. None if there is none."""
    path = path_of(schema, columns, name)
    if path is None:
        return None
    kind = schema.field(path[0]).type
    for place in path[1:]:
        kind = kind.field(place).type
    return kind


def path_of(schema: Any, columns: list[str], name: str) -> list[int] | None:
    """The places of a column and of the fields of structs in it."""
    if name in columns:
        return [columns.index(name)]
    for place, column in enumerate(columns):
        if name.startswith(f"{column}."):
            inner = _fields_to(schema.field(place).type, name.removeprefix(f"{column}."))
            if inner is not None:
                return [place, *inner]
    return None


def _fields_to(kind: Any, name: str) -> list[int] | None:
    if not pa.types.is_struct(kind):
        return None
    for place, field in enumerate(kind):
        if field.name == name:
            return [place]
        if name.startswith(f"{field.name}."):
            inner = _fields_to(field.type, name.removeprefix(f"{field.name}."))
            if inner is not None:
                return [place, *inner]
    return None


def names_within(schema: Any) -> list[str]:
    """Of the columns that are structs, the names of their fields: `user.name`."""
    return [
        f"{field.name}.{inner.name}"
        for field in schema
        if pa.types.is_struct(field.type)
        for inner in field.type
    ]


def array_at(batch: Any, path: list[int]) -> Any:
    """What is there; null where what it is in is null."""
    array = batch.column(path[0])
    return array if len(path) == 1 else pc.struct_field(array, path[1:])
