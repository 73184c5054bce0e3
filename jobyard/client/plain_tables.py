"""Values that the client holds, as a frame of pandas or polars, or a table of PyArrow."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobyard.client.libraries import needed


def frame_of_columns(columns: Mapping[str, Sequence[Any]], library: str, purpose: str) -> Any:
    """A frame of `library` (pandas, polars or pyarrow) with these columns.

    Raises JobyardClientError where the library isn't installed; `purpose` is the method that needs it.
    """
    module = needed(library, purpose)
    if library == "pandas":
        return module.DataFrame({name: list(values) for name, values in columns.items()})
    if library == "polars":
        return module.DataFrame({name: list(values) for name, values in columns.items()}, strict=False)
    return module.table({name: module.array(values) for name, values in columns.items()})
