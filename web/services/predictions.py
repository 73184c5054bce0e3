"""Rows of a prediction: page by page, and all of them as a table."""

import csv
import io
import math
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

from sqlalchemy.orm import Session

from jobyard.client.formulas import escaped
from jobyard.shared import registry
from jobyard.shared.database import Database
from jobyard.shared.errors import BadInput, Conflict, NotFound
from jobyard.shared.jobs import Job, State
from jobyard.shared.kinds.predict import overlay_name
from jobyard.web import schemas
from jobyard.web.services import budgets

# What a table holds in memory at once.
ROWS_AT_ONCE = 1_000

FIRST_COLUMNS = {
    "row": "BIGINT",
    "image": "VARCHAR",
    "label": "VARCHAR",
    "probability": "DOUBLE",
    "error": "VARCHAR",
}


class Chosen(NamedTuple):
    """Which rows, and their order."""

    label: str | None = None
    unsure_first: bool = False


ALL: Final = Chosen()


class PredictionPage(NamedTuple):
    """A part of the list, the rows' numbers, and the cursors of the parts after it and before it."""

    items: list[schemas.Prediction]
    numbers: list[int]
    next: str | None
    previous: str | None

    @property
    def numbered(self) -> list[tuple[int, schemas.Prediction]]:
        return list(zip(self.numbers, self.items, strict=True))


def read(session: Session, job: Job, chosen: Chosen, cursor: str | None, limit: int) -> PredictionPage:
    """Those chosen, after a cursor, or before it if it begins with `-`.

    Raises BadInput for an invalid cursor, or one of another order.
    """
    after = None if cursor is None else _place(cursor.removeprefix("-"), chosen.unsure_first)
    is_before = cursor is not None and cursor.startswith("-")
    found = registry.each_prediction(
        session, job.id, **chosen._asdict(), after=after, limit=limit + 1, backwards=is_before
    )
    shown, has_more = budgets.take(found, _size, limit=limit)
    if is_before:
        shown.reverse()

    # A cursor names a row that was shown, which is on the page behind it.
    following = previous = None
    if shown and (is_before or has_more):
        following = _cursor(shown[-1], chosen.unsure_first)
    if shown and (has_more if is_before else cursor is not None):
        previous = f"-{_cursor(shown[0], chosen.unsure_first)}"
    explained = job.spec.get("explain", False)
    items = [schemas.Prediction.model_validate(row) for row in shown]
    for row, item in zip(shown, items, strict=True):
        item.overlay = overlay_name(row.row) if explained and row.error is None else None
    return PredictionPage(items, [row.row for row in shown], following, previous)


def _size(row: registry.Prediction) -> int:
    """About that of its JSON."""
    return 200 + len(row.image) + len(row.error or "") + len(repr(row.probabilities))


def _cursor(row: registry.Prediction, unsure_first: bool) -> str:
    if not unsure_first:
        return str(row.row)
    return f"{'' if row.probability is None else repr(row.probability)}:{row.row}"


def _place(cursor: str, unsure_first: bool) -> registry.Place:
    probability, colon, row = cursor.rpartition(":")
    try:
        if bool(colon) != unsure_first or not (row.isascii() and row.isdecimal() and len(row) < 10):
            raise ValueError
        found = float(probability) if probability else None
        if found is not None and not math.isfinite(found):
            raise ValueError
    except ValueError:
        raise BadInput("cursor", "should be `next` or `previous` of another page of these rows") from None
    return found, int(row)


# ---- all of them


def classes_of(session: Session, job: Job) -> list[str]:
    """The classes that a prediction's model knows. Raises NotFound or Conflict where there is no table.

    Of many classes, whose model was deleted, those that the rows have.
    """
    if job.kind != "predict" or job.parent_id is not None:
        raise NotFound(f"job {job.id} is not a prediction")
    if job.state != State.SUCCEEDED:
        raise Conflict(f"job {job.id} is {job.state}; its table can be downloaded when it has succeeded")
    result = job.result or {}
    known = dict(result.get("labels") or {})
    if known and len(known) >= result.get("class_count", 0):
        return list(known)
    with suppress(NotFound):
        return registry.find(session, registry.Model, job.spec["model"]).classes
    count = sum(registry.count_predictions(session, job.id).values())
    for row in registry.each_prediction(session, job.id, limit=count):
        known |= dict.fromkeys(row.probabilities or {}, 0)
    return list(known)


def columns(classes: list[str]) -> dict[str, str]:
    """The table's columns, and their types in SQL."""
    return FIRST_COLUMNS | {f"probability_{name}": "DOUBLE" for name in classes}


def table(
    database: Database, job_id: uuid.UUID, classes: list[str], chosen: Chosen = ALL
) -> Iterator[tuple[Any, ...]]:
    """The table's rows, as a few at a time are read."""
    after: registry.Place | None = None
    while True:
        with database.read() as session:
            found = registry.each_prediction(
                session, job_id, **chosen._asdict(), after=after, limit=ROWS_AT_ONCE + 1
            )
            rows, has_more = budgets.take(found, _size, limit=ROWS_AT_ONCE)
        for row in rows:
            each = row.probabilities or {}
            first = (row.row, row.image, row.label, row.probability, row.error)
            yield first + tuple(each.get(name) for name in classes)
        if not has_more:
            return
        after = rows[-1].probability, rows[-1].row


def as_csv(
    database: Database,
    job_id: uuid.UUID,
    classes: list[str],
    chosen: Chosen = ALL,
    *,
    escape_formulas: bool = False,
) -> Iterator[str]:
    """The table's lines, many at a time."""
    text = io.StringIO()
    writer = csv.writer(text)

    def fields(row: Iterable[Any]) -> Iterable[Any]:
        return map(escaped, row) if escape_formulas else row

    writer.writerow(fields(columns(classes)))
    for number, row in enumerate(table(database, job_id, classes, chosen), 1):
        writer.writerow(fields(row))
        if number % ROWS_AT_ONCE == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
