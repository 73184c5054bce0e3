"""One column of values: a list, an array, or a series of any library; and which of its values are missing."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from decimal import Decimal
from typing import Any, NamedTuple

from jobyard.client.errors import BadRequest
from jobyard.client.libraries import as_it_is_now, has_columns, is_of, needed
from jobyard.client.types import kind_of

# What pandas and NumPy call values that are missing.
MISSING = frozenset({"NAType", "NaTType", "MaskedConstant"})
# Arrow makes Python's objects of so many values at a time.
CHUNK_ROWS = 10_000


class Series(NamedTuple):
    """Values in their order; `given` is what results are joined to, None of what is read only once.

    `rows` is how many there are, if that is known before they are read.
    """

    values: Iterable[object]
    name: str | None = None
    given: Any = None
    rows: int | None = None


TEXTS = 'should be a text, a list of texts, a data frame, or a column of one, as frame["text"]'


def series_of(values: object, argument: str, right: str = TEXTS) -> Series:
    """A series of what is a list, an array, a column or a generator.

    Raises BadRequest for anything else, which says what would be right.
    """
    if isinstance(values, bytes | bytearray | memoryview | Mapping | Set) or has_columns(values):
        raise BadRequest(f"{argument}: is {kind_of(values)}; {right}")
    if is_of(values, "pandas", "Series", "Index"):
        pandas: Any = as_it_is_now(values)
        return Series(pandas, _named(pandas.name), pandas, len(pandas))
    if is_of(values, "polars", "Series"):
        polars: Any = as_it_is_now(values)
        return Series(polars, _named(polars.name), polars, len(polars))
    if is_of(values, "numpy", "ndarray"):
        return _of_numpy(values, argument)
    if is_of(values, "pyarrow", "Array", "ChunkedArray"):
        return of_arrow(values)
    if hasattr(values, "__arrow_c_array__"):
        return of_arrow(needed("pyarrow", argument).array(values))
    if isinstance(values, list | tuple):
        return Series(values, rows=len(values))
    try:
        return Series(iter(values))  # type: ignore[call-overload]
    except TypeError:
        raise BadRequest(f"{argument}: is {kind_of(values)}; {right}") from None


def of_arrow(array: Any) -> Series:
    """Of an Array or ChunkedArray of PyArrow."""
    return Series(_of_chunks(array), None, array, len(array))


def _of_chunks(array: Any) -> Iterator[object]:
    for start in range(0, len(array), CHUNK_ROWS):
        yield from array.slice(start, CHUNK_ROWS).to_pylist()


def _of_numpy(array: Any, argument: str) -> Series:
    if array.ndim != 1:
        raise BadRequest(f"{argument}: has {array.ndim} dimensions; should have one, as array.ravel() gives")
    if array.dtype.kind == "S":
        raise BadRequest(
            f"{argument}: is an array of bytes; should be of texts, as numpy.strings.decode(array) gives"
        )
    return Series(array.tolist(), rows=len(array))


def _named(name: object) -> str | None:
    return name if isinstance(name, str) else None


def is_missing(value: object) -> bool:
    """Whether it stands for no value: None, NaN, or what pandas and NumPy have for that."""
    if value is None:
        return True
    if isinstance(value, float):
        return value != value
    if isinstance(value, Decimal):
        return value.is_nan()
    if type(value).__name__ in MISSING:
        return True
    if is_of(value, "numpy", "floating"):
        return bool(value != value)
    return is_of(value, "numpy", "datetime64", "timedelta64") and bool(sys.modules["numpy"].isnat(value))
