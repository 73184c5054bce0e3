"""What webhooks were sent and will be: listed, sent again, and forgotten."""

import uuid
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.errors import Conflict, NotFound
from jobyard.shared.webhooks.subscriptions import get
from jobyard.shared.webhooks.tables import (
    DELIVERIES,
    TEST,
    WEBHOOKS,
    Delivery,
    Status,
    Webhook,
    WebhookEvent,
    has_word,
)

DAY_SECONDS: Final = 86_400.0
MOST_COUNTED: Final = 10_000


def page(
    session: Session,
    webhook_id: uuid.UUID,
    *,
    before: int | None = None,
    status: str | None = None,
    limit: int = 50,
) -> list[Delivery]:
    """A webhook's deliveries, newest first. Raises NotFound."""
    get(session, webhook_id)
    query = sa.select(Delivery).where(Delivery.webhook_id == webhook_id)
    if before is not None:
        query = query.where(Delivery.id < before)
    if status is not None:
        query = query.where(Delivery.status == status)
    return list(session.scalars(query.order_by(Delivery.id.desc()).limit(limit)))


def resend(session: Session, webhook_id: uuid.UUID, delivery_id: int) -> Delivery:
    """Send it again now, with the same `webhook-id`. Raises NotFound, and Conflict if it is disabled."""
    _require_enabled(get(session, webhook_id))
    statement = (
        sa.update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.webhook_id == webhook_id)
        .values(status=Status.PENDING, attempts=0, next_try_at=utcnow(), lease=None, delivered_at=None)
        .returning(Delivery)
    )
    options = {"synchronize_session": False, "populate_existing": True}
    delivery = session.scalars(statement, execution_options=options).one_or_none()
    if delivery is None:
        raise NotFound(f"the webhook {webhook_id} has no delivery {delivery_id}")
    return delivery


def send_test(session: Session, webhook_id: uuid.UUID) -> Delivery:
    """A message that says that it is a test. Raises NotFound, and Conflict if the webhook is disabled."""
    webhook = get(session, webhook_id)
    _require_enabled(webhook)
    message_id = _new_message_id()
    data = {"webhook": webhook.name, "message": "Jobyard can send to this webhook."}
    session.execute(_insert(webhook_id=webhook_id, message_id=message_id, event=TEST, payload=data))
    query = sa.select(Delivery).where(Delivery.webhook_id == webhook_id)
    return session.scalars(query.order_by(Delivery.id.desc()).limit(1)).one()


def note_queue_paused(
    session: Session, queue: str, *, by: str | None = None, reason: str | None = None
) -> None:
    """Tell webhooks, in the transaction that pauses the queue."""
    wants = has_word(WEBHOOKS.c.events, sa.literal(WebhookEvent.QUEUE_PAUSED.value))
    theirs = session.scalars(sa.select(Webhook.id).where(Webhook.enabled, wants)).all()
    message_id = _new_message_id()
    data = {"queue": queue, "paused_by": by, "reason": reason}
    for webhook_id in theirs:
        event = WebhookEvent.QUEUE_PAUSED.value
        session.execute(_insert(webhook_id=webhook_id, message_id=message_id, event=event, payload=data))


def forget(session: Session, days: float, limit: int = 1_000) -> bool:
    """Delete deliveries of events so long ago, but for those that are still to be sent.

    Looks at the oldest only, which the key finds. Returns whether there may be more.
    """
    # With a condition SQLite says, too, that it uses the key.
    oldest = sa.select(DELIVERIES.c.id).where(DELIVERIES.c.id > 0).order_by(DELIVERIES.c.id).limit(limit)
    ids = session.scalars(oldest).all()
    if not ids:
        return False
    is_sent = sa.exists().where(WEBHOOKS.c.id == DELIVERIES.c.webhook_id, WEBHOOKS.c.enabled)
    done = sa.or_(DELIVERIES.c.status != Status.PENDING, ~is_sent)
    old = DELIVERIES.c.created_at < utcnow(-days * DAY_SECONDS)
    gone = session.connection().execute(sa.delete(DELIVERIES).where(DELIVERIES.c.id <= ids[-1], old, done))
    return gone.rowcount >= limit


def count_pending(session: Session) -> int:
    """How many deliveries wait to be sent, those of disabled webhooks aside; at most MOST_COUNTED."""
    enabled = sa.select(WEBHOOKS.c.id).where(WEBHOOKS.c.enabled)
    waiting = sa.select(DELIVERIES.c.webhook_id).where(
        DELIVERIES.c.status == sa.literal_column("'pending'"), DELIVERIES.c.webhook_id.in_(enabled)
    )
    counted = sa.select(sa.func.count()).select_from(waiting.limit(MOST_COUNTED).subquery())
    return session.scalar(counted) or 0


def _new_message_id() -> str:
    return f"msg_{uuid.uuid4().hex}"


def _insert(**values: Any) -> sa.Insert:
    return sa.insert(DELIVERIES).values(
        created_at=utcnow(), status=Status.PENDING, attempts=0, next_try_at=utcnow(), **values
    )


def _require_enabled(webhook: Webhook) -> None:
    if not webhook.enabled:
        raise Conflict(f"the webhook {webhook.name!r} is disabled; enable it first")
