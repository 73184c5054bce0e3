"""Webhooks: who is told of what, and what each was sent."""

import uuid

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from jobyard.shared import webhooks
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, Query, answer, answer_page
from jobyard.web.backend import current_backend
from jobyard.web.schemas.webhooks import ChangedWebhook, Delivery, NewWebhook, Webhook, WebhookWithSecret
from jobyard.web.services import webhooks as services

api = APIBlueprint(
    "webhooks",
    __name__,
    url_prefix=f"{schemas.API}/webhooks",
    abp_tags=[Tag(name="webhooks", description="Addresses that are told of events")],
    abp_security=SECURITY,
)


class WebhookPath(BaseModel):
    """The id of a webhook."""

    id: uuid.UUID


class DeliveryPath(WebhookPath):
    """A delivery of a webhook."""

    delivery: int = Field(ge=1, lt=2**63)


class DeliveriesQuery(Query):
    """Which deliveries."""

    status: webhooks.Status | None = None
    limit: int = Field(default=50, ge=1, le=1_000)
    cursor: int | None = Field(default=None, ge=1, lt=2**63, description="`next` of the previous page")


@api.get("", responses={200: schemas.Page[Webhook]}, summary="List webhooks")
def list_webhooks() -> Response:
    """All, by their names; without their secrets."""
    with current_backend().database.read() as session:
        found = [Webhook.of(one) for one in webhooks.listed(session)]
    return answer(schemas.Page[Webhook](items=found))


@api.post("", responses={201: WebhookWithSecret}, summary="Add a webhook")
def add_webhook(body: NewWebhook) -> Response:
    """It is told of what happens from now on. The answer has its secret, which is not shown again."""
    made = services.add(current_backend(), **body.model_dump())
    return answer(WebhookWithSecret.of(made, secret=made.secret), 201)


@api.get("/<uuid:id>", responses={200: Webhook}, summary="Get a webhook")
def get_webhook(path: WebhookPath) -> Response:
    """Without its secret."""
    with current_backend().database.read() as session:
        found = Webhook.of(webhooks.get(session, path.id))
    return answer(found)


@api.patch("/<uuid:id>", responses={200: Webhook}, summary="Change a webhook")
def change_webhook(path: WebhookPath, body: ChangedWebhook) -> Response:
    """What waits to be sent is sent to the new address; `rotate` gives it a new secret."""
    return answer(
        Webhook.of(services.change(current_backend(), path.id, **body.model_dump(exclude_none=True)))
    )


@api.post("/<uuid:id>/rotate", responses={200: WebhookWithSecret}, summary="Replace a webhook's secret")
def rotate_secret(path: WebhookPath) -> Response:
    """For a day messages are signed with both, so that the receiver may change over meanwhile."""
    changed = services.rotate(current_backend(), path.id)
    return answer(WebhookWithSecret.of(changed, secret=changed.secret))


@api.delete("/<uuid:id>", responses={204: None}, summary="Delete a webhook")
def delete_webhook(path: WebhookPath) -> Response:
    """With its deliveries: those that were not sent yet are not sent."""
    services.delete(current_backend(), path.id)
    return Response(status=204)


@api.post("/<uuid:id>/test", responses={201: Delivery}, summary="Send a test")
def test_webhook(path: WebhookPath) -> Response:
    """A message of type `webhook.test`, which its deliveries then show. 409 if the webhook is disabled."""
    return answer(Delivery.model_validate(services.send_test(current_backend(), path.id)), 201)


@api.get("/<uuid:id>/deliveries", responses={200: schemas.Page[Delivery]}, summary="List deliveries")
def list_deliveries(path: WebhookPath, query: DeliveriesQuery) -> Response:
    """Newest first. Those of old events are deleted like old jobs, after JOBYARD_RETENTION_DAYS."""
    with current_backend().database.read() as session:
        found = webhooks.page(
            session, path.id, before=query.cursor, status=query.status, limit=query.limit + 1
        )
    return answer_page(schemas.Page[Delivery], found, query.limit)


@api.post("/<uuid:id>/deliveries/<int:delivery>/resend", responses={200: Delivery}, summary="Send again")
def resend_delivery(path: DeliveryPath) -> Response:
    """At once, under the same `webhook-id`, with all tries anew. 409 if the webhook is disabled."""
    found = services.resend(current_backend(), path.id, path.delivery)
    return answer(Delivery.model_validate(found))
