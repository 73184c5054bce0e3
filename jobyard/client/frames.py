"""Data frames of any library: their columns, and the one that is meant."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from jobyard.client.errors import BadRequest
from jobyard.client.libraries import as_it_is_now, installed, is_of, needed, translated
from jobyard.client.series import Series, is_missing, of_arrow
from jobyard.client.suggestions import nearest
from jobyard.client.types import kind_of

# The column of texts is called so, unless another one is named.
TEXT = "text"
# What pandas calls a type of anything.
OBJECT = "object"
# Of a frame's columns in a message.
SHOWN = 10


class Frame(NamedTuple):
    """A table. `given` is what results are joined to; `column` gives the one at a place."""

    given: Any
    names: Sequence[Hashable]
    rows: int
    column: Callable[[int], Series]
    has_texts: Callable[[int], bool]


def frame_of(value: Any, argument: str) -> Frame | Series | None:
    """A frame, or the series that a stream of Arrow holds; None for what is neither.

    What has `__arrow_c_stream__` or `__dataframe__` is read by PyArrow or polars, as a stream is read once.
    Raises BadRequest for what these can't read, and JobyardClientError where there are neither.
    """
    if is_of(value, "pandas", "DataFrame"):
        return _of_pandas(value)
    if is_of(value, "polars", "LazyFrame"):
        with translated(f"{argument}: the LazyFrame can't be collected"):
            return _of_polars(value.collect())
    if is_of(value, "polars", "DataFrame"):
        return _of_polars(value)
    if is_of(value, "pyarrow", "Table"):
        return _of_arrow(value)
    if is_of(value, "pyarrow", "Array", "ChunkedArray") or is_of(value, "polars", "Series"):
        return None
    if is_of(value, "pandas", "Series", "Index"):
        return None
    if hasattr(value, "__arrow_c_stream__"):
        return _of_stream(value, argument)
    if is_of(value, "pyarrow", "RecordBatch"):
        return _of_arrow(needed("pyarrow", argument).Table.from_batches([value]))
    if hasattr(value, "__dataframe__"):
        return _of_interchange(value, argument)
    return None


def _of_pandas(frame: Any) -> Frame:
    frame = as_it_is_now(frame)
    api = needed("pandas", "a data frame").api.types

    def column(place: int) -> Series:
        return Series(frame.iloc[:, place], rows=len(frame))

    def has_texts(place: int) -> bool:
        kind = frame.dtypes.iloc[place]
        if not isinstance(kind, api.CategoricalDtype) and api.is_string_dtype(kind) and kind != OBJECT:
            return True
        return bool(kind == OBJECT and api.infer_dtype(frame.iloc[:, place], skipna=True) == "string")

    return Frame(frame, list(frame.columns), len(frame), column, has_texts)


def _of_polars(frame: Any) -> Frame:
    frame = as_it_is_now(frame)

    def column(place: int) -> Series:
        return Series(frame.to_series(place), rows=frame.height)

    def has_texts(place: int) -> bool:
        return str(frame.dtypes[place]) == "String"

    return Frame(frame, frame.columns, frame.height, column, has_texts)


def _of_arrow(table: Any) -> Frame:
    def column(place: int) -> Series:
        return of_arrow(table.column(place))

    def has_texts(place: int) -> bool:
        return str(table.schema.field(place).type) in ("string", "large_string", "string_view")

    return Frame(table, table.column_names, table.num_rows, column, has_texts)


def _of_stream(value: Any, argument: str) -> Frame | Series:
    kind = type(value).__name__
    arrow, polars = installed("pyarrow"), installed("polars")
    with translated(f"{argument}: the {kind} can't be read as a table"):
        if arrow is not None:
            array = arrow.chunked_array(value)
            if arrow.types.is_struct(array.type):
                return _of_arrow(arrow.Table.from_struct_array(array))
            return of_arrow(array)
        if polars is not None:
            return _of_polars(polars.DataFrame(value))
    raise _neither(argument, kind)


def _of_interchange(value: Any, argument: str) -> Frame:
    kind = type(value).__name__
    arrow, polars = installed("pyarrow"), installed("polars")
    with translated(f"{argument}: the {kind} can't be read as a table"):
        if arrow is not None:
            return _of_arrow(needed("pyarrow.interchange", argument).from_dataframe(value))
        if polars is not None:
            return _of_polars(polars.from_dataframe(value))
    raise _neither(argument, kind)


def _neither(argument: str, kind: str) -> BadRequest:
    return BadRequest(
        f'{argument}: a {kind} is read with PyArrow, which is not installed: pip install "jobyard[notebook]"'
    )


# ---- which column


def text_place(frame: Frame, wanted: object) -> int:
    """Where the texts are: the column that is named, else `text`, else the only one of texts.

    Raises BadRequest where there is none, or more than one.
    """
    if wanted is not None:
        return place_of(frame.names, wanted, "column")
    if [name for name in frame.names if _is(name, TEXT)] == [TEXT]:
        return place_of(frame.names, TEXT, "column")
    found = [place for place in range(len(frame.names)) if frame.has_texts(place)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadRequest(f"column: the data frame has no column of texts; {_columns(frame.names)}")
    several = _shown([frame.names[one] for one in found])
    raise BadRequest(f"column: should name one of the columns of texts, which are {several}")


def place_of(names: Sequence[Hashable], wanted: object, argument: str) -> int:
    """The place of the column with a name, or else with a number from 1, as {"number": 5} always is.

    Raises BadRequest, which names the nearest.
    """
    if isinstance(wanted, Mapping):
        number: Any = wanted.get("number") if set(wanted) == {"number"} else None
        if _is_number(number, len(names)):
            return int(number) - 1
        raise BadRequest(
            f'{argument}: is {dict(wanted)!r:.80}; should be a name, or {{"number": 1}} to {len(names)}'
        )
    try:
        hash(wanted)
    except TypeError:
        kind = kind_of(wanted)
        raise BadRequest(f"{argument}: is {kind}; should be the name of a column, or its number") from None
    places = [place for place, name in enumerate(names) if _is(name, wanted)]
    if len(places) == 1:
        return places[0]
    if places:
        numbers = " or ".join(f'{{"number": {place + 1}}}' for place in places[:2])
        raise BadRequest(f"{argument}: {len(places)} columns are called {wanted!r:.80}; should be {numbers}")
    if _is_number(wanted, len(names)):
        return int(wanted) - 1  # type: ignore[call-overload,no-any-return]
    near = nearest(str(wanted), map(str, names))
    meant = next((name for name in names if str(name) == near), None)
    hint = "" if near is None else f"; did you mean {meant!r:.80}?"
    raise BadRequest(f"{argument}: there is no column {wanted!r:.80}{hint or ';'} {_columns(names)}")


def _is(name: object, wanted: object) -> bool:
    """Equal, and of one type: 1 is not True, and neither is it 1.0 or "1"."""
    if is_missing(name) or is_missing(wanted) or isinstance(name, bool) != isinstance(wanted, bool):
        return False
    try:
        return bool(name == wanted)
    except (TypeError, ValueError):
        return False


def _is_number(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _columns(names: Sequence[Hashable]) -> str:
    return f"the columns are {_shown(names)}" if names else "there are no columns"


def _shown(names: Sequence[Hashable]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(f"{name!r:.80}" for name in names[:SHOWN]) + more
