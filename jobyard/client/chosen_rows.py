"""Which rows of a table are asked for, and in which order: their numbers, told by pyarrow or by polars."""

from typing import Any, Final, NamedTuple

from jobyard.client.libraries import needed


class Choice(NamedTuple):
    """The rows with a label, or all of them; sorted by a column with nulls last, or in the table's order."""

    label: str | None
    by: str | None = None
    descending: bool = False


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
        keys = [("by", "descending" if choice.descending else "ascending"), ("row", "ascending")]
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
        picked = picked.sort(["by", "row"], descending=[choice.descending, False], nulls_last=True)
    rows: list[int] = picked["row"].to_list()
    return rows
