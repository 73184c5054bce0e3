"""Results beside what they were made from: a frame or a series that was given, and columns that a job made.

Row i of the result belongs to row i of what was given, whose own columns, types and index stay as they are.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from jobyard.client.errors import JobyardClientError
from jobyard.client.libraries import is_of, needed, translated

# What a column that was given is renamed to where a result's is called so, as in a scored file.
SUFFIX = "_original"


def library_of(given: object) -> str | None:
    """Whose frame or series it is: pandas, polars or pyarrow; None for anything else."""
    if is_of(given, "pandas", "DataFrame", "Series", "Index"):
        return "pandas"
    if is_of(given, "polars", "DataFrame", "Series"):
        return "polars"
    if is_of(given, "pyarrow", "Table", "Array", "ChunkedArray"):
        return "pyarrow"
    return None


def joined(given: Any, made: Any, rows: Any, name: str) -> Any:
    """`given` as a frame of its own library, at the places `rows` or all, and the columns of `made`.

    `made` is a table of PyArrow with as many rows as `given`, or a frame of polars where that is one; `rows`
    is a list of numbers. A series without a name becomes the column `name`.
    """
    count = made.height if hasattr(made, "height") else made.num_rows
    if len(given) != count:
        raise JobyardClientError(
            f"the job has {count:,} rows, and what was given has {len(given):,}: was it changed since, or "
            "did the job leave out broken rows? The job fetched anew, client.job(id), gives its own columns"
        )
    library = library_of(given)
    if library == "pandas":
        return _in_pandas(given, made, rows, name)
    return _in_polars(given, made, rows, name) if library == "polars" else _in_arrow(given, made, rows, name)


def converted(table: Any, library: str, purpose: str, given: Any = None) -> Any:
    """A table of one of these libraries as one of another. Raises JobyardClientError where it can't be.

    What is the index in pandas becomes columns in the others, unless that of `given` only counts the rows.
    """
    if library_of(table) == library:
        return table
    target = needed(library, purpose)
    with translated(f"{purpose}: the data frame that was given can't be converted"):
        if library == "pandas":
            needed("pyarrow", purpose)
            return table.to_pandas()
        if library_of(table) == "pandas":
            if library == "pyarrow":
                return target.Table.from_pandas(table, preserve_index=not _counts(given))
            return target.from_pandas(table if _counts(given) else _flat(table))
        return target.from_arrow(table) if library == "polars" else table.to_arrow()


def _flat(table: Any) -> Any:
    """A frame of pandas whose index is columns before the others, under names that only they have.

    A level without a name is called as `reset_index` calls it: "index", or "level_0" and so on of several.
    """
    names, levels = {str(name) for name in table.columns}, list(table.index.names)
    flat = []
    for place, level in enumerate(levels):
        name = str(level) if level is not None else "index" if len(levels) == 1 else f"level_{place}"
        while name in names:
            name += "_index"
        names.add(name)
        flat.append(name)
    return table.set_axis([str(name) for name in table.columns], axis="columns").reset_index(names=flat)


def _counts(given: Any) -> bool:
    """Whether the index of a frame or series only numbers its rows from 0; an index has none."""
    index = getattr(given, "index", None)
    return (
        index is None
        or is_of(given, "pandas", "Index")
        or (
            is_of(index, "pandas", "RangeIndex")
            and index.start == 0
            and index.step == 1
            and index.name is None
        )
    )


def _in_pandas(given: Any, made: Any, rows: Any, name: str) -> Any:
    pandas = needed("pandas", "to_pandas()")
    if is_of(given, "pandas", "Index"):
        given = given.to_frame(index=False, name=name if given.name is None else given.name)
    if is_of(given, "pandas", "Series"):
        given = given.to_frame(name if given.name is None else given.name)
    frame = given.copy(deep=False) if rows is None else given.iloc[rows]
    ours = taken(made, rows).to_pandas()
    names = list(frame.columns)
    if isinstance(frame.columns, pandas.MultiIndex):
        heads = _renamed([one[0] for one in names], ours.columns)
        tuples = [(head, *one[1:]) for head, one in zip(heads, names, strict=True)]
        tuples += [(one, *[""] * (frame.columns.nlevels - 1)) for one in ours.columns]
        columns = pandas.MultiIndex.from_tuples(tuples, names=frame.columns.names)
    else:
        columns = pandas.Index(
            [*_renamed(names, ours.columns), *ours.columns], tupleize_cols=False, name=frame.columns.name
        )
        columns = (
            columns if frame.columns.empty or columns.dtype == frame.columns.dtype else columns.astype(object)
        )
    # By places: no name has to be the only one of its kind.
    frame = frame.set_axis(range(len(names)), axis="columns")
    for place, one in enumerate(ours.columns):
        frame.insert(len(names) + place, len(names) + place, ours[one].array)
    return frame.set_axis(columns, axis="columns")


def _in_polars(given: Any, made: Any, rows: Any, name: str) -> Any:
    polars = needed("polars", "to_polars()")
    if isinstance(given, polars.Series):
        given = given.alias(given.name or name).to_frame()
    ours = made if isinstance(made, polars.DataFrame) else polars.from_arrow(made)
    given, ours = taken(given, rows), taken(ours, rows)
    given = given.rename(dict(zip(given.columns, _renamed(given.columns, ours.columns), strict=True)))
    return given.hstack(ours)


def _in_arrow(given: Any, made: Any, rows: Any, name: str) -> Any:
    arrow = needed("pyarrow", "to_arrow()")
    if not isinstance(given, arrow.Table):
        given = arrow.table({name: given})
    given, made = taken(given, rows), taken(made, rows)
    given = given.rename_columns(_renamed(given.column_names, made.column_names))
    for one in made.column_names:
        given = given.append_column(one, made.column(one))
    return given


def taken(table: Any, rows: Any) -> Any:
    """Rows of a table of PyArrow, or of a frame of polars; None is all of them."""
    if rows is None:
        return table
    if library_of(table) == "polars":
        polars = needed("polars", "to_polars()")
        return table[polars.Series(rows, dtype=polars.Int64)]
    arrow = needed("pyarrow", "to_arrow()")
    return table.take(arrow.array(rows, arrow.int64()))


def _renamed(names: Sequence[Any], ours: Sequence[Hashable]) -> list[Any]:
    """Names of which none is one of ours: `label` becomes `label_original`."""
    taken = {*map(str, names), *map(str, ours)}
    found = []
    for name in names:
        new = name
        if isinstance(name, str) and name in ours:
            new = name + SUFFIX
            while new in taken:
                new += SUFFIX
            taken.add(new)
        found.append(new)
    return found
