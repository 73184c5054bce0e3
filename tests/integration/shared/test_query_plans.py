"""With tens of thousands of finished jobs, what the engine asks all the time is answered by an index.

The statements are those that the verbs really send, so this can't drift from the code.
"""

import datetime
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import (
    failures,
    jobs,
    metrics,
    needs,
    outcomes,
    queue_controls,
    queues,
    registry,
    retention,
    running_workers,
    storage,
    tokens,
    uploads,
    webhooks,
)
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.jobs import Job, JobEvent, JobFilter, Progress, Request, State, finding
from jobyard.shared.kinds.base import Queue
from jobyard.shared.migrate import upgrade
from jobyard.shared.storage import File, known
from tests.conftest import new_database
from tests.factories import slow_front

FINISHED = 20_000
QUEUED = 50
PREDICTED = 5_000
RUNNING = 10
# Tables that grow with the jobs; the few workers may be read from end to end.
GROWING = {"jobs", "job_terms", "job_events", "metrics", "predictions", "job_inputs", "webhook_deliveries"}
GROWING = {
    *("jobs", "job_events", "job_logs", "metrics", "predictions", "job_inputs", "webhook_deliveries"),
}
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
KEY = "key-7"
DIGEST = "0" * 64


@dataclass
class Filled:
    """A database with many jobs; a running one and a queued one of them."""

    database: Database
    running: Job
    queued: Job
    child: Job
    upload_id: uuid.UUID


@dataclass(frozen=True)
class Scan:
    """How a plan reads a table: by an index and a condition on it, or all of it."""

    table: str
    index: str | None
    narrowed: bool
    limited: bool

    @property
    def is_whole(self) -> bool:
        """Whether it reads the table (or its index) from end to end; in order and up to a LIMIT is fine."""
        if self.table not in GROWING:
            return False
        return self.index is None or not (self.narrowed or self.limited)


Verb = Callable[[Session, Filled], object]

PREDICTION = {"image": "a.jpg", "label": "cats", "probability": 0.5, "probabilities": {}, "error": None}
UNSURE = (0.5, 99)
A_WEEK = JobFilter(after="2020-01-02", before="2020-01-09")
ENDED = jobs.OrderKey(datetime.datetime(2020, 1, 7, tzinfo=datetime.UTC), uuid.UUID(int=0))
WEBHOOK = uuid.UUID(int=1)


def ended(session: Session) -> uuid.UUID:
    """A queued job that was just cancelled."""
    job_id = session.scalars(sa.select(Job.id).where(Job.state == State.QUEUED).limit(1)).one()
    return jobs.cancel(session, job_id).id


def front_of_one_owner() -> jobs.Front:
    """Of a process that has claimed a job of the only owner."""
    front = jobs.Front()
    front.owner = "admin"
    return front


def shared_front() -> jobs.Front:
    """Of a process that has seen several owners' jobs."""
    front = jobs.Front()
    front.is_shared = True
    return front


def with_quota(session: Session, most: int = 1_000) -> None:
    """The only owner has one, as if that were the name of a token."""
    tokens.create(session, name="ci", scope=tokens.Scope.SUBMIT, expires_seconds=None, created_by="admin")
    session.execute(sa.update(tokens.Token).values(name="admin", max_running=most))


