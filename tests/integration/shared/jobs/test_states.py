"""What each verb does in each state, and what it must not, on both databases; any order of verbs keeps it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.database import Database, utcnow
from jobyard.shared.errors import Conflict, NotFound
from jobyard.shared.jobs import MOVES, TERMINAL, Job, State
from tests.factories import LONG_AGO, change_job, new_job, states_of, submit
from tests.integration.shared.jobs.verbs import (
    FAMILY,
    LEADS,
    OWNERS,
    VERBS,
    expire,
    in_state,
    next_claim,
    row,
    timeline,
)


@pytest.mark.parametrize("verb", VERBS)
def test_verb_leads_where_its_table_says_and_elsewhere_changes_nothing(database: Database, verb: str) -> None:
    for state in State:
        job_id, lease = in_state(database, state)
        if verb == "rescue" and state == State.RUNNING:
            expire(database, job_id)
        if verb == "expire":
            change_job(database, job_id, deadline_at=LONG_AGO)
        before, events_before = row(database, job_id), len(timeline(database, job_id))

        conflict = False
        with database.write() as session:
            try:
                VERBS[verb](session, job_id, lease)
            except Conflict:
                conflict = True

        after, events = row(database, job_id), timeline(database, job_id)
        if state not in LEADS[verb]:
            assert after == before, f"{verb} in {state}"
            assert len(events) == events_before, f"{verb} in {state}"
            assert conflict == (verb in OWNERS)
            continue
        assert not conflict
        assert after["state"] == LEADS[verb][state]
        assert after["version"] == before["version"] + 1
        noted = 0 if verb == "heartbeat" else 1
        assert len(events) == events_before + noted, f"{verb} in {state}"
        if noted:
            assert events[-1].state == LEADS[verb][state]


def test_the_verbs_make_exactly_the_moves_of_the_table(database: Database) -> None:
    seen = set()
    for verb, leads in LEADS.items():
        for state in leads:
            for asked in (None, jobs.cancel, jobs.pause):
                for attempts in (1, 3):
                    job_id, lease = in_state(database, state)
                    change_job(database, job_id, max_attempts=attempts)
                    if asked and state == State.RUNNING:
                        with database.write() as session:
                            asked(session, job_id)
                    if verb == "rescue":
                        expire(database, job_id)
                    if verb == "expire":
                        change_job(database, job_id, deadline_at=LONG_AGO)
                    with database.write() as session:
                        VERBS[verb](session, job_id, lease)
                    seen.add((state, State(row(database, job_id)["state"])))
    moves = {(source, target) for source, targets in MOVES.items() for target in targets}
    assert {(source, target) for source, target in seen if source != target} == moves - FAMILY


def test_unknown_job_is_not_found_by_its_owner_and_nothing_to_its_worker(database: Database) -> None:
    nobody, lease = uuid.uuid4(), uuid.uuid4()
    for verb in OWNERS:
        with database.write() as session, pytest.raises(NotFound, match=str(nobody)):
            VERBS[verb](session, nobody, lease)
    for verb in ("claim", "heartbeat", "succeed", "fail", "finish_cancel", "release"):
        with database.write() as session:
            assert not VERBS[verb](session, nobody, lease)


def test_a_verb_that_is_rolled_back_never_happened(database: Database) -> None:
    job_id = new_job(database)
    before = row(database, job_id)

    def claim_and_stumble() -> None:
        with database.write() as session:
            assert next_claim(session) is not None
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        claim_and_stumble()
    assert row(database, job_id) == before
    assert states_of(database, job_id) == ["queued"]


class AnyOrder(RuleBasedStateMachine):
    """Whatever owners, workers, sweepers and clocks do, in whatever order: the promises hold."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        with database.write() as session:
            session.execute(sa.delete(Job))
        self.jobs: list[uuid.UUID] = []
        self.leases: dict[uuid.UUID, list[uuid.UUID]] = {}
        self.last: dict[uuid.UUID, dict[str, Any]] = {}

    @contextmanager
    def moving(self, verb: str) -> Iterator[Session]:
        with self.database.write() as session:
            yield session
        for job_id in self.jobs:
            now, before = row(self.database, job_id), self.last.get(job_id)
            if before is not None and now["state"] != before["state"]:
                assert now["state"] in MOVES[State(before["state"])]
                assert states_of(self.database, job_id)[-1] == now["state"]
                assert now["version"] > before["version"]
            if before is not None and before["state"] in TERMINAL and verb != "retry":
                assert now == before
            self.last[job_id] = now

    def pick(self, data: st.DataObject) -> uuid.UUID | None:
        return data.draw(st.sampled_from(self.jobs)) if self.jobs else None

    @rule(max_attempts=st.integers(1, 3), priority=st.integers(0, 9))
    def submit(self, max_attempts: int, priority: int) -> None:
        with self.moving("submit") as session:
            job = submit(session, max_attempts=max_attempts, priority=priority)
            self.jobs.append(job.id)
            self.leases[job.id] = []

    @rule()
    def claim(self) -> None:
        line = sorted(
            (one for one in self.last.values() if one["state"] == State.QUEUED),
            key=lambda one: (-one["priority"], one["id"]),
        )
        with self.moving("claim") as session:
            now = session.scalar(sa.select(utcnow()))
            claim = next_claim(session)
        # A backoff may have ended between the two statements.
        passed = line
        if claim is not None:
            passed = line[: [one["id"] for one in line].index(claim.id)]
            self.leases[claim.id].append(claim.lease)
            kept = self.last[claim.id]
            assert (kept["state"], kept["lease"]) == (State.RUNNING, claim.lease)
            assert claim.attempt == kept["attempt"] <= kept["max_attempts"]
        assert all(one["available_at"] > now for one in passed)

    @rule(data=st.data(), verb=st.sampled_from(["heartbeat", "succeed", "fail", "finish_cancel", "release"]))
    def work(self, data: st.DataObject, verb: str) -> None:
        job_id = self.pick(data)
        if job_id is None or not self.leases[job_id]:
            return
        lease = data.draw(st.sampled_from(self.leases[job_id]))
        holds = self.last[job_id]["lease"] == lease
        with self.moving(verb) as session:
            assert bool(VERBS[verb](session, job_id, lease)) == holds

    @rule(data=st.data(), verb=st.sampled_from(["cancel", "retry"]))
    def ask(self, data: st.DataObject, verb: str) -> None:
        if (job_id := self.pick(data)) is None:
            return
        allowed = State(self.last[job_id]["state"]) in LEADS[verb]
        with self.moving(verb) as session:
            try:
                VERBS[verb](session, job_id, uuid.uuid4())
                assert allowed
            except Conflict:
                assert not allowed

    @rule(data=st.data())
    def worker_dies(self, data: st.DataObject) -> None:
        job_id = self.pick(data)
        if job_id is not None and self.last[job_id]["state"] == State.RUNNING:
            expire(self.database, job_id)
            self.last[job_id] = row(self.database, job_id)

    @rule()
    def rescue(self) -> None:
        with self.moving("rescue") as session:
            jobs.rescue(session)

    @rule(data=st.data())
    def backoff_passes(self, data: st.DataObject) -> None:
        job_id = self.pick(data)
        if job_id is not None and self.last[job_id]["state"] == State.QUEUED:
            change_job(self.database, job_id, available_at=LONG_AGO)
            self.last[job_id] = row(self.database, job_id)

    @invariant()
    def rows_are_sound(self) -> None:
        for now in self.last.values():
            assert (now["state"] in TERMINAL) == (now["finished_at"] is not None)
            assert (now["state"] == State.RUNNING) == (now["lease"] is not None)
            assert (now["state"] == State.FAILED) == (now["error_message"] is not None)
            assert 0 <= now["attempt"] <= now["max_attempts"]


def test_any_order_of_verbs_keeps_the_promises(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    try:
        run_state_machine_as_test(
            lambda: AnyOrder(database),
            settings=settings(
                max_examples=40,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        database.dispose()
