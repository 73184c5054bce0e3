"""What a form knows of its fields, read off the specs: bounds, choices, defaults, help."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from jobyard.shared.kinds.submission import SPECS
from jobyard.shared.kinds.train import RECIPES


@dataclass(frozen=True)
class Field:
    """One field of a spec. `step` is "any" for numbers with a fraction, "1" for whole ones.

    `varies` says the defaults of one that has several, "compact: 36, classic: 10"; it has no `default` then.
    """

    name: str
    required: bool
    default: Any
    help: str
    least: float | None
    most: float | None
    step: str
    choices: tuple[str, ...]
    varies: str


@cache
def fields_of(kind: str) -> dict[str, Field]:
    """The fields of a kind's spec by their dotted names: `epochs`, `augment.shear`."""
    return {field.name: field for field in _fields(SPECS[kind], "")}


def _fields(model: type[BaseModel], prefix: str) -> list[Field]:
    schema = model.model_json_schema()
    found = []
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found += _fields(info.annotation, f"{prefix}{name}.")
        else:
            found.append(_field(f"{prefix}{name}", schema["properties"][name], info.is_required()))
    return found


def _field(name: str, schema: dict[str, Any], required: bool) -> Field:
    # An optional field is "anyOf" its type and null.
    kind = schema["anyOf"][0] if "anyOf" in schema else schema
    defaults = {network: _at(recipe, name) for network, recipe in RECIPES.items()}
    varies = any(value is not None for value in defaults.values())
    each = [
        f"{network}: {schema.get('default') if value is None else value}"
        for network, value in defaults.items()
    ]
    return Field(
        name=name,
        required=required,
        default=None if varies else schema.get("default"),
        help=schema.get("description", kind.get("description", "")),
        least=kind.get("minimum"),
        most=kind.get("maximum"),
        step="1" if kind.get("type") == "integer" else "any",
        choices=tuple(kind.get("enum", (kind["const"],) if "const" in kind else ())),
        varies=", ".join(each) if varies else "",
    )


def _at(recipe: Any, name: str) -> Any:
    """What a recipe has for `augment.shear`; None if nothing."""
    for part in name.split("."):
        recipe = recipe.get(part) if isinstance(recipe, dict) else None
    return recipe
