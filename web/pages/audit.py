"""The page of the audit log."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from flask import Response, make_response, render_template, request, stream_with_context

from jobyard.shared import audit
from jobyard.shared.errors import BadInput, NotFound
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes

SHOWN: Final = 50
# Read at once, of what is exported.
AT_ONCE: Final = 1_000
COLUMNS: Final = ("at", "actor", "action", "object", "details")


@routes.get("/audit", endpoint="audit")
def show_audit() -> Response:
    """Who changed what for others, newest first; of one token or one action, if they are asked for."""
    kept = _kept()
    cursor = request.args.get("cursor", "")
    if cursor and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise NotFound(f"there is no page after {cursor!r}")
    with current_backend().database.read() as session:
        found = audit.page(
            session,
            actor=kept.get("actor"),
            action=kept.get("action"),
            before=int(cursor) if cursor else None,
            limit=SHOWN + 1,
        )
    page = render_template(
        "access/audit.html",
        entries=found[:SHOWN],
        next=found[SHOWN - 1].id if len(found) > SHOWN else None,
        kept=kept,
    )
    return make_response(page)


@routes.get("/audit.csv")
def audit_csv() -> Response:
    """The same as CSV, all of it."""
    return _export(_csv(_all(_kept())), "text/csv", "audit.csv")


@routes.get("/audit.jsonl")
def audit_jsonl() -> Response:
    """The same as JSON lines, all of it."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in _all(_kept()))
    return _export(lines, "application/jsonl", "audit.jsonl")


def _kept() -> dict[str, str]:
    """Raises BadInput for what no database takes."""
    kept = {name: request.args[name] for name in ("actor", "action") if request.args.get(name)}
    for name, value in kept.items():
        if "\0" in value:
            raise BadInput(name, "should have no NUL character")
    return kept


def _all(kept: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Each entry, newest first; a transaction of its own for so many at once."""
    database, before = current_backend().database, None
    while True:
        with database.read() as session:
            found = audit.page(session, **kept, before=before, limit=AT_ONCE)
        for entry in found:
            yield {name: getattr(entry, name) for name in COLUMNS} | {"at": entry.at.isoformat()}
        if len(found) < AT_ONCE:
            return
        before = found[-1].id


def _csv(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        details = json.dumps(row["details"], ensure_ascii=False) if row["details"] else ""
        writer.writerow([*(row[name] for name in COLUMNS[:-1]), details])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _export(lines: Iterator[str], media_type: str, name: str) -> Response:
    response = Response(stream_with_context(lines), mimetype=media_type)
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    return response
