"""The database refuses rows that no verb could make."""

import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared.database import Database
from jobyard.shared.jobs import State
from tests.factories import LONG_AGO, change_job
from tests.integration.shared.jobs.verbs import in_state, row


@pytest.mark.parametrize(
    ("state", "constraint", "values"),
    [
        (State.QUEUED, "ck_jobs_state", {"state": "resting"}),
        (State.QUEUED, "ck_jobs_terminal_is_finished", {"finished_at": LONG_AGO}),
        (State.QUEUED, "ck_jobs_terminal_is_finished", {"state": "cancelled"}),
        (State.SUCCEEDED, "ck_jobs_terminal_is_finished", {"finished_at": None}),
        (State.QUEUED, "ck_jobs_running_has_lease", {"state": "running"}),
        (State.QUEUED, "ck_jobs_running_has_lease", {"lease": uuid.uuid4(), "lease_expires_at": LONG_AGO}),
        (State.RUNNING, "ck_jobs_running_has_lease", {"state": "queued"}),
        (State.RUNNING, "ck_jobs_lease_expires", {"lease_expires_at": None}),
        (State.QUEUED, "ck_jobs_lease_expires", {"lease_expires_at": LONG_AGO}),
        (State.FAILED, "ck_jobs_failed_says_why", {"error_message": None}),
        (State.SUCCEEDED, "ck_jobs_failed_says_why", {"error_message": "why"}),
        (State.QUEUED, "ck_jobs_priority", {"priority": 10}),
        (State.QUEUED, "ck_jobs_priority", {"priority": -1}),
        (State.QUEUED, "ck_jobs_attempts", {"attempt": -1}),
        (State.QUEUED, "ck_jobs_attempts", {"max_attempts": 0}),
    ],
)
def test_database_refuses_a_row_that_no_verb_could_make(
    database: Database, state: State, constraint: str, values: dict[str, Any]
) -> None:
    job_id, _ = in_state(database, state)
    before = row(database, job_id)
    with pytest.raises(sa.exc.IntegrityError, match=constraint):
        change_job(database, job_id, **values)
    assert row(database, job_id) == before