HOT: dict[str, Verb] = {
    "submit": lambda session, _: jobs.submit(session, **vars(a_request())),
    "submit_repeated": lambda session, _: jobs.submit(
        session, **(vars(a_request()) | {"idempotency_key": KEY, "request_sha256": DIGEST})
    ),
    "submit_each": lambda session, _: jobs.submit_each(session.connection(), [a_request()] * 3),
    "submit_each_with_a_look": lambda session, _: jobs.submit_each(
        session.connection(), [a_request()] * 3, look=True
    ),
    "submit_many": lambda session, _: jobs.submit_many(session.connection(), [a_request()] * 3),
    "count_queued_of": lambda session, _: jobs.count_queued_of(session.connection(), "ci", ["cpu"], 100),
    "repeat_of": lambda session, _: jobs.repeat_of(session.connection(), KEY, DIGEST),
    "repeats_of": lambda session, _: jobs.repeats_of(session.connection(), "many", DIGEST, 3),
    "claim": lambda session, _: jobs.claim(
        session, "cpu", worker="w", lease_seconds=30, front=front_of_one_owner()
    ),
    "claim_in_turn": lambda session, _: jobs.claim(
        session, "cpu", worker="w", lease_seconds=30, front=shared_front()
    ),
    "claim_within_a_limit": lambda session, _: (
        queue_controls.set_limit(session, "cpu", 1_000),
        jobs.claim(session, "cpu", worker="w", lease_seconds=30),
    ),
    "claim_of_a_paused_queue": lambda session, _: (
        queue_controls.pause(session, "cpu"),
        jobs.claim(session, "cpu", worker="w", lease_seconds=30),
    ),
    "claim_within_a_quota": lambda session, _: (
        with_quota(session),
        jobs.claim(session, "cpu", worker="w", lease_seconds=30, front=shared_front()),
    ),
    "claim_while_nobody_is_below_the_quota": lambda session, _: (
        with_quota(session, 1),
        jobs.claim(session, "cpu", worker="w", lease_seconds=30, front=shared_front()),
    ),
    "queues_of": lambda session, _: jobs.queues_of(session.connection(), "admin", ["cpu"]),
    "count_claimable_within_a_quota": lambda session, _: (
        with_quota(session),
        jobs.count_claimable(session, "cpu", 0.0),
    ),
    "count_claimable": lambda session, _: (
        queue_controls.set_limit(session, "cpu", 1_000),
        jobs.count_claimable(session, "cpu", 0.0),
    ),
    "failures": lambda session, _: failures.alike(session),
    "outcomes": lambda session, _: outcomes.lately(session),
    "count_outcomes": lambda session, _: outcomes.count(session),
    "workers": lambda session, _: running_workers.view(session),
    "claim_of_nothing": lambda session, _: jobs.claim(session, "predict", worker="w", lease_seconds=30),
    "claim_after_a_slow_look": lambda session, _: jobs.claim(
        session, "cpu", worker="w", lease_seconds=30, front=slow_front(session), whole=False
    ),
    "clear_metrics": lambda session, filled: metrics.clear(session, filled.queued.id),
    "clear_system_metrics": lambda session, filled: metrics.clear(session, filled.queued.id, system=True),
    "heartbeat": lambda session, filled: jobs.heartbeat(
        session, *held(filled), lease_seconds=30, progress=Progress("scoring", 1, 2, "texts", None)
    ),
    "succeed": lambda session, filled: jobs.succeed(session, *held(filled), {}),
    "fail": lambda session, filled: jobs.fail(session, *held(filled), error_type="E", message="why"),
    "release": lambda session, filled: jobs.release(session, *held(filled)),
    "finish_cancel": lambda session, filled: jobs.finish_cancel(session, *held(filled)),
    "cancel": lambda session, filled: jobs.cancel(session, filled.queued.id),
    "pause": lambda session, filled: jobs.pause(session, filled.queued.id),
    "split": lambda session, filled: jobs.split(
        session, *held(filled), [{}] * 3, window=2, progress=Progress("parts", 0, 3, "rows", None)
    ),
    "succeed_as_child": lambda session, filled: jobs.succeed(session, *held_child(filled), {"done": 1}),
    "fail_as_child": lambda session, filled: jobs.fail(
        session, *held_child(filled), error_type="E", message="why"
    ),
    "cancel_parent": lambda session, filled: jobs.cancel(session, filled.child.parent_id),
    "pause_parent": lambda session, filled: jobs.pause(session, filled.child.parent_id),
    "settle": lambda session, _: jobs.settle(session),
    "children": lambda session, filled: jobs.children(session, filled.child.parent_id),
    "page_of_children": lambda session, filled: jobs.page(session, parent=filled.child.parent_id),
    "retry": lambda session, filled: jobs.retry(session, ended(session), 3),
    "delete_job": lambda session, _: retention.delete_job(session, ended(session)),
    "keep_checkpoint": lambda session, filled: jobs.keep_checkpoint(session, *held(filled), "a", "b"),
    "drop_checkpoint": lambda session, filled: jobs.drop_checkpoint(session, filled.queued.id, "a"),
    "uploads": lambda session, _: uploads.page(session, 30.0),
    "delete_upload": lambda session, filled: retention.delete_upload(session, filled.upload_id),
    "total_of_uploads": lambda session, _: storage.total(session, storage.UPLOADS),
    "total_of_artifacts": lambda session, _: storage.total(session, storage.ARTIFACTS),
    "due": lambda session, _: retention.due(session),
    "in_use": lambda session, _: retention.in_use(session, ["a", "b"]),
    "known_keys": lambda session, _: known.known(session, ["a", "b"]),
    "sample_of_keys": lambda session, _: known.sample(session),
    "forget_checkpoints": lambda session, _: jobs.forget_checkpoints(session),
    "rescue": lambda session, _: jobs.rescue(session),
    "expire": lambda session, _: jobs.expire(session),
    "count_ready": lambda session, _: jobs.count_ready(session, "cpu", 4.0),
    "get": lambda session, filled: jobs.get(session, filled.running.id),
    "read_snapshot": lambda session, filled: jobs.read_snapshot(session.connection(), filled.queued.id),
    "read_snapshots": lambda session, filled: jobs.read_snapshots(
        session.connection(), [filled.queued.id, filled.running.id]
    ),
    "read_if_ended": lambda session, filled: jobs.read_if_ended(session.connection(), filled.queued.id),
    "read_version": lambda session, filled: jobs.read_version(session.connection(), filled.queued.id),
    "matching_ids": lambda session, filled: jobs.matching_ids(session, filled.running.id.hex[-6:], 11),
    "newest_id": lambda session, _: jobs.newest_id(session, created_by="ci"),
    "events": lambda session, filled: jobs.events(session, filled.running.id),
    "write_output": lambda session, filled: jobs.write_output(
        session, filled.running.id, 1, [jobs.Piece(0, "a\n")]
    ),
    "drop_output": lambda session, filled: jobs.drop_output(session, filled.running.id, 1, [0, 9]),
    "output_extents": lambda session, filled: jobs.output_extents(session, filled.running.id, 1),
    "read_output": lambda session, filled: jobs.read_output(session, filled.running.id),
    "read_output_after": lambda session, filled: jobs.read_output(
        session, filled.running.id, after=jobs.Place(1, 200), limit=20
    ),
    "has_output": lambda session, filled: jobs.has_output(session, filled.queued.id),
    "metric_history": lambda session, filled: metrics.history(session, filled.running.id),
    "system_history": lambda session, filled: metrics.history(session, filled.running.id, system=True),
    "thinned_history": lambda session, filled: metrics.history(session, filled.running.id, points=20),
    "compared_metrics": lambda session, filled: metrics.compare(session, [filled.running.id], "loss", 20),
    "names_of_metrics": lambda session, filled: metrics.names_of(session, [filled.running.id]),
    "predictions": lambda session, filled: registry.read_predictions(
        session, filled.running.id, after=(None, 99)
    ),
    "predictions_of_a_label": lambda session, filled: registry.read_predictions(
        session, filled.running.id, label="cats"
    ),
    "unsure_predictions": lambda session, filled: registry.read_predictions(
        session, filled.running.id, unsure_first=True, after=UNSURE
    ),
    "predictions_before": lambda session, filled: registry.read_predictions(
        session, filled.running.id, after=(None, 99), backwards=True
    ),
    "unsure_predictions_before": lambda session, filled: registry.read_predictions(
        session, filled.running.id, unsure_first=True, after=UNSURE, backwards=True
    ),
    "failed_predictions": lambda session, filled: registry.read_predictions(
        session, filled.running.id, unsure_first=True, after=(None, 99)
    ),
    "keep_predictions": lambda session, filled: registry.keep_predictions(
        session, filled.running.id, [PREDICTION] * 3, 7_000
    ),
    "page": lambda session, _: jobs.page(session),
    "listed_ids": lambda session, filled: jobs.listed_ids(session, [filled.queued.id, filled.running.id]),
    "page_of_a_kind": lambda session, _: jobs.page(session, jobs.JobFilter(kind=["sentiment"])),
    "page_of_a_state": lambda session, _: jobs.page(session, jobs.JobFilter(state=[State.RUNNING])),
    "page_of_the_finished": lambda session, _: jobs.page(session, jobs.JobFilter(state=[State.SUCCEEDED])),
    "page_after": lambda session, filled: jobs.page(
        session, after=jobs.OrderKey.of(jobs.Order.NEWEST, filled.queued)
    ),
    "find_the_last_that_ended": lambda session, _: jobs.find_in_order(
        session, JobFilter(), jobs.Order.FINISHED
    ),
    "find_the_last_that_ended_of_a_kind": lambda session, filled: jobs.find_in_order(
        session, JobFilter(kind=["sentiment"], q="nightly"), jobs.Order.FINISHED, after=ENDED
    ),
    "find_those_that_ended_before_a_page": lambda session, filled: jobs.find_in_order(
        session, JobFilter(), jobs.Order.FINISHED, after=ENDED, backwards=True
    ),
    "find_the_last_that_ended_of_few": lambda session, _: jobs.find_in_order(
        session, JobFilter(q="rare", state=["succeeded"]), jobs.Order.FINISHED, after=ENDED
    ),
    "find_the_next_in_turn": lambda session, _: jobs.find_in_order(session, JobFilter(), jobs.Order.PRIORITY),
    "ended_until": lambda session, _: jobs.ended_until(session, datetime.datetime.now(datetime.UTC)),
    "count_ended": lambda session, filled: jobs.count_ended(session, Job.id == filled.queued.id),
    "count_pending": lambda session, _: webhooks.count_pending(session),
    "read_tallies": lambda session, _: jobs.read_tallies(session, ["cpu", "gpu"]),
    "read_owners": lambda session, _: jobs.read_owners(session, ["cpu", "gpu"]),
    "running_of_owners": lambda session, _: jobs.count_running_of_owners(session),
    "tried_again": lambda session, _: failures.tried_again(session),
    "gauges": lambda session, _: queues.gauges(session),
    "ages": lambda session, _: jobs.ages(session, ["cpu", "gpu"]),
    "find_a_word": lambda session, _: jobs.find(session, JobFilter(q="nightly")),
    "find_words_and_a_label": lambda session, _: jobs.find(
        session, JobFilter(q="nightly rare", label=["team:birds"], state=["failed"], kind=["train"])
    ),
    "find_states_of_kinds": lambda session, _: jobs.find(
        session, JobFilter(state=["failed", "succeeded"], kind=["train", "predict"])
    ),
    "find_the_oldest_of_a_time": lambda session, filled: jobs.find(
        session, A_WEEK.model_copy(update={"kind": ["train"]}), after=filled.queued.id, oldest_first=True
    ),
    "find_by_token": lambda session, filled: jobs.find(
        session, JobFilter(created_by=["ci"]), after=filled.queued.id
    ),
    "find_by_dates": lambda session, _: jobs.find(session, A_WEEK),
    "edit": lambda session, filled: jobs.edit(
        session, filled.queued.id, jobs.Edit({"name": "new", "priority": 9}, {"team": "cats"})
    ),
    "count_by_state": lambda session, _: jobs.count_by_state(session),
    "view_of_queues": lambda session, _: queues.view(session),
    "tell_of_long_waits": lambda session, _: jobs.tell_of_long_waits(session, ["cpu", "gpu"], 60.0),
    "due_webhooks": lambda session, _: webhooks.due(session),
    "claim_deliveries": lambda session, filled: webhooks.claim(session, WEBHOOK, 4),
    "record_deliveries": lambda session, filled: webhooks.record(
        session, [(one, webhooks.Outcome(410, "gone")) for one in webhooks.claim(session, WEBHOOK, 1)]
    ),
    "deliveries": lambda session, _: webhooks.page(session, WEBHOOK, before=FINISHED),
    "resend": lambda session, _: webhooks.resend(session, WEBHOOK, 7),
    "forget_deliveries": lambda session, _: webhooks.forget(session, 30.0, limit=100),
}


