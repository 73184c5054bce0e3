"""The part of the client that is about tokens, and what was done with them."""

from collections.abc import AsyncIterator

from jobyard.client._async.transport import AsyncTransport
from jobyard.client.errors import Json
from jobyard.client.parameters import given, segment


class AsyncTokens:
    """Methods of the client."""

    _transport: AsyncTransport

    def tokens(self, *, revoked: bool = False) -> AsyncIterator[Json]:
        """The named tokens, newest first: {name, scope, created_at, created_by, expires_at, last_used_at, …}.

        With `revoked`, also those that were revoked. Raises Refused unless this client's token is an `admin`.
        """
        return self._transport.items("/tokens", revoked=str(revoked).lower())

    async def create_token(
        self,
        name: str,
        scope: str,
        *,
        expires_seconds: int | None = None,
        max_queued: int | None = None,
        max_running: int | None = None,
    ) -> Json:
        """Make a token of scope "read", "submit" or "admin"; its "secret" is in this answer only.

        `max_queued` is how many of its jobs may be queued at once, `max_running` how many run at once, while
        others stay queued.

        Raises Conflict if there is a token of this name, and Refused as `tokens`.
        """
        return await self._transport.post(
            "/tokens",
            {"name": name, "scope": scope}
            | given(
                {"expires_seconds": expires_seconds, "max_queued": max_queued, "max_running": max_running}
            ),
        )

    async def revoke_token(self, name: str) -> None:
        """End a token, and the logins that were made with it. Raises NotFound, and Refused as `tokens`."""
        await self._transport.delete(f"/tokens/{segment(name, 'name')}")

    def audit(self, *, actor: str | None = None, action: str | None = None) -> AsyncIterator[Json]:
        """What was changed for others, newest first: {at, actor, action, object, details}.

        Of the token `actor` only, or one `action` ("token.create"), or all of a noun ("token."). Raises
        Refused as `tokens`.
        """
        return self._transport.items("/audit", actor=actor, action=action)
