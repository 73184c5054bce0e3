"""The sender's part: which deliveries are due, who tries them, and what came of it.

Several senders may run at once. A try is claimed by a lease that ends by itself, so what a sender that was
killed had in hand is sent again: at least once, each time under the same id.
"""

import datetime
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.texts import to_json
from jobyard.shared.webhooks.signatures import headers
from jobyard.shared.webhooks.tables import DELIVERIES, TYPES, WEBHOOKS, Status

# Longer than a try takes; so long after the end of a process its tries are another's.
LEASE_SECONDS: Final = 60.0
# How long after the first try, the second, … the next one is: three days in all, as Standard Webhooks has it.
MINUTE, HOUR = 60.0, 3_600.0
RETRY_SECONDS: Final = (
    *(5.0, 5 * MINUTE, 30 * MINUTE),
    *(2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
)
# Of what was to be sent together, not all comes back together.
JITTER: Final = 0.1
_PENDING: Final = DELIVERIES.c.status == sa.literal_column("'pending'")
# The receiver wants no more, as RFC 9110 has it in 15.5.11.
GONE: Final = 410
GONE_REASON: Final = "its receiver answered with 410 Gone: it wants no more messages"


@dataclass(frozen=True)
class Try:
    """One try of one delivery."""

    id: int
    webhook_id: uuid.UUID
    lease: uuid.UUID
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    message_id: str
    event: str
    payload: Mapping[str, Any]
    created_at: datetime.datetime
    attempts: int

    @property
    def body(self) -> bytes:
        """The same bytes for each try."""
        moment = self.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return to_json({"type": TYPES[self.event], "timestamp": moment, "data": self.payload}).encode()

    def headers(self, timestamp: int) -> dict[str, str]:
        """Of the request, signed now: `timestamp` in Unix seconds."""
        return headers(self.secrets, self.message_id, timestamp, self.body)


@dataclass(frozen=True)
class Outcome:
    """What came of a try: the status of the answer, or why there was none."""

    status: int | None = None
    error: str | None = None

    @property
    def is_delivered(self) -> bool:
        return self.error is None and self.status is not None and 200 <= self.status < 300


def due(session: Session | sa.Connection) -> list[uuid.UUID]:
    """The webhooks that have something to be sent now."""
    theirs = sa.exists().where(
        DELIVERIES.c.webhook_id == WEBHOOKS.c.id, _PENDING, DELIVERIES.c.next_try_at <= utcnow()
    )
    return list(session.execute(sa.select(WEBHOOKS.c.id).where(WEBHOOKS.c.enabled, theirs)).scalars())


def claim(session: Session, webhook_id: uuid.UUID, limit: int) -> list[Try]:
    """Take what is due of a webhook, what is due longest first, for LEASE_SECONDS."""
    first = (
        sa.select(DELIVERIES.c.id)
        .where(DELIVERIES.c.webhook_id == webhook_id, _PENDING, DELIVERIES.c.next_try_at <= utcnow())
        .order_by(DELIVERIES.c.next_try_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    names = ("id", "webhook_id", "lease", "message_id", "event", "payload", "created_at", "attempts")
    connection = session.connection()
    ids = connection.execute(first).scalars().all()
    if not ids:
        return []
    claimed = connection.execute(
        sa.update(DELIVERIES)
        .where(DELIVERIES.c.id.in_(ids))
        .values(attempts=DELIVERIES.c.attempts + 1, lease=uuid.uuid4(), next_try_at=utcnow(LEASE_SECONDS))
        .returning(*(DELIVERIES.c[name] for name in names))
    ).all()
    is_signed_by_both = WEBHOOKS.c.previous_until > utcnow()
    webhook = connection.execute(
        sa.select(
            WEBHOOKS.c.url, WEBHOOKS.c.secret, sa.case((is_signed_by_both, WEBHOOKS.c.previous_secret))
        ).where(WEBHOOKS.c.id == webhook_id)
    ).one_or_none()
    if webhook is None:
        return []
    url, *keys = webhook
    secrets = tuple(key for key in keys if key is not None)
    return [Try(url=url, secrets=secrets, **row._mapping) for row in sorted(claimed, key=lambda row: row.id)]


def record(session: Session, outcomes: Iterable[tuple[Try, Outcome]]) -> None:
    """Write what came of tries, unless their lease was lost meanwhile; a receiver that is gone ends."""
    for one, outcome in outcomes:
        session.connection().execute(
            sa.update(DELIVERIES)
            .where(DELIVERIES.c.id == one.id, DELIVERIES.c.lease == one.lease, _PENDING)
            .values(
                lease=None,
                last_status=outcome.status,
                last_error=outcome.error,
                **_next(one, outcome),
            )
        )
        if outcome.status == GONE:
            disable = sa.update(WEBHOOKS).where(WEBHOOKS.c.id == one.webhook_id, WEBHOOKS.c.enabled)
            session.connection().execute(disable.values(enabled=False, disabled_reason=GONE_REASON))


def _next(one: Try, outcome: Outcome) -> dict[str, Any]:
    if outcome.is_delivered:
        return {"status": Status.DELIVERED, "delivered_at": utcnow(), "next_try_at": None}
    if outcome.status == GONE or one.attempts > len(RETRY_SECONDS):
        return {"status": Status.FAILED, "next_try_at": None}
    return {"next_try_at": utcnow(retry_seconds(one.attempts))}


def retry_seconds(attempts: int) -> float:
    """How long after so many failed tries the next one is, somewhat spread."""
    return RETRY_SECONDS[attempts - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311 - no secret


def release(session: Session, tries: Sequence[Try]) -> None:
    """Give back what was claimed and not begun, as a sender does that ends."""
    for one in tries:
        session.connection().execute(
            sa.update(DELIVERIES)
            .where(DELIVERIES.c.id == one.id, DELIVERIES.c.lease == one.lease, _PENDING)
            .values(lease=None, attempts=DELIVERIES.c.attempts - 1, next_try_at=utcnow())
        )
