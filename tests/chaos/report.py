"""What a run was and what came of it, as tables for people."""

import statistics
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs import Job, JobEvent
from tests.chaos import timelines
from tests.chaos.faults import Thrown
from tests.chaos.findings import COLUMNS, FOOTNOTE, TERMINAL, VERBS, Violation, Wish

# Shown of each column; the rest is counted.
SHOWN = 20
# What is promised of a cancel, at the 99th percentile.
CANCEL_SECONDS = 2.0


def percentile(values: Sequence[float], share: float) -> float:
    """By linear interpolation; of one value, that value."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def rescued_after(session: Session, thrown: Sequence[Thrown]) -> dict[str, list[float]]:
    """By kind of fault: seconds from the fault until the jobs that it hit ran again or had ended."""
    found: dict[str, list[float]] = defaultdict(list)
    for one in thrown:
        for job_id in one.victims:
            seconds = _moved_after(session, job_id, one.at)
            if seconds is not None:
                found[one.fault.kind].append(seconds)
    return found


def _moved_after(session: Session, job_id: uuid.UUID, at: float) -> float | None:
    events = session.scalars(sa.select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)).all()
    since = datetime.fromtimestamp(at, events[0].at.tzinfo) if events else None
    left = False
    for event in events:
        if since is None or event.at < since:
            continue
        if event.state in TERMINAL or (left and event.state == "running"):
            return (event.at - since).total_seconds()
        left = left or event.state != "running"
    return None


def jobs_table(session: Session) -> str:
    """How many jobs of each kind ended how."""
    query = sa.select(Job.kind, Job.state, sa.func.count()).group_by(Job.kind, Job.state)
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for kind, state, count in session.execute(query):
        counts[kind][state] = count
    states = sorted({state for row in counts.values() for state in row})
    rows = [
        [kind, *(str(row.get(state, 0)) for state in states), str(sum(row.values()))]
        for kind, row in sorted(counts.items())
    ]
    return _table(["jobs", *states, "all"], rows)


def faults_table(thrown: Sequence[Thrown], rescued: Mapping[str, Sequence[float]]) -> str:
    """Faults by kind: seconds until a fresh text was scored, and until the jobs that were hit moved on."""
    by_kind: dict[str, list[Thrown]] = defaultdict(list)
    for one in thrown:
        by_kind[one.fault.kind].append(one)
    rows = [_row(kind, faults, rescued.get(kind, ())) for kind, faults in sorted(by_kind.items())]
    everything = [second for seconds in rescued.values() for second in seconds]
    rows.append(_row("all", thrown, everything))
    return _table(
        ["fault", "thrown", "text p50", "p95", "max", "never", "jobs hit", "on p50", "p95", "max"], rows
    )


def _row(kind: str, faults: Sequence[Thrown], rescued: Sequence[float]) -> list[str]:
    seconds = [one.recovered - one.over for one in faults if one.recovered is not None]
    return [
        kind,
        str(len(faults)),
        *_percentiles(seconds),
        str(len(faults) - len(seconds)),
        str(sum(len(one.victims) for one in faults)),
        *_percentiles(rescued),
    ]


def _percentiles(seconds: Sequence[float]) -> list[str]:
    if not seconds:
        return ["", "", ""]
    return [f"{value:.1f}" for value in (percentile(seconds, 0.5), percentile(seconds, 0.95), max(seconds))]


def submits_table(seconds: Sequence[tuple[float, float]], thrown: Sequence[Thrown]) -> str:
    """Seconds until a submit was answered, retries included: of all, and of those sent without Redis."""
    away = [(one.at, one.over) for one in thrown if one.fault.target == "redis" and one.over > one.at]
    without = [took for at, took in seconds if any(start <= at <= end for start, end in away)]
    rows = []
    for name, values in (("all", [took for _, took in seconds]), ("while Redis was away", without)):
        shown = [f"{percentile(values, share):.2f}" for share in (0.5, 0.95, 0.99)] if values else [""] * 3
        rows.append([name, str(len(values)), *shown, f"{max(values):.2f}" if values else ""])
    return _table(["submits, seconds", "answered", "p50", "p95", "p99", "max"], rows)


def wishes_table(wishes: Sequence[Wish]) -> str:
    """What owners asked of their jobs, and what they were answered."""
    counts = Counter((wish.verb, wish.granted) for wish in wishes)
    answers: tuple[bool | None, ...] = (True, False, None)
    rows = [[verb, *(str(counts[verb, granted]) for granted in answers)] for verb in VERBS]
    return _table(["owners asked", "granted", "refused", "no answer"], rows)


def outages_table(thrown: Sequence[Thrown]) -> str:
    """What the web answered while something was away, and how many seconds the slowest answer took."""
    counts: Counter[tuple[str, str, str]] = Counter()
    slowest: dict[str, float] = defaultdict(float)
    for one in thrown:
        for (name, status), count in one.statuses.items():
            counts[one.fault.kind, name, status] += count
            slowest[one.fault.kind] = max(slowest[one.fault.kind], one.slowest)
    rows = [
        [kind, name, status, str(count), f"{slowest[kind]:.1f}"]
        for (kind, name, status), count in sorted(counts.items())
    ]
    return _table(["answers meanwhile", "request", "answer", "count", "slowest"], rows)


def cancels_table(session: Session, wishes: Sequence[Wish], thrown: Sequence[Thrown]) -> str:
    """Seconds from the request until a running job was cancelled, where no fault came between."""
    events = timelines.of_jobs(session)
    kinds = dict(session.execute(sa.select(Job.id, Job.kind)).all())
    found: dict[str, list[float]] = defaultdict(list)
    for wish in wishes:
        if wish.verb != "cancel" or not wish.granted or wish.job_id not in kinds:
            continue
        mine = events.get(wish.job_id, [])
        seconds = timelines.cancelled_after(mine, wish.at)
        if seconds is not None and not _is_disturbed(wish.at, wish.at + seconds, thrown):
            phase = timelines.phase_at(mine, wish.at)
            starting = phase is None or phase.startswith("starting")
            found[f"{kinds[wish.job_id]}, {'starting' if starting else 'at work'}"].append(seconds)
    found["all"] = [second for seconds in found.values() for second in seconds]
    rows = []
    for name, values in sorted(found.items(), key=lambda one: (one[0] == "all", one[0])):
        shown = [f"{percentile(values, share):.2f}" for share in (0.5, 0.95, 0.99)] if values else [""] * 3
        late = sum(value > CANCEL_SECONDS for value in values)
        rows.append([name, str(len(values)), *shown, f"{max(values):.2f}" if values else "", str(late)])
    return _table(
        ["seconds to cancel", "running", "p50", "p95", "p99", "max", f"over {CANCEL_SECONDS:g} s"], rows
    )


def _is_disturbed(start: float, end: float, thrown: Sequence[Thrown]) -> bool:
    return any(one.at <= end and start <= (one.recovered or one.over) for one in thrown)


def violations_table(violations: Sequence[Violation]) -> str:
    """The counts that must be 0, and what they count."""
    counts = Counter(violation.column for violation in violations)
    lines = [_table(["must be 0", "count", "meaning"], [[c, str(counts[c]), m] for c, m in COLUMNS.items()])]
    for column in COLUMNS:
        mine = [str(violation) for violation in violations if violation.column == column]
        lines += mine[:SHOWN]
        if len(mine) > SHOWN:
            lines.append(f"{column}: and {len(mine) - SHOWN} more")
    return "\n".join([*lines, "", FOOTNOTE])


def _table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[index]) for row in [head, *rows]) for index in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 or width > 30 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, ["-" * width for width in widths], *rows]
    )
