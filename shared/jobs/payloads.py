"""What the message of an event says of a job, made by the database while it writes the row of the event."""

from typing import Any, Final

import sqlalchemy as sa

from jobyard.shared.database import Json, by_dialect

# Of a job, in the payload of each event.
SHOWN: Final = (
    *("id", "kind", "name", "labels", "state", "queue", "priority", "attempt"),
    *("created_at", "started_at", "finished_at"),
)
# What is read of a job for it, and to find out whom to tell.
READ: Final = (*SHOWN, "version", "parent_id", "error_type", "error_message")
# Where its groups of digits begin, and how many these are.
PARTS_OF_AN_ID: Final = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


# A moment as the API writes it.
_rfc3339 = by_dialect(
    sa.Text(),
    postgresql=lambda at: f"to_char({at} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
    sqlite=lambda at: f"strftime('%Y-%m-%dT%H:%M:%fZ', {at})",
)
# A JSON object of names and values in turn.
_json_object = by_dialect(
    Json,
    postgresql=lambda *members: f"json_build_object({', '.join(members)})",
    sqlite=lambda *members: f"json_object({', '.join(members)})",
)
# An id as its 32 digits.
digits = by_dialect(
    sa.Text(),
    postgresql=lambda one: f"replace(CAST({one} AS TEXT), '-', '')",
    sqlite=lambda one: one,
)
# An id as people write it.
_dashed = by_dialect(
    sa.Text(),
    postgresql=lambda one: f"CAST({one} AS TEXT)",
    sqlite=lambda one: "||'-'||".join(
        f"substr({one}, {start}, {length})" for start, length in PARTS_OF_AN_ID
    ),
)
# A job's labels as a member of a JSON object.
_labels = by_dialect(
    Json,
    postgresql=lambda labels: f"coalesce({labels}, CAST('{{}}' AS JSON))",
    sqlite=lambda labels: f"json(coalesce({labels}, '{{}}'))",
)


def _includes_sqlite(has: str, wanted: str) -> str:
    is_same = "has.key = wanted.key AND has.value = wanted.value"
    is_there = f"SELECT 1 FROM json_each({has}) AS has WHERE {is_same}"  # noqa: S608 - of columns
    return f"NOT EXISTS (SELECT 1 FROM json_each({wanted}) AS wanted WHERE NOT EXISTS ({is_there}))"  # noqa: S608


# Whether the first JSON object has all members of the second.
includes = by_dialect(
    sa.Boolean(),
    postgresql=lambda has, wanted: f"(CAST({has} AS JSONB) @> CAST({wanted} AS JSONB))",
    sqlite=_includes_sqlite,
)


def text(written: str) -> sa.ColumnElement[str]:
    """Written out, since each parameter of a statement costs every job something."""
    return sa.literal_column(f"'{written}'", sa.Text)


def payload(job: Any) -> sa.ColumnElement[Any]:
    """What an event says of a job, given its columns."""
    members: list[Any] = []
    for name in SHOWN:
        value = job[name]
        if name == "id":
            value = _dashed(value)
        elif name == "labels":
            value = _labels(value)
        elif name.endswith("_at"):
            value = _rfc3339(value)
        members += [text(name), value]
    error = _json_object(text("type"), job.error_type, text("message"), job.error_message)
    return _json_object(*members, text("error"), sa.case((job.error_message.is_not(None), error)))
