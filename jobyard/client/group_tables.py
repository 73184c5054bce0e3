"""Groups of a scored file as a table."""

from collections.abc import Sequence
from typing import Any

from jobyard.client.errors import Json
from jobyard.client.sentiment import LABELS


def group_columns(groups: Sequence[Json]) -> dict[str, list[Any]]:
    """`value`, `rows`, `nulls`, how many have each label, `mean`, `std`, and the `histogram`."""
    columns: dict[str, list[Any]] = {
        name: [one[name] for one in groups] for name in ("value", "rows", "nulls")
    }
    columns |= {name: [one["labels"][name] for one in groups] for name in LABELS}
    return columns | {name: [one[name] for one in groups] for name in ("mean", "std", "histogram")}
