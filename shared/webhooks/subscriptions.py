"""Webhooks: made, changed, and deleted with what they were sent."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from jobyard.shared.addresses import PORTS, parse
from jobyard.shared.database import utcnow
from jobyard.shared.errors import BadInput, Conflict, NotFound, WorkError
from jobyard.shared.webhooks.destinations import Destinations
from jobyard.shared.webhooks.signatures import check_secret, new_secret
from jobyard.shared.webhooks.tables import Webhook

# Each may keep some threads of the sender waiting for its host.
MAX_WEBHOOKS: Final = 50
# How long messages are signed with a secret that was replaced, too.
ROTATION_SECONDS: Final = 86_400.0


def create(
    session: Session,
    *,
    name: str,
    url: str,
    events: Sequence[str],
    destinations: Destinations,
    kinds: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    secret: str | None = None,
    enabled: bool = True,
    created_by: str | None = None,
) -> Webhook:
    """With `kinds` and `labels` it is told only of jobs of these kinds that have all of these labels.

    Raises BadInput, and Conflict where the name is taken or there are MAX_WEBHOOKS.
    """
    check_url(url, destinations)
    if secret is not None:
        try:
            check_secret(secret)
        except ValueError as error:
            raise BadInput("secret", str(error)) from None
    if (session.scalar(sa.select(sa.func.count()).select_from(Webhook)) or 0) >= MAX_WEBHOOKS:
        raise Conflict(f"there are {MAX_WEBHOOKS} webhooks already, the most there can be; delete one")
    _refuse_taken(session, name)
    webhook = Webhook(
        id=uuid7(),
        name=name,
        url=url,
        events=tuple(dict.fromkeys(events)),
        kinds=tuple(dict.fromkeys(kinds)) or None,
        labels=dict(labels or {}) or None,
        secret=secret or new_secret(),
        enabled=enabled,
        created_at=session.scalar(sa.select(utcnow())),
        created_by=created_by,
    )
    session.add(webhook)
    _flush(session, name)
    return webhook


def update(session: Session, webhook_id: uuid.UUID, destinations: Destinations, **changes: Any) -> Webhook:
    """Change what `create` was given, but for the secret. Raises NotFound, BadInput, and Conflict."""
    webhook = get(session, webhook_id, lock=True)
    if "url" in changes:
        check_url(changes["url"], destinations)
    if changes.get("name", webhook.name) != webhook.name:
        _refuse_taken(session, changes["name"])
    for name in ("events", "kinds"):
        if changes.get(name) is not None:
            changes[name] = tuple(dict.fromkeys(changes[name])) or None
    if "labels" in changes:
        changes["labels"] = dict(changes["labels"]) or None
    if changes.get("enabled"):
        webhook.disabled_reason = None
    for name, value in changes.items():
        setattr(webhook, name, value)
    _flush(session, webhook.name)
    return webhook


def rotate(session: Session, webhook_id: uuid.UUID) -> Webhook:
    """Give it a new secret. For ROTATION_SECONDS messages are signed with both. Raises NotFound."""
    webhook = get(session, webhook_id, lock=True)
    webhook.previous_secret = webhook.secret
    webhook.previous_until = session.scalar(sa.select(utcnow(ROTATION_SECONDS)))
    webhook.secret = new_secret()
    session.flush()
    return webhook


def delete(session: Session, webhook_id: uuid.UUID) -> Webhook:
    """Delete it with all its deliveries, also those that wait. Returns what it was. Raises NotFound."""
    webhook = get(session, webhook_id, lock=True)
    session.delete(webhook)
    session.flush()
    return webhook


def get(session: Session, webhook_id: uuid.UUID, *, lock: bool = False) -> Webhook:
    """Raises NotFound."""
    query = sa.select(Webhook).where(Webhook.id == webhook_id)
    if lock:
        query = query.with_for_update(key_share=True)
    webhook = session.scalars(query).one_or_none()
    if webhook is None:
        raise NotFound(f"there is no webhook {webhook_id}")
    return webhook


def listed(session: Session) -> list[Webhook]:
    """All, by their names."""
    return list(session.scalars(sa.select(Webhook).order_by(Webhook.name)))


def check_url(url: str, destinations: Destinations) -> None:
    """Raises BadInput for an address that nothing could be sent to; names are looked up at each try only."""
    if url.partition("://")[0].lower() not in PORTS:
        raise BadInput("url", "should be an https:// address")
    try:
        destinations.check(parse(url))
    except (ValueError, WorkError) as error:
        raise BadInput("url", str(error)) from None


def shown_url(url: str) -> str:
    """For people: without the query, which may be a secret."""
    address, query, _ = url.partition("?")
    return f"{address}{query and '?…'}"


def _refuse_taken(session: Session, name: str) -> None:
    if session.scalar(sa.select(Webhook.id).where(Webhook.name == name)) is not None:
        raise Conflict(f"there is a webhook {name!r} already; give this one another name")


def _flush(session: Session, name: str) -> None:
    try:
        session.flush()
    except sa.exc.IntegrityError:  # another request was first
        raise Conflict(f"there is a webhook {name!r} already; give this one another name") from None
