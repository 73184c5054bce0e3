"""The client: a method for each operation of the server."""

from typing import Self

from jobyard.client import server_addresses, servers
from jobyard.client._async.files import AsyncFiles
from jobyard.client._async.many import AsyncManyJobs
from jobyard.client._async.operations import AsyncOperations
from jobyard.client._async.registry import AsyncRegistry
from jobyard.client._async.tokens import AsyncTokens
from jobyard.client._async.transport import AsyncTransport
from jobyard.client._async.typed_kinds import AsyncTypedKinds
from jobyard.client._async.waiting import AsyncWaiting
from jobyard.client._async.webhooks import AsyncWebhooks
from jobyard.client.arguments import checked


@checked
class AsyncClient(
    AsyncTypedKinds,
    AsyncManyJobs,
    AsyncFiles,
    AsyncRegistry,
    AsyncOperations,
    AsyncWebhooks,
    AsyncTokens,
    AsyncWaiting,
):
    """A Jobyard server, by its address and token, or by its name in ~/.config/jobyard/config.toml.

        async with AsyncClient() as client:
            data = await client.import_pictures("pets", "photos/")
            await data.wait()
            training = await client.train(data.result["dataset"], epochs=10)
            await training.wait()
            prediction = await client.predict(training.result["model"], ["rex.jpg"])
            await prediction.wait()
            prediction.result["predictions"]

    Without an address and a token, the `profile` has them, else JOBYARD_URL and JOBYARD_TOKEN, else the
    default profile, else the server of this machine; a ConfigError says what is missing.

    For `timeout` seconds the server may be silent before an answer, and within one; what is known to take
    longer, such as a `wait` or a file that it first has to write, has that time in addition.

    Every method raises a JobyardClientError whose message says what is wrong: ConnectionFailed if the server
    can't be reached, Refused for a wrong token, BadRequest for a wrong value, NotFound, Conflict or
    ServerError. The message is one line; that of a BadRequest begins with the argument that is wrong, as in
    `epochs: should be …`. What an object that is given raises itself, as where it is iterated over or asked
    for its path, may pass through.

    While the server can't be reached, requests are repeated for 2 seconds, or for 30 if it has answered
    before. So are those whose answer is lost, or 502 or 503 (for 2 minutes where it is busy with others'
    scored files), except what should not be done twice: deletions and cancellations, say. Jobs are sent with
    an Idempotency-Key, so that none is made twice.

    JSON is returned as it is in the API: the field names in braces are its keys, and times are texts in RFC
    3339.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        profile: str | None = None,
        timeout: float = 60.0,
    ) -> None:
        if url is not None:
            server_addresses.check(url)  # else a mistyped address is said to lack a token
        server = servers.find(url, token, profile)
        self._transport = AsyncTransport(server.url, server.token, timeout)
        self.url = self._transport.url

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the connections. Leaving the `with` block does this."""
        await self._transport.aclose()
