"""Webhooks and their deliveries, as the API takes and answers them."""

import uuid
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field

from jobyard.shared import kinds, webhooks
from jobyard.shared.kinds.base import Parameters
from jobyard.shared.kinds.fields import Name
from jobyard.shared.kinds.marks import Labels
from jobyard.web.schemas.base import Moment, Out

if TYPE_CHECKING:
    KindName = str
else:
    KindName = Literal[tuple(kinds.by_name())]

EVENTS = (
    "`succeeded`, `failed` and `cancelled`: a job has ended so. `waiting_long`: a job could have run for "
    "JOBYARD_WAITING_LONG_SECONDS and is still queued. `queue_paused`: a queue was paused"
)
URL = "An `https://` address; `http://` and private addresses are for the networks that a setting names"
KINDS = "Only jobs of these kinds; of every kind if it is empty"
LABELS = "Only jobs that have all of these labels"
MOST_EVENTS, MOST_KINDS = 10, 50


# The lengths of an address and a secret are checked where no error shows what was sent.
class NewWebhook(Parameters):
    """An address that is to be told of events."""

    name: Name
    url: str = Field(description=URL)
    events: list[webhooks.WebhookEvent] = Field(min_length=1, max_length=MOST_EVENTS, description=EVENTS)
    kinds: list[KindName] = Field(default=[], max_length=MOST_KINDS, description=KINDS)
    labels: Labels = Field(default={}, description=LABELS)
    secret: str | None = Field(
        default=None,
        description="`whsec_` and 24 to 64 bytes in base64; without one, Jobyard makes one",
    )
    enabled: bool = True


class ChangedWebhook(Parameters):
    """What is to change; what is missing or null stays."""

    name: Name | None = None
    url: str | None = Field(default=None, description=URL)
    events: list[webhooks.WebhookEvent] | None = Field(
        default=None, min_length=1, max_length=MOST_EVENTS, description=EVENTS
    )
    kinds: list[KindName] | None = Field(default=None, max_length=MOST_KINDS, description=KINDS)
    labels: Labels | None = Field(default=None, description=LABELS)
    enabled: bool | None = Field(default=None, description="What it missed while it was disabled is not sent")


class Webhook(Out):
    """An address that is told of events."""

    id: uuid.UUID
    name: str
    url: str = Field(description="Without its query, which may be a secret")
    events: list[webhooks.WebhookEvent]
    kinds: list[str] = Field(description=KINDS)
    labels: dict[str, str] = Field(description=LABELS)
    enabled: bool
    disabled_reason: str | None = Field(description="Why it was disabled, if nobody asked for that")
    created_at: Moment
    created_by: str | None

    @classmethod
    def of(cls, webhook: webhooks.Webhook, **more: Any) -> Self:
        """As its row has it."""
        members = {name: getattr(webhook, name) for name in Webhook.model_fields}
        members |= {"url": webhooks.shown_url(webhook.url), "kinds": webhook.kinds or ()}
        members["labels"] = webhook.labels or {}
        return cls.model_validate(members | more)


class WebhookWithSecret(Webhook):
    """A webhook and its secret, which no other answer has."""

    secret: str = Field(description="Keep it: it is shown this once")


class Delivery(Out):
    """One event for one webhook."""

    id: int
    message_id: str = Field(description="The header `webhook-id`, the same for each try")
    event: str
    job_id: uuid.UUID | None
    status: webhooks.Status
    attempts: int = Field(description="Tries so far; after a resend, since then")
    next_try_at: Moment | None
    last_status: int | None = Field(description="Status of the last answer")
    last_error: str | None = Field(description="What was wrong at the last try")
    created_at: Moment
    delivered_at: Moment | None
    payload: dict[str, Any] = Field(description="`data` of the message")
