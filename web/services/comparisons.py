"""Several jobs compared: one metric, and the differences between their specs."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from jobyard.shared import jobs, metrics
from jobyard.shared.errors import BadInput, NotFound
from jobyard.shared.jobs import Job
from jobyard.shared.metrics import Metric

MAX_RUNS = 20
USUAL = "val_accuracy"


@dataclass(frozen=True)
class Run:
    """A job and its history of the metric; `best` and `last` are points of it."""

    job: Job
    label: str
    points: list[Metric]
    best: Metric | None

    @property
    def last(self) -> Metric | None:
        return self.points[-1] if self.points else None


@dataclass(frozen=True)
class Comparison:
    """`names`: metrics that one of the runs has. `differences`: field → its value in each run.

    `truncated`: fields whose values are there only in part, as in lists of jobs.
    """

    name: str
    names: list[str]
    lower_is_better: bool
    runs: list[Run]
    differences: dict[str, list[Any]]
    truncated: list[str]


def ids_of(written: str) -> list[uuid.UUID]:
    """Ids of jobs between commas, each once. Raises BadInput."""
    found: dict[uuid.UUID, None] = {}
    for part in filter(None, (part.strip() for part in written.split(","))):
        try:
            found[uuid.UUID(part)] = None
        except ValueError:
            raise BadInput(
                "jobs", f"should be ids of jobs, separated by commas; {part[:50]!r} is not an id"
            ) from None
    if not 1 <= len(found) <= MAX_RUNS:
        raise BadInput("jobs", f"should name 1 to {MAX_RUNS} jobs, but names {len(found)}")
    return list(found)


def compare(session: Session, job_ids: Sequence[uuid.UUID], name: str, points: int) -> Comparison:
    """At most `points` of each job, as `metrics.compare` has them. Raises NotFound that names the job."""
    known = {job.id: job for job in jobs.listed(session, job_ids)}
    for job_id in job_ids:
        if job_id not in known:
            raise NotFound(f"there is no job {job_id}")
    found = [known[job_id] for job_id in job_ids]
    digests = list(jobs.digests(session, job_ids).values())
    different = differences([job.spec for job in found], digests)
    lower = "loss" in name or "error" in name
    histories = metrics.compare(session, job_ids, name, points)
    return Comparison(
        name=name,
        names=metrics.names_of(session, job_ids),
        lower_is_better=lower,
        runs=[Run(job, label(job), histories[job.id], _best(histories[job.id], lower)) for job in found],
        differences=different,
        truncated=[field for field in different if any(f"spec.{field}" in one for one in digests)],
    )


def label(job: Job) -> str:
    """Its name; else the model that a training made, or its kind and the end of its id."""
    return str(job.name or (job.result or {}).get("model") or f"{job.kind} {str(job.id)[-8:]}")


def differences(
    specs: Sequence[Mapping[str, Any]], digests: Sequence[Mapping[str, str]] = ()
) -> dict[str, list[Any]]:
    """Fields (nested ones with dots) that not all specs have the same: the value in each, None: not there.

    Values that are cut are compared by their digests, which each spec has by dotted path.
    """
    flat = [_flat(spec) for spec in specs]
    fields = dict.fromkeys(field for spec in flat for field in spec)
    found: dict[str, list[Any]] = {}
    for field in fields:
        values = [spec.get(field) for spec in flat]
        cut = [one.get(f"spec.{field}") for one in digests]
        if any(value != values[0] for value in values) or any(digest != cut[0] for digest in cut):
            found[field] = values
    return found


def _flat(spec: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in spec.items():
        found |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
        )
    return found


def _best(points: Sequence[Metric], lower: bool) -> Metric | None:
    """The first of those that are as good. A thinned history has it too, as it keeps minima and maxima."""
    finite = [(point.value, point) for point in points if point.value is not None]
    chosen = (min if lower else max)(finite, key=lambda one: one[0], default=None)
    return None if chosen is None else chosen[1]