@pytest.mark.parametrize("verb", HOT)
def test_no_hot_statement_reads_a_whole_table(filled: Filled, verb: str) -> None:
    statements = sent_by(filled, HOT[verb])
    assert statements, "the verb asks nothing"
    for statement, parameters in statements:
        whole = [scan for scan in scans(filled.database, statement, parameters) if scan.is_whole]
        assert not whole, f"{whole}\n{statement}"


@pytest.mark.parametrize("verb", ["uploads", "delete_upload", "total_of_uploads", "total_of_artifacts"])
def test_files_are_found_by_an_index(filled: Filled, verb: str) -> None:
    for statement, parameters in sent_by(filled, HOT[verb]):
        found = scans(filled.database, statement, parameters)
        whole = [
            scan
            for scan in found
            if scan.table == "files" and (scan.index is None or not (scan.narrowed or scan.limited))
        ]
        assert not whole, f"{whole}\n{statement}"


def test_uploads_are_read_in_the_order_of_their_index_and_nothing_is_sorted(filled: Filled) -> None:
    statement, parameters = sent_by(filled, HOT["uploads"])[0]
    steps = plan(filled.database, statement, parameters)
    assert not [step for step in steps if SORTS.search(step)], steps


def test_the_rescue_of_lost_jobs_finds_them_among_those_that_run(filled: Filled) -> None:
    (select, parameters), *_ = sent_by(filled, HOT["rescue"])
    (scan,) = scans(filled.database, select, parameters)
    assert scan.index in ("ix_jobs_line", "ix_jobs_listed")


