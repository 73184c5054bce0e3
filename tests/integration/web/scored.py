"""Scored files as workers leave them, for those who read them."""

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobyard.shared import jobs
from jobyard.shared.kinds.sentiment import SentimentSpec, Thresholds
from jobyard.web.backend import Backend
from tests.factories import claimed, new_job, put_file

EDGES = [round(index / 20 - 1, 2) for index in range(41)]


def scored_table(
    columns: dict[str, Any], compounds: Sequence[float | None], labels: Sequence[str | None] | None = None
) -> pa.Table:
    """Original columns (under the names that they have in the file), then scores and labels."""
    doubles = pa.array(compounds, pa.float64())
    found = labels or [None if one is None else Thresholds().label(one) for one in compounds]
    ours = [doubles, doubles, doubles, doubles, pa.array(found, pa.string())]
    return pa.Table.from_arrays(
        [*(value if isinstance(value, pa.Array) else pa.array(value) for value in columns.values()), *ours],
        names=[*columns, "neg", "neu", "pos", "compound", "label"],
    )


def scored_job(
    backend: Backend,
    table: pa.Table | bytes,
    *,
    column: str = "text",
    group_by: str | None = None,
    row_group: int = 7,
    **result: Any,
) -> str:
    """The id of a job that has scored such a file; `result` is what its result has beside the usual."""
    spec = SentimentSpec(file=put_file(backend, "texts.csv", b"text\n").id, group_by=group_by)
    content = table if isinstance(table, bytes) else parquet(table, row_group)
    job_id = new_job(backend.database, spec=spec.model_dump(mode="json"))
    claim = claimed(backend.database, job_id, "w@host/1", lease_seconds=60)
    put_file(backend, "texts.scored.parquet", content, job_id=job_id)
    usual = {
        "rows": 4 if isinstance(table, bytes) else table.num_rows,
        "nulls": 1,
        "skipped": 0,
        "labels": {"positive": 1, "neutral": 1, "negative": 1},
        "mean": 0.125,
        "std": 0.5,
        "histogram": {"edges": EDGES, "counts": [*range(40)]},
        "group_by": group_by,
        "groups": None if group_by is None else 0,
        "errors": None,
        "file": "texts.scored.parquet",
        "format": "parquet",
        "column": column,
        "lexicon": {"sha256": "0" * 64},
    }
    with backend.database.write() as session:
        assert jobs.succeed(session, job_id, claim.lease, usual | result)
    return str(job_id)


def parquet(table: pa.Table, row_group: int = 7) -> bytes:
    """Its bytes, in row groups of so many rows."""
    target = io.BytesIO()
    pq.write_table(table, target, row_group_size=row_group)
    return target.getvalue()
