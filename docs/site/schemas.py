"""JSON Schemas as Markdown: tables of fields with their types, limits and defaults."""

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
# From the name of a schema to what a cell says of it.
Link = Callable[[str], str]

# Between the head of a table of four columns and its rows.
RULE = "| --- | --- | --- | --- |"

LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} entries",
    "maxProperties": "at most {} entries",
}


def fields_table(schema: Schema, link: Link) -> str:
    """One row for each property of an object."""
    required = set(schema.get("required", []))
    rows = [
        row(name, field, required=name in required, link=link)
        for name, field in schema.get("properties", {}).items()
    ]
    return "\n".join(["| field | type | default | meaning |", RULE, *rows])


def row(name: str, field: Schema, *, required: bool, link: Link) -> str:
    """A field, its type with limits, its default, and what it means."""
    default = "required" if required else shown(field.get("default"))
    cells = (f"`{name}`", kind_of(field, link), default, field.get("description", ""))
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def kind_of(field: Schema, link: Link) -> str:
    """The type of a value in words, with its limits."""
    if "$ref" in field:
        return link(field["$ref"].rpartition("/")[2])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in field:
            options = [option for option in field[several] if option.get("type") != "null"]
            return " or ".join(dict.fromkeys(kind_of(option, link) for option in options))
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    return ", ".join([_type(field, link), *limits(field)])


def limits(field: Schema) -> list[str]:
    """What a value has to keep within."""
    return [words.format(_number(field[name])) for name, words in LIMITS.items() if name in field]


def shown(default: Any) -> str:
    """A default as it would be written in JSON; a nested object's is in its own table."""
    if default is None or isinstance(default, dict):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _type(field: Schema, link: Link) -> str:
    if field.get("type") == "array":
        return f"list of {kind_of(field.get('items', {}), link)}"
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"map to {kind_of(field['additionalProperties'], link)}"
    formats = {"uuid": "id", "date-time": "time", "binary": "file"}
    return formats.get(field.get("format", ""), field.get("type", "any"))