@pytest.mark.parametrize("verb", ["claim", "claim_of_nothing"])
def test_the_first_in_line_is_the_first_of_an_index_and_nothing_is_sorted(filled: Filled, verb: str) -> None:
    (statement, parameters), *rest = sent_by(filled, HOT[verb])
    if filled.database.engine.dialect.name == "postgresql":
        assert rest == [], "the move and its row in the timeline are one statement"
    steps = plan(filled.database, statement, parameters)
    assert not [step for step in steps if SORTS.search(step)], steps
    line = [scan for scan in scans(filled.database, statement, parameters) if scan.index == "ix_jobs_line"]
    # On SQLite it is one statement, too, for a queue with a limit, whose running jobs are counted.
    looks = 2 if filled.database.engine.dialect.name == "sqlite" else 1
    found = [(scan.narrowed, scan.limited) for scan in line]
    if verb == "claim":
        assert found == [(True, True)] * looks
    else:  # PostgreSQL may look for the owners of a queue that it knows to be empty in the same index
        assert (True, True) in found
        assert all(scan.narrowed for scan in line)


@pytest.mark.parametrize(
    "verb", ["predictions", "unsure_predictions", "predictions_before", "unsure_predictions_before"]
)
def test_the_next_predictions_are_those_after_a_place_in_an_index_and_nothing_is_sorted(
    filled: Filled, verb: str
) -> None:
    ((statement, parameters),) = sent_by(filled, HOT[verb])
    steps = plan(filled.database, statement, parameters)
    assert not [step for step in steps if SORTS.search(step)], steps


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"state": ["succeeded"]}, "ix_jobs_listed"),
        ({"state": ["failed"]}, "ix_jobs_listed"),
        ({"kind": ["train"]}, "ix_jobs_kind_id"),
        ({"q": "nightly"}, "pk_job_terms"),
        ({"label": ["team:birds"]}, "pk_job_terms"),
    ],
)
@pytest.mark.parametrize("oldest_first", [False, True])
def test_jobs_are_found_in_the_order_of_an_index_of_what_they_have(
    filled: Filled, asked: dict[str, Any], index: str, *, oldest_first: bool
) -> None:
    """Never in that of all jobs, past those that have something else."""
    after = filled.queued.id
    ((statement, parameters),) = sent_by(
        filled,
        lambda session, _: jobs.find(session, JobFilter(**asked), after=after, oldest_first=oldest_first),
    )
    steps = plan(filled.database, statement, parameters)
    assert not [step for step in steps if SORTS.search(step)], steps
    if filled.database.engine.dialect.name == "sqlite" and index == "pk_job_terms":
        # Without a rowid, the table is its key.
        assert re.fullmatch(r"SEARCH job_terms USING PRIMARY KEY \(.*\)", *steps)
        return
    [scan] = scans(filled.database, statement, parameters)
    assert (scan.index, scan.narrowed) == (index, True), steps


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("asked", [{}, {"kind": ["sentiment"], "q": "nightly"}])
def test_what_ended_last_is_read_from_the_index_of_ends(
    filled: Filled, asked: dict[str, Any], *, backwards: bool
) -> None:
    statements = sent_by(
        filled,
        lambda session, _: jobs.find_in_order(
            session, JobFilter(**asked), jobs.Order.FINISHED, after=ENDED, backwards=backwards
        ),
    )
    walked = [one for one in statements if "AS looked" in one[0]]
    assert walked
    for statement, parameters in walked:
        found = [scan for scan in scans(filled.database, statement, parameters) if scan.table == "jobs"]
        assert [(scan.index, scan.narrowed) for scan in found] == [("ix_jobs_finished_at", True)]


