"""What its owner may change of a job without moving it."""

import uuid

import pytest

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.errors import BadInput, Conflict, NotFound
from jobyard.shared.jobs import Edit, State
from tests.factories import claimed, get_job, new_job
from tests.integration.shared.jobs.verbs import row


def edited(database: Database, job_id: uuid.UUID, asked: Edit) -> jobs.Job:
    with database.write() as session:
        return jobs.edit(session, job_id, asked)


def told(database: Database, job_id: uuid.UUID) -> list[str]:
    with database.read() as session:
        return [event.message for event in jobs.events(session, job_id) if event.message is not None]


def test_an_edit_changes_what_it_has_and_tells_of_it_and_the_version_grows(database: Database) -> None:
    job_id = new_job(database, name="before", labels={"team": "birds", "stage": "trial"}, note="n")
    before = row(database, job_id)
    labels = {"stage": None, "team": "cats", "new": ""}
    edited(database, job_id, Edit({"name": "after", "keep": True}, labels))
    kept = row(database, job_id)
    assert (kept["name"], kept["labels"], kept["note"]) == ("after", {"team": "cats", "new": ""}, "n")
    assert bool(kept["keep"]) is True
    assert kept["version"] == before["version"] + 1
    assert kept["state"] == State.QUEUED
    [message] = told(database, job_id)
    assert message == "named 'after'; to be kept; labels set: team=cats, new=; removed: stage"


def test_an_edit_that_changes_nothing_leaves_no_trace(database: Database) -> None:
    job_id = new_job(database, name="same", labels={"a": "b"})
    before = row(database, job_id)
    edited(database, job_id, Edit({"name": "same", "keep": False, "priority": 5}, {"a": "b", "c": None}))
    assert row(database, job_id) == before
    assert told(database, job_id) == []


def test_all_labels_can_be_replaced_and_the_last_ones_removed(database: Database) -> None:
    job_id = new_job(database, labels={"a": "1", "b": "2"})
    assert edited(database, job_id, Edit(labels={"b": "2"}, forget_labels=True)).labels == {"b": "2"}
    assert edited(database, job_id, Edit(forget_labels=True)).labels is None
    assert get_job(database, job_id).labels is None


def test_there_are_never_more_than_so_many_labels(database: Database) -> None:
    job_id = new_job(database, labels={f"old-{number}": "" for number in range(20)})
    with pytest.raises(BadInput, match="should be at most 32, but would be 40"):
        edited(database, job_id, Edit(labels={f"new-{number}": "" for number in range(20)}))
    assert len(get_job(database, job_id).labels or {}) == 20


def test_the_priority_of_a_queued_job_moves_it_in_its_queue(database: Database) -> None:
    first, second = new_job(database), new_job(database)
    edited(database, second, Edit({"priority": 9}))
    with database.write() as session:
        claim = jobs.claim(session, "cpu", worker="w", lease_seconds=30)
    assert claim is not None
    assert claim.id == second
    assert told(database, second) == ["priority changed from 5 to 9"]
    assert get_job(database, first).priority == 5


def test_a_job_that_runs_or_has_ended_has_no_priority_to_change_but_a_name(database: Database) -> None:
    job_id = new_job(database)
    claimed(database, job_id)
    with pytest.raises(Conflict, match="is running; only a queued or paused job has a priority"):
        edited(database, job_id, Edit({"priority": 9, "name": "new"}))
    assert get_job(database, job_id).name is None
    assert edited(database, job_id, Edit({"name": "new"})).name == "new"


def test_a_child_and_what_is_not_there_cannot_be_edited(database: Database) -> None:
    with pytest.raises(NotFound):
        edited(database, uuid.uuid4(), Edit({"name": "x"}))
    parent = new_job(database)
    lease = claimed(database, parent).lease
    with database.write() as session:
        progress = jobs.Progress("parts", 0, 1, "rows", None)
        jobs.split(session, parent, lease, [{"part": 0}], window=1, progress=progress)
        [child] = jobs.children(session, parent)
    with pytest.raises(Conflict, match=f"is a part of job {parent}"):
        edited(database, child.id, Edit({"name": "x"}))
