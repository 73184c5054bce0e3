"""Scores as a table: those of a scored file, or of texts that a job was given; which rows, in which order."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jobyard.client.chosen_rows import Choice, in_polars, in_pyarrow
from jobyard.client.errors import BadRequest, JobyardClientError, Json
from jobyard.client.joins import SUFFIX, converted, joined, library_of, taken
from jobyard.client.libraries import needed, translated
from jobyard.client.sentiment import LABELS, SCORES
from jobyard.client.types import shown

SORTS = ("row", "compound", "-compound")
# What texts that were given without a name are called.
TEXT = "text"


class Question(NamedTuple):
    """Which rows, and in which order, as `Job.scores` has it."""

    label: str | None = None
    sort: str | None = None
    search: str | None = None

    @property
    def is_all(self) -> bool:
        return not self.search and self.label is None and self.sort in (None, "row")

    @property
    def choice(self) -> Choice:
        """All of it but the search."""
        by = "compound" if self.sort in ("compound", "-compound") else None
        return Choice(self.label, by, descending=self.sort == "-compound")

    def is_local(self, texts: str) -> bool:
        """Whether it is answered by the scored file, whose column of texts came from `texts`, alone.

        The server can sort by any column, and finds texts within a column.
        """
        return self.sort in (None, *SORTS) and not (self.search and "." in texts)

    def check(self, *, of_server: bool = False) -> "Question":
        """Raises BadRequest for a value that there is not; the columns of a file are known to the server."""
        rights = (
            {"label": LABELS}
            if of_server and isinstance(self.sort, str)
            else {"label": LABELS, "sort": SORTS}
        )
        for name, right in rights.items():
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value in right):
                hint = "; the table that comes back can be sorted by any column" if name == "sort" else ""
                raise BadRequest(
                    f"{name}: is {shown(value)}; should be {', '.join(right[:-1])} or {right[-1]}{hint}"
                )
        if self.search is not None and not isinstance(self.search, str):
            raise BadRequest(f"search: is {shown(self.search)}; should be a text")
        return self


def of_texts(job: Json) -> list[Json]:
    """Rows of a job that scored texts, as those of a file: {row, columns, neg, neu, pos, compound, label}."""
    texts = job["spec"]["texts"]
    return [
        {"row": row, "columns": {TEXT: text}, **{name: one[name] for name in SCORES}}
        for row, (text, one) in enumerate(zip(texts, job["result"]["scores"], strict=True))
    ]


def chosen(rows: Sequence[Json], question: Question) -> list[Json]:
    """Those of `of_texts` that are asked for."""
    found = [row for row in rows if question.label in (None, row["label"])]
    if question.search:
        wanted = question.search.lower()
        found = [row for row in found if wanted in row["columns"][TEXT].lower()]
    if question.sort in ("compound", "-compound"):
        found.sort(key=lambda row: row["compound"], reverse=question.sort == "-compound")
    return found


def table_of(
    scored: Path | Sequence[Json], texts: str, question: Question, given: Any, library: str, purpose: str
) -> Any:
    """A frame of `library` (pandas, polars or pyarrow) with the rows that are asked for.

    `scored` is a Parquet file whose column of texts came from `texts`, or what `of_texts` gives; `given` is
    what is joined to the scores, None for nothing. `purpose` is the method that needs the library.
    """
    needed(library, purpose)
    is_polars = library == "polars" and library_of(given) in (None, "polars")
    # In pandas, the rows' numbers are the index.
    read = _with_polars if is_polars else partial(_with_pyarrow, is_numbered=library == "pandas")
    with translated(f"{purpose}: the scores can't be read"):
        table = read(scored, texts, question, given, purpose)
    return converted(table, library, purpose, given)


def text_column(texts: str, names: Sequence[str]) -> str:
    """What the texts are called in a scored file, in which columns called like ours have other names.

    Raises BadRequest where they are within another column.
    """
    name = texts
    if texts.lower() in SCORES:
        name += SUFFIX
        while name not in names and len(name) < len(texts) + len(SUFFIX) * len(names):
            name += SUFFIX
    if name in names:
        return name
    raise BadRequest(
        f"search: the texts are within a column, as {texts!r:.80}; a loop over scores(search=…) finds them"
    )


def _columns(rows: Sequence[Json]) -> Mapping[str, list[Any]]:
    texts = {TEXT: [row["columns"][TEXT] for row in rows]}
    return texts | {name: [row[name] for row in rows] for name in SCORES}


def _with_pyarrow(
    scored: Path | Sequence[Json],
    texts: str,
    question: Question,
    given: Any,
    purpose: str,
    *,
    is_numbered: bool,
) -> Any:
    arrow = needed("pyarrow", purpose)
    compute = needed("pyarrow.compute", purpose)
    if isinstance(scored, Path):
        parquet = needed("pyarrow.parquet", purpose)
        wanted = None
        with parquet.ParquetFile(scored) as file:
            names = file.schema_arrow.names
            found = text_column(texts, names) if question.search else None
            if given is not None:
                wanted = [*SCORES, *([] if found is None else [found])]
            table = file.read(wanted)
    else:
        table, found = arrow.table(_columns(scored)), TEXT
    rows = None
    if not question.is_all:
        mask = None
        if question.search and found is not None:
            lower = compute.utf8_lower(table.column(found).cast(arrow.string()))
            mask = compute.match_substring(lower, question.search.lower())
        rows = in_pyarrow(table, question.choice, purpose, mask)
    if given is not None:
        return joined(given, table.select(list(SCORES)), rows, TEXT)
    if rows is None:
        return table
    found = taken(table, rows)
    return converted(found, "pandas", purpose).set_axis(rows, axis="index") if is_numbered else found


def _with_polars(
    scored: Path | Sequence[Json], texts: str, question: Question, given: Any, purpose: str
) -> Any:
    polars = needed("polars", purpose)
    if isinstance(scored, Path):
        names = list(polars.read_parquet_schema(scored))
        found = text_column(texts, names) if question.search else None
        wanted = None if given is None else [*SCORES, *([] if found is None else [found])]
        table = polars.read_parquet(scored, columns=wanted)
    else:
        table, found = polars.DataFrame(_columns(scored)), TEXT
    rows = None
    if not question.is_all:
        mask = None
        if question.search and found is not None:
            lower = table[found].cast(polars.String).str.to_lowercase()
            mask = lower.str.contains(question.search.lower(), literal=True).fill_null(value=False)
        rows = in_polars(table, question.choice, purpose, mask)
    if given is not None:
        return joined(given, table.select(SCORES), rows, TEXT)
    return taken(table, rows)


def scored_file(job: Json) -> str:
    """The name of the artifact with the scores. Raises JobyardClientError where it is no Parquet."""
    result = job["result"]
    if result.get("format", "parquet") != "parquet":
        raise JobyardClientError(
            f"the scored file of job {job['id']} is {result['format']}; tables are read of a job with "
            'format="parquet", or from what job.download(job.result["file"], path) saves'
        )
    name: str = result["file"]
    return name
