"""Webhooks in the fault test: one receiver that answers, one that hangs, and who has to have been told."""

import threading
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs import Job
from jobyard.shared.webhooks import LEASE_SECONDS, Delivery, Status
from tests.chaos.findings import TERMINAL, Violation
from tests.chaos.stack import Stack
from tests.webhooks import Receiver, receiving

NAME = "chaos"
HANGS = "/hangs"
# What a killed sweeper was sending waits for the end of its lease.
SENT_SECONDS = LEASE_SECONDS + 60.0


@dataclass(frozen=True)
class Told:
    """Who is told of all jobs from now on, and what has come."""

    receiver: Receiver
    webhook_id: uuid.UUID
    secret: str

    def wait(self, stack: Stack) -> None:
        """Until nothing is to be sent to it any more, or it takes too long."""
        deadline = time.monotonic() + SENT_SECONDS
        waits = sa.select(sa.func.count()).select_from(Delivery)
        waits = waits.where(Delivery.webhook_id == self.webhook_id, Delivery.status == Status.PENDING)
        with stack.database() as database:
            while time.monotonic() < deadline:
                with database.read() as session:
                    if not session.scalar(waits):
                        return
                time.sleep(0.2)

    def check(self, session: Session) -> list[Violation]:
        """What is wrong with what has come."""
        messages = self.receiver.at("/")
        ends = [(one.json["data"]["id"], one.json["data"]["state"]) for one in messages]
        unsigned = [one.id for one in messages if not one.is_signed_with(self.secret)]
        return [*check_told(session, set(ends)), *check_signed(unsigned)]

    @property
    def counts(self) -> str:
        """For people: how many messages, and how many of them once more."""
        ids = [one.id for one in self.receiver.at("/")]
        return f"{len(set(ids))} messages of webhooks, {len(ids) - len(set(ids))} of them once more"


@contextmanager
def listening(stack: Stack) -> Iterator[Told]:
    """From the first job on."""
    released = threading.Event()
    with ExitStack() as opened:
        receiver = opened.enter_context(receiving())
        opened.callback(released.set)
        receiver.answers[HANGS] = lambda _: released.wait() and None
        with stack.client(timeout=60) as client:
            client.add_webhook("hangs", receiver.url(HANGS))
            made = client.add_webhook(NAME, receiver.url("/"))
        yield Told(receiver, uuid.UUID(made["id"]), made["secret"])


def check_told(session: Session, told: Collection[tuple[str, str]]) -> Iterator[Violation]:
    """Each job that has ended, and is no part of another, was told of at least once, in its last state."""
    ended = sa.select(Job.id, Job.state).where(Job.parent_id.is_(None), Job.state.in_(TERMINAL))
    for job_id, state in session.execute(ended):
        if (str(job_id), state) not in told:
            yield Violation("lost", f"job {job_id}", f"is {state}, and its webhook was not told")


def check_signed(unsigned: Sequence[str]) -> Iterator[Violation]:
    """All messages are signed."""
    for message_id in unsigned:
        yield Violation("damaged", f"message {message_id}", "has a wrong signature")