@pytest.mark.parametrize("backwards", [False, True])
def test_those_that_wait_are_read_from_the_index_of_the_line(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, *, backwards: bool
) -> None:
    monkeypatch.setattr(finding, "LOOK", 10)  # fewer than there are
    key = jobs.OrderKey.of(jobs.Order.PRIORITY, filled.queued)
    statements = sent_by(
        filled,
        lambda session, _: jobs.find_in_order(
            session, JobFilter(), jobs.Order.PRIORITY, after=key, backwards=backwards
        ),
    )
    walked = [one for one in statements if "AS looked" in one[0]]
    assert walked
    for statement, parameters in walked:
        found = [scan for scan in scans(filled.database, statement, parameters) if scan.table == "jobs"]
        # Where PostgreSQL knows that there are few of the same priority, it may sort them.
        others = [scan for scan in found if scan.index != "ix_jobs_line"]
        most = len(Queue) if filled.database.engine.dialect.name == "postgresql" else 0
        assert len(found) == 2 * len(Queue)
        assert len(others) <= most
        assert all(scan.narrowed for scan in found)
        assert {scan.index for scan in others} <= {"ix_jobs_turns"}


def test_a_claim_that_sorts_the_line_is_found(filled: Filled) -> None:
    """As it would be in an order that no index has."""
    by_age = (
        sa.select(Job.id)
        .where(Job.state == State.QUEUED, Job.queue == "cpu")
        .order_by(Job.priority.desc(), Job.available_at)
        .limit(1)
    )
    claim = sa.update(Job).where(Job.id == by_age.scalar_subquery()).values(version=1)
    ((text, parameters),) = sent_by(filled, lambda session, _: session.execute(claim))
    assert any(SORTS.search(step) for step in plan(filled.database, text, parameters))


