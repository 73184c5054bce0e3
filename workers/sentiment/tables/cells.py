"""Rows of scored files as text: CSV or JSON."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobyard.shared.errors import WorkError
from jobyard.workers.sentiment.summary import NO_LABEL
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.arrays import is_binary, is_json, is_text, is_utf_8, strings_of
from jobyard.workers.sentiment.vader.labels import LABELS

NUMBERS = ("neg", "neu", "pos", "compound")
SCORE_COLUMNS = (*NUMBERS, "label")

_labels = pa.array(LABELS)
# NLTK rounds shares to 3 decimals and the compound to 4: all there can be, as Python writes them.
_thousandths = pa.array([repr(number / 1_000) for number in range(1_001)])
_compounds = pa.array([repr(number / 10_000) for number in range(-10_000, 10_001)])


class Scored(NamedTuple):
    """Scores of rows: float64 arrays, NaN for none, and the indices of labels, NO_LABEL for none."""

    neg: npt.NDArray[np.float64]
    neu: npt.NDArray[np.float64]
    pos: npt.NDArray[np.float64]
    compound: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int8]

    @property
    def nulls(self) -> npt.NDArray[np.bool_]:
        """Which rows have no scores."""
        return np.equal(self.labels, NO_LABEL)

    @property
    def label_array(self) -> Any:
        """The labels as an Arrow array of strings."""
        return _labels.take(pa.array(self.labels, mask=self.nulls))


def renamed(columns: Sequence[str]) -> dict[str, str]:
    """What the original columns are called in a scored file: one like ours becomes `NAME_original`.

    In any case of letters: DuckDB and Spark don't tell `Label` from `label`.
    """
    taken = {name.lower() for name in (*columns, *SCORE_COLUMNS)}
    names = {}
    for column in columns:
        name = column
        if column.lower() in SCORE_COLUMNS:
            while name.lower() in taken:
                name += "_original"
            taken.add(name.lower())
        names[column] = name
    return names


class Cells(NamedTuple):
    """A column as it is written: a string array, what comes before each, its style, and what null is."""

    array: Any
    prefix: bytes
    style: int
    null: bytes


def lines_of(count: int, columns: list[Cells], end: bytes) -> Any:
    """Rows, each of which has a cell of every column and ends with `end`."""
    columns = [*columns, Cells(pa.array([""] * count, pa.string()), end, kernels.PLAIN, b"")]
    sizes = np.zeros(count, np.int64)
    buffers = [_buffers(column.array) for column in columns]
    for column, (offsets, data, nulls) in zip(columns, buffers, strict=True):
        kernels.measure(offsets, data, nulls, len(column.null), len(column.prefix), column.style, sizes)
    cursors = np.cumsum(sizes) - sizes
    out = np.empty(int(sizes.sum()), np.uint8)
    for column, (offsets, data, nulls) in zip(columns, buffers, strict=True):
        prefix, null = np.frombuffer(column.prefix, np.uint8), np.frombuffer(column.null, np.uint8)
        kernels.put(offsets, data, nulls, null, prefix, column.style, cursors, out)
    return out


def _buffers(array: Any) -> tuple[Any, Any, Any]:
    _, offsets, data = array.buffers()
    nulls = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else np.empty(0, np.bool_)
    return (
        np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1],
        np.frombuffer(data or b"", np.uint8),
        nulls,
    )


def score_cells(scored: Scored, prefixes: list[bytes], style: int, null: bytes) -> list[Cells]:
    nulls = scored.nulls
    texts = [_thousandths.take(_indices(numbers * 1_000, nulls)) for numbers in scored[:3]]
    texts.append(_compounds.take(_indices(scored.compound * 10_000 + 10_000, nulls)))
    cells = [Cells(text, prefix, kernels.PLAIN, null) for text, prefix in zip(texts, prefixes, strict=False)]
    return [*cells, Cells(scored.label_array, prefixes[-1], style, null)]


def _indices(numbers: npt.NDArray[np.float64], nulls: npt.NDArray[np.bool_]) -> Any:
    return pa.array(np.rint(np.where(nulls, 0, numbers)).astype(np.int32), mask=nulls)


def values_of(array: Any, style: int, as_text: Callable[[Any], str | None]) -> tuple[Any, int]:
    """A column as strings, and how they are written: `style` if they are texts."""
    kind = array.type
    if is_text(kind):
        return strings_of(array.storage if is_json(kind) else array), style
    if is_binary(kind) and is_utf_8(texts := strings_of(array)):
        return texts, style
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return array.cast(pa.string()), kernels.PLAIN
    texts = pa.array(map(as_text, _values(array)), pa.string())
    if style == kernels.JSON:
        return texts, kernels.PLAIN
    is_number = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return texts, kernels.CSV if is_number else style


def _values(array: Any) -> list[Any]:
    """As Python's objects. Times that Python can't hold, by a nanosecond or by millennia, are strings."""
    try:
        found: list[Any] = array.to_pylist()
    except (ValueError, OverflowError):
        try:
            found = array.cast(_without_times(array.type)).to_pylist()
        except ValueError:  # two fields of a struct have one name
            raise WorkError(
                f"a column is {str(array.type)[:200]}, which can't be written as JSON or CSV; "
                "`format` should be parquet"
            ) from None
    return found


def _without_times(kind: Any) -> Any:
    """The same type with strings in the place of dates, times and durations."""
    if pa.types.is_duration(kind):
        return pa.int64()
    if pa.types.is_temporal(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_times(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_without_times(kind.key_type), _without_times(kind.item_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_without_times(kind.value_type)))
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_without_times(kind.value_type)))
    return kind


def key_of(name: str) -> bytes:
    return f"{json.dumps(name, ensure_ascii=False)}: ".encode()


def as_json(value: Any) -> str | None:
    """JSON of a value of Parquet. NaN and infinity, which JSON lacks, are null."""
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return None if value is None else json.dumps(_plain(value), ensure_ascii=False)


def as_csv(value: Any) -> str | None:
    if value is None:
        return None
    value = _plain(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """The same out of what JSON has: dates, decimals and the like as strings."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if np.isfinite(value) else str(value)
        case bytes():
            return value.decode(errors="backslashreplace")
        case list() | tuple():
            return [_plain(one) for one in value]
        case dict():
            return {str(key): _plain(one) for key, one in value.items()}
    return str(value)
