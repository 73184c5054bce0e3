"""Webhooks: who is told of what, and how each message is sent.

The rows for a job's events are written by `shared.jobs`, in the transaction of the move (`jobs.outbox`).
"""

from jobyard.shared.webhooks.deliveries import (
    count_pending,
    forget,
    note_queue_paused,
    page,
    resend,
    send_test,
)
from jobyard.shared.webhooks.destinations import Destinations
from jobyard.shared.webhooks.sending import (
    LEASE_SECONDS,
    RETRY_SECONDS,
    Outcome,
    Try,
    claim,
    due,
    record,
    release,
)
from jobyard.shared.webhooks.subscriptions import (
    MAX_WEBHOOKS,
    create,
    delete,
    get,
    listed,
    rotate,
    shown_url,
    update,
)
from jobyard.shared.webhooks.tables import TEST, TYPES, Delivery, Status, Webhook, WebhookEvent

__all__ = [
    "LEASE_SECONDS",
    "MAX_WEBHOOKS",
    "RETRY_SECONDS",
    "TEST",
    "TYPES",
    "Delivery",
    "Destinations",
    "Outcome",
    "Status",
    "Try",
    "Webhook",
    "WebhookEvent",
    "claim",
    "count_pending",
    "create",
    "delete",
    "due",
    "forget",
    "get",
    "listed",
    "note_queue_paused",
    "page",
    "record",
    "release",
    "resend",
    "rotate",
    "send_test",
    "shown_url",
    "update",
]