@pytest.mark.parametrize(
    "statement",
    [
        sa.select(Job.id).where(Job.worker == "somebody"),
        sa.select(sa.func.count()).select_from(Job),
        sa.select(Job.state, sa.func.count()).group_by(Job.state),
        sa.delete(JobEvent).where(JobEvent.worker == "somebody"),
    ],
    ids=["by_a_column_without_index", "count", "group", "delete"],
)
def test_a_statement_that_reads_a_whole_table_is_found(filled: Filled, statement: Any) -> None:
    ((text, parameters),) = sent_by(filled, lambda session, _: session.execute(statement))
    assert any(scan.is_whole for scan in scans(filled.database, text, parameters))


# ---- what was sent, and how the database would do it


def sent_by(filled: Filled, verb: Verb) -> list[tuple[str, Any]]:
    """Statements and parameters as the driver got them; what they changed is rolled back."""
    sent: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
            sent.append((statement, parameters[0] if many else parameters))

    with filled.database.read() as session:
        sa.event.listen(filled.database.engine, "before_cursor_execute", note)
        try:
            verb(session, filled)
            session.flush()
        finally:
            sa.event.remove(filled.database.engine, "before_cursor_execute", note)
    return sent


def scans(database: Database, statement: str, parameters: Any) -> list[Scan]:
    """How each of our tables would be read."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            return list(_of_postgresql(explained.scalar_one()[0]["Plan"], limited=False))
        explained = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return list(_of_sqlite([row[3] for row in explained], limited="LIMIT" in statement))


# A step that puts rows in order, in the words of either database.
SORTS = re.compile(r"Sort|TEMP B-TREE")


def plan(database: Database, statement: str, parameters: Any) -> list[str]:
    """The steps, in the database's own words."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            return list(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
        explained = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row[3] for row in explained]


def _of_postgresql(plan: dict[str, Any], *, limited: bool) -> Iterator[Scan]:
    node = plan["Node Type"]
    if node == "Seq Scan":
        yield Scan(plan["Relation Name"], None, narrowed=False, limited=limited)
    elif "Index Name" in plan:
        table = plan.get("Relation Name", "")  # a bitmap is made by an index's condition, never without one
        yield Scan(table, plan["Index Name"], narrowed="Index Cond" in plan, limited=limited)
    # What sorts or counts has to see all of it before the limit helps.
    through = limited and node not in ("Sort", "Aggregate", "Hash")
    for below in plan.get("Plans", []):
        yield from _of_postgresql(below, limited=through or node == "Limit")


