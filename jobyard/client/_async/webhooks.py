"""The part of the client that is about webhooks."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence

from jobyard.client._async.transport import AsyncTransport
from jobyard.client.errors import Json
from jobyard.client.parameters import PAGE, at_most, given, id_segment, segment


class AsyncWebhooks:
    """Methods of the client."""

    _transport: AsyncTransport

    async def webhooks(self) -> list[Json]:
        """The webhooks by name: [{id, name, url, events, kinds, labels, enabled, disabled_reason, …}]."""
        return await self._transport.all_items("/webhooks")

    async def webhook(self, webhook_id: str | uuid.UUID) -> Json:
        """A webhook, without its secret. Raises NotFound."""
        return await self._transport.get(_path(webhook_id))

    async def add_webhook(
        self,
        name: str,
        url: str,
        *,
        events: Sequence[str] = ("succeeded", "failed", "cancelled"),
        kinds: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        secret: str | None = None,
    ) -> Json:
        """Tell an address of events: succeeded, failed, cancelled, waiting_long, queue_paused.

        With `kinds` or `labels` only of jobs of these kinds, and with all of these labels. Returns the
        webhook with its `secret`, which is not shown again. Raises BadRequest, and Conflict where the name is
        taken.
        """
        body = {"name": name, "url": url, "events": list(events), "kinds": list(kinds)}
        more = {"labels": None if labels is None else dict(labels), "secret": secret}
        return await self._transport.post("/webhooks", body | given(more))

    async def change_webhook(
        self,
        webhook_id: str | uuid.UUID,
        *,
        name: str | None = None,
        url: str | None = None,
        events: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        enabled: bool | None = None,
    ) -> Json:
        """Change what is given; empty `kinds` and `labels` are any. Returns the webhook.

        Raises NotFound, BadRequest, and Conflict where the name is taken.
        """
        changes = {
            "name": name,
            "url": url,
            "events": None if events is None else list(events),
            "kinds": None if kinds is None else list(kinds),
            "labels": None if labels is None else dict(labels),
            "enabled": enabled,
        }
        return await self._transport.patch(_path(webhook_id), given(changes))

    async def rotate_webhook(self, webhook_id: str | uuid.UUID) -> Json:
        """Replace the secret; for a day messages are signed with both. Returns the webhook with its `secret`.

        Raises NotFound.
        """
        return await self._transport.post(f"{_path(webhook_id)}/rotate")

    async def delete_webhook(self, webhook_id: str | uuid.UUID) -> None:
        """Delete a webhook with its deliveries, also those that wait. Raises NotFound."""
        await self._transport.delete(_path(webhook_id))

    async def test_webhook(self, webhook_id: str | uuid.UUID) -> Json:
        """Send a message of type `webhook.test`. Returns its delivery. Raises NotFound, and Conflict."""
        return await self._transport.post(f"{_path(webhook_id)}/test")

    def deliveries(
        self, webhook_id: str | uuid.UUID, *, status: str | None = None, limit: int | None = None
    ) -> AsyncIterator[Json]:
        """What a webhook was sent, newest first: {id, event, job_id, status, attempts, last_error, …}.

        `status` is pending, delivered or failed. There are `limit` of them at most, or all; they are fetched
        lazily. Raises NotFound.
        """
        path = f"{_path(webhook_id)}/deliveries"
        return self._transport.items(path, most=at_most(limit), limit=PAGE, status=status)

    async def resend(self, webhook_id: str | uuid.UUID, delivery_id: int) -> Json:
        """Send a delivery again, under the same `webhook-id`; returns it. Raises NotFound, and Conflict."""
        return await self._transport.post(
            f"{_path(webhook_id)}/deliveries/{segment(str(delivery_id), 'delivery_id')}/resend"
        )


def _path(webhook_id: str | uuid.UUID) -> str:
    return f"/webhooks/{id_segment(webhook_id, 'webhook_id', 'a webhook')}"
