"""Fields of delimited text as Arrow arrays of strings."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.dialects import Dialect


def with_nulls(array: Any, nulls: Any) -> Any:
    """An array of strings in which those that are among `nulls` are null."""
    found = pc.is_in(array, value_set=nulls)
    return pc.if_else(found, pa.scalar(None, pa.string()), array) if found.true_count else array


def unescaped(array: Any, dialect: Dialect) -> Any:
    """An array of strings without the backslashes that stand before letters."""
    letters = kernels.TEXT_ESCAPES if dialect.quote == "text" else kernels.QUOTE_ESCAPES
    _, offsets, data = array.buffers()
    bytes_in = np.frombuffer(data or b"", np.uint8)
    if not (bytes_in == kernels.BACKSLASH).any():
        return array
    places = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    made, out = np.empty(len(array) + 1, np.int32), np.empty(len(bytes_in), np.uint8)
    size = kernels.unescaped(places, bytes_in, letters, made, out)
    valid = array.is_valid()
    whole = pa.Array.from_buffers(
        pa.string(), len(array), [None, pa.py_buffer(made), pa.py_buffer(out[:size])]
    )
    return pc.if_else(valid, whole, pa.scalar(None, pa.string())) if array.null_count else whole


def strings(buffer: Any, starts: Any, lengths: Any) -> Any:
    """An Arrow array of the fields of `buffer` that `row_kernel.rows_of` found."""
    offsets = np.empty(len(starts) + 1, np.int32)
    data = np.empty(int(lengths.sum(dtype=np.int64)), np.uint8)
    kernels.undoubled(buffer, starts, lengths, offsets, data)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(starts), buffers)
