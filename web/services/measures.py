"""What a monitoring system reads of the jobs, queues and workers, as Prometheus names it.

Each scrape reads a bounded number of rows, however many jobs there are.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

import sqlalchemy as sa
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from jobyard import __version__
from jobyard.shared import jobs, queues, storage, webhooks
from jobyard.shared.database import Database
from jobyard.shared.jobs import TERMINAL, Total
from jobyard.shared.kinds.base import Queue
from jobyard.shared.kinds.loading import installed
from jobyard.shared.migrate import revision_problem

QUEUES: Final = [queue.value for queue in Queue]
PREFIX: Final = "jobyard"
# As the sweeper names its size.
DATABASE: Final = "database"
# As Prometheus writes them.
BOUNDS: Final = ["+Inf" if math.isinf(bound) else str(bound) for bound in jobs.BOUNDS]
# Of each queue.
GAUGES: Final = {
    "oldest_wait_seconds": "For how long the job has waited that could have run for the longest; "
    "0 if none waits.",
    "workers": "Workers that are running and take jobs.",
    "draining_workers": "Workers that are running and take no more jobs.",
    "queue_paused": "1 if the queue is paused, else 0.",
    "stalled_jobs": "Running jobs without progress for longer than their kind may take.",
    "other_version_workers": "Workers that are running and of another version than this one.",
}
# The same, of queues whose workers say so.
DISKS: Final = {
    "disk_free_bytes": "Free disk of the running worker that has least.",
    "disk_min_free_bytes": "With less free disk jobs that write files are put off (JOBYARD_MIN_FREE_BYTES).",
}
# Of each queue so many owners have series of their own.
OWNERS: Final = 3


class Measures(Collector):
    """Reads from SQL at each scrape."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """Raises SQLAlchemy's errors if the database is unreachable."""
        about = GaugeMetricFamily(
            f"{PREFIX}_build_info", "Always 1, with the version that runs.", labels=["version", "database"]
        )
        about.add_metric([__version__, self._database.engine.dialect.name], 1)
        yield about
        # Each statement stands alone: a transaction around them would be two more round trips.
        with self._database.autocommit() as connection, Session(bind=connection) as session:
            is_migrated = revision_problem(connection) is None
            migrated = GaugeMetricFamily(
                f"{PREFIX}_database_is_migrated", "1 if the database is of this version's revision, else 0."
            )
            migrated.add_metric([], int(is_migrated))
            yield migrated
            for read in (_unended, _of_queues, _of_owners, _of_webhooks, _of_storage, _of_totals):
                try:
                    yield from read(session)
                except sa.exc.SQLAlchemyError:
                    if is_migrated:
                        raise


def _unended(session: Session) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        f"{PREFIX}_jobs",
        "Jobs that have not ended, with the parts of large ones. "
        "Over 1,000 of a state and queue, as the sweeper last counted.",
        labels=["queue", "kind", "state"],
    )
    found = {(one.queue, one.kind, one.state): one.jobs for one in jobs.read_tallies(session, QUEUES)}
    # Also those of which there are none: a rule can't tell them from those that are not there yet.
    none = {(queue, kind, state.value): 0 for queue, kind in _kinds() for state in jobs.UNENDED}
    for labels, number in sorted((none | found).items()):
        family.add_metric(list(labels), number)
    yield family


def _of_queues(session: Session) -> Iterator[Metric]:
    ages = jobs.ages(session, QUEUES)
    of: dict[str, dict[str, float]] = {name: {} for name in GAUGES | DISKS}
    of["oldest_wait_seconds"] = dict(ages.waits)
    for name, queue, number in queues.gauges(session):
        of[name][queue] = number
    for name, description in GAUGES.items():
        family = GaugeMetricFamily(f"{PREFIX}_{name}", description, labels=["queue"])
        for queue in QUEUES:
            family.add_metric([queue], of[name].get(queue, 0))
        yield family
    for name, description in DISKS.items():
        family = GaugeMetricFamily(f"{PREFIX}_{name}", description, labels=["queue"])
        for queue in sorted(of[name]):
            family.add_metric([queue], of[name][queue])
        yield family
    swept = GaugeMetricFamily(
        f"{PREFIX}_last_sweep_age_seconds", "Since when no sweep has begun, by the database's clock."
    )
    if ages.sweep is not None:
        swept.add_metric([], ages.sweep)
    yield swept


