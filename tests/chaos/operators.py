"""The operator of the fault test: pauses and bounds queues, changes many jobs at once, and revokes tokens.

Each of these is answered or not, as faults have it; what was answered must hold from then on.
"""

import contextlib
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs import Job
from tests.chaos import timelines
from tests.chaos.findings import Violation
from tests.chaos.record import Record
from tests.chaos.stack import TOKEN, Stack
from tests.chaos.timelines import named

# The queue of texts stays open, for they tell how long a fault lasts.
PAUSED: Final = ("gpu", "predict")
BOUNDED: Final = ("gpu", "predict", "cpu")
REST_SECONDS: Final = (0.5, 4.0)
PAUSE_SECONDS: Final = (3.0, 6.0)
# A claim that had begun when the pause was answered may still end.
BEGUN_SECONDS: Final = 2.0
# A revoked token is refused by every process after two.
REVOKED_SECONDS: Final = 5.0
AT_ONCE: Final = 5
# Nobody sends the request of an older job once more.
DELETED_AFTER_SECONDS: Final = 30.0
ACCEPTED: Final = {200, 201, 202, 204}
# While the database is away, or a name is taken by a request whose answer was lost.
EXPECTED: Final = {409, 503, 507}
AGAIN_SECONDS: Final = 0.3
SETTLE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Paused:
    """A queue that was paused for certain: from when that was answered until a resume was sent."""

    queue: str
    start: float
    end: float


class Operator(threading.Thread):
    """Works with the load, and ends with it; `settle` opens what it has left closed."""

    def __init__(self, stack: Stack, record: Record, seed: int, ended: threading.Event) -> None:
        super().__init__(name="operator", daemon=True)
        self._stack = stack
        self._record = record
        self._chance = random.Random(f"operator {seed}")
        self._ended = ended
        self._count = 0
        self.paused: list[Paused] = []
        # Tokens that were still accepted when they should not have been.
        self.accepted: list[str] = []
        self.counts: dict[str, int] = {}

    def run(self) -> None:
        actions = (
            self._pause,
            self._bound,
            self._change_many,
            self._change_many,
            self._delete_jobs,
            self._revoke,
        )
        with self._stack.http() as http:
            while not self._ended.wait(self._chance.uniform(*REST_SECONDS)):
                self._chance.choice(actions)(http)

    def _pause(self, http: httpx.Client) -> None:
        queue = self._chance.choice(PAUSED)
        if self._send(http, "POST", f"/queues/{queue}/pause", {"reason": "the fault test"}) is None:
            return
        start = time.time()
        self._ended.wait(self._chance.uniform(*PAUSE_SECONDS))
        self.paused.append(Paused(queue, start + BEGUN_SECONDS, time.time()))
        self._send(http, "POST", f"/queues/{queue}/resume")

    def _bound(self, http: httpx.Client) -> None:
        queue = self._chance.choice(BOUNDED)
        self._send(http, "PATCH", f"/queues/{queue}", {"limit": self._chance.choice((1, 2, None))})

    def _change_many(self, http: httpx.Client) -> None:
        """What is asked of each may have been done: the record says that nobody was told."""
        verb = self._chance.choice(("cancel", "pause", "resume", "resume", "retry"))
        chosen = self._record.some(self._chance, AT_ONCE)
        is_rehearsed = self._chance.random() < 0.25
        if not is_rehearsed:
            for job_id in chosen:
                self._record.wish(str(job_id), verb, time.time(), None)
        body = {"ids": [str(job_id) for job_id in chosen], "dry_run": is_rehearsed}
        if chosen:
            self._send(http, "POST", f"/jobs/{verb}", body)

    def _delete_jobs(self, http: httpx.Client) -> None:
        before = time.time() - DELETED_AFTER_SECONDS
        chosen = self._record.some(self._chance, 2, before)
        self._record.delete(chosen)
        if chosen:
            self._send(http, "POST", "/jobs/delete", {"ids": [str(job_id) for job_id in chosen]})

    def _revoke(self, http: httpx.Client) -> None:
        self._count += 1
        name = f"passing{self._count}"
        made = self._send(http, "POST", "/tokens", {"name": name, "scope": "read"})
        if made is None or self._send(http, "DELETE", f"/tokens/{name}") is None:
            return
        self._ended.wait(REVOKED_SECONDS)
        headers = {"Authorization": f"Bearer {made['secret']}"}
        with contextlib.suppress(httpx.TransportError):
            if http.get("/queues", headers=headers).status_code == 200:
                self.accepted.append(name)

    def _send(self, http: httpx.Client, method: str, path: str, body: Any = None) -> Any:
        """What was answered; None if nothing was, or a refusal."""
        try:
            response = http.request(method, path, json=body)
        except httpx.TransportError:
            return None
        if response.status_code not in ACCEPTED:
            if response.status_code not in EXPECTED:
                self._record.refuse(path, f"was answered with {response.status_code}: {response.text[:200]}")
            return None
        verb = f"{method} {path.split('/')[1]}"
        self.counts[verb] = self.counts.get(verb, 0) + 1
        return response.json() if response.content else {}


def settle(stack: Stack) -> None:
    """Resume all queues and take their limits away, so that every job can end."""
    deadline = time.monotonic() + SETTLE_SECONDS
    with stack.http() as http:
        for queue in BOUNDED:
            for method, path, body in (
                ("POST", f"/queues/{queue}/resume", None),
                ("PATCH", f"/queues/{queue}", {"limit": None}),
            ):
                while time.monotonic() < deadline:
                    with contextlib.suppress(httpx.TransportError):
                        if http.request(method, path, json=body).status_code in ACCEPTED:
                            break
                    time.sleep(AGAIN_SECONDS)


def client_token(stack: Stack, name: str) -> str:
    """A new token that may submit; the stack's own if that was not answered."""
    with stack.http(timeout=60) as http:
        response = http.post("/tokens", json={"name": name, "scope": "submit"})
    return str(response.json()["secret"]) if response.status_code in ACCEPTED else TOKEN


def check_paused(session: Session, paused: Sequence[Paused]) -> Iterator[Violation]:
    """Nothing was claimed from a queue while it was paused."""
    events = timelines.of_jobs(session)
    for job in session.scalars(sa.select(Job).where(Job.queue.in_({one.queue for one in paused}))):
        for interval in timelines.intervals(events.get(job.id, [])):
            for one in paused:
                if job.queue == one.queue and one.start <= interval.start.timestamp() <= one.end:
                    at = datetime.fromtimestamp(one.start, UTC)
                    what = f"was claimed at {interval.start}, while {one.queue} was paused since {at}"
                    yield Violation("spoiled", named(job), what)


def check_revoked(accepted: Sequence[str]) -> Iterator[Violation]:
    """No token was accepted after it was revoked."""
    for name in accepted:
        yield Violation(
            "spoiled", f"token {name}", f"was accepted {REVOKED_SECONDS:g} s after it was revoked"
        )
