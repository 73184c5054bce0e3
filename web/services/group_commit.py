"""Group commit: jobs that arrive at the same time are accepted in one transaction."""

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.broker import Broker
from jobyard.shared.database import Database
from jobyard.shared.errors import Conflict
from jobyard.shared.needs import Needs, note
from jobyard.shared.tokens import Identity
from jobyard.web.services import quotas

# So many jobs in one transaction: none of them waits long for the others.
MOST = 32
NOTHING = Needs()


class Accepted(NamedTuple):
    """The job that a request has made, now or when it came before."""

    job: jobs.JobSnapshot
    is_new: bool


@dataclass
class _Entry:
    """A request, what its job needs, and what came of it: the job, or why there is none."""

    request: jobs.Request
    needs: Needs
    # Whose quota it counts for.
    submitter: Identity | None = None
    outcome: Accepted | Exception | None = None

    @property
    def is_one_statement(self) -> bool:
        """Whether PostgreSQL inserts all of it at once."""
        return not self.is_bounded and self.needs == NOTHING and jobs.is_listed_whole(self.request.spec)

    @property
    def is_bounded(self) -> bool:
        return self.submitter is not None and self.submitter.max_queued is not None

    @property
    def is_new(self) -> bool:
        return isinstance(self.outcome, Accepted) and self.outcome.is_new


class GroupCommit:
    """Insert, commit, wake. Requests that arrive during a commit share the next one.

    A transaction costs about as much for ten jobs as for one, and SQLite has one at a time.
    """

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker
        self._waiting: deque[_Entry] = deque()
        self._turn = threading.Lock()

    def accept(
        self, request: jobs.Request, needs: Needs = NOTHING, submitter: Identity | None = None
    ) -> Accepted:
        """The job, which is committed, with what it needs.

        Raises Conflict if the request's key was used for another request, and QuotaReached.
        """
        entry = _Entry(request, needs, submitter)
        self._waiting.append(entry)
        while entry.outcome is None:
            taken: list[_Entry] = []
            with self._turn:
                if entry.outcome is None:
                    taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]
                    self._commit(taken)
            # The next turn need not wait for the broker.
            for queue, count in Counter(one.request.queue for one in taken if one.is_new).items():
                self._broker.wake(queue, count)
        if isinstance(entry.outcome, Exception):
            raise entry.outcome
        return entry.outcome

    def _commit(self, entries: list[_Entry]) -> None:
        """Give each its outcome."""
        try:
            is_single = self._database.is_postgresql and len(entries) == 1 and entries[0].is_one_statement
            with self._database.begin(single=is_single) as connection:
                outcomes = _accept(connection, entries)
        except Exception as error:  # noqa: BLE001 - it is raised where the request came from
            # Perhaps in the commit: then it is unknown whether it was done.
            away = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
            if len(entries) > 1 and not away:  # the fault of one of them, which is not the others'
                for entry in entries:
                    self._commit([entry])
                return
            outcomes = [error] * len(entries)
        for entry, outcome in zip(entries, outcomes, strict=True):
            entry.outcome = outcome


def _accept(connection: sa.Connection, entries: Sequence[_Entry]) -> list[Accepted | Exception]:
    refused = _over_quota(connection, entries)
    admitted = [entry for entry in entries if id(entry) not in refused]
    outcomes = iter(_insert(connection, admitted) if admitted else [])
    return [refused[id(entry)] if id(entry) in refused else next(outcomes) for entry in entries]


def _over_quota(connection: sa.Connection, entries: Sequence[_Entry]) -> dict[int, Exception]:
    """By the entries' identities. Nothing is asked for those without a quota."""
    refused: dict[int, Exception] = {}
    bounded = {
        entry.submitter.digest: entry.submitter for entry in entries if entry.submitter and entry.is_bounded
    }
    # In one order: two transactions never wait for each other.
    for digest, submitter in sorted(bounded.items()):
        left = quotas.room(connection, submitter) or 0
        theirs = [one for one in entries if one.submitter is not None and one.submitter.digest == digest]
        if len(theirs) <= left:
            continue
        for entry in theirs:
            if _is_known(connection, entry.request):
                continue
            if left > 0:
                left -= 1
            else:
                refused[id(entry)] = quotas.refusal(submitter, 1, left)
    return refused


def _is_known(connection: sa.Connection, request: jobs.Request) -> bool:
    """Whether its key was used before: then it makes no job."""
    try:
        return bool(request.idempotency_key) and (
            jobs.repeat_of(connection, request.idempotency_key or "", request.request_sha256) is not None
        )
    except Conflict:
        return True


def _insert(connection: sa.Connection, entries: Sequence[_Entry]) -> list[Accepted | Exception]:
    made = jobs.submit_each(connection, [entry.request for entry in entries], look=True)
    both = zip(made, entries, strict=True)
    new = [(job, entry) for job, entry in both if isinstance(job, jobs.Submitted) and job.is_new]
    note(connection, [(job.id, entry.needs) for job, entry in new])
    seen = jobs.snapshots_of_new((job, entry.request) for job, entry in new)
    return [
        job
        if isinstance(job, Conflict)
        else Accepted(seen.get(job.id) or jobs.read_snapshot(connection, job.id), job.is_new)
        for job in made
    ]