def _of_owners(session: Session) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        f"{PREFIX}_queued_by_owner",
        f"Queued jobs of the tokens that have most, {OWNERS} in each queue at most.",
        labels=["queue", "owner"],
    )
    for queue, owners in sorted(jobs.read_owners(session, QUEUES).items()):
        for one in owners[:OWNERS]:
            family.add_metric([queue, one.owner], one.jobs)
    yield family


def _of_webhooks(session: Session) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        f"{PREFIX}_webhook_deliveries_pending",
        "Messages to webhooks that are still to be sent, 10,000 at most.",
    )
    family.add_metric([], webhooks.count_pending(session))
    yield family


def _of_storage(session: Session) -> Iterator[Metric]:
    counted = storage.counted(session)
    folders = {name.removesuffix("/"): total for name, total in counted.items() if name.endswith("/")}
    what = "in the storage, by folder, as the sweeper last counted"
    files = GaugeMetricFamily(f"{PREFIX}_storage_files", f"Files {what}.", labels=["folder"])
    size = GaugeMetricFamily(f"{PREFIX}_storage_bytes", f"Bytes of the files {what}.", labels=["folder"])
    for folder, total in sorted(folders.items()):
        files.add_metric([folder], total.files)
        size.add_metric([folder], total.bytes)
    database = GaugeMetricFamily(
        f"{PREFIX}_database_bytes", "Size of the database with its indexes, as the sweeper last counted."
    )
    if DATABASE in counted:
        database.add_metric([], counted[DATABASE].bytes)
    yield from (files, size, database)


def _of_totals(session: Session) -> Iterator[Metric]:
    by_what: dict[str, list[Total]] = defaultdict(list)
    for total in jobs.read_totals(session):
        by_what[total.sort.what].append(total)

    ended = CounterMetricFamily(
        f"{PREFIX}_jobs_ended", "Jobs that have ended, by how.", labels=["queue", "kind", "state"]
    )
    numbers = {(queue, kind, state.value): 0 for queue, kind in _kinds() for state in TERMINAL}
    numbers |= {(one.sort.queue, one.sort.kind, one.sort.state): one.jobs for one in by_what[jobs.ENDED]}
    for labels, number in sorted(numbers.items()):
        ended.add_metric(list(labels), number)
    yield ended

    yield _histogram(
        "job_wait_seconds",
        "From the submit, or the retry, to the first start, of jobs that have ended.",
        by_what[jobs.WAITED],
    )
    yield _histogram(
        "job_run_seconds",
        "From the first start to the end, with what was tried in vain, of jobs that have ended.",
        by_what[jobs.RAN],
    )
    for what, name, description in (
        (jobs.LEASE_EXPIRED, "leases_expired", "Attempts whose worker was lost."),
        (jobs.POSTPONED, "jobs_postponed", "Attempts put off: the disk was full, or the storage away."),
    ):
        family = CounterMetricFamily(f"{PREFIX}_{name}", description, labels=["queue"])
        found = {one.sort.queue: one.jobs for one in by_what[what]}
        for queue in QUEUES:
            family.add_metric([queue], found.get(queue, 0))
        yield family


def _histogram(name: str, description: str, found: list[Total]) -> Metric:
    family = HistogramMetricFamily(f"{PREFIX}_{name}", description, labels=["queue", "kind"])
    series: dict[tuple[str, str], list[Total]] = defaultdict(list)
    for total in found:
        series[total.sort.queue, total.sort.kind].append(total)
    for (queue, kind), parts in sorted(series.items()):
        counts = {part.sort.bound_ms: part.jobs for part in parts}
        buckets = accumulate(counts.get(jobs.bound_of(bound), 0) for bound in jobs.BOUNDS)
        seconds = sum(part.seconds for part in parts)
        family.add_metric([queue, kind], list(zip(BOUNDS, buckets, strict=True)), sum_value=seconds)
    return family


def _kinds() -> list[tuple[str, str]]:
    """The queue of each kind of job, with its name."""
    return [(str(kind.queue), name) for name, kind in sorted(installed().kinds.items())]
