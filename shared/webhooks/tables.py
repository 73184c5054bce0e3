"""The rows of webhooks, and of what each is sent."""

import datetime
import enum
import uuid
from collections.abc import Sequence
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from jobyard.shared.database import Base, Json, NullableJson, UtcDateTime, by_dialect
from jobyard.shared.texts import OutsideText


class WebhookEvent(enum.StrEnum):
    """What a webhook can be sent. The first three are the states in which a job ends."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    WAITING_LONG = "waiting_long"
    QUEUE_PAUSED = "queue_paused"


# Sent when somebody asks for a test, whatever the webhook's events are.
TEST: Final = "test"

# The `type` of each event's message.
TYPES: Final = {
    **{event.value: f"job.{event}" for event in WebhookEvent},
    WebhookEvent.QUEUE_PAUSED.value: "queue.paused",
    TEST: "webhook.test",
}


class Status(enum.StrEnum):
    """How far a delivery is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Words(sa.types.TypeDecorator[tuple[str, ...]]):
    """Several words in one text, `,a,b,`: whether one is among them every database can tell."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else f",{','.join(value)},"

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> tuple[str, ...] | None:
        return None if value is None else tuple(value.strip(",").split(","))


# Where in the first text the second is; 0: nowhere.
_position = by_dialect(
    sa.Integer(),
    postgresql=lambda within, text: f"strpos({within}, {text})",
    sqlite=lambda within, text: f"instr({within}, {text})",
)


def has_word(column: sa.ColumnElement[Any], word: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Whether the word is among those of a column of Words."""
    comma = sa.literal_column("','", sa.Text)
    return _position(sa.type_coerce(column, sa.Text), comma.concat(word).concat(comma)) > sa.literal_column(
        "0"
    )


class Webhook(Base):
    """An address that is told of events."""

    __tablename__ = "webhooks"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(64), unique=True)
    url: Mapped[str] = mapped_column(sa.Text)
    events: Mapped[tuple[str, ...]] = mapped_column(Words)
    # Only jobs of these kinds; None: of every kind.
    kinds: Mapped[tuple[str, ...] | None] = mapped_column(Words)
    # Only jobs with all of these labels; None: of any.
    labels: Mapped[dict[str, str] | None] = mapped_column(NullableJson)
    # `whsec_…`: to sign takes the secret itself. The one before it signs, too, until `previous_until`.
    secret: Mapped[str] = mapped_column(sa.String(128))
    previous_secret: Mapped[str | None] = mapped_column(sa.String(128))
    previous_until: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    enabled: Mapped[bool] = mapped_column(default=True)
    # Why it was disabled, if nobody asked for that.
    disabled_reason: Mapped[str | None] = mapped_column(OutsideText)
    # Queued jobs that became available up to this moment have been looked at for `waiting_long`.
    waits_seen_until: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str | None] = mapped_column(sa.String(64))


class Delivery(Base):
    """One event for one webhook, from the moment of the event until it is forgotten."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    webhook_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("webhooks.id", ondelete="CASCADE"))
    # The header `webhook-id`: the same for each try, and for every webhook that is told of the event.
    message_id: Mapped[str] = mapped_column(sa.String(100))
    event: Mapped[str] = mapped_column(sa.String(16))
    # Without a foreign key: a job may be deleted before this is forgotten, and a deletion looks for no row.
    job_id: Mapped[uuid.UUID | None]
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(sa.String(16), default=Status.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    # While a sender has it: when another may take it.
    next_try_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    lease: Mapped[uuid.UUID | None]
    # Of the last try: the status of the answer, or what is wrong.
    last_status: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(OutsideText)
    delivered_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        sa.CheckConstraint("status IN ('delivered', 'failed', 'pending')", name="status"),
        sa.CheckConstraint("(status = 'pending') = (next_try_at IS NOT NULL)", name="pending_has_a_next_try"),
        sa.CheckConstraint("(status = 'delivered') = (delivered_at IS NOT NULL)", name="delivered_says_when"),
        sa.Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
        sa.Index(
            "ix_webhook_deliveries_due",
            "webhook_id",
            "next_try_at",
            sqlite_where=sa.text("status = 'pending'"),
            postgresql_where=sa.text("status = 'pending'"),
        ),
        # A job is told of its long wait once.
        sa.Index(
            "uq_webhook_deliveries_waiting_long",
            "webhook_id",
            "job_id",
            unique=True,
            sqlite_where=sa.text("event = 'waiting_long'"),
            postgresql_where=sa.text("event = 'waiting_long'"),
        ),
    )


WEBHOOKS: Final = cast(sa.Table, Webhook.__table__)
DELIVERIES: Final = cast(sa.Table, Delivery.__table__)
