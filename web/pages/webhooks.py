"""Pages of webhooks: who is told of what, and what each was sent."""

import uuid
from contextlib import suppress
from typing import Any, Final

from flask import Response, make_response, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import kinds, webhooks
from jobyard.shared.errors import BadInput, Conflict, NotFound
from jobyard.web.backend import current_backend
from jobyard.web.field_errors import field_errors
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.live import live
from jobyard.web.schemas.webhooks import ChangedWebhook, NewWebhook
from jobyard.web.services import webhooks as services

DELIVERIES_PER_PAGE: Final = 25
EVENTS: Final = {
    webhooks.WebhookEvent.SUCCEEDED: "a job succeeded",
    webhooks.WebhookEvent.FAILED: "a job failed",
    webhooks.WebhookEvent.CANCELLED: "a job was cancelled",
    webhooks.WebhookEvent.WAITING_LONG: "a job waits for long",
    webhooks.WebhookEvent.QUEUE_PAUSED: "a queue was paused",
}


@routes.get("/webhooks", endpoint="webhooks")
def list_webhooks() -> Response:
    """All, by their names, and a form to add one."""
    return _list()


@routes.post("/webhooks")
def add_webhook() -> Response:
    """Add one, then its page with the secret, which is shown this once; or the form with what is wrong."""
    try:
        asked = NewWebhook.model_validate(_given() | {"name": request.form.get("name", "").strip()})
        made = services.add(current_backend(), **asked.model_dump())
    except ValidationError as error:
        return _list(422, {one.field.partition(".")[0]: one.message for one in field_errors(error)})
    except BadInput as error:
        return _list(422, {error.field.partition(".")[0]: error.message})
    except Conflict as error:
        return _list(409, {"name": error.message})
    return _page(made.id, 201, secret=made.secret)


@routes.get("/webhooks/<uuid:webhook_id>")
def webhook(webhook_id: uuid.UUID) -> Response:
    """A webhook and its deliveries, newest first."""
    return live("webhooks/webhook.html", "webhooks/_deliveries.html", **_context(webhook_id))


@routes.post("/webhooks/<uuid:webhook_id>/edit")
def edit_webhook(webhook_id: uuid.UUID) -> AnyResponse:
    """Change what it is told of, and where, then back to its page; or the page with what is wrong."""
    try:
        given = _given()
        if not given["url"]:  # the page doesn't have what its query may keep secret
            del given["url"]
        changes = ChangedWebhook.model_validate(given).model_dump(exclude_none=True)
        services.change(current_backend(), webhook_id, **changes)
    except ValidationError as error:
        return _page(webhook_id, 422, error="; ".join(f"{e.field}: {e.message}" for e in field_errors(error)))
    except BadInput as error:
        return _page(webhook_id, 422, error=f"{error.field}: {error.message}")
    return _back(webhook_id)


@routes.post("/webhooks/<uuid:webhook_id>/enable")
def enable_webhook(webhook_id: uuid.UUID) -> AnyResponse:
    """Send to it again, then back to its page."""
    services.change(current_backend(), webhook_id, enabled=True)
    return _back(webhook_id)


@routes.post("/webhooks/<uuid:webhook_id>/disable")
def disable_webhook(webhook_id: uuid.UUID) -> AnyResponse:
    """Send nothing to it, then back to its page."""
    services.change(current_backend(), webhook_id, enabled=False)
    return _back(webhook_id)


@routes.post("/webhooks/<uuid:webhook_id>/rotate")
def rotate_webhook(webhook_id: uuid.UUID) -> Response:
    """Replace the secret, then its page with the new one, which is shown this once."""
    return _page(webhook_id, secret=services.rotate(current_backend(), webhook_id).secret)


@routes.post("/webhooks/<uuid:webhook_id>/test")
def send_test(webhook_id: uuid.UUID) -> AnyResponse:
    """Send a test, then back to its page."""
    try:
        services.send_test(current_backend(), webhook_id)
    except Conflict as error:
        return _page(webhook_id, 409, error=error.message)
    return _back(webhook_id)


@routes.post("/webhooks/<uuid:webhook_id>/deliveries/<int:delivery_id>/resend")
def resend(webhook_id: uuid.UUID, delivery_id: int) -> AnyResponse:
    """Send one again, then back to its page."""
    if delivery_id >= 2**63:
        raise NotFound(f"the webhook {webhook_id} has no delivery {delivery_id}")
    try:
        services.resend(current_backend(), webhook_id, delivery_id)
    except Conflict as error:
        return _page(webhook_id, 409, error=error.message)
    return _back(webhook_id)


@routes.post("/webhooks/<uuid:webhook_id>/delete")
def delete_webhook(webhook_id: uuid.UUID) -> AnyResponse:
    """Delete it with its deliveries, then to the list."""
    with suppress(NotFound):  # it is gone already, which the list shows
        services.delete(current_backend(), webhook_id)
    return redirect(url_for("pages.webhooks"), 303)


def _given() -> dict[str, Any]:
    """What the form says. Raises BadInput for a line that is no label."""
    labels = {}
    for line in filter(str.strip, request.form.get("labels", "").splitlines()):
        key, equals, value = line.partition("=")
        if not equals:
            raise BadInput("labels", f"{line.strip()[:50]!r} should be a key and a value, as in team=birds")
        labels[key.strip()] = value.strip()
    return {
        "url": request.form.get("url", "").strip(),
        "events": request.form.getlist("events"),
        "kinds": request.form.getlist("kinds"),
        "labels": labels,
    }


def _back(webhook_id: uuid.UUID) -> AnyResponse:
    return redirect(url_for("pages.webhook", webhook_id=webhook_id), 303)


def _list(status: int = 200, errors: dict[str, str] | None = None) -> Response:
    with current_backend().database.read() as session:
        found = webhooks.listed(session)
    page = render_template("webhooks/list.html", webhooks=found, errors=errors or {}, **_words())
    return make_response(page, status)


def _page(webhook_id: uuid.UUID, status: int = 200, **context: str) -> Response:
    return make_response(render_template("webhooks/webhook.html", **_context(webhook_id), **context), status)


def _context(webhook_id: uuid.UUID) -> dict[str, Any]:
    with current_backend().database.read() as session:
        found = webhooks.get(session, webhook_id)
        rows = webhooks.page(session, webhook_id, before=_cursor(), limit=DELIVERIES_PER_PAGE + 1)
    shown = rows[:DELIVERIES_PER_PAGE]
    more = shown[-1].id if len(rows) > DELIVERIES_PER_PAGE else None
    most = len(webhooks.RETRY_SECONDS) + 1
    return {"webhook": found, "deliveries": shown, "next": more, "most": most, **_words()}


def _words() -> dict[str, Any]:
    return {"events": EVENTS, "kind_names": list(kinds.by_name()), "shown_url": webhooks.shown_url}


def _cursor() -> int | None:
    """Of the page; what makes no sense is left out, as people edit addresses by hand."""
    written = request.args.get("cursor", "")
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 19 else None