def _of_sqlite(details: list[str], *, limited: bool) -> Iterator[Scan]:
    sorts = any(detail.startswith("USE TEMP B-TREE") for detail in details)
    for detail in details:
        how, *words = detail.split()
        if how not in ("SCAN", "SEARCH") or words[0] == "CONSTANT":
            continue
        by_index = "USING" in words
        narrowed = how == "SEARCH"
        index = next((word for word in words if word.startswith(("ix_", "sqlite_autoindex_"))), "rowid")
        yield Scan(words[0], index if by_index else None, narrowed, limited and not sorts)


# ---- the jobs


def a_request() -> Request:
    return Request(kind="sentiment", queue="cpu", spec={"texts": ["good"]}, priority=5, max_attempts=3)


def held(filled: Filled) -> tuple[uuid.UUID, uuid.UUID]:
    assert filled.running.lease is not None
    return filled.running.id, filled.running.lease


def held_child(filled: Filled) -> tuple[uuid.UUID, uuid.UUID]:
    assert filled.child.lease is not None
    return filled.child.id, filled.child.lease


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Finished jobs with their timelines, some queued ones and some that lost their worker."""
    folder = tmp_path_factory.mktemp("plans")
    with ExitStack() as opened:
        if request.param == "sqlite":
            url = f"sqlite:///{folder / 'jobyard.db'}"
        else:
            url = opened.enter_context(new_database(request.getfixturevalue("postgres")))
        yield from _filled(url, folder)
    shutil.rmtree(folder)


def _filled(url: str, folder: Path) -> Iterator[Filled]:
    upgrade(Settings(home=folder, database_url=url))
    database = Database(url)
    with database.write() as session:
        _fill(session)
    with database.autocommit() as connection:
        connection.execute(sa.text("ANALYZE"))
    with database.read() as session:
        single = Job.parent_id.is_(None)
        running = session.scalars(sa.select(Job).where(Job.state == State.RUNNING, single)).first()
        queued = session.scalars(sa.select(Job).where(Job.state == State.QUEUED, single)).first()
        child = session.scalars(sa.select(Job).where(Job.state == State.RUNNING, ~single)).first()
    assert running is not None
    assert queued is not None
    assert child is not None
    with database.read() as session:
        unread = ~sa.exists().where(needs.JobInput.file_id == File.id)
        upload_id = session.scalars(sa.select(File.id).where(File.job_id.is_(None), unread)).first()
    assert upload_id is not None
    yield Filled(database, running, queued, child, upload_id)
    database.dispose()


def _fill(session: Session) -> None:
    states = [State.SUCCEEDED] * FINISHED + [State.RUNNING] * RUNNING + [State.QUEUED] * QUEUED
    rows = [_row(number, state) for number, state in enumerate(states)]
    # One large file at work, and some that have ended.
    rows += _family(len(rows), State.WAITING, {State.SUCCEEDED: 200, State.RUNNING: 2, State.WAITING: 300})
    for _ in range(10):
        rows += _family(len(rows), State.SUCCEEDED, {State.SUCCEEDED: 100})
    session.execute(sa.insert(Job), rows)
    event = {"at": LONG_AGO, "state": "queued", "attempt": 1}
    session.execute(sa.insert(JobEvent), [{"job_id": row["id"], **event} for row in rows])
    _fill_webhooks(session, [row["id"] for row in rows])
    terms = {"nightly": 1, "team:birds": 3, "rare": 5_000}
    found_by = [
        {"job_id": row["id"], "term": term, "is_mark": True}
        for number, row in enumerate(rows)
        for term, each in terms.items()
        if number % each == 0 and row["parent_id"] is None
    ]
    session.execute(sa.insert(jobs.JobTerm), found_by)
    point = {"name": "loss", "value": 0.5, "at": LONG_AGO}
    points = [{"job_id": row["id"], "step": 1, **point} for row in rows]
    running = [row["id"] for row in rows if row["state"] == State.RUNNING]
    points += [{"job_id": job_id, "step": step, **point} for job_id in running for step in range(2, 500)]
    session.execute(sa.insert(metrics.Metric), points)
    # An artifact of each job, and an upload for every tenth; the last few are read by none.
    file = {"media_type": "text/csv", "bytes": 1, "sha256": DIGEST, "created_at": LONG_AGO}
    files = [
        file | {"id": uuid.uuid4(), "job_id": job_id, "name": "a", "storage_key": f"scored/{number}/{job_id}"}
        for number, row in enumerate(rows)
        for job_id in ([row["id"], None] if number % 10 == 0 else [row["id"]])
    ]
    session.execute(sa.insert(File), files)
    uploaded = [row["id"] for row in files if row["job_id"] is None]
    read = [
        {"job_id": row["id"], "file_id": file_id} for row, file_id in zip(rows, uploaded[:-20], strict=False)
    ]
    session.execute(sa.insert(needs.JobInput), read)
    piece = {"attempt": 1, "text": "a line\n", "at": LONG_AGO}
    pieces = [{"job_id": row["id"], "begins": 0, **piece} for row in rows[:5_000]]
    pieces += [{"job_id": job_id, "begins": 7 * line, **piece} for job_id in running for line in range(500)]
    session.execute(sa.insert(jobs.JobLog), pieces)
    # Two large predictions, and those of jobs of one picture.
    for job in rows[FINISHED : FINISHED + 2]:
        registry.keep_predictions(session, job["id"], [_prediction(number) for number in range(PREDICTED)])
    for job in rows[:PREDICTED]:
        registry.keep_predictions(session, job["id"], [PREDICTION])


def _fill_webhooks(session: Session, job_ids: list[uuid.UUID]) -> None:
    """One that is told of each job, and still has a few messages to be sent."""
    events = [event.value for event in webhooks.WebhookEvent]
    url, secret = "https://hooks.example.org", "whsec_" + "A" * 32
    session.add(
        webhooks.Webhook(id=WEBHOOK, name="w", url=url, events=events, secret=secret, created_at=LONG_AGO)
    )
    session.flush()
    sent = {"status": "delivered", "delivered_at": LONG_AGO, "next_try_at": None}
    waits = {"status": "pending", "delivered_at": None, "next_try_at": LONG_AGO}
    told = {"webhook_id": WEBHOOK, "event": "succeeded", "payload": {}, "created_at": LONG_AGO, "attempts": 1}
    deliveries = [
        {
            "job_id": job_id,
            "message_id": f"msg_{job_id.hex}",
            **told,
            **(waits if number % 2_000 == 0 else sent),
        }
        for number, job_id in enumerate(job_ids)
    ]
    session.execute(sa.insert(webhooks.Delivery), deliveries)


def _prediction(number: int) -> dict[str, Any]:
    return PREDICTION | {
        "label": "cats" if number % 3 else "dogs",
        "probability": None if number % 50 == 0 else (number * 7919 % PREDICTED) / PREDICTED,
    }


def _family(number: int, state: State, children: dict[State, int]) -> list[dict[str, Any]]:
    """A parent and its children."""
    parent = _row(number, state)
    states = [state for state, count in children.items() for _ in range(count)]
    born = [_row(number + 1 + index, state) for index, state in enumerate(states)]
    return [
        parent | {"child_window": 4, "checkpoint_key": f"plans/{number}" if state == State.WAITING else None},
        *(
            child | {"parent_id": parent["id"], "checkpoint_key": f"parts/{child['id']}"}
            if state == State.WAITING and child["state"] == State.SUCCEEDED
            else child | {"parent_id": parent["id"]}
            for child in born
        ),
    ]


def _row(number: int, state: State) -> dict[str, Any]:
    at = LONG_AGO + datetime.timedelta(minutes=number)
    kind = "train" if number % 10 == 0 else "sentiment"
    running = state == State.RUNNING
    # Some jobs came together, in one request.
    key = f"many/{number}" if number < 3 else f"key-{number}"
    return {
        "id": uuid.UUID(int=(number << 80) + (7 << 76) + (8 << 60) + number),
        "kind": kind,
        "queue": "gpu" if kind == "train" else "cpu",
        "state": state,
        "priority": 5,
        "spec": {"texts": ["good"]},
        "attempt": 1,
        "max_attempts": 3,
        "version": 3,
        "idempotency_key": key,
        "request_sha256": DIGEST,
        "created_at": LONG_AGO if number < 3 else at,
        "queued_at": at,
        "available_at": at,
        "finished_at": at if state == State.SUCCEEDED else None,
        "worker": "cpu@host/1" if state != State.QUEUED else None,
        "lease": uuid.UUID(int=number) if running else None,
        "lease_expires_at": at if running else None,
        "deadline_at": at if running else None,
        "parent_id": None,
        "child_window": None,
        "checkpoint_key": None,
    }
