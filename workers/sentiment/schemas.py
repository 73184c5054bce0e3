"""The columns of several Parquet files as one table: by their names, as DuckDB's union_by_name has them."""

import base64
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from jobyard.shared.errors import WorkError


def united(schemas: Sequence[Any], names: Sequence[str]) -> Any:
    """A schema with the columns of all, which may be null where a file lacks them. `names` are the files'.

    Of types that differ it has the one that holds both, as double for whole numbers and others. Raises
    WorkError where there is none.
    """
    fields: dict[str, Any] = {}
    first: dict[str, str] = {}
    for schema, name in zip(schemas, names, strict=True):
        for field in schema:
            column = field.name
            known = fields.get(column)
            fields[column] = field if known is None else _wider(known, field, first[column], name)
            first.setdefault(column, name)
    lacking = set(missing(schemas))
    return pa.schema(
        [field.with_nullable(field.nullable or name in lacking) for name, field in fields.items()],
        schemas[0].metadata,
    )


def missing(schemas: Sequence[Any]) -> list[str]:
    """The columns that not all have."""
    names = dict.fromkeys(name for schema in schemas for name in schema.names)
    return [name for name in names if any(name not in schema.names for schema in schemas)]


def _wider(known: Any, field: Any, first: str, name: str) -> Any:
    nullable = known.nullable or field.nullable
    if known.type == field.type:
        return known.with_nullable(nullable)
    try:
        plain = [pa.schema([one.with_metadata(None)]) for one in (known, field)]
        kind = pa.unify_schemas(plain, promote_options="permissive").field(0).type
    except pa.ArrowException:
        raise WorkError(
            f"column {field.name!r} is {known.type} in {first} and {field.type} in {name}; Parquet files "
            "that are scored as one should have columns of the same types"
        ) from None
    return known.with_type(kind).with_nullable(nullable)


def to_text(schema: Any) -> str:
    """For `from_text`: what JSON can hold."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def from_text(text: str) -> Any:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
