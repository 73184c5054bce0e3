"""What administrators do to webhooks, each with its entry in the audit log."""

import uuid
from typing import Any

from jobyard.shared import audit, webhooks
from jobyard.shared.webhooks import Delivery, Webhook
from jobyard.web.auth import actor
from jobyard.web.backend import Backend


def add(backend: Backend, **given: Any) -> Webhook:
    """As `webhooks.create`, which raises BadInput and Conflict."""
    with backend.database.write() as session:
        destinations = backend.settings.webhook_destinations
        made = webhooks.create(session, **given, destinations=destinations, created_by=actor())
        audit.note(session, actor(), "webhook.create", made.name, _told(given))
    return made


def change(backend: Backend, webhook_id: uuid.UUID, **changes: Any) -> Webhook:
    """As `webhooks.update`, which raises NotFound, BadInput and Conflict."""
    with backend.database.write() as session:
        changed = webhooks.update(session, webhook_id, backend.settings.webhook_destinations, **changes)
        audit.note(session, actor(), "webhook.change", changed.name, _told(changes))
    return changed


def rotate(backend: Backend, webhook_id: uuid.UUID) -> Webhook:
    """Raises NotFound."""
    with backend.database.write() as session:
        changed = webhooks.rotate(session, webhook_id)
        audit.note(session, actor(), "webhook.rotate", changed.name)
    return changed


def delete(backend: Backend, webhook_id: uuid.UUID) -> None:
    """Raises NotFound."""
    with backend.database.write() as session:
        gone = webhooks.delete(session, webhook_id)
        audit.note(session, actor(), "webhook.delete", gone.name)


def send_test(backend: Backend, webhook_id: uuid.UUID) -> Delivery:
    """Raises NotFound, and Conflict if it is disabled."""
    with backend.database.write() as session:
        delivery = webhooks.send_test(session, webhook_id)
        audit.note(session, actor(), "webhook.test", webhooks.get(session, webhook_id).name)
    return delivery


def resend(backend: Backend, webhook_id: uuid.UUID, delivery_id: int) -> Delivery:
    """Raises NotFound, and Conflict if the webhook is disabled."""
    with backend.database.write() as session:
        delivery = webhooks.resend(session, webhook_id, delivery_id)
        name = webhooks.get(session, webhook_id).name
        audit.note(session, actor(), "webhook.resend", name, {"delivery": delivery_id})
    return delivery


def _told(given: dict[str, Any]) -> dict[str, Any]:
    """Nothing that is secret: neither the secret nor the query of the address."""
    told = {name: value for name, value in given.items() if name != "secret"}
    return told | ({"url": webhooks.shown_url(told["url"])} if "url" in told else {})
