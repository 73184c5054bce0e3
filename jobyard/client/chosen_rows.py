"""Which rows of a table are asked for, and in which order: their numbers, told by pyarrow or by polars."""

from typing import Any, Final, NamedTuple

from jobyard.client.libraries import needed


class Choice(NamedTuple):
    """The rows of a label, or all; by the values of a column, null last, or as they stand in the table."""

    label: str | None
    by: str | None = None
    falls: bool = False


ALL: Final = Choice(None)


def in_pyarrow(table: Any, choice: Choice, purpose: str, found: Any = None) -> list[int]:
    """`found` is a mask of the rows that another condition has; None: all. Equal rows keep their order."""
    arrow = needed("pyarrow", purpose)
    compute = needed("pyarrow.compute", purpose)
    columns = {"row": arrow.array(range(table.num_rows), arrow.int64()), "label": table.column("label")}
    if choice.by is not None:
        columns["by"] = table.column(choice.by)
    picked = arrow.table(columns)
    if found is not None:
        picked = picked.filter(found)
    if choice.label is not None:
        picked = picked.filter(compute.equal(picked["label"], choice.label))
    if choice.by is not None:
        keys = [("by", "descending" if choice.falls else "ascending"), ("row", "ascending")]
        picked = picked.take(compute.sort_indices(picked, keys))
    rows: list[int] = picked["row"].to_pylist()
    return rows


def in_polars(table: Any, choice: Choice, purpose: str, found: Any = None) -> list[int]:
    """As `in_pyarrow`."""
    polars = needed("polars", purpose)
    picked = polars.DataFrame({"row": range(table.height)}, schema={"row": polars.Int64})
    picked = picked.with_columns(table["label"].alias("label"))
    if choice.by is not None:
        picked = picked.with_columns(table[choice.by].alias("by"))
    if found is not None:
        picked = picked.filter(found)
    if choice.label is not None:
        picked = picked.filter(polars.col("label") == choice.label)
    if choice.by is not None:
        picked = picked.sort(["by", "row"], descending=[choice.falls, False], nulls_last=True)
    rows: list[int] = picked["row"].to_list()
    return rows
